/**
 * A split virtqueue as the device sees it (Virtual I/O Device 1.2, §2.7 "Split Virtqueues"), with indirect descriptors
 * (§2.7.5.3) and event indices (§2.7.7.2, §2.7.10).
 *
 *     descriptors   16 bytes each: address u64, length u32, flags u16, next u16
 *     available     flags u16, index u16, ring of heads u16 ..., used event u16
 *     used          flags u16, index u16, ring of (head u32, written u32) ..., available event u16
 *
 * All of it is the driver's to spoil: loops, addresses without memory, lengths of zero, indices that jump make the device
 * need a reset (§2.1.2), and nothing else.
 */

import { type GuestMemory, readU16, writeU16 } from '../../base/dma.ts';
import { bool, defineState, type StateOf, u16, u16s, u64 } from '../../base/state.ts';

/** Of any queue of ours, and of a chain by indirect descriptors. */
export const LARGEST_QUEUE = 1024;
export const NO_VECTOR = 0xffff;

const FLAG_NEXT = 1;
const FLAG_WRITE = 2;
const FLAG_INDIRECT = 4;
const DESCRIPTOR_BYTES = 16;
const USED_BYTES = 8;
const INDEX = 2;
const RING = 4;
const AVAILABLE_NO_INTERRUPT = 1;
/** §2.7.4: all buffers of a chain together. */
const LONGEST_CHAIN = 2 ** 32;
/** Numbers are exact up to there, and no memory is beyond. */
const BEYOND_MEMORY = 2 ** 52;

/** Of a queue with so many entries at most. */
export function virtqueueState(entries: number) {
  return defineState('virtqueue', 1, {
    size: u16({ max: entries }),
    enabled: bool(),
    /** Of the MSI-X table. */
    vector: u16({ initial: NO_VECTOR }),
    descriptors: u64(),
    available: u64(),
    used: u64(),
    /** Indices of the two rings, as far as the device has come. */
    nextAvailable: u16(),
    nextUsed: u16(),
    /** What the device has taken and not completed, oldest first: so many heads. */
    taken: u16({ max: entries }),
    heads: u16s(entries),
  });
}

export type VirtqueueState = StateOf<ReturnType<typeof virtqueueState>>;

/** A request: buffers for the device to read, then buffers for it to write, each seen as one run of bytes. */
export interface VirtioChain {
  readonly readableBytes: number;
  readonly writableBytes: number;
  /** Gathers from the device-readable part; how many bytes that were: fewer at its end, or where no memory is. */
  read(offset: number, into: Uint8Array): number;
  /** Scatters into the device-writable part; as `read`. */
  write(offset: number, from: Uint8Array): number;
}

export interface VirtqueueHost {
  readonly memory: GuestMemory;
  /** So many entries it can have. */
  readonly largest: number;
  readonly indirect: boolean;
  readonly eventIndex: boolean;
  /** The queue is enabled, and the driver has neither broken the device nor taken bus mastership away. */
  isWorking(): boolean;
  /** The driver did what makes no sense. */
  fail(): void;
  /** Something is on the used ring, and the driver wants to know. */
  interrupt(): void;
}

interface Segment {
  readonly address: number;
  readonly length: number;
}

export class Virtqueue {
  readonly #state: VirtqueueState;
  readonly #host: VirtqueueHost;
  readonly #descriptors: number;
  readonly #available: number;
  readonly #used: number;
  readonly #mask: number;
  /** Of the heads in `#state`, those that were given out since the queue was set up. */
  #given = 0;
  #isOver = false;
  readonly #entry = new Uint8Array(DESCRIPTOR_BYTES);
  readonly #view = new DataView(this.#entry.buffer);

