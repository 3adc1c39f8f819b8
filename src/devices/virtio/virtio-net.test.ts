import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ipv4Headers, isIpv4ChecksumGood, isTransportChecksumGood } from '../nic/offload.ts';
import { frameTo, MAC, patched, TCP_FRAME, UDP_FRAME } from '../nic/test-nic.ts';
import { TestClock } from '../test-clock.ts';
import { NEEDS_RESET, TestDriver } from './test-driver.ts';
import { VirtioNet } from './virtio-net.ts';

const [RECEIVE, SEND] = [0, 1] as const;
const HEADER_BYTES = 12;
const NEEDS_CSUM = 1;
const TCPV4 = 1;
const TRANSPORT_AT = 34;

interface Header {
  readonly flags?: number;
  readonly kind?: number;
  readonly segment?: number;
  readonly start?: number;
  readonly at?: number;
}

class Bench {
  readonly sent: Uint8Array[] = [];
  wakes = 0;
  readonly clock = new TestClock();
  readonly device = new VirtioNet({
    mac: MAC,
    clock: this.clock,
    network: { send: (frame) => this.sent.push(frame) },
    wake: () => this.wakes++,
  });
  readonly driver = new TestDriver(this.device);

  constructor() {
    this.driver.start();
  }

  queue(index: number) {
    const queue = this.driver.queues[index];
    assert.ok(queue);
    return queue;
  }

  send(frame: Uint8Array, { flags = 0, kind = 0, segment = 0, start = 0, at = 0 }: Header = {}): Uint8Array[] {
    const packet = new Uint8Array(HEADER_BYTES + frame.length);
    const view = new DataView(packet.buffer);
    view.setUint8(0, flags);
    view.setUint8(1, kind);
    view.setUint16(4, segment, true);
    view.setUint16(6, start, true);
    view.setUint16(8, at, true);
    packet.set(frame, HEADER_BYTES);
    this.queue(SEND).put([this.driver.buffer(packet.subarray(0, 12)), this.driver.buffer(packet.subarray(12))]);
    this.queue(SEND).notify();
    assert.equal(this.queue(SEND).completed().length, 1);
    return this.sent.splice(0);
  }

  room(bytes = 1600) {
    const buffer = this.driver.buffer(bytes);
    this.queue(RECEIVE).put([], [buffer]);
    this.queue(RECEIVE).notify();
    return buffer;
  }
}

