/**
 * Which bytes of which frames are decoded code. Writes to such a frame take the slow path, which looks in the code map
 * whether they may concern code at all.
 */

import { CODE_GRANULE, CODE_MAP_BYTES } from '../layout.ts';
import type { MachineMemory } from '../machine-memory.ts';
import type { Block } from './blocks.ts';

/** Slices for which a frame without code stays marked: code that is written anew again and again comes right back. */
const PATIENCE = 64;

/** What is decoded of one frame. */
export interface FrameCode {
  readonly blocks: Map<number, Block>;
  /** Offsets of instructions that must end their block: they reached a device, or wrote over code. */
  readonly splits: Set<number>;
  /** Blocks of the frame before that reach into this one. */
  readonly incoming: Set<Block>;
  /** The slow path is in force. */
  isMarked: boolean;
}

function isEmpty({ blocks, incoming }: FrameCode): boolean {
  return blocks.size === 0 && incoming.size === 0;
}

export class CodeFrames {
  readonly #memory: MachineMemory;
  readonly #codeMap: number;
  readonly #frames = new Map<number, FrameCode>();
  /** Marked frames without code, and the slice at which they are let go. */
  readonly #emptied = new Map<number, number>();
  #slices = 0;
  /** Called when a frame comes to be marked, and when it is let go. */
  changed: (frame: number, hasCode: boolean) => void = () => {};

  constructor(memory: MachineMemory, codeMap: number) {
    this.#memory = memory;
    this.#codeMap = codeMap;
  }

  known(frame: number): FrameCode | undefined {
    return this.#frames.get(frame);
  }

  of(frame: number): FrameCode {
    let code = this.#frames.get(frame);
    if (code === undefined) {
      code = { blocks: new Map(), splits: new Set(), incoming: new Set(), isMarked: false };
      this.#frames.set(frame, code);
    }
    return code;
  }

  all(): Iterable<[number, FrameCode]> {
    return this.#frames;
  }

  forget(frame: number): void {
    const code = this.#frames.get(frame);
    if (code?.isMarked) this.changed(frame, false);
    this.#emptied.delete(frame);
    this.#frames.delete(frame);
  }

  /** A block comes to be there. */
  add(frame: number, start: number, end: number): void {
    const code = this.of(frame);
    this.#emptied.delete(frame);
    if (!code.isMarked) this.changed(frame, true);
    code.isMarked = true;
    this.#mark(frame, start, end);
  }

  /** Blocks have gone. */
  update(frame: number): void {
    const code = this.of(frame);
    const place = this.#place(frame);
    this.#memory.u8.fill(0, place, place + CODE_MAP_BYTES);
    for (const block of code.blocks.values()) this.#mark(frame, block.start, block.end);
    for (const block of code.incoming) this.#mark(frame, 0, block.secondBytes);
    if (isEmpty(code) && code.isMarked) this.#emptied.set(frame, this.#slices + PATIENCE);
  }

  /** No generated code is running. */
  sliceEnded(): void {
    this.#slices++;
    if (this.#emptied.size === 0) return;
    for (const [frame, due] of this.#emptied) {
      if (due > this.#slices) return;
      this.#emptied.delete(frame);
      this.of(frame).isMarked = false;
      this.changed(frame, false);
    }
  }

  #place(frame: number): number {
    return this.#codeMap + (frame >>> 12) * CODE_MAP_BYTES;
  }

  #mark(frame: number, start: number, end: number): void {
    const place = this.#place(frame);
    const { u8 } = this.#memory;
    for (let granule = Math.floor(start / CODE_GRANULE); granule * CODE_GRANULE < end; granule++) {
      u8[place + (granule >> 3)] |= 1 << (granule & 7);
    }
  }
}
