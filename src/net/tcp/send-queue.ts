/** Bytes to send, from the first that is not acknowledged on. Chunks are kept as they came, and not copied together. */

export class SendQueue {
  #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are gone already. */
  #skip = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** A copy of up to `count` bytes that start `offset` into the queue. */
  copy(offset: number, count: number): Uint8Array {
    const copy = new Uint8Array(Math.max(0, Math.min(count, this.#length - offset)));
    let start = offset + this.#skip;
    let filled = 0;
    for (const chunk of this.#chunks) {
      if (filled === copy.length) break;
      if (start >= chunk.length) {
        start -= chunk.length;
        continue;
      }
      const part = chunk.subarray(start, start + copy.length - filled);
      copy.set(part, filled);
      filled += part.length;
      start = 0;
    }
    return copy;
  }

  /** The first `count` bytes have arrived. */
  discard(count: number): void {
    this.#length -= count;
    let left = count + this.#skip;
    let whole = 0;
    while (whole < this.#chunks.length && left >= this.#chunks[whole].length) left -= this.#chunks[whole++].length;
    this.#chunks.splice(0, whole);
    this.#skip = left;
  }
}
