/**
 * Bytes that wait, in order. Large pieces are kept as they came; small ones are put together, so that a queue costs about
 * as much as there is in it, whoever filled it byte by byte.
 */

const BLOCK_BYTES = 16 * 1024;
/** Pieces from here on are worth their own entry. */
const LARGE_BYTES = 1024;

export class ByteQueue {
  #pieces: Uint8Array[] = [];
  /** Bytes of the first piece that are gone already. */
  #skip = 0;
  #length = 0;
  /** What the last piece is the beginning of, if it can grow. */
  #block: Uint8Array | undefined;

  get length(): number {
    return this.#length;
  }

  /** How many pieces it is kept in. */
  get pieces(): number {
    return this.#pieces.length;
  }

  /** Takes bytes, which must not change any more. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length >= LARGE_BYTES) {
      this.#block = undefined;
      this.#pieces.push(bytes);
      return;
    }
    const last = this.#pieces.at(-1);
    const filled = last?.length ?? 0;
    if (last !== undefined && this.#block !== undefined && filled + bytes.length <= BLOCK_BYTES) {
      this.#block.set(bytes, filled);
      this.#pieces[this.#pieces.length - 1] = this.#block.subarray(0, filled + bytes.length);
      return;
    }
    this.#block = new Uint8Array(BLOCK_BYTES);
    this.#block.set(bytes);
    this.#pieces.push(this.#block.subarray(0, bytes.length));
  }

  /** A copy of up to `count` bytes that start `offset` into the queue. */
  copy(offset: number, count: number): Uint8Array {
    const copy = new Uint8Array(Math.max(0, Math.min(count, this.#length - offset)));
    let start = offset + this.#skip;
    let filled = 0;
    for (const piece of this.#pieces) {
      if (filled === copy.length) break;
      if (start >= piece.length) {
        start -= piece.length;
        continue;
      }
      const part = piece.subarray(start, start + copy.length - filled);
      copy.set(part, filled);
      filled += part.length;
      start = 0;
    }
    return copy;
  }

  /** Throws the first `count` bytes away. */
  discard(count: number): void {
    this.#length -= count;
    let left = count + this.#skip;
    let whole = 0;
    while (whole < this.#pieces.length && left >= this.#pieces[whole].length) left -= this.#pieces[whole++].length;
    this.#pieces.splice(0, whole);
    this.#skip = left;
    if (this.#pieces.length === 0) this.#block = undefined;
  }
}
