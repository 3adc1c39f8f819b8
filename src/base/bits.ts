/**
 * Small bit arithmetic shared by all layers. Values are unsigned 32-bit numbers unless a name says otherwise;
 * addresses may be doubles up to 2^52, where the 32-bit operators do not reach.
 */

/** Bit `n` (0..31) of `value`, as 0 or 1. */
export function bit(value: number, n: number): 0 | 1 {
  return ((value >>> n) & 1) as 0 | 1;
}

/** The `width` (1..32) bits of `value` that start at bit `low`. */
export function bits(value: number, low: number, width: number): number {
  return ((value >>> low) & (0xffff_ffff >>> (32 - width))) >>> 0;
}

/** `value` with bit `n` (0..31) set or cleared. */
export function withBit(value: number, n: number, on: boolean): number {
  return (on ? value | (1 << n) : value & ~(1 << n)) >>> 0;
}

/** `width` (0..32) ones, at the low end. */
export function ones(width: number): number {
  return width === 0 ? 0 : 0xffff_ffff >>> (32 - width);
}

/** `value` cut to the bytes of an access of `sizeBytes` (1, 2 or 4). */
export function truncate(value: number, sizeBytes: number): number {
  return sizeBytes === 4 ? value >>> 0 : value & ((1 << (sizeBytes << 3)) - 1);
}

/** Number of the lowest bit set, or -1 for zero. */
export function lowestSetBit(value: number): number {
  return 31 - Math.clz32(value & -value);
}

/** Number of the highest bit set, or -1 for zero. */
export function highestSetBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** Low 32 bits of a non-negative integer below 2^53. */
export function low32(value: number): number {
  return value >>> 0;
}

/** Bits 32 and up of a non-negative integer below 2^53. */
export function high32(value: number): number {
  return Math.floor(value / 0x1_0000_0000);
}

/** The integer high * 2^32 + low; exact while it is below 2^53. */
export function join32(high: number, low: number): number {
  return (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

/** Largest multiple of `alignment` that is not above `value`; both may be beyond 32 bits. */
export function alignDown(value: number, alignment: number): number {
  return value - (value % alignment);
}

/** Smallest multiple of `alignment` that is not below `value`; both may be beyond 32 bits. */
export function alignUp(value: number, alignment: number): number {
  return alignDown(value + alignment - 1, alignment);
}

/** The four bytes of an unsigned number in reverse. */
export function swap32(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
