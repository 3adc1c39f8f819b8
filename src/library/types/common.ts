/** What several of the library's interfaces speak of. */

import type { BlockBackend } from '../../base/block.ts';

/** Every wait of the library takes these. */
export interface WaitOptions {
  /** Aborting rejects the wait with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the wait is rejected with a `VmTimeoutError`; for ever if not said, unless it says otherwise. */
  readonly timeoutMs?: number;
}

/** Bytes of their own, which fit wherever platforms take bytes. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Bytes, or where they are. Bytes are copied, never taken away from the caller. A string is a path in Node and a URL in
 * browsers; a URL object may be a `file:` one in Node, or one that `fetch` knows.
 */
export type BinarySource = Uint8Array | ArrayBuffer | Blob | URL | string;

/** A disk that the browser keeps for the page's origin (OPFS), by its name: it is there again after a reload. Browsers only. */
export interface KeptDisk {
  readonly kept: string;
  /** Where there is none of that name, an empty one of so many bytes, a multiple of 512, is made. */
  readonly createBytes?: number;
}

/**
 * What a drive has in it. A path in Node is a file that is used in place and locked against others; writes reach it. Of
 * everything else that is no back end and no kept disk the guest has a copy: writes are forgotten at the end.
 */
export type DiskSource = BinarySource | KeptDisk | BlockBackend;

export interface DiskOptions {
  readonly source: DiskSource;
  /** How the disk is connected; 'ide' if not said. 'virtio' is for systems that have its driver. */
  readonly bus?: 'ide' | 'ahci' | 'virtio';
  /** Writes are thrown away at the end, wherever the disk comes from. */
  readonly forget?: boolean;
  /** The guest cannot write. */
  readonly readOnly?: boolean;
}
