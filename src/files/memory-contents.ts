/** The bytes of a file in memory, in pieces: what was never written takes no room. */

const PIECE_BYTES = 64 * 1024;

export class MemoryContents {
  /** By their number; ones that are missing are zeros. */
  readonly #pieces = new Map<number, Uint8Array>();
  /** Told how many bytes more (or fewer) it takes; false: there is no room for them. */
  readonly #take: (bytes: number) => boolean;
  sizeBytes = 0;

  constructor(take: (bytes: number) => boolean) {
    this.#take = take;
  }

  get storedBytes(): number {
    return this.#pieces.size * PIECE_BYTES;
  }

  read(offset: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - offset));
    this.#each(offset, count, (number, start, done, length) => {
      const piece = this.#pieces.get(number);
      if (piece) into.set(piece.subarray(start, start + length), done);
      else into.fill(0, done, done + length);
      return true;
    });
    return count;
  }

  /** How many bytes there was room for. */
  write(offset: number, from: Uint8Array): number {
    const count = this.#each(offset, from.length, (number, start, done, length) => {
      let piece = this.#pieces.get(number);
      if (piece === undefined) {
        if (!this.#take(PIECE_BYTES)) return false;
        piece = new Uint8Array(PIECE_BYTES);
        this.#pieces.set(number, piece);
      }
      piece.set(from.subarray(done, done + length), start);
      return true;
    });
    if (count > 0) this.sizeBytes = Math.max(this.sizeBytes, offset + count);
    return count;
  }

  resize(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) {
      const keep = Math.ceil(sizeBytes / PIECE_BYTES);
      for (const number of this.#pieces.keys()) {
        if (number < keep) continue;
        this.#pieces.delete(number);
        this.#take(-PIECE_BYTES);
      }
      // What comes to be part of the file again is zeros.
      this.#pieces.get(keep - 1)?.fill(0, sizeBytes - (keep - 1) * PIECE_BYTES);
    }
    this.sizeBytes = sizeBytes;
  }

  #each(
    offset: number,
    length: number,
    use: (number: number, start: number, done: number, length: number) => boolean,
  ): number {
    let done = 0;
    while (done < length) {
      const at = offset + done;
      const number = Math.floor(at / PIECE_BYTES);
      const start = at - number * PIECE_BYTES;
      const count = Math.min(PIECE_BYTES - start, length - done);
      if (!use(number, start, done, count)) break;
      done += count;
    }
    return done;
  }
}
