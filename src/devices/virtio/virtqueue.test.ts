import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineState } from '../../base/state.ts';
import { Device } from '../device.ts';
import { EVENT_INDEX, INDIRECT, INDIRECT_TABLE, NEEDS_RESET, NEXT, TestDriver, WRITE } from './test-driver.ts';
import type { VirtioDevice } from './virtio-device.ts';
import type { VirtioChain, Virtqueue } from './virtqueue.ts';

const SIZE = 16;
const FAR = 2 ** 40;

/** Keeps what it takes until a test has it completed. */
class Keeper extends Device<object> implements VirtioDevice {
  readonly deviceId = 60;
  readonly features = 1n;
  readonly queueSizes = [SIZE];
  readonly classCode = 0xff_00_00;
  queue: Virtqueue | undefined;
  readonly taken: VirtioChain[] = [];

  constructor() {
    super(defineState('keeper', 1, {}));
  }

  readConfig(): number {
    return 0;
  }

  writeConfig(): void {}

  started(_features: bigint, [queue]: readonly Virtqueue[]): void {
    this.queue = queue;
    this.taken.length = 0;
  }

  notified(): void {
    for (let chain = this.queue?.take(); chain; chain = this.queue?.take()) this.taken.push(chain);
  }

  override reset(): void {
    super.reset();
    this.queue = undefined;
  }
}

function bench(features = 0n) {
  const device = new Keeper();
  const driver = new TestDriver(device);
  driver.start(features);
  return { device, driver, queue: driver.queues[0], first: () => device.taken[0] as VirtioChain };
}

describe('a chain', () => {
  it('is gathered and scattered over its buffers, from any offset, and no further than its end', () => {
    const { device, driver, queue, first } = bench();
    const [a, b] = [driver.buffer(Uint8Array.of(1, 2, 3)), driver.buffer(Uint8Array.of(4, 5))];
    const [c, d] = [driver.buffer(2), driver.buffer(3)];
    const head = queue.put([a, b], [c, d]);
    queue.notify();
    const chain = first();
    assert.deepEqual([chain.readableBytes, chain.writableBytes], [5, 5]);
    const into = new Uint8Array(8);
    assert.equal(chain.read(1, into), 4);
    assert.deepEqual([...into], [2, 3, 4, 5, 0, 0, 0, 0]);
    assert.equal(chain.read(5, into), 0);
    assert.equal(chain.write(1, Uint8Array.of(6, 7, 8)), 3);
    assert.equal(chain.write(4, Uint8Array.of(9, 10)), 1);
    device.queue?.complete(chain, 5);
    assert.deepEqual([...driver.bytes(c), ...driver.bytes(d)], [0, 6, 7, 8, 9]);
    assert.deepEqual(queue.completed(), [{ head, written: 5 }]);
  });

  it('may be in a table of its own', () => {
    const { driver, queue, first } = bench(INDIRECT);
    const data = driver.buffer(Uint8Array.of(1, 2));
    const room = driver.buffer(3);
    const table = driver.buffer(32);
    queue.describe(table.address, 0, { ...data, flags: NEXT, next: 1 });
    queue.describe(table.address, 1, { ...room, flags: WRITE });
    queue.put([{ ...table, flags: INDIRECT_TABLE }]);
    queue.notify();
    assert.deepEqual([first().readableBytes, first().writableBytes], [2, 3]);
    assert.equal(driver.status & NEEDS_RESET, 0);
  });

  it('is completed once, in any order, and only while its queue is there', () => {
    const { device, driver, queue } = bench();
    const heads = [1, 2, 3].map((length) => queue.put([driver.buffer(length)]));
    queue.notify();
    const [one, two, three] = device.taken as [VirtioChain, VirtioChain, VirtioChain];
    const old = device.queue;
    device.queue?.complete(two, 0);
    device.queue?.complete(two, 0);
    device.queue?.complete(one, 0);
    assert.deepEqual(
      queue.completed().map(({ head }) => head),
      [heads[1], heads[0]],
    );
    driver.write(0x14, 0, 1);
    old?.complete(three, 0);
    assert.equal(three.read(0, new Uint8Array(1)), 0);
    assert.deepEqual(queue.completed(), []);
  });

  it('runs around the end of the rings, many times', () => {
    const { device, driver, queue } = bench();
    const buffer = driver.buffer(1);
    for (let i = 0; i < 70_000; i++) {
      const head = queue.put([buffer]);
      queue.notify();
      device.queue?.complete(device.taken.pop() as VirtioChain, i);
      assert.deepEqual(queue.completed(), [{ head, written: i }]);
    }
  });
});

