/** x87 and SSE control state, x87 register stacks, and the memory images that FLDENV, FRSTOR, FXRSTOR and XRSTOR load. */

import type { MachineState } from '../state.ts';
import { writeFloat80, writeFloat80Between } from './floats.ts';
import type { Prng } from './prng.ts';
import { writeData } from './values.ts';

const EXCEPTIONS = 0x3f;
const SUMMARY_AND_BUSY = 0x8080;
const MASKED_CONTROL = 0x37f;

/** Rounding: any; precision: mostly extended, never the reserved encoding; exceptions: mostly masked. */
function pickControl(random: Prng): number {
  const precision = random.pick([3, 3, 3, 3, 0, 2]) << 8;
  const rounding = random.chance(50) ? 0 : random.below(4) << 10;
  const infinity = random.chance(5) ? 0x1000 : 0;
  const masks = random.chance(70) ? EXCEPTIONS : random.u32() & EXCEPTIONS;
  return 0x40 | precision | rounding | infinity | masks;
}

/** A status word whose summary bit agrees with the masks of the control word (SDM Vol. 1 §8.1.3.3). */
function pickStatus(random: Prng, control: number): number {
  const pending = random.chance(4);
  let flags = random.chance(60) ? 0 : random.u32() & 0x7f;
  if (!pending) flags &= 0x40 | control;
  const conditions = random.u32() & 0x4700;
  const top = random.below(8) << 11;
  return flags | conditions | top | (flags & ~control & EXCEPTIONS ? SUMMARY_AND_BUSY : 0);
}

/**
 * What ST(0), ST(1) hold: `any`; `fraction` within [-1, 1] (F2XM1); `log1p` within the range of FYL2XP1;
 * `angle` for the trigonometric functions; `exponent` for FSCALE; `near` two numbers of similar size (FPREM).
 */
export type StackKind = 'any' | 'fraction' | 'log1p' | 'angle' | 'exponent' | 'near';

export function fillStack(random: Prng, state: MachineState, view: DataView, base: number, kind: StackKind): void {
  state.control = pickControl(random);
  state.status = pickStatus(random, state.control);
  for (let i = 0; i < 8; i++) writeFloat80(random, view, base + 10 * i);
  const top = (state.status >> 11) & 7;
  const [first, second] = [10 * top, 10 * ((top + 1) & 7)];
  fillTop(random, view, base + first, base + second, kind);
  if (random.chance(10)) state.st.copyWithin(second, first, first + 10);
  // ST(0) to ST(5) hold numbers and ST(7) is free, or anything goes.
  let occupied = 0;
  for (let i = 0; i < 7; i++) if (i < 6 || random.chance(50)) occupied |= 1 << ((top + i) & 7);
  state.tag = random.chance(88) ? occupied : random.u32() & 0xff;
}

function fillTop(random: Prng, view: DataView, base: number, second: number, kind: StackKind): void {
  // Zeros, infinities and NaNs of the unrestricted numbers remain of interest wherever the manual defines the result.
  switch (kind) {
    case 'fraction':
      if (random.chance(15)) writeSpecial(random, view, base, [0, 0x3fff]);
      else writeFloat80Between(random, view, base, random.chance(20) ? -16382 : -70, -1);
      break;
    case 'log1p':
      if (random.chance(15)) writeSpecial(random, view, base, [0]);
      else writeFloat80Between(random, view, base, random.chance(20) ? -16382 : -70, -3);
      break;
    case 'angle':
      if (random.chance(70))
        writeFloat80Between(random, view, base, random.chance(20) ? -70 : -8, random.chance(25) ? 66 : 8);
      break;
    case 'exponent':
      if (random.chance(60)) writeFloat80Between(random, view, second, -4, 14);
      break;
    case 'near':
      if (random.chance(60)) {
        writeFloat80Between(random, view, base, 0, 90);
        writeFloat80Between(random, view, second, -6, 8);
      }
      break;
  }
}

/** A signed zero, a number of significand 1.0 and the given exponent, or a NaN. */
function writeSpecial(random: Prng, view: DataView, offset: number, exponents: readonly number[]): void {
  const exponent = random.chance(25) ? 0x7fff : random.pick(exponents);
  view.setUint32(offset, exponent === 0x7fff ? random.u32() | 1 : 0, true);
  view.setUint32(
    offset + 4,
    exponent === 0 ? 0 : 0x8000_0000 + (exponent === 0x7fff ? random.below(0x7fff_ffff) : 0),
    true,
  );
  view.setUint16(offset + 8, exponent | (random.below(2) << 15), true);
}

