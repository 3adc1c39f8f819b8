import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestClock } from '../test-clock.ts';
import { TestDisk } from '../test-disk.ts';
import { NEEDS_RESET, TestDriver } from './test-driver.ts';
import { VirtioBlock } from './virtio-block.ts';

const [IN, OUT, FLUSH, GET_ID, DISCARD] = [0, 1, 4, 8, 11] as const;
const [OK, IOERR, UNSUPP] = [0, 1, 2] as const;
const SECTORS = 8192;
const READ_ONLY = 1n << 5n;

class Bench {
  readonly clock = new TestClock();
  readonly disk: TestDisk;
  readonly device: VirtioBlock;
  readonly driver: TestDriver;

  constructor(readOnly = false) {
    this.disk = new TestDisk(
      this.clock,
      new Uint8Array(SECTORS * 512).map((_, i) => i >> 9),
    );
    this.disk.readOnly = readOnly;
    this.device = new VirtioBlock(this.disk, 'SERIAL');
    this.driver = new TestDriver(this.device);
    this.driver.start();
  }

  get queue() {
    const [queue] = this.driver.queues;
    assert.ok(queue);
    return queue;
  }

  header(type: number, sector: number) {
    const header = new DataView(new ArrayBuffer(16));
    header.setUint32(0, type, true);
    header.setBigUint64(8, BigInt(sector), true);
    return this.driver.buffer(new Uint8Array(header.buffer));
  }

  /** A request and its answer: status, and what was written besides. */
  request(type: number, sector: number, out: readonly Uint8Array[], room = 0) {
    const data = this.driver.buffer(room);
    const status = this.driver.buffer(Uint8Array.of(0xee));
    const readable = [this.header(type, sector), ...out.map((bytes) => this.driver.buffer(bytes))];
    this.queue.put(readable, room > 0 ? [data, status] : [status]);
    this.queue.notify();
    this.clock.advance(1e6);
    const [completed] = this.queue.completed();
    return { status: this.driver.bytes(status)[0], data: this.driver.bytes(data), written: completed?.written };
  }
}

describe('a virtio disk', () => {
  it('says how large it is, and who', () => {
    const it_ = new Bench();
    assert.equal(it_.driver.read(0x2000, 4), SECTORS);
    const { status, data } = it_.request(GET_ID, 0, [], 20);
    assert.deepEqual([status, new TextDecoder().decode(data)], [OK, 'SERIAL'.padEnd(20, '\0')]);
    assert.equal(it_.request(GET_ID, 0, [], 3).status, OK);
  });

  it('is read and written, buffers of any sizes together', () => {
    const it_ = new Bench();
    const read = it_.request(IN, 5, [], 1024);
    assert.deepEqual([read.status, read.written, read.data[0], read.data[1023]], [OK, 1025, 5, 6]);
    const bytes = new Uint8Array(1024).fill(0x77);
    const write = it_.request(OUT, 7, [bytes.subarray(0, 100), bytes.subarray(100)]);
    assert.deepEqual([write.status, write.written], [OK, 1]);
    assert.deepEqual([...it_.disk.bytes.subarray(7 * 512, 9 * 512)], [...bytes]);
    assert.equal(it_.request(FLUSH, 0, []).status, OK);
    assert.equal(it_.disk.requests.at(-1), 'flush');
  });

  it('takes long requests to the host in pieces', () => {
    const it_ = new Bench();
    const bytes = { address: 0, length: 0x8_0000 };
    const status = it_.driver.buffer(1);
    it_.queue.put([it_.header(OUT, 0), bytes, bytes, bytes, bytes, bytes], [status]);
    it_.queue.notify();
    it_.clock.advance(1e6);
    assert.equal(it_.driver.bytes(status)[0], OK);
    assert.deepEqual(it_.disk.requests, ['write 0+1048576', 'write 1048576+1048576', 'write 2097152+524288']);
  });

  it('refuses what is beyond its end, no whole sectors, or nothing it knows', () => {
    const it_ = new Bench();
    assert.equal(it_.request(IN, SECTORS, [], 512).status, IOERR);
    assert.equal(it_.request(IN, SECTORS - 1, [], 1024).status, IOERR);
    assert.equal(it_.request(IN, 2 ** 52, [], 512).status, IOERR);
    assert.equal(it_.request(IN, 0, [], 511).status, IOERR);
    assert.equal(it_.request(OUT, 0, []).status, IOERR);
    assert.equal(it_.request(DISCARD, 0, []).status, UNSUPP);
    assert.deepEqual(it_.disk.requests, []);
    it_.disk.problem = 'io';
    assert.equal(it_.request(IN, 0, [], 512).status, IOERR);
    assert.equal(it_.request(FLUSH, 0, []).status, IOERR);
    assert.equal(it_.driver.status & NEEDS_RESET, 0);
  });

  it('that is read-only says so, and refuses writes', () => {
    const it_ = new Bench(true);
    assert.equal(it_.device.features & READ_ONLY, READ_ONLY);
    assert.equal(it_.request(OUT, 0, [new Uint8Array(512)]).status, IOERR);
  });

  it('needs a reset after a request without a header, or without room for its status', () => {
    for (const spoil of [
      (it_: Bench) => it_.queue.put([it_.driver.buffer(15)], [it_.driver.buffer(1)]),
      (it_: Bench) => it_.queue.put([it_.header(FLUSH, 0)]),
    ]) {
      const it_ = new Bench();
      spoil(it_);
      it_.queue.notify();
      assert.equal(it_.driver.status & NEEDS_RESET, NEEDS_RESET);
    }
  });

  it('forgets its requests with a reset, and asks again for them after a restore', () => {
    const it_ = new Bench();
    const room = it_.driver.buffer(512);
    it_.queue.put([it_.header(IN, 9)], [room, it_.driver.buffer(1)]);
    it_.queue.notify();
    const other = new Bench();
    other.driver.memory.write(0, it_.driver.memory.bytes);
    other.driver.transport.restore(it_.driver.transport.save());
    other.driver.transport.resume();
    other.clock.advance(1e6);
    assert.equal(other.driver.bytes(room)[0], 9);
    it_.driver.write(0x14, 0, 1);
    it_.clock.advance(1e6);
    assert.equal(it_.driver.bytes(room)[0], 0);
    assert.deepEqual(it_.queue.completed(), []);
  });
});
