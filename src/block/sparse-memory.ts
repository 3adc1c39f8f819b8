/** Where writes to a disk go that are not to be kept: memory, as much of it as was written. */

import type { OverlayStore } from './overlay.ts';

const PIECE_BYTES = 64 * 1024;

export class SparseMemory implements OverlayStore {
  readonly #pieces = new Map<number, Uint8Array>();

  readNow(offset: number, into: Uint8Array): void {
    for (const { piece, at, from, to } of this.#split(offset, into.length)) {
      const bytes = this.#pieces.get(piece);
      if (bytes === undefined) into.fill(0, from, to);
      else into.set(bytes.subarray(at, at + to - from), from);
    }
  }

  writeNow(offset: number, from: Uint8Array): void {
    for (const { piece, at, from: start, to } of this.#split(offset, from.length)) {
      let bytes = this.#pieces.get(piece);
      if (bytes === undefined) {
        bytes = new Uint8Array(PIECE_BYTES);
        this.#pieces.set(piece, bytes);
      }
      bytes.set(from.subarray(start, to), at);
    }
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.readNow(offset, into);
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.writeNow(offset, from);
  }

  async clear(): Promise<void> {
    this.#pieces.clear();
  }

  async close(): Promise<void> {
    this.#pieces.clear();
  }

  /** Parts of a request by the piece they lie in: `at` within it, `from` and `to` within the request. */
  *#split(offset: number, length: number): Generator<{ piece: number; at: number; from: number; to: number }> {
    for (let from = 0; from < length; ) {
      const piece = Math.floor((offset + from) / PIECE_BYTES);
      const at = (offset + from) % PIECE_BYTES;
      const to = Math.min(length, from + PIECE_BYTES - at);
      yield { piece, at, from, to };
      from = to;
    }
  }
}
