/**
 * Machine memory (DESIGN.md §2): the one WebAssembly memory of a process, with regions for the monitor's tables and a
 * pool of 4 KiB frames for the guests.
 */

import { VivariumError } from '../base/errors.ts';

const WASM_PAGE = 0x10000;
const FRAME_BYTES = 4096;
/** Memory grows by this much when the pool is empty. */
const GROWTH_BYTES = 32 << 20;
/** WebAssembly's 32-bit limit; the last page stays unused so that addresses never wrap. */
export const MAXIMUM_PAGES = 0xffff;

export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  u8: Uint8Array;
  u32: Uint32Array;
  view: DataView;
  /** End of the regions and frames given out so far. */
  #top = WASM_PAGE;
  readonly #freeFrames: number[] = [];
  /** Frames that guests hold. */
  framesInUse = 0;

  /** Throws VivariumError when the host refuses. */
  constructor(initialBytes: number) {
    const initial = Math.ceil(initialBytes / WASM_PAGE);
    this.memory = exhaustible(() => new WebAssembly.Memory({ initial, maximum: MAXIMUM_PAGES }));
    this.u8 = new Uint8Array(0);
    this.u32 = new Uint32Array(0);
    this.view = new DataView(new ArrayBuffer(0));
    this.#refresh();
  }

  #refresh(): void {
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Grows once for so many bytes that are about to be asked for, rather than in steps. */
  expect(bytes: number): void {
    this.#ensure(this.#top + bytes);
  }

  /** A zeroed region that is never given back. Throws VivariumError when machine memory is exhausted. */
  region(bytes: number, alignment = 16): number {
    const start = Math.ceil(this.#top / alignment) * alignment;
    this.#ensure(start + bytes);
    this.#top = start + bytes;
    return start;
  }

  /** Address of a zeroed frame. Throws VivariumError when machine memory is exhausted. */
  frame(): number {
    const free = this.#freeFrames.pop();
    const frame = free ?? this.region(FRAME_BYTES, FRAME_BYTES);
    if (free !== undefined) this.u8.fill(0, free, free + FRAME_BYTES);
    this.framesInUse++;
    return frame;
  }

  /** Address of zeroed frames that lie side by side. Throws VivariumError when machine memory is exhausted. */
  frames(count: number): number {
    const frames = this.region(count * FRAME_BYTES, FRAME_BYTES);
    this.framesInUse += count;
    return frames;
  }

  releaseFrame(address: number): void {
    this.framesInUse--;
    this.#freeFrames.push(address);
  }

  #ensure(end: number): void {
    // Keep a page beyond the last frame: eight-byte reads near its end must stay inside.
    const missing = end + WASM_PAGE - this.u8.length;
    if (missing <= 0) return;
    const pages = Math.ceil(
      Math.max(missing, Math.min(GROWTH_BYTES, MAXIMUM_PAGES * WASM_PAGE - this.u8.length)) / WASM_PAGE,
    );
    exhaustible(() => this.memory.grow(pages));
    this.#refresh();
  }
}

function exhaustible<T>(allocate: () => T): T {
  try {
    return allocate();
  } catch (cause) {
    throw new VivariumError({ kind: 'host' }, 'The host has no memory left for the guests.', { cause });
  }
}
