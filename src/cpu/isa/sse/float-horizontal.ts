/** Floating-point operations between neighbours (SSE3) and dot products (SSE4.1). */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { softAdd32, softAdd64, softMul32, softMul64, softSub32, softSub64 } from '../fp/sse.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { exactPacked, type Outcome, report, soft, unlessExact } from './exact.ts';
import { immediate, lanes, shuffle } from './lanes.ts';
import { isPlainSum } from './quick.ts';
import { element, F32, F64, fromElements, type Shape } from './shapes.ts';

interface Variant {
  readonly suffix: 'PS' | 'PD';
  readonly precision: 'Single' | 'Double';
  readonly prefix: string;
  readonly shape: Shape;
  readonly add: Routine;
  readonly subtract: Routine;
}

const VARIANTS: readonly Variant[] = [
  { suffix: 'PS', precision: 'Single', prefix: 'F2', shape: F32, add: softAdd32, subtract: softSub32 },
  { suffix: 'PD', precision: 'Double', prefix: '66', shape: F64, add: softAdd64, subtract: softSub64 },
];

/** Even lanes are subtracted, odd ones added. */
const addSubtract = VARIANTS.map(({ suffix, precision, prefix, shape: s, add, subtract }) => {
  const exact = exactPacked(`addSubtract${s.width}`, s, subtract, add);
  const sign = 1n << BigInt(s.width - 1);
  return defineInstruction({
    name: `ADDSUB${suffix}`,
    sdm: `Vol. 2A "ADDSUB${suffix} - Packed ${precision}-FP Add/Subtract"`,
    feature: 'sse3',
    forms: [`${prefix} 0F D0 /r V${suffix.toLowerCase()},W${suffix.toLowerCase()}`],
    semantics(m, dst, src) {
      requireSse(m);
      const b = m.read(src);
      const a = m.read(dst);
      const signs = lanes(
        m,
        s.width,
        Array.from({ length: s.count }, (_, i) => (i % 2 === 0 ? sign : 0n)),
      );
      const fast = m.op(`${s.vector}.add`, [a, m.op('v128.xor', [b, signs])]);
      m.write(dst, unlessExact(m, isPlainSum(m, s, true, [a, b], fast), fast, exact, a, b));
    },
  });
});

/** Even lanes of both operands plus or minus the odd ones. */
function horizontal(name: 'HADD' | 'HSUB', opcode: string, operation: 'add' | 'sub'): Instruction[] {
  return VARIANTS.map(({ suffix, precision, prefix, shape: s, add, subtract }) => {
    const routine = operation === 'add' ? add : subtract;
    const exact = exactPacked(`${operation}Neighbours${s.width}`, s, routine);
    const evens = Array.from({ length: s.count }, (_, i) => 2 * i);
    const title = operation === 'add' ? 'Add' : 'Subtract';
    return defineInstruction({
      name: `${name}${suffix}`,
      sdm: `Vol. 2A "${name}${suffix} - Packed ${precision}-FP Horizontal ${title}"`,
      feature: 'sse3',
      forms: [`${prefix} ${opcode} /r V${suffix.toLowerCase()},W${suffix.toLowerCase()}`],
      semantics(m, dst, src) {
        requireSse(m);
        const b = m.read(src);
        const a = m.read(dst);
        const even = shuffle(m, s.width, a, b, evens);
        const odd = shuffle(
          m,
          s.width,
          a,
          b,
          evens.map((i) => i + 1),
        );
        const fast = m.op(`${s.vector}.${operation}`, [even, odd]);
        m.write(dst, unlessExact(m, isPlainSum(m, s, true, [even, odd], fast), fast, exact, even, odd));
      },
    });
  });
}

/** Selected products, or +0 (which raises nothing) where the immediate has no bit for the lane in 7-4. */
function products(m: Algebra, s: Shape, a: Value, b: Value, control: Value): Value[] {
  const outcomes = Array.from({ length: s.count }, (_, lane): Outcome => {
    const result = m.variable(m.const(s.width, 0));
    const flags = m.variable(m.const(32, 0));
    m.if(m.bit(control, 4 + lane), () => {
      const multiply = s === F32 ? softMul32 : softMul64;
      const [product, raised] = soft(m, multiply, element(m, s, a, lane), element(m, s, b, lane));
      m.assign(result, product);
      m.assign(flags, raised);
    });
    return [m.use(result), m.use(flags)];
  });
  return report(m, outcomes);
}

/** Every lane of `terms` plus the one `step` away from it; all lanes report together. */
function neighbourSums(m: Algebra, s: Shape, terms: readonly Value[], step: number, ownFirst: boolean): Value[] {
  const outcomes = terms.map((own, lane) => {
    const other = terms[lane ^ step];
    return soft(m, s === F32 ? softAdd32 : softAdd64, ...(ownFirst ? [own, other] : [other, own]));
  });
  return report(m, outcomes);
}

/**
 * (a, b, immediate) -> the dot product in the lanes that bits 3-0 choose. Each step reports its exceptions. All lanes
 * have the same sum but for the choice between NaNs: the order of operands is that of processors.
 */
function dotProduct(s: Shape): Routine {
  return defineRoutine({
    name: `dotProduct${s.width}`,
    params: [128, 128, 32],
    results: [128],
    faults: true,
    body(m, a, b, control) {
      const terms = products(m, s, a, b, control);
      const pairs = neighbourSums(m, s, terms, 1, s === F64);
      const sums = s === F64 ? pairs : neighbourSums(m, s, pairs, 2, true);
      const chosen = sums.map((sum, lane) => m.select(m.bit(control, lane), sum, m.const(s.width, 0)));
      return [fromElements(m, s, chosen)];
    },
  });
}

function dot(name: string, precision: string, form: string, s: Shape): Instruction {
  const routine = dotProduct(s);
  return defineInstruction({
    name,
    sdm: `Vol. 2A "${name} - Dot Product of Packed ${precision} Precision Floating-Point Values"`,
    feature: 'sse4.1',
    forms: [form],
    semantics(m, dst, src, imm) {
      requireSse(m);
      const b = m.read(src);
      m.write(dst, m.call(routine, m.read(dst), b, immediate(m, m.read(imm)))[0]);
    },
  });
}

export const floatHorizontal: readonly Instruction[] = [
  ...addSubtract,
  ...horizontal('HADD', '0F 7C', 'add'),
  ...horizontal('HSUB', '0F 7D', 'sub'),
  dot('DPPS', 'Single', '66 0F 3A 40 /r Vps,Wps,Ib', F32),
  dot('DPPD', 'Double', '66 0F 3A 41 /r Vpd,Wpd,Ib', F64),
];
