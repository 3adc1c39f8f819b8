/**
 * PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM: SDM Vol. 1 §12.11.1 "String and Text Processing Instructions", Vol. 2B
 * §4.1 "Imm8 Control Byte Operation for PCMPESTRI / PCMPESTRM / PCMPISTRI / PCMPISTRM".
 *
 *      7    6        5 4       3 2          1      0
 *      -  last or   polarity  aggregation  signed  words
 *         expanded
 */

import { type Algebra, defineRoutine, type Operand, type Value } from '../../algebra.ts';
import { RAX, RCX, RDX } from '../../state.ts';
import { equals, isNot0 } from '../fp/format.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { every, immediate, lanes, shuffle, splat, zero } from './lanes.ts';
import { atMost } from './shuffles.ts';

const WORDS = 0;
const SIGNED = 1;
const NEGATIVE = 4;
const MASKED = 5;
const LAST_OR_EXPANDED = 6;

type Width = 8 | 16;

/** Something that depends on the size of elements, as a value of type 32 or 128. */
function bySize(m: Algebra, control: Value, give: (width: Width) => Value): Value {
  const result = m.variable(m.const(give(8).type, 0));
  m.if(
    m.bit(control, WORDS),
    () => m.assign(result, give(16)),
    () => m.assign(result, give(8)),
  );
  return m.use(result);
}

function shapeOf(width: Width): string {
  return `i${width}x${128 / width}`;
}

/** Bit i says that the comparison holds for element i. */
function bits(m: Algebra, width: Width, comparison: string, a: Value, b: Value): Value {
  return m.op(`${shapeOf(width)}.bitmask`, [m.op(`${shapeOf(width)}.${comparison}`, [a, b])]);
}

/** The low `count` bits set; at most 16. */
function lowBits(m: Algebra, count: Value): Value {
  return m.sub(m.shl(m.const(32, 1), count), m.const(32, 1));
}

/**
 * Aggregates the comparisons of the elements of `b` with those of `a`, of which as many count as the lengths say:
 * "equal any" (the element is in `a`), "ranges" (it is between a pair of them), "equal each", "equal ordered" (`a`
 * begins here).
 */
function aggregate(
  m: Algebra,
  width: Width,
  a: Value,
  b: Value,
  lengthA: Value,
  lengthB: Value,
  control: Value,
): Value {
  const whole = m.const(32, (1 << (128 / width)) - 1);
  const validB = lowBits(m, lengthB);
  const any = m.variable(m.const(32, 0));
  const ranges = m.variable(m.const(32, 0));
  const ordered = m.variable(whole);
  const fromLower = m.variable(m.const(32, 0));
  const rest = m.variable(a);
  const index = m.variable(m.const(32, 0));
  m.while(
    () => m.ltU(m.use(index), lengthA),
    () => {
      const element = splat(m, width, m.op(`${shapeOf(width)}.extract_lane_u`, [m.use(rest)], [0]));
      const equal = bits(m, width, 'eq', b, element);
      const isUpper = m.bit(m.use(index), 0);
      const inRange = m.and(m.use(fromLower), bits(m, width, 'le_u', b, element));
      m.assign(any, m.or(m.use(any), equal));
      m.assign(ranges, m.or(m.use(ranges), m.select(isUpper, inRange, m.const(32, 0))));
      m.assign(fromLower, bits(m, width, 'ge_u', b, element));
      // Where `a` would go on past the end of the register nothing is compared.
      const past = m.not(m.shr(whole, m.use(index)));
      m.assign(ordered, m.and(m.use(ordered), m.or(m.shr(m.and(equal, validB), m.use(index)), past)));
      const next = Array.from({ length: 128 / width }, (_, i) => i + 1);
      m.assign(rest, shuffle(m, width, m.use(rest), m.use(rest), next));
      m.assign(index, m.add(m.use(index), m.const(32, 1)));
    },
  );
  const validA = lowBits(m, lengthA);
  const equalEach = m.and(bits(m, width, 'eq', a, b), m.and(validA, validB));
  const bothEnded = m.and(whole, m.not(m.or(validA, validB)));
  const first = m.select(m.bit(control, 2), m.use(ranges), m.use(any));
  const second = m.select(m.bit(control, 2), m.use(ordered), m.or(equalEach, bothEnded));
  return m.and(whole, m.select(m.bit(control, 3), second, m.and(first, validB)));
}

