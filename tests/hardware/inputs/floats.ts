/** Random and edge-case floating-point numbers: binary32, binary64, double extended. */
import type { Prng } from './prng.ts';

const scratch = new DataView(new ArrayBuffer(8));

/** Numbers whose conversion to an integer rounds or overflows. */
function integral(random: Prng): number {
  const halves = random.below(64) / 2 - 16;
  switch (random.below(5)) {
    case 0:
      return halves;
    case 1:
      return random.u32() / 16 - 2 ** 27;
    case 2:
      return (random.chance(50) ? 1 : -1) * (2 ** random.pick([15, 16, 31, 32, 63, 64]) + random.below(3) - 1);
    case 3:
      return random.u32() - 2 ** 31 + random.below(4) / 4;
    default:
      return random.below(2000) / 8 - 125;
  }
}

export function writeFloat32(random: Prng, view: DataView, offset: number): void {
  const sign = random.below(2) * 0x8000_0000;
  const fraction = random.u32() & 0x7f_ffff;
  let bits: number;
  switch (random.below(16)) {
    case 0:
      bits = 0;
      break;
    case 1: // one, two, a half, three halves
      bits = random.pick([0x3f80_0000, 0x4000_0000, 0x3f00_0000, 0x3fc0_0000]);
      break;
    case 2: // denormal
      bits = random.chance(30) ? 1 << random.below(23) : fraction;
      break;
    case 3: // infinity
      bits = 0x7f80_0000;
      break;
    case 4: // quiet NaN
      bits = 0x7fc0_0000 | (fraction >>> random.below(23));
      break;
    case 5: // signalling NaN
      bits = 0x7f80_0000 | (fraction & 0x3f_ffff) | 1;
      break;
    case 6: // largest and smallest finite, smallest normal
      bits = random.pick([0x7f7f_ffff, 0x0080_0000, 0x007f_ffff, 0x0000_0001, 0x7f7f_fffe, 0x0080_0001]);
      break;
    case 7:
    case 8:
      scratch.setFloat32(0, integral(random), true);
      bits = scratch.getUint32(0, true) & 0x7fff_ffff;
      break;
    case 9: // anything
      bits = random.u32();
      break;
    case 10: // near the ends of the exponent range: underflow and overflow
      bits = ((random.chance(50) ? 1 + random.below(30) : 254 - random.below(30)) << 23) | fraction;
      break;
    default: // ordinary
      bits = ((112 + random.below(30)) << 23) | (random.chance(25) ? fraction & 0x7ff000 : fraction);
  }
  view.setUint32(offset, (bits | sign) >>> 0, true);
}

export function writeFloat64(random: Prng, view: DataView, offset: number): void {
  let low = random.u32();
  let high = random.u32() & 0xf_ffff;
  const sign = random.below(2) * 0x8000_0000;
  switch (random.below(16)) {
    case 0:
      low = 0;
      high = 0;
      break;
    case 1: // one, two, a half, three halves
      low = 0;
      high = random.pick([0x3ff0_0000, 0x4000_0000, 0x3fe0_0000, 0x3ff8_0000]);
      break;
    case 2: // denormal
      if (random.chance(30)) high = 0;
      break;
    case 3: // infinity
      low = 0;
      high = 0x7ff0_0000;
      break;
    case 4: // quiet NaN
      high |= 0x7ff8_0000;
      break;
    case 5: // signalling NaN
      high = 0x7ff0_0000 | (high & 0x7_ffff);
      low |= 1;
      break;
    case 6: // largest and smallest finite, smallest normal
      [high, low] = random.pick([
        [0x7fef_ffff, 0xffff_ffff],
        [0x0010_0000, 0],
        [0x000f_ffff, 0xffff_ffff],
        [0, 1],
        [0x0010_0000, 1],
      ]);
      break;
    case 7:
    case 8:
      scratch.setFloat64(0, integral(random), true);
      low = scratch.getUint32(0, true);
      high = scratch.getUint32(4, true) & 0x7fff_ffff;
      break;
    case 9: // anything
      high = random.u32() & 0x7fff_ffff;
      break;
    case 10: // near the ends of the exponent range
      high |= (random.chance(50) ? 1 + random.below(60) : 2046 - random.below(60)) << 20;
      break;
    case 11: // around the range of binary32, where narrowing underflows and overflows
      high |= (random.chance(50) ? 1023 - 126 - random.below(30) : 1023 + 127 - random.below(4)) << 20;
      break;
    default: // ordinary
      high |= (1008 + random.below(30)) << 20;
      if (random.chance(25)) low &= 0xfff0_0000;
  }
  view.setUint32(offset, low >>> 0, true);
  view.setUint32(offset + 4, (high | sign) >>> 0, true);
}

