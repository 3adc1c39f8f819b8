/** SHA extensions: SDM Vol. 1 §5.19 "Intel SHA Extensions", after FIPS 180-4. Lanes are numbered from the lowest. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { immediate, shuffle, zero } from './lanes.ts';
import { element, F32, fromElements } from './shapes.ts';

type Four = [Value, Value, Value, Value];

function doublewords(m: Algebra, vector: Value): Four {
  return [0, 1, 2, 3].map((lane) => element(m, F32, vector, lane)) as Four;
}

function vectorOf(m: Algebra, four: readonly Value[]): Value {
  return fromElements(m, F32, four);
}

function sum(m: Algebra, ...terms: Value[]): Value {
  return terms.reduce((a, b) => m.add(a, b));
}

function parity(m: Algebra, ...terms: Value[]): Value {
  return terms.reduce((a, b) => m.xor(a, b));
}

/** The bits of `a` where `x` has ones, those of `b` elsewhere. */
function choice(m: Algebra, x: Value, a: Value, b: Value): Value {
  return m.xor(b, m.and(x, m.xor(a, b)));
}

function majority(m: Algebra, a: Value, b: Value, c: Value): Value {
  return m.or(m.and(a, b), m.and(c, m.or(a, b)));
}

/** Rotations to the right, or for a last negative count a shift, added without carry. */
function mixed(m: Algebra, x: Value, first: number, second: number, third: number): Value {
  return parity(m, m.rotr(x, first), m.rotr(x, second), third < 0 ? m.shr(x, -third) : m.rotr(x, third));
}

const SHA1_CONSTANTS = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];

/** (state ABCD from the top lane, words with E added to the top one, function 0-3) -> ABCD four rounds on. */
const fourRounds = defineRoutine({
  name: 'sha1FourRounds',
  params: [128, 128, 32],
  results: [128],
  faults: false,
  body(m, state, words, kind) {
    const w = doublewords(m, words).reverse();
    let [d, c, b, a] = doublewords(m, state);
    let e = m.const(32, 0);
    const bit0 = m.bit(kind, 0);
    const bit1 = m.bit(kind, 1);
    const of = (numbers: readonly number[]): Value[] => numbers.map((number) => m.const(32, number));
    const [k0, k1, k2, k3] = of(SHA1_CONSTANTS);
    const k = m.select(bit1, m.select(bit0, k3, k2), m.select(bit0, k1, k0));
    for (const word of w) {
      const even = m.select(bit1, majority(m, b, c, d), choice(m, b, c, d));
      const f = m.select(bit0, parity(m, b, c, d), even);
      const next = sum(m, f, m.rotl(a, 5), word, e, k);
      [a, b, c, d, e] = [next, a, m.rotl(b, 30), c, d];
    }
    return [vectorOf(m, [d, c, b, a])];
  },
});

const SHA1RNDS4 = defineInstruction({
  name: 'SHA1RNDS4',
  sdm: 'Vol. 2B "SHA1RNDS4 - Perform Four Rounds of SHA1 Operation"',
  feature: 'sha',
  forms: ['NP 0F 3A CC /r Vdq,Wdq,Ib'],
  semantics(m, dst, src, imm) {
    requireSse(m);
    const words = m.read(src);
    const kind = m.and(immediate(m, m.read(imm)), m.const(32, 3));
    m.setXmm(dst, m.call(fourRounds, m.getXmm(dst), words, kind)[0]);
  },
});

/** E of four rounds ago, which is A turned, added to the words. */
function nextE(m: Algebra, a: Value, b: Value): Value {
  const turned = m.rotl(element(m, F32, a, 3), 30);
  return m.op('i32x4.add', [b, m.op('i32x4.replace_lane', [zero(m), turned], [3])]);
}

/** Words W0..W3 (top lane first) and W4.. to W2^W0, W3^W1, W4^W2, W5^W3. */
function sha1Message1(m: Algebra, a: Value, b: Value): Value {
  return m.op('v128.xor', [a, shuffle(m, 32, a, b, [6, 7, 0, 1])]);
}

