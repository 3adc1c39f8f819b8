/**
 * Decodes the legacy LZ4 frame, which is what the kernel's build writes (LZ4 project, doc/lz4_Frame_format.md,
 * "Legacy frame", and doc/lz4_Block_format.md): a magic number, then blocks of at most 8 MiB of plain data, each with
 * its compressed size in front and independent of the others.
 */

export const LZ4_LEGACY_MAGIC = 0x184c_2102;

/** Lengths from here on are continued in further bytes. */
const LONG_LENGTH = 15;
const MINIMUM_MATCH = 4;
/** Below this a byte loop beats the call of a built-in copy. */
const BUILTIN_COPY = 32;

/** Decodes `frame` to exactly `plainBytes`; undefined when it is damaged. */
export function decodeLz4Legacy(frame: Uint8Array, plainBytes: number): Uint8Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 4 || view.getUint32(0, true) !== LZ4_LEGACY_MAGIC) return undefined;
  const plain = new Uint8Array(plainBytes);
  let written = 0;
  for (let at = 4; at < frame.length; ) {
    if (at + 4 > frame.length) return undefined;
    const end = at + 4 + view.getUint32(at, true);
    if (end > frame.length) return undefined;
    const next = decodeBlock(frame, at + 4, end, plain, written);
    if (next === undefined) return undefined;
    at = end;
    written = next;
  }
  return written === plainBytes ? plain : undefined;
}

/** Decodes input[from, to) to output[start...]; gives the end of what it wrote, or undefined when it is damaged. */
function decodeBlock(
  input: Uint8Array,
  from: number,
  to: number,
  output: Uint8Array,
  start: number,
): number | undefined {
  let read = from;
  let write = start;
  while (read < to) {
    const token = input[read++];

    let literals = token >> 4;
    if (literals === LONG_LENGTH) {
      let more: number;
      do {
        if (read >= to) return undefined;
        more = input[read++];
        literals += more;
      } while (more === 255);
    }
    if (read + literals > to || write + literals > output.length) return undefined;
    if (literals < BUILTIN_COPY) {
      for (let i = 0; i < literals; i++) output[write + i] = input[read + i];
    } else {
      output.set(input.subarray(read, read + literals), write);
    }
    read += literals;
    write += literals;
    if (read === to) return write; // The last sequence has literals only.

    if (read + 2 > to) return undefined;
    const distance = input[read] | (input[read + 1] << 8);
    read += 2;
    let length = (token & 15) + MINIMUM_MATCH;
    if (length === LONG_LENGTH + MINIMUM_MATCH) {
      let more: number;
      do {
        if (read >= to) return undefined;
        more = input[read++];
        length += more;
      } while (more === 255);
    }
    if (distance === 0 || distance > write - start || write + length > output.length) return undefined;
    if (length < BUILTIN_COPY || distance < length) {
      for (let i = 0; i < length; i++) output[write + i] = output[write + i - distance];
    } else {
      output.copyWithin(write, write - distance, write - distance + length);
    }
    write += length;
  }
  return undefined;
}
