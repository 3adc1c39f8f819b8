/**
 * What lies in a guest's drive, as snapshots see it: a backend that can be kept as it was at a moment while the guest
 * writes on. A page is read when the guest is about to write to it, or when whoever saves it asks for it, whichever
 * comes first.
 *
 *     Port -> Medium -> backend        requests, which go straight through
 *               ^
 *     FrozenDisk                       its reads, in order with the guest's requests while there is one
 */

import { type BlockBackend, LAYER_PAGE_BYTES, type WrittenPages } from '../base/block.ts';

export class Medium implements BlockBackend {
  readonly backend: BlockBackend;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly #readNow: BlockBackend['readNow'];
  readonly #writeNow: BlockBackend['writeNow'];
  /** The last request is over. */
  #last: Promise<unknown> = Promise.resolve();
  /** Those on whose account nothing may overtake. */
  #holds = 0;
  readonly #frozen = new Set<FrozenDisk>();

  /** `readOnly`: whatever the backend says. */
  constructor(backend: BlockBackend, readOnly: boolean) {
    this.backend = backend;
    this.sizeBytes = backend.sizeBytes;
    this.readOnly = readOnly || backend.readOnly;
    this.#readNow = backend.readNow?.bind(backend);
    this.#writeNow = backend.writeNow?.bind(backend);
  }

  get readNow(): BlockBackend['readNow'] {
    return this.#holds === 0 ? this.#readNow : undefined;
  }

  get writeNow(): BlockBackend['writeNow'] {
    return this.#holds === 0 ? this.#writeNow : undefined;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.inOrder(() => this.backend.read(offset, into));
  }

  write(offset: number, from: Uint8Array): Promise<void> {
    return this.inOrder(async () => {
      for (const frozen of this.#frozen) await frozen.keep(offset, from.length);
      await this.backend.write(offset, from);
    });
  }

  flush(): Promise<void> {
    return this.inOrder(() => this.backend.flush());
  }

  close(): Promise<void> {
    return this.backend.close();
  }

  /** After all requests before it, and before those that are made later. */
  inOrder<T>(request: () => Promise<T>): Promise<T> {
    const result = this.#last.then(request);
    this.#last = result.catch(() => {});
    return result;
  }

  /** While `work` goes on, requests are made in order. */
  async hold<T>(work: Promise<T>): Promise<T> {
    this.#holds++;
    try {
      return await work;
    } finally {
      this.#holds--;
    }
  }

  /** Between requests. `all`: not only what is written to the backend's layer. To be released. */
  freeze(all: boolean): FrozenDisk {
    this.#holds++;
    const { layer } = this.backend;
    const frozen = new FrozenDisk(this, all ? undefined : layer?.written(), () => {
      // Not before what it has asked for last.
      if (this.#frozen.delete(frozen)) void this.inOrder(async () => this.#holds--);
    });
    this.#frozen.add(frozen);
    return frozen;
  }
}

/** A disk as it was. */
export class FrozenDisk {
  readonly sizeBytes: number;
  /** Of a layer: what it has; where there is none, what counts is all of the disk. */
  readonly written: WrittenPages | undefined;
  /** Lets the disk go. */
  readonly release: () => void;
  readonly #medium: Medium;
  /** Pages that were written since, as they were. */
  readonly #kept = new Map<number, Uint8Array>();
  /** Pages below have been taken. */
  #next = 0;
  /** Why some of it is not to be had. */
  #problem: unknown;

  constructor(medium: Medium, written: WrittenPages | undefined, release: () => void) {
    this.#medium = medium;
    this.sizeBytes = medium.sizeBytes;
    this.written = written;
    this.release = release;
  }

  get pages(): number {
    return Math.ceil(this.sizeBytes / LAYER_PAGE_BYTES);
  }

  /** For the medium: these bytes are about to be written. */
  async keep(offset: number, length: number): Promise<void> {
    const end = Math.ceil((offset + length) / LAYER_PAGE_BYTES);
    for (let page = Math.max(this.#next, Math.floor(offset / LAYER_PAGE_BYTES)); page < end; page++) {
      if (this.#kept.has(page) || this.written?.has(page) === false) continue;
      try {
        this.#kept.set(page, await this.#read(this.#medium.backend, page, 1));
      } catch (error) {
        // That is no reason why the guest should not write.
        this.#problem = error;
      }
    }
  }

  /**
   * Pages from `first` on, all of them written or none, with zeros behind the disk's end. To be asked for in ascending
   * order. Rejects with a BlockError.
   */
  take(first: number, count: number): Promise<Uint8Array> {
    return this.#medium.inOrder(async () => {
      if (this.#problem !== undefined) throw this.#problem;
      const { backend } = this.#medium;
      // What has come to be written since is as it was below.
      const source = this.written?.has(first) === false ? (backend.layer?.below ?? backend) : backend;
      const bytes = await this.#read(source, first, count);
      this.#next = first + count;
      for (let page = first; page < first + count; page++) {
        const kept = this.#kept.get(page);
        if (kept !== undefined) bytes.set(kept, (page - first) * LAYER_PAGE_BYTES);
        this.#kept.delete(page);
      }
      return bytes;
    });
  }

  async #read(source: BlockBackend, first: number, count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count * LAYER_PAGE_BYTES);
    const start = first * LAYER_PAGE_BYTES;
    await source.read(start, bytes.subarray(0, Math.min(bytes.length, this.sizeBytes - start)));
    return bytes;
  }
}