  /** Looks whether size and places make sense: the host hears of it if not. */
  constructor(state: VirtqueueState, host: VirtqueueHost) {
    this.#state = state;
    this.#host = host;
    this.#descriptors = addressOf(state.descriptors);
    this.#available = addressOf(state.available);
    this.#used = addressOf(state.used);
    this.#mask = state.size - 1;
    if (state.enabled && !this.#makesSense()) host.fail();
  }

  #makesSense(): boolean {
    const { size, taken } = this.#state;
    if (size === 0 || (size & this.#mask) !== 0 || size > this.#host.largest || taken > size) return false;
    if (this.#descriptors % DESCRIPTOR_BYTES || this.#available % 2 || this.#used % 4) return false;
    const { memory } = this.#host;
    const isThere = (address: number, bytes: number): boolean => memory.read(address, new Uint8Array(bytes));
    return (
      isThere(this.#descriptors, size * DESCRIPTOR_BYTES) &&
      isThere(this.#available, RING + size * 2 + 2) &&
      isThere(this.#used, RING + size * USED_BYTES + 2)
    );
  }

  /** The queue is gone, and with it what was taken from it. */
  retire(): void {
    this.#isOver = true;
  }

  /** Whether there is anybody who could be served. */
  get isWorking(): boolean {
    return !this.#isOver && this.#host.isWorking();
  }

  /** Something can be taken. If not, the driver notifies the device of what it puts there next. */
  get hasNext(): boolean {
    if (!this.isWorking) return false;
    const { nextAvailable, size, taken } = this.#state;
    if (this.#given < taken) return true;
    const index = readU16(this.#host.memory, this.#available + INDEX) ?? nextAvailable;
    const waiting = (index - nextAvailable) & 0xffff;
    if (waiting > size) {
      this.#host.fail();
      return false;
    }
    if (waiting > 0) return true;
    if (this.#host.eventIndex) writeU16(this.#host.memory, this.#used + RING + size * USED_BYTES, nextAvailable);
    return false;
  }

  /** The next request, or undefined if there is none, or the queue makes no sense. */
  take(): VirtioChain | undefined {
    if (!this.hasNext) return undefined;
    const state = this.#state;
    if (this.#given === state.taken) {
      const head = readU16(this.#host.memory, this.#available + RING + 2 * (state.nextAvailable & this.#mask));
      if (head === undefined || state.taken >= state.size) {
        this.#host.fail();
        return undefined;
      }
      state.nextAvailable = (state.nextAvailable + 1) & 0xffff;
      state.heads[state.taken++] = head;
    }
    const chain = this.#chain(state.heads[this.#given] as number);
    if (chain === undefined) this.#host.fail();
    else this.#given++;
    return chain;
  }

  /** Puts a request on the used ring with so many bytes written to it, and interrupts if the driver wants that. */
  complete(chain: VirtioChain, written: number): void {
    if (!this.isWorking || !(chain instanceof Chain) || chain.queue !== this) return;
    const state = this.#state;
    const place = state.heads.subarray(0, this.#given).indexOf(chain.head);
    if (place < 0) return;
    state.heads.copyWithin(place, place + 1, state.taken);
    state.taken--;
    this.#given--;
    chain.queue = undefined;
    const { memory, eventIndex } = this.#host;
    const before = state.nextUsed;
    state.nextUsed = (before + 1) & 0xffff;
    this.#view.setUint32(0, chain.head, true);
    this.#view.setUint32(4, Math.min(written, 0xffff_ffff), true);
    memory.write(this.#used + RING + USED_BYTES * (before & this.#mask), this.#entry.subarray(0, USED_BYTES));
    writeU16(memory, this.#used + INDEX, state.nextUsed);
    const wanted = eventIndex
      ? readU16(memory, this.#available + RING + 2 * state.size) === before
      : ((readU16(memory, this.#available) ?? 0) & AVAILABLE_NO_INTERRUPT) === 0;
    if (wanted) this.#host.interrupt();
  }

  #chain(head: number): Chain | undefined {
    const { memory, indirect } = this.#host;
    const chain = new Chain(this, head, () => (this.isWorking ? this.#host : undefined));
    let table = this.#descriptors;
    let entries = this.#state.size;
    let isIndirect = false;
    for (let index = head, count = 0; ; count++) {
      const most = isIndirect ? LARGEST_QUEUE : this.#state.size;
      if (index >= entries || count >= most) return undefined;
      if (!memory.read(table + DESCRIPTOR_BYTES * index, this.#entry)) return undefined;
      const address = addressOf(this.#view.getBigUint64(0, true));
      const length = this.#view.getUint32(8, true);
      const flags = this.#view.getUint16(12, true);
      if (length === 0) return undefined;
      if (flags & FLAG_INDIRECT) {
        if (!indirect || isIndirect || flags & FLAG_NEXT || length % DESCRIPTOR_BYTES !== 0) return undefined;
        isIndirect = true;
        table = address;
        entries = length / DESCRIPTOR_BYTES;
        index = 0;
        continue;
      }
      if (!chain.add({ address, length }, (flags & FLAG_WRITE) !== 0)) return undefined;
      if (!(flags & FLAG_NEXT)) return chain;
      index = this.#view.getUint16(14, true);
    }
  }
}

/** Keeps to what it was made from: what the driver does to its descriptors afterwards is of no matter. */
class Chain implements VirtioChain {
  /** Whose it is, until it is completed. */
  queue: Virtqueue | undefined;
  readonly head: number;
  readonly #working: () => VirtqueueHost | undefined;
  readonly #readable: Segment[] = [];
  readonly #writable: Segment[] = [];
  readableBytes = 0;
  writableBytes = 0;

  constructor(queue: Virtqueue, head: number, working: () => VirtqueueHost | undefined) {
    this.queue = queue;
    this.head = head;
    this.#working = working;
  }

  /** False for what no chain may have: what the device reads comes first, and all of it has a limit. */
  add(segment: Segment, isWritable: boolean): boolean {
    if (isWritable) {
      this.#writable.push(segment);
      this.writableBytes += segment.length;
    } else {
      if (this.#writable.length > 0) return false;
      this.#readable.push(segment);
      this.readableBytes += segment.length;
    }
    return this.readableBytes + this.writableBytes <= LONGEST_CHAIN;
  }

  read(offset: number, into: Uint8Array): number {
    return this.#each(this.#readable, offset, into, (memory, address, piece) => memory.read(address, piece));
  }

  write(offset: number, from: Uint8Array): number {
    return this.#each(this.#writable, offset, from, (memory, address, piece) => memory.write(address, piece));
  }

  #each(
    segments: readonly Segment[],
    offset: number,
    bytes: Uint8Array,
    move: (memory: GuestMemory, address: number, piece: Uint8Array) => boolean,
  ): number {
    const host = this.queue && this.#working();
    if (host === undefined) return 0;
    let skip = offset;
    let done = 0;
    for (const { address, length } of segments) {
      if (done === bytes.length) break;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const count = Math.min(length - skip, bytes.length - done);
      if (!move(host.memory, address + skip, bytes.subarray(done, done + count))) {
        host.fail();
        return done;
      }
      done += count;
      skip = 0;
    }
    return done;
  }
}

function addressOf(value: bigint): number {
  return value < BEYOND_MEMORY ? Number(value) : BEYOND_MEMORY;
}