/** Physical registers with packed integers or floats in the significands, any TOP, any tags. */
export function fillMmx(random: Prng, state: MachineState, view: DataView, base: number, type: 'int' | 'f32'): void {
  state.control = random.chance(90) ? MASKED_CONTROL : pickControl(random);
  state.status = pickStatus(random, random.chance(90) ? MASKED_CONTROL : state.control);
  if (!(state.status & 0x80)) state.status &= ~(EXCEPTIONS & ~state.control);
  state.tag = random.chance(50) ? 0xff : random.u32() & 0xff;
  for (let i = 0; i < 8; i++) {
    writeData(random, view, base + 10 * i, 8, type);
    view.setUint16(base + 10 * i + 8, random.chance(80) ? 0xffff : random.u32() & 0xffff, true);
  }
}

/** Rounding, flush-to-zero, denormals-are-zeros and masks: the default in two of five, otherwise any combination. */
export function pickMxcsr(random: Prng): number {
  if (random.chance(40)) return 0x1f80;
  const masks = random.chance(65) ? 0x1f80 : random.u32() & 0x1f80;
  const rounding = random.below(4) << 13;
  const flush = random.chance(25) ? 0x8000 : 0;
  const daz = random.chance(25) ? 0x40 : 0;
  const flags = random.chance(60) ? 0 : random.u32() & 0x3f;
  return masks | rounding | flush | daz | flags;
}

/** For LDMXCSR: one in eight has reserved bits set, which must give #GP(0). */
export function pickMxcsrOperand(random: Prng): number {
  return random.chance(12) ? (pickMxcsr(random) | (1 << (16 + random.below(16)))) >>> 0 : pickMxcsr(random);
}

/** FLDENV and FRSTOR: words of the environment, 2 or 4 bytes apart, then eight registers if there is room. */
export function writeEnvironment(random: Prng, view: DataView, offset: number, length: number): void {
  const wide = length === 28 || length === 108;
  const step = wide ? 4 : 2;
  const control = random.chance(80) ? pickControl(random) : random.u32() & 0xffff;
  const words = [
    control,
    random.chance(80) ? pickStatus(random, control) : random.u32() & 0xffff,
    random.u32() & 0xffff,
  ];
  for (let i = 0; i < 7; i++) {
    view.setUint16(offset + step * i, i < 3 ? words[i] : random.u32() & 0xffff, true);
    if (wide) view.setUint16(offset + step * i + 2, random.u32() & 0xffff, true);
  }
  for (let at = 7 * step; at + 10 <= length; at += 10) writeFloat80(random, view, offset + at);
}

/** The 512 bytes that FXRSTOR loads, in SDM Vol. 1 Table 10-2's layout. */
export function writeFxImage(random: Prng, view: DataView, offset: number): void {
  const control = random.chance(80) ? pickControl(random) : random.u32() & 0xffff;
  view.setUint16(offset, control, true);
  view.setUint16(offset + 2, pickStatus(random, control), true);
  view.setUint16(offset + 4, random.u32() & 0xff, true);
  for (let at = 6; at < 24; at += 2) view.setUint16(offset + at, random.u32() & 0xffff, true);
  view.setUint32(offset + 24, pickMxcsrOperand(random), true);
  view.setUint32(offset + 28, random.u32(), true);
  for (let i = 0; i < 8; i++) {
    writeFloat80(random, view, offset + 32 + 16 * i);
    for (let at = 10; at < 16; at += 2) view.setUint16(offset + 32 + 16 * i + at, random.u32() & 0xffff, true);
  }
  writeData(random, view, offset + 160, 256, 'int');
}

/**
 * The 64 bytes behind an XSAVE image (SDM Vol. 1 §13.4.2): XSTATE_BV names x87 and SSE at most, or the reserved bit 63;
 * the bytes that must be zero are, in seven of eight.
 */
export function writeXsaveHeader(random: Prng, view: DataView, offset: number): void {
  for (let at = 0; at < 64; at += 4) view.setUint32(offset + at, 0, true);
  view.setUint32(offset, random.below(4), true);
  if (random.chance(4)) view.setUint32(offset + 4, 0x8000_0000, true);
  if (random.chance(8)) view.setUint8(offset + 8 + random.below(7), 1 + random.below(255));
}