describe('what makes no sense in a queue needs a reset, and nothing more', () => {
  type Spoil = (bench_: ReturnType<typeof bench>) => void;
  const spoiled: Record<string, Spoil> = {
    'a loop': ({ driver, queue }) => {
      const buffer = driver.buffer(1);
      queue.describe(queue.descriptors, 0, { ...buffer, flags: NEXT, next: 1 });
      queue.describe(queue.descriptors, 1, { ...buffer, flags: NEXT, next: 0 });
      queue.offer(0);
    },
    'a head that is none': ({ queue }) => queue.offer(SIZE),
    'a descriptor that leads out of the table': ({ driver, queue }) => {
      queue.describe(queue.descriptors, 0, { ...driver.buffer(1), flags: NEXT, next: 0x7fff });
      queue.offer(0);
    },
    'a length of zero': ({ queue }) => queue.put([{ address: 0x1000, length: 0 }]),
    'more than 4 GiB': ({ queue }) => {
      queue.put([
        { address: 0, length: 0xffff_ffff },
        { address: 0, length: 0xffff_ffff },
      ]);
    },
    'what the device reads behind what it writes': ({ driver, queue }) => {
      queue.describe(queue.descriptors, 0, { ...driver.buffer(1), flags: WRITE | NEXT, next: 1 });
      queue.describe(queue.descriptors, 1, driver.buffer(1));
      queue.offer(0);
    },
    'more on the ring than it has places': ({ driver, queue }) => {
      driver.memory.view.setUint16(queue.available + 2, SIZE + 1, true);
    },
    'a table that holds no whole descriptors': ({ driver, queue }) =>
      queue.put([{ ...driver.buffer(24), flags: INDIRECT_TABLE }]),
    'a table in a table': ({ driver, queue }) => {
      const table = driver.buffer(16);
      queue.describe(table.address, 0, { address: table.address, length: 16, flags: INDIRECT_TABLE });
      queue.put([{ ...table, flags: INDIRECT_TABLE }]);
    },
    'a table where no memory is': ({ queue }) => queue.put([{ address: FAR, length: 16, flags: INDIRECT_TABLE }]),
    'a table, and more behind it': ({ driver, queue }) => {
      queue.put([{ ...driver.buffer(16), flags: INDIRECT_TABLE }, driver.buffer(1)]);
    },
    'the same heads again and again': ({ driver, queue, device }) => {
      queue.put([driver.buffer(1)]);
      for (let i = 0; i < SIZE; i++) {
        queue.offer(0);
        device.notified();
      }
    },
  };
  for (const [name, spoil] of Object.entries(spoiled)) {
    it(name, () => {
      const it_ = bench(INDIRECT);
      spoil(it_);
      it_.queue.notify();
      assert.equal(it_.driver.status & NEEDS_RESET, NEEDS_RESET);
      it_.driver.start();
      assert.equal(it_.driver.status & NEEDS_RESET, 0);
    });
  }

  it('a table, where none was agreed on', () => {
    const { driver, queue } = bench();
    queue.put([{ ...driver.buffer(16), flags: INDIRECT_TABLE }]);
    queue.notify();
    assert.equal(driver.status & NEEDS_RESET, NEEDS_RESET);
  });

  it('a buffer where no memory is, when it comes to it', () => {
    const { driver, queue, first } = bench();
    queue.put([driver.buffer(4), { address: FAR, length: 4 }], [{ address: 0xffff_fff0, length: 64 }]);
    queue.notify();
    assert.equal(driver.status & NEEDS_RESET, 0);
    assert.equal(first().read(0, new Uint8Array(8)), 4);
    assert.equal(driver.status & NEEDS_RESET, NEEDS_RESET);
    assert.equal(first().write(0, new Uint8Array(8)), 0);
  });

  const setUps: Record<string, readonly [number, number, 2 | 4]> = {
    'a size that is no power of two': [0x18, 12, 2],
    'no size at all': [0x18, 0, 2],
    'descriptors where no memory is': [0x24, 1, 4],
    'descriptors at an odd address': [0x20, 0x1008, 4],
    'an available ring where no memory is': [0x28, 0x10_0000, 4],
    'a used ring that memory ends in': [0x30, 0xf_fff0, 4],
  };
  for (const [name, [register, value, size]] of Object.entries(setUps)) {
    it(name, () => {
      const { driver, queue } = bench();
      driver.write(0x14, 0, 1);
      driver.write(0x14, 3, 1);
      driver.write(0x08, 1, 4);
      driver.write(0x0c, 1, 4);
      driver.write(0x14, 11, 1);
      for (const [at, address] of [
        [0x20, queue.descriptors],
        [0x28, queue.available],
        [0x30, queue.used],
      ] as const) {
        driver.write(at, address, 4);
      }
      driver.write(register, value, size);
      driver.write(0x1c, 1, 2);
      assert.equal(driver.status & NEEDS_RESET, 0);
      driver.write(0x14, 15, 1);
      assert.equal(driver.status & NEEDS_RESET, NEEDS_RESET);
      queue.offer(0);
      queue.notify();
    });
  }
});

