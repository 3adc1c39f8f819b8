/** Rearranging elements: by an immediate, by a control vector, or two operands shifted as one. */

import type { Algebra, Value } from '../../algebra.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { requireMmx, writeMmx } from '../mmx-state.ts';
import { requireSse } from './available.ts';
import { byteIndexes, every, high, immediate, lanes, low, shuffle, splat } from './lanes.ts';
import { packed } from './packed.ts';

/** Brings the two-bit fields of an immediate to the same place in different lanes. */
const FIELD_FACTORS = [64, 16, 4, 1];

/** Byte indexes that pick doublewords by the four two-bit fields of `imm`. */
function doublewordIndexes(m: Algebra, imm: Value): Value {
  const moved = m.op('i32x4.mul', [splat(m, 32, imm), lanes(m, 32, FIELD_FACTORS)]);
  const fields = m.op('v128.and', [m.op('i32x4.shr_u', [moved, m.const(32, 6)]), every(m, 32, 3)]);
  return m.op('i32x4.add', [m.op('i32x4.mul', [fields, every(m, 32, 0x04040404)]), every(m, 32, 0x03020100)]);
}

/** The same for the words of one half; those of the other stay where they are. */
function wordIndexes(m: Algebra, imm: Value, half: 'low' | 'high'): Value {
  const none = [0, 0, 0, 0];
  const factors = half === 'low' ? [...FIELD_FACTORS, ...none] : [...none, ...FIELD_FACTORS];
  const base = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => {
    const from = i >> 2 === (half === 'low' ? 0 : 1) ? i & 4 : i;
    return (2 * from + 1) * 256 + 2 * from;
  });
  const moved = m.op('i16x8.mul', [splat(m, 16, imm), lanes(m, 16, factors)]);
  const fields = m.op('v128.and', [m.op('i16x8.shr_u', [moved, m.const(32, 6)]), every(m, 16, 3)]);
  return m.op('i16x8.add', [m.op('i16x8.mul', [fields, every(m, 16, 0x0202)]), lanes(m, 16, base)]);
}

type Indexes = (m: Algebra, imm: Value) => Value;

function pick(name: string, sdm: string, form: string, indexes: Indexes): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'sse2',
    forms: [form],
    semantics(m, dst, src, imm) {
      requireSse(m);
      m.setXmm(dst, m.op('i8x16.swizzle', [m.read(src), indexes(m, immediate(m, m.read(imm)))]));
    },
  });
}

const PSHUFW = defineInstruction({
  name: 'PSHUFW',
  sdm: 'Vol. 2B "PSHUFW - Shuffle Packed Words"',
  feature: 'sse',
  forms: ['NP 0F 70 /r Pq,Qq,Ib'],
  semantics(m, dst, src, imm) {
    requireMmx(m);
    const words = splat(m, 64, m.read(src));
    writeMmx(m, dst, low(m, m.op('i8x16.swizzle', [words, wordIndexes(m, immediate(m, m.read(imm)), 'low')])));
  },
});

const SHUFPS = defineInstruction({
  name: 'SHUFPS',
  sdm: 'Vol. 2B "SHUFPS - Packed Interleave Shuffle of Quadruplets of Single-Precision Floating-Point Values"',
  feature: 'sse',
  forms: ['NP 0F C6 /r Vps,Wps,Ib'],
  semantics(m, dst, src, imm) {
    requireSse(m);
    const b = m.read(src);
    const indexes = doublewordIndexes(m, immediate(m, m.read(imm)));
    const [fromA, fromB] = [m.getXmm(dst), b].map((vector) => m.op('i8x16.swizzle', [vector, indexes]));
    m.setXmm(dst, shuffle(m, 64, fromA, fromB, [0, 3]));
  },
});

const SHUFPD = defineInstruction({
  name: 'SHUFPD',
  sdm: 'Vol. 2B "SHUFPD - Packed Interleave Shuffle of Pairs of Double-Precision Floating-Point Values"',
  feature: 'sse2',
  forms: ['66 0F C6 /r Vpd,Wpd,Ib'],
  semantics(m, dst, src, imm) {
    requireSse(m);
    const b = m.read(src);
    const a = m.getXmm(dst);
    const choice = m.read(imm);
    const element = (vector: Value, bit: number): Value =>
      m.select(m.bit(choice, bit), high(m, vector), low(m, vector));
    m.setXmm(dst, m.join(element(a, 0), element(b, 1)));
  },
});