/** The last step of the message schedule: W16 to W19, the last of which needs the first. */
function sha1Message2(m: Algebra, a: Value, b: Value): Value {
  const [a0, a1, a2, a3] = doublewords(m, a);
  const [b0, b1, b2] = doublewords(m, b);
  const w16 = m.rotl(m.xor(a3, b2), 1);
  const w17 = m.rotl(m.xor(a2, b1), 1);
  const w18 = m.rotl(m.xor(a1, b0), 1);
  const w19 = m.rotl(m.xor(a0, w16), 1);
  return vectorOf(m, [w19, w18, w17, w16]);
}

/** (CDGH, ABEF, words with constants added) -> ABEF two rounds on. */
const twoRounds = defineRoutine({
  name: 'sha256TwoRounds',
  params: [128, 128, 128],
  results: [128],
  faults: false,
  body(m, cdgh, abef, words) {
    let [h, g, d, c] = doublewords(m, cdgh);
    let [f, e, b, a] = doublewords(m, abef);
    for (const word of doublewords(m, words).slice(0, 2)) {
      const t = sum(m, choice(m, e, f, g), mixed(m, e, 6, 11, 25), word, h);
      const next = sum(m, t, majority(m, a, b, c), mixed(m, a, 2, 13, 22));
      [a, b, c, d, e, f, g, h] = [next, a, b, c, m.add(t, d), e, f, g];
    }
    return [vectorOf(m, [f, e, b, a])];
  },
});

const SHA256RNDS2 = defineInstruction({
  name: 'SHA256RNDS2',
  sdm: 'Vol. 2B "SHA256RNDS2 - Perform Two Rounds of SHA256 Operation"',
  feature: 'sha',
  forms: ['NP 0F 38 CB /r Vdq,Wdq'],
  semantics(m, dst, src) {
    requireSse(m);
    const abef = m.read(src);
    m.setXmm(dst, m.call(twoRounds, m.getXmm(dst), abef, m.getXmm(0))[0]);
  },
});

/** W0..W3 and W4.. to W(i) + s0(W(i + 1)). */
function sha256Message1(m: Algebra, a: Value, b: Value): Value {
  const words = [...doublewords(m, a), element(m, F32, b, 0)];
  return vectorOf(
    m,
    [0, 1, 2, 3].map((i) => m.add(words[i], mixed(m, words[i + 1], 7, 18, -3))),
  );
}

/** W16 to W19: s1 of W14 and W15 added to the first two, of those to the last two. */
function sha256Message2(m: Algebra, a: Value, b: Value): Value {
  const [a0, a1, a2, a3] = doublewords(m, a);
  const [, , w14, w15] = doublewords(m, b);
  const after = (word: Value, before: Value): Value => m.add(word, mixed(m, before, 17, 19, -10));
  const w16 = after(a0, w14);
  const w17 = after(a1, w15);
  return vectorOf(m, [w16, w17, after(a2, w16), after(a3, w17)]);
}

type Compute = (m: Algebra, a: Value, b: Value) => Value;

function routineOf(name: string, compute: Compute): Routine {
  return defineRoutine({
    name,
    params: [128, 128],
    results: [128],
    faults: false,
    body: (m, a, b) => [compute(m, a, b)],
  });
}

function define(name: string, title: string, opcode: string, compute: Compute): Instruction {
  const routine = routineOf(name.toLowerCase(), compute);
  return defineInstruction({
    name,
    sdm: `Vol. 2B "${name} - ${title}"`,
    feature: 'sha',
    forms: [`NP 0F 38 ${opcode} /r Vdq,Wdq`],
    semantics(m, dst, src) {
      requireSse(m);
      const b = m.read(src);
      m.setXmm(dst, m.call(routine, m.getXmm(dst), b)[0]);
    },
  });
}

export const sha: readonly Instruction[] = [
  SHA1RNDS4,
  define('SHA1NEXTE', 'Calculate SHA1 State Variable E After Four Rounds', 'C8', nextE),
  define('SHA1MSG1', 'Perform an Intermediate Calculation for the Next Four SHA1 Message Dwords', 'C9', sha1Message1),
  define('SHA1MSG2', 'Perform a Final Calculation for the Next Four SHA1 Message Dwords', 'CA', sha1Message2),
  SHA256RNDS2,
  define(
    'SHA256MSG1',
    'Perform an Intermediate Calculation for the Next Four SHA256 Message Dwords',
    'CC',
    sha256Message1,
  ),
  define('SHA256MSG2', 'Perform a Final Calculation for the Next Four SHA256 Message Dwords', 'CD', sha256Message2),
];
