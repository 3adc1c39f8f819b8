/** AES-NI: SDM Vol. 1 §12.13 "Encryption and Decryption Using AES-NI", after FIPS 197. */

import { type Algebra, defineRoutine, type Routine, type Value } from '../../algebra.ts';
import { defineInstruction, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { every, immediate, lanes, shuffle, zero } from './lanes.ts';

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) product ^= a << bit;
  }
  for (let bit = 14; bit >= 8; bit--) {
    if ((product >> bit) & 1) product ^= 0x11b << (bit - 8);
  }
  return product;
}

function substitution(): Uint8Array {
  const box = new Uint8Array(256);
  for (let x = 0; x < 256; x++) {
    // x^254 is the inverse, and 0 for 0.
    let inverse = 1;
    for (let i = 0; i < 254; i++) inverse = multiply(inverse, x);
    let y = 0x63;
    for (let turn = 0; turn < 5; turn++) y ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
    box[x] = y;
  }
  return box;
}

const BOX = substitution();
const INVERSE_BOX = new Uint8Array(256);
BOX.forEach((y, x) => {
  INVERSE_BOX[y] = x;
});

/** Each byte replaced by its entry: row by row, an index outside of the row gives 0. */
function lookUp(m: Algebra, box: Uint8Array, bytes: Value): Value {
  let result = zero(m);
  for (let row = 0; row < 256; row += 16) {
    const entries = lanes(m, 8, Array.from(box.subarray(row, row + 16)));
    const indexes = m.op('i8x16.sub', [bytes, every(m, 8, row)]);
    result = m.op('v128.or', [result, m.op('i8x16.swizzle', [entries, indexes])]);
  }
  return result;
}

/** Byte r of column c comes from column c + r (or c - r). */
function shiftRows(m: Algebra, state: Value, direction: 1 | -1): Value {
  const picks = Array.from({ length: 16 }, (_, i) => 4 * (((i >> 2) + direction * (i & 3) + 4) & 3) + (i & 3));
  return shuffle(m, 8, state, state, picks);
}

/** Every column turned by `by` bytes. */
function turnColumns(m: Algebra, state: Value, by: number): Value {
  const picks = Array.from({ length: 16 }, (_, i) => (i & 12) | ((i + by) & 3));
  return shuffle(m, 8, state, state, picks);
}

function double(m: Algebra, bytes: Value): Value {
  const overflow = m.op('i8x16.shr_s', [bytes, m.const(32, 7)]);
  const doubled = m.op('i8x16.shl', [bytes, m.const(32, 1)]);
  return m.op('v128.xor', [doubled, m.op('v128.and', [overflow, every(m, 8, 0x1b)])]);
}

function sum(m: Algebra, ...terms: Value[]): Value {
  return terms.reduce((a, b) => m.op('v128.xor', [a, b]));
}

/** Columns times (2 3 1 1): 2 (a + b) + b + c + d. */
function mixColumns(m: Algebra, state: Value): Value {
  const [b, c, d] = [1, 2, 3].map((by) => turnColumns(m, state, by));
  return sum(m, double(m, sum(m, state, b)), b, c, d);
}

/** Columns times (14 11 13 9), which is (2 3 1 1) after adding 4 (a + c). */
function inverseMixColumns(m: Algebra, state: Value): Value {
  const fourfold = double(m, double(m, sum(m, state, turnColumns(m, state, 2))));
  return mixColumns(m, sum(m, state, fourfold));
}

const substitute = defineRoutine({
  name: 'aesSubstitute',
  params: [128],
  results: [128],
  faults: false,
  body: (m, bytes) => [lookUp(m, BOX, bytes)],
});

const substituteBack = defineRoutine({
  name: 'aesSubstituteBack',
  params: [128],
  results: [128],
  faults: false,
  body: (m, bytes) => [lookUp(m, INVERSE_BOX, bytes)],
});

const mixBack = defineRoutine({
  name: 'aesMixBack',
  params: [128],
  results: [128],
  faults: false,
  body: (m, state) => [inverseMixColumns(m, state)],
});

function round(m: Algebra, state: Value, box: Routine, direction: 1 | -1): Value {
  return m.call(box, shiftRows(m, state, direction))[0];
}

function define(
  name: string,
  title: string,
  opcode: string,
  compute: (m: Algebra, state: Value, source: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm: `Vol. 2A "${name} - ${title}"`,
    feature: 'aes',
    forms: [`66 0F 38 ${opcode} /r Vdq,Wdq`],
    semantics(m, dst, src) {
      requireSse(m);
      const source = m.read(src);
      m.setXmm(dst, compute(m, m.getXmm(dst), source));
    },
  });
}

/** S(X1), S(X1) turned and RCON added, S(X3), the same of it; X1 and X3 are the odd doublewords. */
const AESKEYGENASSIST = defineInstruction({
  name: 'AESKEYGENASSIST',
  sdm: 'Vol. 2A "AESKEYGENASSIST - AES Round Key Generation Assist"',
  feature: 'aes',
  forms: ['66 0F 3A DF /r Vdq,Wdq,Ib'],
  semantics(m, dst, src, imm) {
    requireSse(m);
    const [words] = m.call(substitute, m.read(src));
    const turned = shuffle(m, 8, words, words, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
    const constant = m.shl(m.zext(immediate(m, m.read(imm)), 64), 32);
    m.setXmm(dst, m.op('v128.xor', [turned, m.op('i64x2.splat', [constant])]));
  },
});

export const aes: readonly Instruction[] = [
  define('AESENC', 'Perform One Round of an AES Encryption Flow', 'DC', (m, state, key) =>
    sum(m, mixColumns(m, round(m, state, substitute, 1)), key),
  ),
  define('AESENCLAST', 'Perform Last Round of an AES Encryption Flow', 'DD', (m, state, key) =>
    sum(m, round(m, state, substitute, 1), key),
  ),
  define('AESDEC', 'Perform One Round of an AES Decryption Flow', 'DE', (m, state, key) =>
    sum(m, m.call(mixBack, round(m, state, substituteBack, -1))[0], key),
  ),
  define('AESDECLAST', 'Perform Last Round of an AES Decryption Flow', 'DF', (m, state, key) =>
    sum(m, round(m, state, substituteBack, -1), key),
  ),
  define('AESIMC', 'Perform the AES InvMixColumn Transformation', 'DB', (m, _, source) => m.call(mixBack, source)[0]),
  AESKEYGENASSIST,
];