/** (a, b, lengths, immediate) -> bits of the result, polarity applied (IntRes2). */
const compareStrings = defineRoutine({
  name: 'compareStrings',
  params: [128, 128, 32, 32, 32],
  results: [32],
  faults: false,
  body(m, a, b, lengthA, lengthB, control) {
    const result = bySize(m, control, (width) => {
      // Signed elements compare as unsigned ones with the sign bit turned over.
      const signs = every(m, width, 1 << (width - 1));
      const flip = m.select(m.bit(control, SIGNED), signs, zero(m));
      const [x, y] = [a, b].map((vector) => m.op('v128.xor', [vector, flip]));
      return aggregate(m, width, x, y, lengthA, lengthB, control);
    });
    const whole = lowBits(m, elementCount(m, control));
    const inverted = m.select(m.bit(control, MASKED), lowBits(m, lengthB), whole);
    return [m.xor(result, m.select(m.bit(control, NEGATIVE), inverted, m.const(32, 0)))];
  },
});

function elementCount(m: Algebra, control: Value): Value {
  return m.shr(m.const(32, 16), m.and(control, m.const(32, 1)));
}

/** (vector, immediate) -> the elements before the first zero. */
const implicitLength = defineRoutine({
  name: 'implicitLength',
  params: [128, 32],
  results: [32],
  faults: false,
  body(m, vector, control) {
    const ends = bySize(m, control, (width) => bits(m, width, 'eq', vector, zero(m)));
    return [m.ctz(m.or(ends, m.shl(m.const(32, 1), elementCount(m, control))))];
  },
});

/** The magnitude of a register, at most the number of elements. */
function explicitLength(m: Algebra, register: number, control: Value): Value {
  const value = m.getGpr(register, m.operandSize === 64 ? 64 : 32);
  const size = m.select(m.msb(value), m.neg(value), value);
  const most = elementCount(m, control);
  const length = m.trunc(atMost(m, size, 16), 32);
  return m.select(m.ltU(length, most), length, most);
}

/** (bits, immediate) -> a mask of elements, or the bits themselves. */
const expandMask = defineRoutine({
  name: 'expandMask',
  params: [32, 32],
  results: [128],
  faults: false,
  body(m, mask, control) {
    const result = m.variable(m.zext(mask, 128));
    const powers = [1, 2, 4, 8, 16, 32, 64, 128];
    const words = m.op('i16x8.splat', [mask]);
    const expanded = (width: Width): Value => {
      const own = lanes(m, width, width === 8 ? [...powers, ...powers] : powers);
      const source =
        width === 16 ? words : shuffle(m, 8, words, words, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
      return m.op(`${shapeOf(width)}.eq`, [m.op('v128.and', [source, own]), own]);
    };
    m.if(m.bit(control, LAST_OR_EXPANDED), () => m.assign(result, bySize(m, control, expanded)));
    return [m.use(result)];
  },
});

function setFlags(m: Algebra, result: Value, lengthA: Value, lengthB: Value, control: Value): void {
  const count = elementCount(m, control);
  m.setFlags({
    CF: isNot0(m, result),
    ZF: m.ltU(lengthB, count),
    SF: m.ltU(lengthA, count),
    OF: m.bit(result, 0),
    PF: m.const(1, 0),
    AF: m.const(1, 0),
  });
}

function compareText(
  name: string,
  title: string,
  opcode: string,
  lengths: 'explicit' | 'implicit',
  to: 'index' | 'mask',
) {
  return defineInstruction({
    name,
    sdm: `Vol. 2B "${name} - ${title}"`,
    feature: 'sse4.2',
    forms: [`66 0F 3A ${opcode} /r Vdq,Wdq,Ib unaligned`],
    semantics(m, first: Operand, second: Operand, imm: Operand) {
      requireSse(m);
      const b = m.read(second);
      const a = m.read(first);
      const control = immediate(m, m.read(imm));
      const [lengthA, lengthB] =
        lengths === 'explicit'
          ? [explicitLength(m, RAX, control), explicitLength(m, RDX, control)]
          : [m.call(implicitLength, a, control)[0], m.call(implicitLength, b, control)[0]];
      const [result] = m.call(compareStrings, a, b, lengthA, lengthB, control);
      if (to === 'mask') {
        m.setXmm(0, m.call(expandMask, result, control)[0]);
      } else {
        const lowest = m.ctz(result);
        const highest = m.sub(m.const(32, 31), m.clz(result));
        const found = m.select(m.bit(control, LAST_OR_EXPANDED), highest, lowest);
        m.setGpr(RCX, m.select(equals(m, result, 0), elementCount(m, control), found));
      }
      setFlags(m, result, lengthA, lengthB, control);
    },
  });
}

export const stringCompare: readonly Instruction[] = [
  compareText('PCMPESTRM', 'Packed Compare Explicit Length Strings, Return Mask', '60', 'explicit', 'mask'),
  compareText('PCMPESTRI', 'Packed Compare Explicit Length Strings, Return Index', '61', 'explicit', 'index'),
  compareText('PCMPISTRM', 'Packed Compare Implicit Length Strings, Return Mask', '62', 'implicit', 'mask'),
  compareText('PCMPISTRI', 'Packed Compare Implicit Length Strings, Return Index', '63', 'implicit', 'index'),
];
