/** Moves of parts of XMM registers: scalars, halves, duplicated elements. */

import type { Algebra, Operand, Value } from '../../algebra.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { requireSse } from './available.ts';
import { high, low, shuffle, zero } from './lanes.ts';
import { bitsOf, readScalar, withFloat } from './quick.ts';
import { F32, F64 } from './shapes.ts';

/** MOVSS and MOVSD: a load clears the rest of the register, a move between registers keeps it. */
function scalar(name: string, sdm: string, feature: Feature, forms: string[]): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms,
    semantics(m, dst, src) {
      requireSse(m);
      const shape = src.type === 32 ? F32 : F64;
      const value = readScalar(m, shape, src);
      if (dst.kind === 'memory') m.write(dst, bitsOf(m, shape, value));
      else if (src.kind === 'xmm') m.setXmm(dst, withFloat(m, shape, dst, value.float));
      else m.setXmm(dst, m.op(`${shape.vector}.replace_lane`, [zero(m), value.float], [0]));
    },
  });
}

/** Loads and stores of the low (lane 0) or high (lane 1) half. */
function half(name: string, sdm: string, feature: Feature, forms: string[], lane: 0 | 1): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms,
    semantics(m, dst, src) {
      requireSse(m);
      if (dst.kind === 'memory') m.write(dst, m.op('i64x2.extract_lane', [m.getXmm(src)], [lane]));
      else m.setXmm(dst, m.op('i64x2.replace_lane', [m.getXmm(dst), m.read(src)], [lane]));
    },
  });
}

function fromWhole(
  name: string,
  sdm: string,
  feature: Feature,
  form: string,
  compute: (m: Algebra, dst: Operand, source: Value) => Value,
): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, dst, src) {
      requireSse(m);
      const source = m.read(src);
      m.setXmm(dst, compute(m, dst, source));
    },
  });
}

export const partialMoves: readonly Instruction[] = [
  scalar('MOVSS', 'Vol. 2B "MOVSS - Move or Merge Scalar Single-Precision Floating-Point Value"', 'sse', [
    'F3 0F 10 /r Vss,Wss',
    'F3 0F 11 /r Wss,Vss',
  ]),
  scalar('MOVSD', 'Vol. 2B "MOVSD - Move or Merge Scalar Double-Precision Floating-Point Value"', 'sse2', [
    'F2 0F 10 /r Vsd,Wsd',
    'F2 0F 11 /r Wsd,Vsd',
  ]),
  half(
    'MOVLPS',
    'Vol. 2B "MOVLPS - Move Low Packed Single-Precision Floating-Point Values"',
    'sse',
    ['NP 0F 12 /r Vq,Mq', 'NP 0F 13 /r Mq,Vq'],
    0,
  ),
  half(
    'MOVLPD',
    'Vol. 2B "MOVLPD - Move Low Packed Double-Precision Floating-Point Value"',
    'sse2',
    ['66 0F 12 /r Vq,Mq', '66 0F 13 /r Mq,Vq'],
    0,
  ),
  half(
    'MOVHPS',
    'Vol. 2B "MOVHPS - Move High Packed Single-Precision Floating-Point Values"',
    'sse',
    ['NP 0F 16 /r Vq,Mq', 'NP 0F 17 /r Mq,Vq'],
    1,
  ),
  half(
    'MOVHPD',
    'Vol. 2B "MOVHPD - Move High Packed Double-Precision Floating-Point Value"',
    'sse2',
    ['66 0F 16 /r Vq,Mq', '66 0F 17 /r Mq,Vq'],
    1,
  ),
  fromWhole(
    'MOVHLPS',
    'Vol. 2B "MOVHLPS - Move Packed Single-Precision Floating-Point Values High to Low"',
    'sse',
    'NP 0F 12 /r Vps,Ups',
    (m, dst, source) => m.op('i64x2.replace_lane', [m.getXmm(dst), high(m, source)], [0]),
  ),
  fromWhole(
    'MOVLHPS',
    'Vol. 2B "MOVLHPS - Move Packed Single-Precision Floating-Point Values Low to High"',
    'sse',
    'NP 0F 16 /r Vps,Ups',
    (m, dst, source) => m.op('i64x2.replace_lane', [m.getXmm(dst), low(m, source)], [1]),
  ),
  fromWhole(
    'MOVSHDUP',
    'Vol. 2B "MOVSHDUP - Replicate Single-Precision Floating-Point Values"',
    'sse3',
    'F3 0F 16 /r Vps,Wps',
    (m, _, source) => shuffle(m, 32, source, source, [1, 1, 3, 3]),
  ),
  fromWhole(
    'MOVSLDUP',
    'Vol. 2B "MOVSLDUP - Replicate Single-Precision Floating-Point Values"',
    'sse3',
    'F3 0F 12 /r Vps,Wps',
    (m, _, source) => shuffle(m, 32, source, source, [0, 0, 2, 2]),
  ),
  defineInstruction({
    name: 'MOVDDUP',
    sdm: 'Vol. 2B "MOVDDUP - Replicate Double-Precision Floating-Point Values"',
    feature: 'sse3',
    forms: ['F2 0F 12 /r Vsd,Wsd'],
    semantics(m, dst, src) {
      requireSse(m);
      m.setXmm(dst, m.op('i64x2.splat', [m.read(src)]));
    },
  }),
];
