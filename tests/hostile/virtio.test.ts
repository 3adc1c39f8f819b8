/**
 * Virtio devices and a driver that means no good: every register is read and written at random, rings and descriptors are
 * noise, or lead in circles, outside memory, into each other. Whatever comes, nothing throws, each access moves a bounded
 * number of bytes, and after a reset the device works.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ChannelBackend, ChannelPort } from '../../src/base/channel.ts';
import { generator, type Random } from '../../src/base/test-random.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { TestClock } from '../../src/devices/test-clock.ts';
import { EVENT_INDEX, INDIRECT, NEEDS_RESET, STARTED, TestDriver } from '../../src/devices/virtio/test-driver.ts';
import { Virtio9p } from '../../src/devices/virtio/virtio-9p.ts';
import { VirtioBlock } from '../../src/devices/virtio/virtio-block.ts';
import { VirtioConsole } from '../../src/devices/virtio/virtio-console.ts';
import type { VirtioDevice } from '../../src/devices/virtio/virtio-device.ts';
import { VirtioNet } from '../../src/devices/virtio/virtio-net.ts';
import { VirtioRng } from '../../src/devices/virtio/virtio-rng.ts';
import * as p9 from '../../src/files/9p/protocol.ts';
import { Server9p } from '../../src/files/9p/server.ts';
import { message, u16, u32, u64 } from '../../src/files/9p/test-client.ts';
import { MemoryTree } from '../../src/files/memory-tree.ts';
import { BlockQueue } from '../../src/vmm/block-queue.ts';
import { QueuedFilePort } from '../../src/vmm/file-port.ts';
import { nightly } from '../nightly.ts';

const OPERATIONS = nightly ? 1_000_000 : 60_000;
/** Of guest memory, moved by one access to a register. */
const MOST_BYTES_MOVED = 96 * 2 ** 20;
const RAM_BYTES = 0x10_0000;
const BAR_BYTES = 0x8000;
const REGIONS = [0x0000, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000];

interface Specimen {
  readonly device: VirtioDevice;
  /** What a driver of this device would say, now and then. */
  request(random: Random): Uint8Array;
  /** The host's side does something. */
  stir(random: Random): void;
}

interface World {
  readonly clock: TestClock;
  readonly queue: BlockQueue;
}

const noise = (random: Random, most: number): Uint8Array =>
  Uint8Array.from({ length: random(most) }, () => random(256));

class Echo implements ChannelBackend {
  readonly name: string;
  port: ChannelPort | undefined;

  constructor(name: string) {
    this.name = name;
  }

  attach(port: ChannelPort): void {
    this.port = port;
  }

  received(bytes: Uint8Array): void {
    if ((this.port?.pendingBytes ?? 0) < 10_000) this.port?.send(bytes.slice(0, 100));
  }

  opened(): void {}
  drained(): void {}
}

