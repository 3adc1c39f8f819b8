import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StateError } from '../../base/state.ts';
import { NEEDS_RESET, STARTED, TestDriver } from './test-driver.ts';
import { VirtioRng } from './virtio-rng.ts';

const VENDOR_SPECIFIC = 9;

function bench() {
  const device = new VirtioRng({ random: (count) => new Uint8Array(count).fill(0x55) });
  return new TestDriver(device);
}

/** Has the device answer one request. */
function ask(driver: TestDriver, bytes = 8): Uint8Array {
  const buffer = driver.buffer(bytes);
  const [queue] = driver.queues;
  queue.put([], [buffer]);
  queue.notify();
  return driver.bytes(buffer);
}

function capabilities(driver: TestDriver): number[] {
  const { config } = driver.transport;
  const found: number[] = [];
  for (let at = config.byte(0x34); at !== 0; at = config.byte(at + 1)) found.push(at);
  return found;
}

describe('virtio over PCI', () => {
  it('has the structures of a modern device among its capabilities, and MSI-X', () => {
    const driver = bench();
    const { config } = driver.transport;
    assert.equal(config.read(0, 4), 0x1044_1af4);
    assert.equal(config.read(0x06, 2) & 0x10, 0x10);
    const found = capabilities(driver);
    assert.deepEqual(
      found.map((at) => config.byte(at)),
      [9, 9, 9, 9, 9, 0x11],
    );
    const types = found.filter((at) => config.byte(at) === VENDOR_SPECIFIC).map((at) => config.byte(at + 3));
    assert.deepEqual(types.sort(), [1, 2, 3, 4, 5]);
    assert.equal(config.read((found[5] as number) + 2, 2), 1);
  });

  it('serves nothing before the driver is ready, and everything then', () => {
    const driver = bench();
    driver.start(0n, () => assert.deepEqual([...ask(driver)], new Array(8).fill(0)));
    assert.equal(driver.status, STARTED);
    assert.equal(driver.queues[0]?.completed().length, 1);
    assert.deepEqual([...ask(driver)], new Array(8).fill(0x55));
  });

  it('refuses features that it has not offered, and drivers of old', () => {
    const driver = bench();
    for (const [low, high] of [
      [2, 1],
      [0, 0],
    ] as const) {
      driver.write(0x14, 0, 1);
      driver.write(0x14, 3, 1);
      driver.write(0x08, 0, 4);
      driver.write(0x0c, low, 4);
      driver.write(0x08, 1, 4);
      driver.write(0x0c, high, 4);
      driver.write(0x14, 11, 1);
      assert.equal(driver.status, 3);
      driver.write(0x14, 15, 1);
      assert.equal(driver.status, 3);
    }
  });

  it('interrupts by its line, until the driver has read why', () => {
    const driver = bench();
    driver.start();
    ask(driver);
    assert.equal(driver.line.level, true);
    assert.equal(driver.read(0x1000, 1), 1);
    assert.equal(driver.line.level, false);
    assert.equal(driver.read(0x1000, 1), 0);
    ask(driver);
    driver.transport.config.write(0x04, 0x406, 2);
    assert.equal(driver.line.level, false);
  });

  it('interrupts by messages, which wait while they are masked', () => {
    const driver = bench();
    driver.start();
    driver.useMessages();
    ask(driver);
    assert.deepEqual(driver.messages, [1]);
    driver.write(0x4000 + 16 + 12, 1, 4);
    ask(driver);
    ask(driver);
    assert.deepEqual(driver.messages, [1]);
    assert.equal(driver.read(0x5000, 4), 2);
    driver.write(0x4000 + 16 + 12, 0, 4);
    assert.deepEqual(driver.messages, [1, 1]);
    assert.equal(driver.read(0x5000, 4), 0);
    driver.maskMessages(true);
    ask(driver);
    assert.deepEqual(driver.messages, [1, 1]);
    driver.maskMessages(false);
    assert.deepEqual(driver.messages, [1, 1, 1]);
    assert.equal(driver.line.edges, 0);
  });

  it('sends no message to what is no local APIC', () => {
    const driver = bench();
    driver.start();
    driver.useMessages();
    driver.write(0x4000 + 16, 0x1000, 4);
    ask(driver);
    assert.deepEqual(driver.messages, []);
  });

  it('tells a driver that has spoiled a queue, once, and serves nothing until its reset', () => {
    const driver = bench();
    driver.start();
    driver.useMessages();
    driver.write(0x10, 0, 2);
    driver.queues[0]?.offer(99);
    driver.queues[0]?.notify();
    driver.queues[0]?.notify();
    assert.equal(driver.status & NEEDS_RESET, NEEDS_RESET);
    assert.deepEqual(driver.messages, [0]);
    assert.deepEqual([...ask(driver)], new Array(8).fill(0));
    driver.start();
    assert.deepEqual([...ask(driver)], new Array(8).fill(0x55));
  });

  it('leaves memory alone while it is no bus master', () => {
    const driver = bench();
    driver.start();
    driver.transport.config.write(0x04, 2, 2);
    assert.deepEqual([...ask(driver)], new Array(8).fill(0));
    assert.equal(driver.status, STARTED);
  });

  it('is reached through configuration space as well', () => {
    const driver = bench();
    const { config } = driver.transport;
    const window = capabilities(driver).find((at) => config.byte(at + 3) === 5) as number;
    config.write(window + 8, 0x14, 4);
    config.write(window + 12, 1, 4);
    config.write(window + 16, 3, 1);
    assert.equal(driver.status, 3);
    assert.equal(config.read(window + 16, 1), 3);
    for (const [offset, length] of [
      [0x8000, 1],
      [0xffff_ffff, 4],
      [0x15, 4],
      [0, 3],
    ] as const) {
      config.write(window + 8, offset, 4);
      config.write(window + 12, length, 4);
      config.write(window + 16, 0, 4);
      config.read(window + 16, 4);
    }
    assert.equal(driver.status, 3);
  });

  it('keeps what the driver has set up when it is ready', () => {
    const driver = bench();
    driver.start();
    const before = [0x18, 0x1c, 0x20, 0x28, 0x30].map((at) => driver.read(at, 4));
    for (const at of [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34]) driver.write(at, 0xdead_bee0, 4);
    driver.write(0x18, 2, 2);
    driver.write(0x1c, 0, 2);
    assert.deepEqual(
      [0x18, 0x1c, 0x20, 0x28, 0x30].map((at) => driver.read(at, 4)),
      before,
    );
  });

  it('goes on after a restore where it was, with the same bytes when saved again', () => {
    const driver = bench();
    driver.start();
    driver.useMessages();
    ask(driver);
    const other = bench();
    other.memory.write(0, driver.memory.bytes);
    other.transport.config.restore(driver.transport.config.save());
    other.transport.restore(driver.transport.save());
    other.transport.resume();
    assert.deepEqual(other.transport.save(), driver.transport.save());
    assert.deepEqual(other.messages, []);
    other.queues[0]?.put([], [{ address: 0x9_0000, length: 4 }]);
    other.queues[0]?.offer(0);
    other.queues[0]?.notify();
    assert.ok(other.messages.length > 0);
  });

  it('bears or refuses any saved state', () => {
    const driver = bench();
    driver.start();
    ask(driver);
    const saved = driver.transport.save();
    let x = 1;
    const random = (below: number): number => {
      x = (Math.imul(x, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return x % below;
    };
    let borne = 0;
    for (let i = 0; i < 3000; i++) {
      const damaged = saved.slice();
      for (let flips = random(6); flips >= 0; flips--) damaged[random(damaged.length)] = random(256);
      const other = bench();
      other.transport.config.write(0x04, 6, 2);
      try {
        other.transport.restore(damaged);
      } catch (error) {
        assert.ok(error instanceof StateError, String(error));
        continue;
      }
      borne++;
      other.transport.resume();
      ask(other);
      other.transport.restore(other.transport.save());
    }
    assert.ok(borne > 0);
  });

  it('stands random accesses of any width anywhere in its registers', () => {
    const driver = bench();
    driver.start();
    driver.useMessages();
    let x = 7;
    const random = (below: number): number => {
      x = (Math.imul(x, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (x >>> 8) % below;
    };
    for (let i = 0; i < 200_000; i++) {
      const offset = random(2) ? random(0x40) : random(0x8000);
      const size = ([1, 2, 4] as const)[random(3)] as 1 | 2 | 4;
      if (random(2)) driver.write(offset, random(3) ? random(256) : random(2 ** 23) * 512, size);
      else {
        const value = driver.read(offset, size);
        assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size), `read ${value}`);
      }
      if (i % 500 === 0) driver.start();
    }
  });
});
