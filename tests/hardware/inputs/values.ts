/** Random and edge-case operand values: integers, packed lanes, packed BCD, text; floats are in `floats.ts`. */
import { writeFloat32, writeFloat64, writeFloat80 } from './floats.ts';
import type { Prng } from './prng.ts';

/** How the bytes of an operand are meant. */
export type DataType = 'int' | 'f32' | 'f64' | 'f80' | 'bcd' | 'text';

const scratch = new DataView(new ArrayBuffer(16));

/** A 64-bit integer: uniform, small, around powers of two, sign- or zero-extended, repeated bytes. */
export function writeInteger(random: Prng, view: DataView, offset: number): void {
  let low = random.u32();
  let high = random.u32();
  switch (random.below(15)) {
    case 5: // 32 bits, zero-extended
      high = 0;
      break;
    case 6: // 32 bits, sign-extended
      high = (low | 0) >> 31;
      break;
    case 7: // small, either sign
      low = (low & 31) - 16;
      high = low >> 31;
      break;
    case 8: // a byte or a word
      low &= high & 1 ? 0xff : 0xffff;
      high = 0;
      break;
    case 9:
    case 10:
      writePowerOfTwo(random, view, offset);
      return;
    case 11: // logarithmic
      view.setBigUint64(offset, ((BigInt(high) << 32n) | BigInt(low)) >> BigInt(random.below(64)), true);
      return;
    case 12: // one byte repeated
      low = Math.imul(low & 0xff, 0x01010101);
      high = low;
      break;
    case 13:
      low = 0;
      high = 0;
      break;
    case 14:
      low = -1;
      high = -1;
      break;
  }
  view.setInt32(offset, low, true);
  view.setInt32(offset + 4, high, true);
}

/** A power of two or its negative, give or take one: the minima and maxima of all sizes are among them. */
function writePowerOfTwo(random: Prng, view: DataView, offset: number): void {
  const exponent = random.chance(60) ? random.pick([7, 8, 15, 16, 31, 32, 63]) : random.below(64);
  const power = (1n << BigInt(exponent)) + BigInt(random.below(3) - 1);
  view.setBigUint64(offset, BigInt.asUintN(64, random.chance(50) ? power : -power), true);
}

/** Bytes of packed integers: uniform, or lanes of 1, 2, 4 or 8 bytes at and around their limits. */
function writeLanes(random: Prng, view: DataView, offset: number, length: number): void {
  const mode = random.below(8);
  if (mode < 4) {
    for (let i = 0; i < length; i++) view.setUint8(offset + i, random.u32());
    return;
  }
  if (mode === 4) {
    for (let i = 0; i + 8 <= length; i += 8) writeInteger(random, view, offset + i);
    for (let i = length & ~7; i < length; i++) view.setUint8(offset + i, random.u32());
    return;
  }
  const lane = 1 << (mode - 5);
  for (let i = 0; i < length; i++) {
    const top = i % lane === lane - 1;
    const kind = random.below(6);
    const byte = kind === 0 ? random.u32() : kind === 1 ? random.below(4) : kind < 4 ? 0xff : 0;
    view.setUint8(offset + i, top && kind !== 1 ? byte ^ (random.below(2) << 7) : byte);
  }
}

/** 18 valid decimal digits and a sign byte; digits that are not decimal give undefined results, so there are none. */
function writeBcd(random: Prng, view: DataView, offset: number): void {
  const digits = random.below(10);
  for (let i = 0; i < 9; i++) {
    const byte = (random.below(10) << 4) | random.below(10);
    view.setUint8(offset + i, digits === 0 ? 0x99 : i < digits ? byte : 0);
  }
  view.setUint8(offset + 9, random.below(2) << 7);
}

/** Bytes or words over a small alphabet with zeros, for the string comparisons. */
function writeText(random: Prng, view: DataView, offset: number, length: number): void {
  const words = random.chance(40);
  const alphabet = random.pick([2, 4, 16]);
  for (let i = 0; i < length; i++) {
    const zero = random.below(12) === 0;
    view.setUint8(offset + i, zero ? 0 : words && i & 1 ? random.below(2) * 0x80 : 0x7e + random.below(alphabet));
  }
}

/** Fill `length` bytes with values of a type, or with an integer where not one value of the type fits. */
export function writeData(random: Prng, view: DataView, offset: number, length: number, type: DataType): void {
  switch (type) {
    case 'f32':
      for (let i = 0; i + 4 <= length; i += 4) writeFloat32(random, view, offset + i);
      return;
    case 'f64':
      if (length < 8) break;
      for (let i = 0; i + 8 <= length; i += 8) writeFloat64(random, view, offset + i);
      return;
    case 'f80':
      if (length < 10) break;
      writeFloat80(random, view, offset);
      return;
    case 'bcd':
      if (length < 10) break;
      writeBcd(random, view, offset);
      return;
    case 'text':
      writeText(random, view, offset, length);
      return;
  }
  if (length <= 8) {
    writeInteger(random, scratch, 0);
    for (let i = 0; i < length; i++) view.setUint8(offset + i, scratch.getUint8(i));
  } else {
    writeLanes(random, view, offset, length);
  }
}
