/**
 * Disks that are read from a Blob or File, in a worker: FileReaderSync (W3C "File API" §6.5) reads while the guest
 * waits, which for bytes the browser has at hand is sooner than a promise. A Blob cannot be written.
 */

import { type BlockBackend, BlockError, SECTOR_BYTES } from '../../base/block.ts';
import { VivariumError } from '../../base/errors.ts';

/** What a browser has in workers only, and Node not at all. */
interface SyncReader {
  readAsArrayBuffer(blob: Blob): ArrayBuffer;
}
const readers = globalThis as { readonly FileReaderSync?: new () => SyncReader };

/** Throws a `bad-file` VivariumError for what cannot be a disk. */
export function checkDiskSize(name: string, sizeBytes: number): void {
  const reason =
    sizeBytes === 0
      ? 'it is empty'
      : sizeBytes % SECTOR_BYTES !== 0
        ? `its ${sizeBytes} bytes are not a whole number of sectors of ${SECTOR_BYTES} bytes`
        : undefined;
  if (reason === undefined) return;
  throw new VivariumError({ kind: 'bad-file', path: name }, `${name} cannot be used as a disk: ${reason}.`);
}

export class BlobDisk implements BlockBackend {
  readonly readOnly = true;
  readonly sizeBytes: number;
  readonly name?: string;
  readonly #blob: Blob;
  readonly readNow?: (offset: number, into: Uint8Array) => void;

  constructor(blob: Blob) {
    checkDiskSize(blob instanceof File ? blob.name : 'The image', blob.size);
    this.#blob = blob;
    if (blob instanceof File) this.name = blob.name;
    this.sizeBytes = blob.size;
    if (readers.FileReaderSync === undefined) return;
    const reader = new readers.FileReaderSync();
    this.readNow = (offset, into) => {
      try {
        into.set(new Uint8Array(reader.readAsArrayBuffer(blob.slice(offset, offset + into.length))));
      } catch (error) {
        throw unreadable(error);
      }
    };
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    try {
      into.set(new Uint8Array(await this.#blob.slice(offset, offset + into.length).arrayBuffer()));
    } catch (error) {
      throw unreadable(error);
    }
  }

  async write(): Promise<void> {
    throw new BlockError('read-only', 'It can only be read.');
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}

/** A file that was changed, moved or taken away since it was chosen cannot be read any more. */
function unreadable(cause: unknown): BlockError {
  return new BlockError('io', 'The file cannot be read any more.', { cause });
}