describe('interrupts', () => {
  it('are left out where the driver says so', () => {
    const { device, driver, queue } = bench();
    driver.useMessages();
    driver.memory.view.setUint16(queue.available, 1, true);
    queue.put([driver.buffer(1)]);
    queue.notify();
    device.queue?.complete(device.taken[0] as VirtioChain, 0);
    assert.deepEqual(driver.messages, []);
  });

  it('come at the index that the driver names', () => {
    const { device, driver, queue } = bench(EVENT_INDEX);
    driver.useMessages();
    for (let i = 0; i < 4; i++) queue.put([driver.buffer(1)]);
    driver.memory.view.setUint16(queue.available + 4 + 2 * SIZE, 2, true);
    queue.notify();
    const told = device.taken.map((chain) => {
      device.queue?.complete(chain, 0);
      return driver.messages.length;
    });
    assert.deepEqual(told, [0, 0, 1, 1]);
  });

  it('the other way round: the device names the index of what it wants to hear of', () => {
    const { driver, queue } = bench(EVENT_INDEX);
    const event = (): number => driver.memory.view.getUint16(queue.used + 4 + 8 * SIZE, true);
    queue.put([driver.buffer(1)]);
    queue.put([driver.buffer(1)]);
    queue.notify();
    assert.equal(event(), 2);
  });
});

describe('a restored queue', () => {
  it('gives what was not completed again, oldest first, then what is new', () => {
    const { device, driver, queue } = bench();
    for (const length of [1, 2, 3]) queue.put([driver.buffer(length)]);
    queue.notify();
    device.queue?.complete(device.taken[1] as VirtioChain, 0);
    queue.put([driver.buffer(4)]);
    const other = new Keeper();
    const restored = new TestDriver(other);
    restored.memory.write(0, driver.memory.bytes);
    restored.transport.config.restore(driver.transport.config.save());
    restored.transport.restore(driver.transport.save());
    assert.deepEqual(other.taken, []);
    restored.transport.resume();
    assert.deepEqual(
      other.taken.map(({ readableBytes }) => readableBytes),
      [1, 3, 4],
    );
    for (const chain of other.taken) other.queue?.complete(chain, 7);
    assert.equal(restored.queues[0]?.completed().length, 4);
  });
});
