import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilePort } from '../../base/file-server.ts';
import { TestDriver } from './test-driver.ts';
import { LARGEST_MESSAGE_BYTES, Virtio9p } from './virtio-9p.ts';

class Port implements FilePort {
  readonly asked: { message: Uint8Array; room: number; done: (answer: Uint8Array) => void }[] = [];
  readonly log: string[] = [];
  saved = Uint8Array.of(7);

  request(message: Uint8Array, room: number, done: (answer: Uint8Array) => void): void {
    this.asked.push({ message, room, done });
  }

  reset(): void {
    this.log.push('reset');
  }

  abandon(): void {
    this.log.push('abandon');
  }

  save(): Uint8Array {
    return this.saved;
  }

  restore(saved: Uint8Array): void {
    this.saved = saved.slice();
  }
}

function bench() {
  const port = new Port();
  const device = new Virtio9p('my share', port);
  const driver = new TestDriver(device);
  driver.start(1n);
  return { port, device, driver, queue: driver.queues[0]! };
}

test('has the name by which it is mounted', () => {
  const { driver } = bench();
  assert.equal(driver.read(0x2000, 2), 8);
  const name = Array.from({ length: 8 }, (_, i) => String.fromCharCode(driver.read(0x2002 + i, 1))).join('');
  assert.equal(name, 'my share');
  assert.equal(driver.read(0x200a, 4), 0);
  assert.throws(() => new Virtio9p('', new Port()), RangeError);
  assert.throws(() => new Virtio9p('x'.repeat(256), new Port()), RangeError);
});

test('messages are gathered, answers scattered, in whatever order they come', () => {
  const { port, driver, queue } = bench();
  const room = [driver.buffer(2), driver.buffer(10)];
  const first = queue.put([driver.buffer(Uint8Array.of(1, 2)), driver.buffer(Uint8Array.of(3))], room);
  const second = queue.put([driver.buffer(Uint8Array.of(4))], [driver.buffer(4)]);
  queue.notify();
  assert.deepEqual(
    port.asked.map(({ message, room: bytes }) => [[...message], bytes]),
    [
      [[1, 2, 3], 12],
      [[4], 4],
    ],
  );
  port.asked[1]!.done(Uint8Array.of(9));
  port.asked[0]!.done(Uint8Array.of(5, 6, 7));
  assert.deepEqual(queue.completed(), [
    { head: second, written: 1 },
    { head: first, written: 3 },
  ]);
  assert.deepEqual([...driver.bytes(room[0]!), ...driver.bytes(room[1]!).subarray(0, 1)], [5, 6, 7]);
});

test('the server has a few requests at a time; the others wait in the queue', () => {
  const { port, driver, queue } = bench();
  const buffer = driver.buffer(Uint8Array.of(1));
  for (let i = 0; i < 40; i++) queue.put([buffer], [buffer]);
  queue.notify();
  const atOnce = port.asked.length;
  assert.ok(atOnce < 40);
  for (let i = 0; i < 40; i++) port.asked[i]!.done(new Uint8Array(0));
  assert.equal(queue.completed().length, 40);
});

test('neither messages nor room are longer than what a server is asked for', () => {
  const { port, driver, queue } = bench();
  const long = { address: 0x8_0000, length: 0x8_0000 };
  queue.put([long, long, long], [long, long, long]);
  queue.notify();
  assert.equal(port.asked[0]!.message.length, LARGEST_MESSAGE_BYTES);
  assert.equal(port.asked[0]!.room, LARGEST_MESSAGE_BYTES);
  assert.equal(driver.status, 15);
});

test('a reset by the driver is one of the session', () => {
  const { port, driver } = bench();
  port.log.length = 0;
  driver.write(0x14, 0, 1);
  assert.deepEqual(port.log, ['reset']);
});

test("the server's state is saved with the device's", () => {
  const { device, port } = bench();
  port.saved = Uint8Array.of(1, 2, 3);
  const other = bench();
  other.device.restore(device.save());
  assert.deepEqual(other.port.saved, Uint8Array.of(1, 2, 3));
});
