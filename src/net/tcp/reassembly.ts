/** Segments that came before their turn, sorted, without overlaps: bounded by the window, and in number. */

import { ahead, plus } from './sequence.ts';

const LARGEST_COUNT = 128;

interface Piece {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export class TcpReassembly {
  #pieces: Piece[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What lies in the window and is not there yet. With too many pieces the last is dropped: it will come again. */
  add(sequence: number, bytes: Uint8Array): void {
    let start = sequence;
    let rest = bytes;
    for (let i = 0; i <= this.#pieces.length && rest.length > 0; i++) {
      const piece = this.#pieces[i];
      const before = piece === undefined ? rest.length : Math.min(rest.length, ahead(piece.sequence, start));
      if (before > 0) {
        this.#pieces.splice(i, 0, { sequence: start, bytes: rest.subarray(0, before) });
        this.#length += before;
      } else {
        const covered = Math.max(0, piece.bytes.length - ahead(start, piece.sequence));
        start = plus(start, covered);
        rest = rest.subarray(covered);
        continue;
      }
      start = plus(start, before);
      rest = rest.subarray(before);
    }
    while (this.#pieces.length > LARGEST_COUNT) this.#length -= (this.#pieces.pop() as Piece).bytes.length;
  }

  /** Takes out what continues at `next`, if anything. */
  take(next: number): Uint8Array | undefined {
    while (this.#pieces.length > 0) {
      const [piece] = this.#pieces;
      const old = ahead(next, piece.sequence);
      if (old < 0) return undefined;
      this.#pieces.shift();
      this.#length -= piece.bytes.length;
      if (old < piece.bytes.length) return piece.bytes.subarray(old);
    }
    return undefined;
  }

  clear(): void {
    this.#pieces = [];
    this.#length = 0;
  }
}