/** An index with bit 7 set gives 0; swizzle does that for any above 15. */
const PSHUFB = packed('Vol. 2B "PSHUFB - Packed Shuffle Bytes"', { xmm: 'ssse3', mmx: 'ssse3' }, [
  {
    name: 'PSHUFB',
    opcode: '0F 38 00',
    compute: (m, a, b) => m.op('i8x16.swizzle', [a, m.op('v128.and', [b, every(m, 8, 0x8f)])]),
    mmx: (m, a, b) => {
      const indexes = m.op('v128.and', [splat(m, 64, b), every(m, 8, 0x87)]);
      return low(m, m.op('i8x16.swizzle', [splat(m, 64, a), indexes]));
    },
  },
]);

/** `vector` shifted right by up to 16 bytes, filled with zeros. */
export function shiftBytesRight(m: Algebra, vector: Value, count: Value): Value {
  return m.op('i8x16.swizzle', [vector, m.op('i8x16.add', [byteIndexes(m), splat(m, 8, count)])]);
}

/** `vector` shifted left by up to 16 bytes. */
export function shiftBytesLeft(m: Algebra, vector: Value, count: Value): Value {
  return m.op('i8x16.swizzle', [vector, m.op('i8x16.sub', [byteIndexes(m), splat(m, 8, count)])]);
}

/** The smaller of an unsigned value and a constant. */
export function atMost(m: Algebra, value: Value, most: number): Value {
  const limit = m.const(value.type, most);
  return m.select(m.ltU(value, limit), value, limit);
}

const PALIGNR_SDM = 'Vol. 2B "PALIGNR - Packed Align Right"';

function align(form: string, feature: Feature): Pick<Instruction, 'name' | 'sdm' | 'feature' | 'forms'> {
  return { name: 'PALIGNR', sdm: PALIGNR_SDM, feature, forms: [form] };
}

const PALIGNR = defineInstruction({
  ...align('66 0F 3A 0F /r Vdq,Wdq,Ib', 'ssse3'),
  semantics(m, dst, src, imm) {
    requireSse(m);
    const b = m.read(src);
    const count = atMost(m, immediate(m, m.read(imm)), 32);
    // The second operand's bytes from `count` on, then the first one's: indexes out of range give zeros on both sides.
    const indexes = m.op('i8x16.add', [byteIndexes(m), splat(m, 8, count)]);
    const ofA = m.op('i8x16.sub', [indexes, every(m, 8, 16)]);
    const a = m.op('i8x16.swizzle', [m.getXmm(dst), ofA]);
    m.setXmm(dst, m.op('v128.or', [m.op('i8x16.swizzle', [b, indexes]), a]));
  },
});

const PALIGNRmmx = defineInstruction({
  ...align('NP 0F 3A 0F /r Pq,Qq,Ib', 'ssse3'),
  semantics(m, dst, src, imm) {
    requireMmx(m);
    const both = m.join(m.read(src), m.read(dst));
    writeMmx(m, dst, low(m, shiftBytesRight(m, both, atMost(m, immediate(m, m.read(imm)), 16))));
  },
});

export const shuffles: readonly Instruction[] = [
  pick('PSHUFD', 'Vol. 2B "PSHUFD - Shuffle Packed Doublewords"', '66 0F 70 /r Vdq,Wdq,Ib', doublewordIndexes),
  pick('PSHUFLW', 'Vol. 2B "PSHUFLW - Shuffle Packed Low Words"', 'F2 0F 70 /r Vdq,Wdq,Ib', (m, imm) =>
    wordIndexes(m, imm, 'low'),
  ),
  pick('PSHUFHW', 'Vol. 2B "PSHUFHW - Shuffle Packed High Words"', 'F3 0F 70 /r Vdq,Wdq,Ib', (m, imm) =>
    wordIndexes(m, imm, 'high'),
  ),
  PSHUFW,
  SHUFPS,
  SHUFPD,
  ...PSHUFB,
  PALIGNR,
  PALIGNRmmx,
];
