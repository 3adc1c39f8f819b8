/** For tests: what a network card is wired to, and frames with known contents. */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { NetworkDevice } from '../../base/network.ts';
import { generator } from '../../base/test-random.ts';
import type { PciConfig } from '../pci/pci-config.ts';
import { TestClock, TestLine } from '../test-clock.ts';
import { TestMemory } from '../test-memory.ts';
import type { NicHost } from './nic-host.ts';

export const MAC = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
export const PEER = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x02);
export const BROADCAST = new Uint8Array(6).fill(0xff);
/** All hosts of an IPv4 network. */
export const ALL_HOSTS = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x01);

/** From 10.0.2.15 to 10.0.2.2, with checksums that another program computed. */
export const UDP_FRAME = fromHex(
  '52540012340252540012345608004500002512344000401110840a00020f0a00020204000035001104e5766976617269756d0a',
);
export const TCP_FRAME = fromHex(
  '52540012340252540012345608004500003a123440004006107a0a00020f0a0002029c400050010203040a0b0c0d5018ffff025c0000' +
    '474554202f20485454502f312e300d0a0d0a',
);

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** A frame of `length` bytes with a pattern in it that says which it is. */
export function frameTo(destination: Uint8Array, length = 100, seed = 1): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, i) => seed + i * 7);
  frame.set(destination);
  frame.set(PEER, 6);
  frame.set([0x88, 0xb5], 12);
  return frame;
}

/** With a VLAN tag. */
export function tagged(frame: Uint8Array, tag: number): Uint8Array {
  return Uint8Array.of(...frame.subarray(0, 12), 0x81, 0x00, tag >> 8, tag & 0xff, ...frame.subarray(12));
}

/** With the bytes at `at` replaced. */
export function patched(frame: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = frame.slice();
  copy.set(bytes, at);
  return copy;
}

export class NicBench {
  readonly clock = new TestClock();
  readonly line = new TestLine();
  readonly memory: TestMemory;
  readonly sent: Uint8Array[] = [];
  readonly host: NicHost;

  constructor(memoryBytes = 0x10_0000) {
    this.memory = new TestMemory(memoryBytes);
    this.host = {
      clock: this.clock,
      irq: this.line,
      memory: this.memory,
      network: { send: (frame) => this.sent.push(frame) },
      mac: MAC,
    };
  }

  u16(address: number): number {
    return this.memory.bytes[address] | (this.memory.bytes[address + 1] << 8);
  }

  u32(address: number): number {
    return (this.u16(address) | (this.u16(address + 2) << 16)) >>> 0;
  }

  put32(address: number, ...words: number[]): void {
    const view = new DataView(this.memory.bytes.buffer);
    for (const [i, word] of words.entries()) view.setUint32(address + 4 * i, word, true);
  }

  put16(address: number, ...words: number[]): void {
    const view = new DataView(this.memory.bytes.buffer);
    for (const [i, word] of words.entries()) view.setUint16(address + 2 * i, word, true);
  }

  put(address: number, bytes: Uint8Array): void {
    this.memory.bytes.set(bytes, address);
  }

  bytes(address: number, length: number): Uint8Array {
    return this.memory.bytes.slice(address, address + length);
  }
}

const COMMAND = 4;
/** I/O and memory on, bus master. */
export function enable(config: PciConfig): void {
  config.write(COMMAND, 0x0007, 2);
}

const SIZES: readonly AccessSize[] = [1, 2, 4];

/**
 * A guest that has lost its mind: random accesses to `ranges`, and to those registers that `telling` lists with values
 * that get the card going; memory full of noise; frames of all lengths in between. The card's config keeps DMA on.
 */
export function storm(
  bench: NicBench,
  card: NetworkDevice & { readonly config: PciConfig },
  ranges: readonly (readonly [IoHandler, number])[],
  telling: (random: (below: number) => number) => void,
  accesses: number,
): void {
  const random = generator(0x2468_ace1);
  const { bytes } = bench.memory;
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
  for (let i = 0; i < accesses; i++) {
    const [handler, length] = ranges[random(ranges.length)];
    const size = SIZES[random(3)];
    const offset = random(length - size + 1);
    if (random(2)) {
      const value = handler.read(offset, size);
      if (!Number.isInteger(value)) throw new Error(`read ${value}`);
    } else {
      handler.write(offset, random(2) ? random(2 ** 32) : random(bytes.length * 2), size);
    }
    if (random(8) === 0) telling(random);
    if (random(16) === 0) card.receive(frameTo([MAC, BROADCAST, ALL_HOSTS][random(3)], 14 + random(1600), i));
    if (random(64) === 0) card.receive(new Uint8Array(random(20)));
    if (random(64) === 0) bench.clock.advance(random(20_000));
    if (random(256) === 0) enable(card.config);
    if (random(256) === 0) bytes.fill(random(256), random(bytes.length), random(bytes.length));
    bench.sent.length = 0;
  }
}