describe('a virtio network card', () => {
  it('has its address and its link in its configuration', () => {
    const { driver } = new Bench();
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((i) => driver.read(0x2000 + i, 1)),
      [...MAC],
    );
    assert.equal(driver.read(0x2006, 2), 1);
  });

  it('has no link where there is no network, and a restored driver hears of one', () => {
    const bench = (isConnected: boolean) => {
      const network = { isConnected, send() {} };
      const device = new VirtioNet({ mac: MAC, clock: new TestClock(), network, wake() {} });
      return { device, driver: new TestDriver(device) };
    };
    const before = bench(false);
    before.driver.start();
    assert.equal(before.driver.read(0x2006, 2), 0);
    const saved = [before.device.save(), before.driver.transport.save()];
    for (const isConnected of [true, false]) {
      const { device, driver } = bench(isConnected);
      device.restore(saved[0]);
      driver.transport.restore(saved[1]);
      const generation = driver.read(0x15, 1);
      driver.transport.resume();
      assert.equal(driver.read(0x2006, 2), isConnected ? 1 : 0);
      assert.equal(driver.read(0x15, 1), isConnected ? generation + 1 : generation);
    }
  });

  it('passes frames on', () => {
    const it_ = new Bench();
    const frame = frameTo(MAC, 300);
    assert.deepEqual(it_.send(frame), [frame]);
    const room = it_.room();
    assert.equal(it_.device.receive(frame), true);
    const bytes = it_.driver.bytes(room);
    assert.deepEqual([...bytes.subarray(0, HEADER_BYTES)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert.deepEqual(bytes.subarray(HEADER_BYTES, HEADER_BYTES + 300), frame);
    assert.deepEqual(it_.queue(RECEIVE).completed()[0]?.written, HEADER_BYTES + 300);
    assert.equal(it_.wakes, 1);
  });

  it('refuses a frame that there is no room for, and says when there is', () => {
    const it_ = new Bench();
    let ready = 0;
    it_.device.onReady = () => ready++;
    assert.equal(it_.device.canReceive, false);
    assert.equal(it_.device.receive(frameTo(MAC)), false);
    it_.room();
    assert.deepEqual([ready, it_.device.canReceive], [1, true]);
    assert.equal(it_.device.receive(frameTo(MAC)), true);
  });

  it('counts frames as taken while nobody drives it', () => {
    const it_ = new Bench();
    it_.driver.write(0x14, 0, 1);
    assert.equal(it_.device.receive(frameTo(MAC)), true);
  });

  it('fills in checksums where it is asked to', () => {
    const it_ = new Bench();
    const headers = ipv4Headers(UDP_FRAME);
    assert.ok(headers);
    const pseudo = 0x0a00 + 0x020f + 0x0a00 + 0x0202 + 17 + (headers.end - TRANSPORT_AT);
    const partial = patched(UDP_FRAME, TRANSPORT_AT + 6, pseudo >> 8, pseudo & 0xff);
    const [frame] = it_.send(partial, { flags: NEEDS_CSUM, start: TRANSPORT_AT, at: 6 });
    assert.ok(frame);
    assert.ok(isTransportChecksumGood(frame, headers));
  });

  it('cuts TCP into segments, each with checksums of its own', () => {
    const it_ = new Bench();
    const packet = new Uint8Array(54 + 3000).map((_, i) => i);
    packet.set(TCP_FRAME.subarray(0, 54));
    const header = { flags: NEEDS_CSUM, kind: TCPV4, segment: 1460, start: TRANSPORT_AT, at: 16 };
    const frames = it_.send(packet, header);
    assert.deepEqual(
      frames.map(({ length }) => length),
      [1514, 1514, 54 + 80],
    );
    for (const frame of frames) {
      const headers = ipv4Headers(frame);
      assert.ok(headers && isIpv4ChecksumGood(frame, headers) && isTransportChecksumGood(frame, headers));
    }
    const data = frames.flatMap((frame) => [...frame.subarray(54)]);
    assert.deepEqual(data, [...packet.subarray(54)]);
  });

  it('sends a thousand segments while the guest waits, and the rest by and by, also after a restore', () => {
    const it_ = new Bench();
    const packet = new Uint8Array(54 + 40_000);
    packet.set(TCP_FRAME.subarray(0, 54));
    const bytes = new Uint8Array(HEADER_BYTES + packet.length);
    bytes.set([NEEDS_CSUM, TCPV4, 0, 0, 40, 0, TRANSPORT_AT, 0, 16, 0]);
    bytes.set(packet, HEADER_BYTES);
    const buffer = it_.driver.buffer(bytes);
    for (let i = 0; i < 4; i++) it_.queue(SEND).put([buffer]);
    it_.queue(SEND).notify();
    assert.deepEqual([it_.sent.length, it_.queue(SEND).completed().length], [2000, 2]);
    it_.queue(SEND).notify();
    assert.equal(it_.sent.length, 2000);
    const other = new Bench();
    other.driver.memory.write(0, it_.driver.memory.bytes);
    other.device.restore(it_.device.save());
    other.driver.transport.restore(it_.driver.transport.save());
    other.driver.transport.resume();
    assert.equal(other.sent.length, 0);
    for (const one of [it_, other]) {
      one.clock.advance(1e6);
      assert.equal(one.queue(SEND).completed().length > 0, true);
    }
    assert.deepEqual([it_.sent.length, other.sent.length], [4000, 2000]);
  });

  it('loses what makes no sense as a frame, and goes on', () => {
    const it_ = new Bench();
    assert.deepEqual(it_.send(new Uint8Array(1600)), []);
    assert.deepEqual(it_.send(new Uint8Array(5)), []);
    assert.deepEqual(it_.send(frameTo(MAC), { kind: 3 }), []);
    for (const segment of [0, 1, 15, 1600, 65535]) {
      assert.deepEqual(it_.send(TCP_FRAME, { flags: NEEDS_CSUM, kind: TCPV4, segment, start: TRANSPORT_AT }), []);
    }
    for (const start of [0, 13, 14, 60, 65535]) {
      it_.send(TCP_FRAME, { flags: NEEDS_CSUM, kind: TCPV4, segment: 100, start });
      it_.send(TCP_FRAME, { flags: NEEDS_CSUM, start, at: 65535 });
    }
    it_.queue(SEND).put([it_.driver.buffer(12)]);
    it_.queue(SEND).notify();
    assert.equal(it_.queue(SEND).completed().length, 1);
    assert.equal(it_.driver.status & NEEDS_RESET, 0);
    assert.equal(it_.send(frameTo(MAC)).length, 1);
  });

  it('needs a reset where a driver has given too little room for a frame', () => {
    const it_ = new Bench();
    it_.room(20);
    assert.equal(it_.device.receive(frameTo(MAC)), true);
    assert.equal(it_.driver.status & NEEDS_RESET, NEEDS_RESET);
  });
});
