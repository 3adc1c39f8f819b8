/**
 * Blocks of decoded code, kept by the frame their bytes are in and the code mode they were decoded for, so that every
 * guest that shares a frame shares its blocks. Writing over a block's bytes makes it stale: its header then asks for
 * more instructions than any budget has, which sends whoever is linked to it back to the run loop.
 */

import type { Decoded } from '../decode/decoded.ts';
import { BlockWriter, type NewVariantListener, type Sequence } from './block-writer.ts';
import { CodeFrames, type FrameCode } from './code-frames.ts';
import { codeSizeOf, isLimited, isProtected } from './code-mode.ts';
import { BLOCK_CACHE_ENTRIES, BLOCK_CACHE_ENTRY_BYTES, blockCacheIndex } from './core.ts';
import type { DecodedBlock, DecodedCode } from './decoded-code.ts';
import type { Engine } from './engine.ts';
import * as layout from './operation.ts';

const FRAME_BYTES = 4096;
/** Longest instruction. */
const LONGEST = 15;
/** Operations are put into arenas of this size, */
const ARENA_BYTES = 1 << 20;
/** and all decoded code is dropped rather than take more of them. */
const MOST_ARENAS = 128;

/** A block as the monitor knows it. */
export interface Block {
  /** Of its header in machine memory; 0 for one that is only watched, not decoded now. */
  readonly address: number;
  readonly machine: number;
  readonly mode: number;
  /** Offsets in the frame that its bytes take, and how many bytes it has in a second frame. */
  readonly start: number;
  readonly end: number;
  readonly secondFrame: number;
  readonly secondBytes: number;
}

export interface BlockWatcher {
  /** A block was decoded, perhaps not for the first time. */
  decoded(block: Block): void;
  /** Its bytes mean something else now. */
  invalidated(block: Block): void;
  /** Whether its bytes are to be watched also while it is not decoded. */
  wants(block: Block): boolean;
  /** All decoded operations are gone. */
  dropped(): void;
}

export interface BlockRequest {
  /** Machine address of the first byte. */
  readonly machine: number;
  readonly mode: number;
  /** Machine address of the frame that the next linear page is in, asked for only when an instruction crosses. */
  nextFrame(): number | undefined;
  /** Whether the code segment goes on for so many bytes from the first one. */
  within(bytes: number): boolean;
}

export class Blocks {
  readonly #engine: Engine;
  readonly #writer: BlockWriter;
  readonly frames: CodeFrames;
  readonly #blockCache: number;
  readonly #arenas: number[] = [];
  /** The arena in use, and the next free address in it. */
  #arena = -1;
  #free = 0;
  /** Lower in tests. */
  arenaLimit = MOST_ARENAS;
  /** Grows when all decoded code is dropped: addresses of blocks and operations from before mean nothing now. */
  generation = 0;
  /** Where blocks that run once are put. */
  readonly #scratch: number;
  readonly #crossing = new Uint8Array(2 * LONGEST);
  /** What the translator wants to know of blocks that begin with a counting operation. */
  watcher: BlockWatcher | undefined;
  /** How often a block is to be entered before `hot` is told; 0 if nobody counts. */
  countdown = 0;
  readonly #byAddress = new Map<number, Block>();
  /** Where blocks are looked for before they are decoded. */
  decodedBefore: Pick<DecodedCode, 'find'> | undefined;
  invalidations = 0;

  constructor(engine: Engine, codeMap: number, blockCache: number) {
    this.#engine = engine;
    this.#writer = new BlockWriter(engine);
    this.frames = new CodeFrames(engine.memory, codeMap);
    this.#blockCache = blockCache;
    this.#scratch = engine.memory.region(layout.BLOCK_HEADER_BYTES + (layout.BLOCK_LIMIT + 1) * layout.OPERATION_BYTES);
  }

  /** Is told when an instruction's variant is met for the first time. */
  set onNewVariant(listener: NewVariantListener | undefined) {
    this.#writer.onNewVariant = listener;
  }

  get decodedInstructions(): number {
    return this.#writer.instructions;
  }

  /** Bytes of machine memory that decoded operations take. */
  get arenaBytes(): number {
    return this.#arenas.length * ARENA_BYTES;
  }