const devices: Record<string, (world: World) => Specimen> = {
  console() {
    const echoes = [new Echo('one'), new Echo('two')];
    return {
      device: new VirtioConsole(echoes, { wake() {} }),
      request: (random) => Uint8Array.of(random(4), 0, 0, 0, random(9), 0, random(2), 0),
      stir: (random) => {
        const { port } = echoes[random(2)] as Echo;
        if (port === undefined) return;
        port.accepting = random(4) > 0;
        if (port.pendingBytes < 10_000) port.send(noise(random, 2000));
      },
    };
  },
  rng() {
    return {
      device: new VirtioRng({ random: (count) => new Uint8Array(count) }),
      request: (random) => noise(random, 20),
      stir: () => {},
    };
  },
  block({ queue }) {
    const disk = new MemoryDisk(new Uint8Array(2 ** 20));
    return {
      device: new VirtioBlock(queue.port(disk), 'serial'),
      request: (random) => {
        const header = new Uint8Array(16);
        const view = new DataView(header.buffer);
        view.setUint32(0, [0, 1, 4, 8, random(20)][random(5)] as number, true);
        view.setUint32(8, random(3) ? random(2100) : random(2 ** 32), true);
        view.setUint32(12, random(9) ? 0 : random(2 ** 32), true);
        return header;
      },
      stir: () => {},
    };
  },
  net({ clock }) {
    const network = { send() {}, attach() {} };
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
    const device = new VirtioNet({ mac, network, clock, wake() {} });
    return {
      device,
      request: (random) => {
        const bytes = Uint8Array.from({ length: 40 + random(1600) }, () => (random(2) ? random(256) : 0));
        bytes[0] = random(3);
        bytes[1] = random(3) ? 1 : random(256);
        bytes.set([0x08, 0x00, 0x45, 0x00], 24);
        bytes[35] = 6;
        return bytes;
      },
      stir: (random) => {
        device.receive(noise(random, 1600));
      },
    };
  },
  '9p'({ queue }) {
    const tree = new MemoryTree({ limitBytes: 4 * 2 ** 20 });
    const fid = (random: Random) => u32(random(6));
    const name = (random: Random): string => ['a', 'b', 'c', '..', '', 'a/b'][random(6)] as string;
    const requests: ((random: Random) => Uint8Array)[] = [
      () => message(p9.VERSION_MESSAGE, 0xffff, u32(65536), p9.VERSION),
      (random) => message(p9.ATTACH, 1, fid(random), u32(p9.NO_FID), '', '', u32(0)),
      (random) => message(p9.WALK, 1, fid(random), fid(random), u16(1), name(random)),
      (random) => message(p9.WALK, 1, fid(random), fid(random), u16(0)),
      (random) => message(p9.LCREATE, 1, fid(random), name(random), u32(2), u32(0o644), u32(0)),
      (random) => message(p9.MKDIR, 1, fid(random), name(random), u32(0o755), u32(0)),
      (random) => message(p9.LOPEN, 1, fid(random), u32(random(4))),
      (random) => message(p9.READ, 1, fid(random), u64(random(2 ** 32)), u32(random(2 ** 32))),
      (random) => message(p9.WRITE, 1, fid(random), u64(random(2 ** 20)), u32(5), noise(random, 8)),
      (random) => message(p9.READDIR, 1, fid(random), u64(random(4)), u32(random(2 ** 32))),
      (random) => message(p9.RENAMEAT, 1, fid(random), name(random), fid(random), name(random)),
      (random) => message(p9.UNLINKAT, 1, fid(random), name(random), u32(random(2) * 0x200)),
      (random) => message(p9.GETATTR, 1, fid(random), u64(0x7ff)),
      (random) => message(p9.CLUNK, 1, fid(random)),
      (random) => noise(random, 64),
    ];
    return {
      device: new Virtio9p('share', new QueuedFilePort(new Server9p(tree), queue)),
      request: (random) => requests[random(requests.length)]!(random),
      stir: () => {},
    };
  },
};

class Bench {
  readonly clock = new TestClock();
  readonly queue = new BlockQueue({
    clock: this.clock,
    deterministic: false,
    submitted() {},
    finished() {},
    nowMs: () => this.clock.now() / 1e6,
  });
  readonly random: Random;
  readonly specimen: Specimen;
  readonly driver: TestDriver;
  moved = 0;

