/**
 * Tells a damaged initial RAM disk before a guest panics over it. Plain cpio and gzip are looked through; what is
 * packed otherwise is left to the guest.
 * Follows: Linux Documentation/driver-api/early-userspace/buffer-format.rst "initramfs buffer format".
 */

import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { VivariumError } from '../../base/errors.ts';

const HEADER_BYTES = 110;
/** Positions, in a header, of the hexadecimal fields c_filesize and c_namesize. */
const FILE_SIZE_AT = 54;
const NAME_SIZE_AT = 94;

/** Throws a `bad-initrd` VivariumError if `image` is empty, cut short or damaged. */
export async function checkInitrd(image: Uint8Array, path: string): Promise<void> {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.length);
  function refuse(what: string, cause?: unknown): never {
    throw new VivariumError({ kind: 'bad-initrd' }, `The initrd ${path} is ${what}.`, { cause });
  }

  if (bytes.length === 0) refuse('empty');
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes[offset] === 0) {
      offset++;
    } else if (isCpio(bytes, offset)) {
      offset = endOfEntry(bytes, offset) ?? refuse('cut short');
    } else if (bytes[offset] === 0x1f && bytes[offset + 1] === 0x8b) {
      const packed = bytes.subarray(offset);
      return await gunzipNowhere(packed).catch((error: NodeJS.ErrnoException) =>
        refuse(error.code === 'Z_BUF_ERROR' ? 'cut short' : 'damaged', error),
      );
    } else {
      return;
    }
  }
}

function isCpio(bytes: Buffer, offset: number): boolean {
  return /^07070[12]$/.test(bytes.toString('latin1', offset, offset + 6));
}

/** Where the entry at `offset` ends; undefined when it runs over the end of the archive. */
function endOfEntry(bytes: Buffer, offset: number): number | undefined {
  if (offset + HEADER_BYTES > bytes.length) return undefined;
  const field = (at: number): number => Number.parseInt(bytes.toString('latin1', offset + at, offset + at + 8), 16);
  const name = align(offset + HEADER_BYTES + field(NAME_SIZE_AT));
  const end = name + field(FILE_SIZE_AT);
  return end <= bytes.length ? Math.min(align(end), bytes.length) : undefined;
}

function align(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}

async function gunzipNowhere(packed: Buffer): Promise<void> {
  await pipeline([packed], createGunzip({ chunkSize: 256 * 1024 }), async (unpacked) => {
    for await (const _ of unpacked);
  });
}
