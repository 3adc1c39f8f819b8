/**
 * Undoes the x86 branch filter of .xz (xz-file-format §5.3.2 "Branch/Call/Jump Filters for Executables").
 *
 * The encoder turned the relative targets of CALL (E8) and JMP (E9) into absolute ones, which repeat and so compress
 * better. To tell real branches from data it looks at the top byte of the target (0x00 or 0xFF) and at opcodes seen in
 * the three bytes before, which the target of an earlier, unconverted branch would overlap. The decoder must make the
 * same guesses, from the converted bytes.
 */

/** For opcodes at 1, 2, 3 bytes before (bits 0, 1, 2): whether a branch here can have been converted. */
const CONVERTIBLE = [true, true, true, false, true, false, false, false];
/** ... and the byte of its target, counted from the top, that the nearest of them looked at. */
const SUSPECT_BYTE = [0, 1, 2, 2, 3, 3, 3, 3];

/** Decodes bytes[from, to) in place; addresses count from `from`. */
export function decodeBcjX86(bytes: Uint8Array, from: number, to: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let earlier = 0;
  let previous = from - 1;
  for (let at = from; at < to - 4; at++) {
    if ((bytes[at] & 0xfe) !== 0xe8) continue;
    const distance = at - previous;
    earlier = distance > 3 ? 0 : (earlier << (distance - 1)) & 7;
    previous = at;
    const plausible = earlier === 0 || (CONVERTIBLE[earlier] && !isSignByte(bytes[at + 4 - SUSPECT_BYTE[earlier]]));
    if (!plausible || !isSignByte(bytes[at + 4])) {
      earlier = ((earlier << 1) | 1) & 7;
      continue;
    }
    const target = relative(view.getUint32(at + 1, true), at - from + 5, earlier);
    view.setUint32(at + 1, (target << 7) >> 7, true); // 25 bits, sign-extended
    at += 4;
  }
}

function relative(absolute: number, next: number, earlier: number): number {
  let value = absolute;
  for (;;) {
    const target = (value - next) >>> 0;
    if (earlier === 0) return target;
    const shift = SUSPECT_BYTE[earlier] * 8;
    if (!isSignByte((target >>> (24 - shift)) & 0xff)) return target;
    value = (target ^ ((2 ** (32 - shift) - 1) >>> 0)) >>> 0;
  }
}

/** The top byte of a target within 16 MiB, either way. */
function isSignByte(byte: number): boolean {
  return byte === 0x00 || byte === 0xff;
}