  constructor(make: (world: World) => Specimen, seed: number) {
    this.random = generator(seed);
    this.specimen = make(this);
    this.driver = new TestDriver(this.specimen.device);
    const { memory } = this.driver;
    const { read, write } = memory;
    memory.read = (address, into) => {
      this.moved += into.length;
      return read.call(memory, address, into);
    };
    memory.write = (address, from) => {
      this.moved += from.length;
      return write.call(memory, address, from);
    };
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.random(from.length)] as T;
  }

  /** Counts what one thing that the driver does has the device do. */
  bounded(act: () => void): void {
    this.moved = 0;
    act();
    assert.ok(this.moved <= MOST_BYTES_MOVED, `${this.moved} bytes`);
  }

  // ---- Registers ---------------------------------------------------------------------------------------------------

  register(): void {
    const { random, driver } = this;
    const size = this.#pick([1, 2, 4] as const);
    const near = random(4) ? this.#pick(REGIONS) + random(0x48) : random(BAR_BYTES);
    if (random(2)) {
      const value = driver.read(near, size);
      assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size), `read ${value}`);
    } else {
      driver.write(near, this.#pick([0, 1, 3, 11, 15, 0xffff, 0xffff_ffff, random(256), random(2 ** 32)]), size);
    }
  }

  configuration(): void {
    const { random, driver } = this;
    const { config } = driver.transport;
    const register = random(256);
    const size = this.#pick([1, 2, 4] as const);
    if (register + size > 256) return;
    // The BAR stays where it is, and memory and bus mastership come back: else there would be little to see.
    const isVital = register < 0x14 && register + size > 0x04;
    if (random(2) || isVital) config.read(register, size);
    else config.write(register, random(2 ** 32) >>> (8 * (4 - size)), size);
    if (random(8) === 0) config.write(0x04, this.#pick([0, 2, 4, 6]), 2);
    else config.write(0x04, 6, 2);
  }

  // ---- Rings -------------------------------------------------------------------------------------------------------

  #address(): number {
    const { random } = this;
    return this.#pick([
      0x8_0000 + random(0x4_0000),
      0x1000 + random(0x2000),
      random(RAM_BYTES),
      RAM_BYTES - random(64),
      2 ** 32 - random(64),
      2 ** 53 + 2 ** 20 * random(2 ** 30),
      0x8_0000 + random(0x1000),
    ]);
  }

  #length(): number {
    const { random } = this;
    return this.#pick([
      0,
      1,
      7,
      12,
      16,
      32,
      513,
      528,
      4096,
      0x1_0000,
      RAM_BYTES,
      0xffff_ffff,
      random(2000),
      16 * random(2048),
    ]);
  }

  /** A chain of noise, or a request as it should be, in a table anywhere. */
  #descriptors(table: number, entries: number): void {
    const { random, driver, specimen } = this;
    const queue = driver.queues[0]!;
    if (table + 16 * entries > RAM_BYTES) return;
    for (let i = 0; i < entries; i++) {
      const flags = this.#pick([0, 1, 2, 3, 4, 5, 6, 7, 1, 3, random(65536)]);
      const buffer = {
        address: this.#address(),
        length: this.#length(),
        flags,
        next: this.#pick([i + 1, i, random(entries), random(65536)]),
      };
      queue.describe(table, i, buffer);
    }
    if (random(3) === 0 || entries < 2) return;
    const request = specimen.request(random);
    driver.memory.bytes.set(request, 0x9_0000);
    const room = this.#pick([1, 11, 16, 64, 513, 4096]);
    queue.describe(table, 0, { address: 0x9_0000, length: request.length, flags: 1, next: 1 });
    queue.describe(table, 1, { address: 0xa_0000, length: room, flags: 2 });
  }

  rings(): void {
    const { random, driver } = this;
    const index = random(driver.queues.length);
    const queue = driver.queues[index]!;
    const { view } = driver.memory;
    this.#descriptors(queue.descriptors, Math.min(queue.size, 1 + random(20)));
    if (random(2)) this.#descriptors(0x8_0000, 1 + random(40));
    for (let i = random(4); i >= 0; i--) {
      const at = view.getUint16(queue.available + 2, true);
      const head = random(3) ? 0 : this.#pick([random(20), queue.size, random(65536)]);
      view.setUint16(queue.available + 4 + 2 * (at % queue.size), head, true);
      view.setUint16(queue.available + 2, random(30) ? at + 1 : random(65536), true);
    }
    if (random(10) === 0) view.setUint16(queue.available, random(4), true);
    this.bounded(() => queue.notify());
  }

  start(): void {
    const { random, driver, specimen } = this;
    const { config } = driver.transport;
    config.write(0x04, 6, 2);
    const features = (random(2) ? INDIRECT : 0n) | (random(2) ? EVENT_INDEX : 0n) | specimen.device.features;
    this.bounded(() =>
      driver.start(features, () => {
        if (random(4)) return;
        driver.write(0x16, random(driver.queues.length), 2);
        driver.write(
          this.#pick([0x18, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34]),
          this.#pick([0, 1, 3, random(2 ** 32), RAM_BYTES]),
          4,
        );
      }),
    );
    if (random(2)) driver.useMessages();
  }

  async settle(): Promise<void> {
    await setImmediate();
    this.clock.advance(100_000);
    this.bounded(() => this.queue.deliver());
  }
}

