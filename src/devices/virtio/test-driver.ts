/** For tests: a driver that brings a device up over PCI, and rings in memory that tests may spoil. */

import type { Bus } from '../../base/bus.ts';
import { Bus as AddressSpace } from '../../base/bus.ts';
import { PciBus } from '../pci/pci-bus.ts';
import { TestLine } from '../test-clock.ts';
import { TestMemory } from '../test-memory.ts';
import type { VirtioDevice } from './virtio-device.ts';
import { VirtioPci } from './virtio-pci.ts';

export const VERSION_1 = 1n << 32n;
export const INDIRECT = 1n << 28n;
export const EVENT_INDEX = 1n << 29n;

export const STATUS = 0x14;
export const STARTED = 15;
export const NEEDS_RESET = 64;
export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT_TABLE = 4;

const BASE = 0xe000_0000;
const NOTIFY = 0x3000;
const MSIX_TABLE = 0x4000;
const MEMORY_BYTES = 0x10_0000;
/** Each queue has its rings in a place of its own; buffers are behind them. */
const QUEUE_BYTES = 0x2000;
const BUFFERS = 0x8_0000;

export interface Buffer {
  readonly address: number;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

/** One queue, as the driver sees it. */
export class DriverQueue {
  readonly size: number;
  readonly descriptors: number;
  readonly available: number;
  readonly used: number;
  readonly #driver: TestDriver;
  readonly #index: number;
  #free = 0;
  #seen = 0;

  constructor(driver: TestDriver, index: number, size: number) {
    this.#driver = driver;
    this.#index = index;
    this.size = size;
    this.descriptors = 0x1000 + index * QUEUE_BYTES;
    this.available = this.descriptors + 16 * size;
    this.used = this.available + 0x400;
  }

  /** Empty rings. */
  clear(): void {
    this.#driver.memory.bytes.fill(0, this.descriptors, this.descriptors + QUEUE_BYTES);
    this.#free = 0;
    this.#seen = 0;
  }

  /** Writes one descriptor. */
  describe(table: number, index: number, { address, length, flags = 0, next = 0 }: Buffer): void {
    const { view } = this.#driver.memory;
    const at = table + 16 * index;
    view.setBigUint64(at, BigInt(address), true);
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  }

  /** A chain of what the device reads, then of room for what it writes; gives its head. */
  put(readable: readonly Buffer[], writable: readonly Buffer[] = []): number {
    const buffers = [...readable, ...writable.map((one) => ({ ...one, flags: WRITE }))];
    const head = this.#free;
    buffers.forEach((buffer, i) => {
      const next = (this.#free + 1) % this.size;
      const isLast = i === buffers.length - 1;
      this.describe(this.descriptors, this.#free, {
        ...buffer,
        flags: (buffer.flags ?? 0) | (isLast ? 0 : NEXT),
        next,
      });
      this.#free = next;
    });
    this.offer(head);
    return head;
  }

  /** Puts a head on the available ring. */
  offer(head: number): void {
    const { view } = this.#driver.memory;
    const index = view.getUint16(this.available + 2, true);
    view.setUint16(this.available + 4 + 2 * (index % this.size), head, true);
    view.setUint16(this.available + 2, (index + 1) & 0xffff, true);
  }

  notify(): void {
    this.#driver.write(NOTIFY + 4 * this.#index, this.#index, 2);
  }

  /** What the device has put on the used ring since this was last asked. */
  completed(): { readonly head: number; readonly written: number }[] {
    const { view } = this.#driver.memory;
    const found = [];
    for (; this.#seen !== view.getUint16(this.used + 2, true); this.#seen = (this.#seen + 1) & 0xffff) {
      const at = this.used + 4 + 8 * (this.#seen % this.size);
      found.push({ head: view.getUint32(at, true), written: view.getUint32(at + 4, true) });
    }
    return found;
  }
}

export class TestDriver {
  readonly memory = new TestMemory(MEMORY_BYTES);
  readonly line = new TestLine();
  /** Message-signalled interrupts, by their data. */
  readonly messages: number[] = [];
  readonly transport: VirtioPci;
  readonly queues: readonly DriverQueue[];
  readonly #mmio: Bus = new AddressSpace();
  #buffers = BUFFERS;

  constructor(device: VirtioDevice, largest = 1024) {
    this.transport = new VirtioPci(device, {
      memory: this.memory,
      irq: this.line,
      message: (_, data) => this.messages.push(data),
    });
    const bus = new PciBus({
      ports: new AddressSpace(),
      mmio: this.#mmio,
      interrupts: [this.line],
      mapVideo: () => {},
    });
    bus.attach(8, 0, this.transport);
    this.transport.config.write(0x10, BASE, 4);
    this.transport.config.write(0x04, 0x06, 2);
    this.queues = device.queueSizes.map((size, index) => new DriverQueue(this, index, Math.min(size, largest)));
  }

  read(offset: number, size: 1 | 2 | 4): number {
    return this.#mmio.read(BASE + offset, size);
  }

  write(offset: number, value: number, size: 1 | 2 | 4): void {
    this.#mmio.write(BASE + offset, value, size);
  }

  get status(): number {
    return this.read(STATUS, 1);
  }

  /** Steps of §3.1.1, with these features besides VERSION_1; `before` spoils what is set up, before DRIVER_OK. */
  start(features = 0n, before: () => void = () => {}): void {
    this.write(STATUS, 0, 1);
    this.write(STATUS, 3, 1);
    for (const half of [0, 1]) {
      this.write(0x08, half, 4);
      this.write(0x0c, Number(((features | VERSION_1) >> BigInt(32 * half)) & 0xffff_ffffn), 4);
    }
    this.write(STATUS, 11, 1);
    this.queues.forEach((queue, index) => {
      queue.clear();
      this.write(0x16, index, 2);
      this.write(0x18, queue.size, 2);
      this.write(0x20, queue.descriptors, 4);
      this.write(0x28, queue.available, 4);
      this.write(0x30, queue.used, 4);
      this.write(0x1a, index + 1, 2);
      this.write(0x1c, 1, 2);
    });
    before();
    this.write(STATUS, STARTED, 1);
  }

  /** Switches MSI-X on, every entry with its own number as data. */
  useMessages(): void {
    for (let entry = 0; entry <= this.queues.length; entry++) {
      const at = MSIX_TABLE + 16 * entry;
      this.write(at, 0xfee0_0000, 4);
      this.write(at + 4, 0, 4);
      this.write(at + 8, entry, 4);
      this.write(at + 12, 0, 4);
    }
    this.#control(0x80);
  }

  maskMessages(isMasked: boolean): void {
    this.#control(isMasked ? 0xc0 : 0x80);
  }

  #control(bits: number): void {
    const { config } = this.transport;
    for (let at = config.byte(0x34); at !== 0; at = config.byte(at + 1)) {
      if (config.byte(at) === 0x11) config.write(at + 3, bits, 1);
    }
  }

  /** Room for a buffer, with `bytes` in it. */
  buffer(bytes: Uint8Array | number): Buffer {
    const contents = typeof bytes === 'number' ? new Uint8Array(bytes) : bytes;
    const address = this.#buffers;
    this.#buffers += Math.ceil(contents.length / 16) * 16;
    this.memory.write(address, contents);
    return { address, length: contents.length };
  }

  bytes({ address, length }: Buffer): Uint8Array {
    return this.memory.bytes.slice(address, address + length);
  }
}
