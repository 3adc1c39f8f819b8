/**
 * Takes the vmlinux out of a bzImage (Linux, Documentation/arch/x86/boot.rst, "payload_offset").
 *
 * Fast path: a bzImage decompresses itself, in the guest. That is some hundred million guest instructions for LZ4 and
 * some thousand million for XZ; here it is a fraction of a second. bzip2, LZMA, LZO and Zstandard are left to the guest.
 */

import { decodeLz4Legacy, LZ4_LEGACY_MAGIC } from './decompress/lz4.ts';
import { decodeXz, isXz } from './decompress/xz.ts';
import { isElf } from './elf.ts';
import { badKernel, type LoadOptions } from './load-options.ts';

/**
 * The plain vmlinux; undefined when it is compressed in a way we do not read. `maximumBytes` is what the kernel says it
 * needs, which bounds what a hostile image can make us allocate.
 */
export async function unpackPayload(
  payload: Uint8Array,
  maximumBytes: number,
  gunzip: LoadOptions['gunzip'],
): Promise<Uint8Array | undefined> {
  if (payload.length < 8) return undefined;
  if (isElf(payload)) return payload;
  // The kernel's build appends the plain size to what has no such field; that of gzip is in the same place.
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const plainBytes = view.getUint32(payload.length - 4, true);
  const compressed = payload.subarray(0, -4);
  if (view.getUint32(0, true) === LZ4_LEGACY_MAGIC) {
    return intact(plainBytes <= maximumBytes && decodeLz4Legacy(compressed, plainBytes));
  }
  if (isXz(payload)) return intact(plainBytes <= maximumBytes && decodeXz(compressed, plainBytes));
  if (gunzip && view.getUint16(0, false) === 0x1f8b) {
    return intact(plainBytes <= maximumBytes && (await decodeGzip(payload, plainBytes, gunzip)));
  }
  return undefined;
}

async function decodeGzip(payload: Uint8Array, plainBytes: number, gunzip: NonNullable<LoadOptions['gunzip']>) {
  try {
    const plain = await gunzip(payload);
    return plain.length === plainBytes && plain;
  } catch (cause) {
    throw damaged(cause);
  }
}

function intact(plain: Uint8Array | false | undefined): Uint8Array {
  if (!plain) throw damaged();
  return plain;
}

function damaged(cause?: unknown) {
  return badKernel('This kernel is damaged: its compressed part does not decompress.', cause);
}