for (const [name, make] of Object.entries(devices)) {
  test(`${name}: stands a driver that means no good`, async () => {
    const bench = new Bench(make, 0x9e37_79b9);
    const { random, driver, specimen } = bench;
    let broken = 0;
    let completed = 0;
    for (let i = 0; i < OPERATIONS; i++) {
      const what = random(20);
      if (what < 4) bench.bounded(() => bench.register());
      else if (what < 5) bench.bounded(() => bench.configuration());
      else bench.rings();
      if (random(8) === 0) bench.bounded(() => specimen.stir(random));
      if (random(12) === 0) await bench.settle();
      if (random(6) === 0 || driver.status !== STARTED) {
        if (driver.status & NEEDS_RESET) broken++;
        for (const queue of driver.queues) completed += queue.completed().length > 0 ? 1 : 0;
        if (random(3) === 0) bench.start();
      }
      if (random(500) === 0) {
        driver.transport.restore(driver.transport.save());
        specimen.device.restore(specimen.device.save());
        bench.bounded(() => driver.transport.resume());
      }
    }
    await bench.queue.drain();
    await bench.settle();
    // It was no walk in the park, and it was not over after the first steps either.
    assert.ok(broken > OPERATIONS / 1000, `${broken} times broken`);
    assert.ok(completed > OPERATIONS / 1000, `${completed} times something completed`);

    driver.transport.reset();
    driver.transport.config.write(0x10, 0xe000_0000, 4);
    driver.transport.config.write(0x04, 6, 2);
    driver.start();
    assert.equal(driver.status, STARTED);
  });
}

const ENTRIES = 64;

for (const [name, make] of Object.entries(devices)) {
  test(`${name}: chains that have the same memory over and over move no more than others at a time`, async () => {
    const bench = new Bench(make, 1);
    const { driver, specimen } = bench;
    const { view, bytes } = driver.memory;
    for (const flag of [0, 2]) {
      for (const queue of driver.queues) {
        driver.transport.config.write(0x04, 6, 2);
        bench.bounded(() => driver.start(INDIRECT | specimen.device.features));
        bytes.set(specimen.request(bench.random), 0x9_0000);
        for (let i = 0; i < ENTRIES; i++) {
          const flags = flag | (i + 1 < ENTRIES ? 1 : 0);
          queue.describe(0x8_0000, i, { address: 0x9_0000, length: RAM_BYTES - 0x9_0000, flags, next: i + 1 });
        }
        for (let head = 0; head < queue.size; head++) {
          queue.describe(queue.descriptors, head, { address: 0x8_0000, length: 16 * ENTRIES, flags: 4 });
          view.setUint16(queue.available + 4 + 2 * head, head, true);
        }
        view.setUint16(queue.available + 2, queue.size, true);
        bench.bounded(() => queue.notify());
        for (let i = 0; i < 20; i++) {
          specimen.stir(bench.random);
          await bench.settle();
        }
      }
    }
    await bench.queue.drain();
  });
}