  /** The block for this code, decoded if it is new. Undefined when fetching its bytes from the next page faults. */
  find(request: BlockRequest): number | undefined {
    const frame = request.machine & ~(FRAME_BYTES - 1);
    const code = this.frames.of(frame >>> 0);
    const key = ((request.machine & (FRAME_BYTES - 1)) << 6) | request.mode;
    const known = code.blocks.get(key);
    if (known !== undefined && known.address !== 0) {
      if (known.secondFrame === 0 || known.secondFrame === request.nextFrame()) {
        this.#remember(known);
        return known.address;
      }
      this.#invalidate([known]);
    }
    if (this.#arena === this.arenaLimit - 1) this.forget();
    return this.#decode(request, code, key);
  }

  /**
   * A block of at most `limit` instructions (one, where the code segment has a limit) that returns to the run loop after
   * them; valid until the next such call. Undefined where the bytes of the first cannot be fetched.
   */
  once(request: BlockRequest, limit: number): number | undefined {
    const sequence = this.#sequence(request, isLimited(request.mode) ? 1 : limit, undefined);
    if (sequence === undefined) return undefined;
    const [first] = sequence.instructions;
    if (!request.within(typeof first === 'object' ? first.length : 1)) return undefined;
    this.#writer.write(this.#scratch, request, sequence, { once: true, countdown: 0 });
    this.#engine.flush();
    return this.#scratch;
  }

  /** The instruction there must be the last of its block from now on. */
  split(machine: number): void {
    const frame = (machine & ~(FRAME_BYTES - 1)) >>> 0;
    const offset = machine & (FRAME_BYTES - 1);
    const { splits, blocks } = this.frames.of(frame);
    splits.add(offset);
    this.#invalidate([...blocks.values()].filter(({ start, end }) => start <= offset && offset < end));
  }

  /** Bytes that hold decoded code have been written. */
  written(machine: number, bytes: number): void {
    const frame = (machine & ~(FRAME_BYTES - 1)) >>> 0;
    const code = this.frames.known(frame);
    if (code === undefined) return;
    const start = machine - frame;
    const end = start + bytes;
    const over: Block[] = [];
    for (const block of code.blocks.values()) if (block.start < end && start < block.end) over.push(block);
    for (const block of code.incoming) if (start < block.secondBytes) over.push(block);
    this.#invalidate(over);
  }

  /** The frame gets other contents, or none. */
  dropFrame(frame: number): void {
    this.written(frame, FRAME_BYTES);
    this.frames.forget(frame);
  }

  #invalidate(blocks: readonly Block[]): void {
    const { memory } = this.#engine;
    const changed = new Set<number>();
    for (const block of blocks) {
      this.invalidations++;
      if (block.address !== 0) {
        memory.view.setUint32(block.address + layout.BLOCK_COUNT, layout.BLOCK_STALE, true);
        const cached = this.#cacheEntry(block.machine);
        if (memory.view.getUint32(cached + 8, true) === block.address) memory.view.setUint32(cached, 0, true);
      }
      const frame = (block.machine & ~(FRAME_BYTES - 1)) >>> 0;
      this.frames.of(frame).blocks.delete((block.start << 6) | block.mode);
      if (this.#byAddress.delete(block.address) || block.address === 0) this.watcher?.invalidated(block);
      changed.add(frame);
      if (block.secondFrame === 0) continue;
      this.frames.of(block.secondFrame).incoming.delete(block);
      changed.add(block.secondFrame);
    }
    for (const frame of changed) this.frames.update(frame);
  }

  // ---- For the translator ------------------------------------------------------------------------------------------

  /** The block that begins with this counting operation. */
  counted(operation: number): Block | undefined {
    return this.#byAddress.get(operation - layout.BLOCK_HEADER_BYTES);
  }

  /** The block decoded at a machine address, if there is one that can be translated. */
  known(machine: number, mode: number): Block | undefined {
    const frame = (machine & ~(FRAME_BYTES - 1)) >>> 0;
    const block = this.frames.known(frame)?.blocks.get(((machine & (FRAME_BYTES - 1)) << 6) | mode);
    return block !== undefined && this.#byAddress.has(block.address) ? block : undefined;
  }

  /** What the block is made of, decoded again. It may be shorter than it would be now: one that was decoded before is. */
  sequenceOf({ address, machine, mode }: Block): Sequence {
    const request = { machine, mode, nextFrame: () => undefined, within: () => true };
    const count = this.#engine.memory.view.getUint32(address + layout.BLOCK_COUNT, true);
    return this.#sequence(request, count, undefined) as Sequence;
  }

  /** Entries of the block that are still to come before it counts as hot. */
  countdownOf(block: Block): number {
    return this.#engine.memory.view.getUint32(countingOperation(block) + layout.OPERATION_IMMEDIATE, true);
  }

  #cacheEntry(machine: number): number {
    return this.#blockCache + blockCacheIndex(machine) * BLOCK_CACHE_ENTRY_BYTES;
  }