/** Double extended, with the encodings that later processors reject: pseudo-NaN, pseudo-infinity, unnormal. */
export function writeFloat80(random: Prng, view: DataView, offset: number): void {
  let low = random.u32();
  let high = (random.u32() | 0x8000_0000) >>> 0;
  let exponent: number;
  switch (random.below(20)) {
    case 0:
      low = 0;
      high = 0;
      exponent = 0;
      break;
    case 1: // one, two, a half, three halves
      low = 0;
      high = random.pick([0x8000_0000, 0xc000_0000]);
      exponent = 0x3ffe + random.below(3);
      break;
    case 2: // denormal
      high = random.chance(30) ? 0 : high & 0x7fff_ffff;
      exponent = 0;
      break;
    case 3: // pseudo-denormal
      exponent = 0;
      break;
    case 4: // infinity
      low = 0;
      high = 0x8000_0000;
      exponent = 0x7fff;
      break;
    case 5: // quiet NaN
      high = (high | 0x4000_0000) >>> 0;
      exponent = 0x7fff;
      break;
    case 6: // signalling NaN
      high = (high & 0xbfff_ffff) >>> 0;
      low |= 1;
      exponent = 0x7fff;
      break;
    case 7: // unnormal, pseudo-NaN, pseudo-infinity
      if (random.chance(30)) low = 0;
      high = low === 0 ? 0 : high & 0x7fff_ffff;
      exponent = random.chance(50) ? 0x7fff : 1 + random.below(0x7ffe);
      break;
    case 8: // the ends of the exponent range
      exponent = random.chance(50) ? 1 + random.below(70) : 0x7ffe - random.below(70);
      break;
    case 9:
    case 10: // integers and halves
      scratch.setFloat64(0, integral(random), true);
      widen(scratch, view, offset);
      return;
    case 11: // around the ranges of binary32 and binary64
      exponent = 0x3fff + (random.chance(50) ? 1 : -1) * (random.pick([126, 1022]) + random.below(60) - 4);
      break;
    case 12: // exactly a binary32 or binary64 value
      low = random.chance(50) ? 0 : low & 0xffff_f800;
      if (low === 0) high &= 0xffff_ff00;
      exponent = 0x3fff + random.below(64) - 32;
      break;
    case 13: // anything finite
      exponent = 1 + random.below(0x7ffe);
      break;
    default: // ordinary
      exponent = 0x3fff + random.below(40) - 20;
  }
  view.setUint32(offset, low >>> 0, true);
  view.setUint32(offset + 4, high >>> 0, true);
  view.setUint16(offset + 8, exponent | (random.below(2) << 15), true);
}

/** The binary64 number at the start of `from` (not zero-exponent unless zero) as double extended. */
function widen(from: DataView, view: DataView, offset: number): void {
  const bits = from.getBigUint64(0, true);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const significand = exponent === 0 ? 0n : (1n << 63n) | ((bits & 0xf_ffff_ffff_ffffn) << 11n);
  view.setBigUint64(offset, significand, true);
  view.setUint16(offset + 8, (exponent === 0 ? 0 : exponent - 1023 + 0x3fff) | (Number(bits >> 63n) << 15), true);
}

/** A double-extended number with an exponent between the two given (unbiased), either sign. */
export function writeFloat80Between(random: Prng, view: DataView, offset: number, least: number, most: number): void {
  view.setUint32(offset, random.u32(), true);
  view.setUint32(offset + 4, random.u32() | 0x8000_0000, true);
  const exponent = 0x3fff + least + random.below(most - least + 1);
  view.setUint16(offset + 8, exponent | (random.below(2) << 15), true);
}
