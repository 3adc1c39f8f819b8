/**
 * Block storage as interfaces: what a host offers (BlockBackend), what a device sees (BlockPort), and the drive that a
 * removable medium lies in (Drive).
 *
 *     device  <->  BlockPort  <->  vmm/block-queue.ts  <->  BlockBackend (file, overlay, memory)
 *
 * Offsets and lengths are in bytes and multiples of SECTOR_BYTES.
 */

export const SECTOR_BYTES = 512;

/** Why a request failed: the host's storage failed, or has no room left, or the medium cannot be written. */
export type BlockProblem = 'io' | 'full' | 'read-only';

/** What the promises of a BlockBackend are rejected with. */
export class BlockError extends Error {
  override readonly name = 'BlockError';
  readonly problem: BlockProblem;

  constructor(problem: BlockProblem, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.problem = problem;
  }
}

/** Storage of the host. Requests come one at a time and inside `sizeBytes`; all may take their time. */
export interface BlockBackend {
  /** A multiple of SECTOR_BYTES. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Fills all of `into`. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Stores all of `from`. What failed may be stored in part, other bytes are as they were. */
  write(offset: number, from: Uint8Array): Promise<void>;
  /**
   * `read` and `write` while the caller waits, throwing BlockError: for storage that answers in microseconds most of the
   * time, such as files. Asked for only while nothing else is under way.
   */
  readonly readNow?: ((offset: number, into: Uint8Array) => void) | undefined;
  readonly writeNow?: ((offset: number, from: Uint8Array) => void) | undefined;
  /** All that was written is on stable storage when this resolves. */
  flush(): Promise<void>;
  /** Flushes and lets go; there are no requests after it. */
  close(): Promise<void>;
  /** What people call it: a file's name. */
  readonly name?: string;
  /**
   * Something that is another whenever what is stored has changed, as a file's time of change or an entity tag, for
   * snapshots. Without it, large images are looked at more closely, and take longer.
   */
  version?(): Promise<string>;
  /** Of a disk that keeps what is written apart from what it lies on. */
  readonly layer?: DiskLayer;
}

/** What a layer is, in pages of LAYER_PAGE_BYTES: the last one may reach beyond the end. */
export const LAYER_PAGE_BYTES = 4096;

export interface DiskLayer {
  /** What is read where nothing was written. */
  readonly below: BlockBackend;
  /** Pages that are written in whole or in part, as of now, whatever is written later. */
  written(): WrittenPages;
  /** Nothing is written any more. */
  clear(): Promise<void>;
  /** Writes `pages` pages from `first` on, zeros if not said what, but for what is written already. */
  fill(first: number, pages: number, bytes: Uint8Array | undefined): Promise<void>;
}

export interface WrittenPages {
  has(page: number): boolean;
  /** Ascending. */
  [Symbol.iterator](): Iterator<number>;
}

/**
 * What a device sees: completion by callback, in the order of the requests and at virtual times that the vmm decides,
 * never within the call that made the request. Requests outside the medium end with 'io'.
 */
export interface BlockPort {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** The bytes are the receiver's until `done` returns; then they are used again. */
  read(offset: number, length: number, done: (result: Uint8Array | BlockProblem) => void): void;
  /** `bytes` must stay as they are until `done`. */
  write(offset: number, bytes: Uint8Array, done: (problem: BlockProblem | undefined) => void): void;
  flush(done: (problem: BlockProblem | undefined) => void): void;
  /**
   * For a reset: none of the requests under way calls back any more. Writes among them may or may not happen, but
   * before anything that is asked for later.
   */
  abandon(): void;
}

/** A drive with a removable medium. The device that it is part of looks at `medium` and is told of changes. */
export class Drive {
  #medium: BlockPort | undefined;
  /** Set by the device. */
  onChange: (() => void) | undefined;

  constructor(medium?: BlockPort) {
    this.#medium = medium;
  }

  get medium(): BlockPort | undefined {
    return this.#medium;
  }

  /** Puts another medium in, or takes it out, as a user's hand does. */
  change(medium: BlockPort | undefined): void {
    this.#medium?.abandon();
    this.#medium = medium;
    this.onChange?.();
  }
}