  #remember(block: Block): void {
    const { view } = this.#engine.memory;
    const place = this.#cacheEntry(block.machine);
    view.setUint32(place, block.machine, true);
    view.setUint32(place + 4, block.mode, true);
    view.setUint32(place + 8, block.address, true);
  }

  #decode(request: BlockRequest, code: FrameCode, key: number): number | undefined {
    const copied = this.#copy(request, code, key);
    if (copied !== undefined) return copied;
    const sequence = this.#sequence(request, layout.BLOCK_LIMIT, code.splits);
    if (sequence === undefined) return undefined;
    const counts = this.countdown > 0 && sequence.secondFrame === 0 && !isLimited(request.mode);
    const operations = sequence.instructions.length + 1 + (isLimited(request.mode) || counts ? 1 : 0);
    const bytes = layout.BLOCK_HEADER_BYTES + operations * layout.OPERATION_BYTES;
    const address = this.#allocate(bytes);
    this.#writer.write(address, request, sequence, { once: false, countdown: counts ? this.countdown : 0 });
    this.#enter(address, request, code, key, sequence, counts);
    this.#engine.flush();
    return address;
  }

  #enter(
    address: number,
    { machine, mode }: BlockRequest,
    code: FrameCode,
    key: number,
    { end, secondFrame }: Pick<Sequence, 'end' | 'secondFrame'>,
    counts: boolean,
  ): void {
    const block: Block = {
      address,
      machine,
      mode,
      start: machine & (FRAME_BYTES - 1),
      end: Math.min(end, FRAME_BYTES),
      secondFrame,
      secondBytes: Math.max(end - FRAME_BYTES, 0),
    };
    const frame = (machine & ~(FRAME_BYTES - 1)) >>> 0;
    code.blocks.set(key, block);
    this.frames.add(frame, block.start, block.end);
    if (counts) {
      this.#byAddress.set(address, block);
      this.watcher?.decoded(block);
    }
    if (secondFrame !== 0) {
      this.frames.of(secondFrame).incoming.add(block);
      this.frames.add(secondFrame, 0, block.secondBytes);
    }
    this.#remember(block);
  }

  /** A block that was decoded before, if it is known and its bytes are the same. */
  #copy(request: BlockRequest, code: FrameCode, key: number): number | undefined {
    const { machine } = request;
    const { memory } = this.#engine;
    const frame = (machine & ~(FRAME_BYTES - 1)) >>> 0;
    const found = this.decodedBefore?.find(frame, key, memory.u8, machine >>> 0);
    if (found === undefined) return undefined;
    const start = machine & (FRAME_BYTES - 1);
    const end = start + found.code.length;
    for (const split of code.splits) if (split >= start && split < end) return undefined;
    const address = this.#allocate(found.image.length);
    memory.u8.set(found.image, address);
    this.#enter(address, request, code, key, { end, secondFrame: 0 }, true);
    return address;
  }

  /** What there is for `decodedBefore`, by pages: blocks whose handlers have slots below `slots`. */
  images(pageOf: (frame: number) => number | undefined, slots: number): Map<number, DecodedBlock[]> {
    const { memory } = this.#engine;
    const pages = new Map<number, DecodedBlock[]>();
    for (const [frame, { blocks }] of [...this.frames.all()]) {
      const page = pageOf(frame);
      if (page === undefined) continue;
      const images: DecodedBlock[] = [];
      for (const [key, block] of blocks) {
        if (block.address === 0 || block.secondFrame !== 0 || isLimited(block.mode) || this.countdown === 0) continue;
        const image = this.#image(block);
        const view = new DataView(image.buffer);
        let isUsual = true;
        for (let at = layout.BLOCK_HEADER_BYTES; at < image.length; at += layout.OPERATION_BYTES) {
          isUsual &&= view.getUint32(at + layout.OPERATION_HANDLER, true) < slots;
        }
        if (isUsual) images.push({ key, code: memory.u8.slice(frame + block.start, frame + block.end), image });
      }
      if (images.length > 0) pages.set(page, images);
    }
    return pages;
  }

  /** As it was before it ran. */
  #image(block: Block): Uint8Array {
    const { memory } = this.#engine;
    const { machine, mode } = block;
    const sequence = this.sequenceOf(block);
    const bytes = layout.BLOCK_HEADER_BYTES + (sequence.instructions.length + 2) * layout.OPERATION_BYTES;
    const address = this.#allocate(bytes);
    memory.u8.fill(0, address, address + bytes);
    const request = { machine, mode, nextFrame: () => undefined, within: () => true };
    this.#writer.write(address, request, sequence, { once: false, countdown: this.countdown });
    return memory.u8.slice(address, address + bytes - (sequence.open ? 0 : layout.OPERATION_BYTES));
  }

  #allocate(bytes: number): number {
    if (this.#arena < 0 || this.#free + bytes > (this.#arenas[this.#arena] as number) + ARENA_BYTES) {
      this.#arena++;
      if (this.#arena === this.#arenas.length) this.#arenas.push(this.#engine.memory.region(ARENA_BYTES));
      this.#free = this.#arenas[this.#arena] as number;
    }
    const address = this.#free;
    this.#free += bytes;
    return address;
  }

  /**
   * Forgets all decoded operations, so that their memory can be used again. Blocks that the watcher wants are watched
   * on. No generated code may be running.
   */
  forget(): void {
    const { memory } = this.#engine;
    this.generation++;
    this.#byAddress.clear();
    for (const [frame, { blocks, incoming }] of this.frames.all()) {
      for (const [key, block] of blocks) {
        if (this.watcher?.wants(block) === true) blocks.set(key, { ...block, address: 0 });
        else blocks.delete(key);
      }
      incoming.clear();
      this.frames.update(frame);
    }
    memory.u8.fill(0, this.#blockCache, this.#blockCache + BLOCK_CACHE_ENTRIES * BLOCK_CACHE_ENTRY_BYTES);
    for (const vcpu of this.#engine.vcpus) vcpu.translations.forgetCode();
    this.watcher?.dropped();
    this.#arena = -1;
  }

  /** Decodes instructions until one ends the block, the page ends, or there are enough. */
  #sequence(request: BlockRequest, limit: number, splits: ReadonlySet<number> | undefined): Sequence | undefined {
    const { machine, mode } = request;
    const codeSize = codeSizeOf(mode);
    const protectedMode = isProtected(mode);
    const frame = (machine & ~(FRAME_BYTES - 1)) >>> 0;
    const { memory } = this.#engine;
    const instructions: (Decoded | 'undefined' | 'too-long')[] = [];
    const offsets: number[] = [];
    let offset = machine & (FRAME_BYTES - 1);
    let secondFrame = 0;
    while (instructions.length < limit && offset < FRAME_BYTES) {
      let decoded = this.#engine.decoder.decode(
        memory.u8,
        frame + offset,
        FRAME_BYTES - offset,
        codeSize,
        protectedMode,
      );
      if (decoded === 'incomplete') {
        // An instruction that crosses into the next page stands alone in its block.
        if (instructions.length > 0) break;
        const next = request.nextFrame();
        if (next === undefined) return undefined;
        const here = FRAME_BYTES - offset;
        this.#crossing.set(memory.u8.subarray(frame + offset, frame + FRAME_BYTES));
        this.#crossing.set(memory.u8.subarray(next, next + LONGEST), here);
        decoded = this.#engine.decoder.decode(this.#crossing, 0, here + LONGEST, codeSize, protectedMode);
        if (decoded === 'incomplete') decoded = 'too-long';
        secondFrame = next;
      }
      offsets.push(offset);
      instructions.push(decoded);
      if (typeof decoded === 'string') {
        // How many bytes made it undefined is not known: any that an instruction can have.
        return { instructions, offsets, end: offset + LONGEST, secondFrame, open: false };
      }
      const last = decoded.form.ends || splits?.has(offset) === true || secondFrame !== 0;
      offset += decoded.length;
      if (last) return { instructions, offsets, end: offset, secondFrame, open: !decoded.form.ends };
    }
    return { instructions, offsets, end: offset, secondFrame, open: true };
  }
}

/** Tells blocks apart: machine address and code mode. */
export function blockKey({ machine, mode }: Block): number {
  return machine * 64 + mode;
}

/** The operation at which a block that counts is entered. */
export function countingOperation(block: Block): number {
  return block.address + layout.BLOCK_HEADER_BYTES;
}
