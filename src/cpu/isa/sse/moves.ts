/** Moves of whole XMM registers, and between them and general-purpose or MMX registers: SDM Vol. 1 §10.4.1, §11.4.1. */

import { vcpu } from '../../state.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { enterMmx, requireMmx, storeMmx, writeMmx } from '../mmx-state.ts';
import { unsigned } from '../widths.ts';
import { requireSse } from './available.ts';

function move(name: string, sdm: string, feature: Feature, forms: string[]): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms,
    semantics(m, dst, src) {
      requireSse(m);
      m.write(dst, m.read(src));
    },
  });
}

const MOVD = defineInstruction({
  name: 'MOVD',
  sdm: 'Vol. 2B "MOVD/MOVQ - Move Doubleword and Move Quadword"',
  feature: 'sse2',
  forms: ['66 0F 6E /r Vdq,Ey', '66 0F 7E /r Ey,Vdq'],
  semantics(m, dst, src) {
    requireSse(m);
    if (dst.kind === 'xmm') m.write(dst, m.zext(m.read(src), 128));
    else m.write(dst, m.trunc(m.read(src), m.operandSize === 64 ? 64 : 32));
  },
});

const MOVQ = defineInstruction({
  name: 'MOVQ',
  sdm: 'Vol. 2B "MOVQ - Move Quadword"',
  feature: 'sse2',
  forms: ['F3 0F 7E /r Vq,Wq', '66 0F D6 /r Wq,Vq'],
  semantics(m, dst, src) {
    requireSse(m);
    const value = m.read(src);
    if (dst.kind === 'xmm') m.setXmm(dst, m.zext(value, 128));
    else m.write(dst, value);
  },
});

const MOVDmmx = defineInstruction({
  name: 'MOVD',
  sdm: 'Vol. 2B "MOVD/MOVQ - Move Doubleword and Move Quadword"',
  feature: 'mmx',
  forms: ['NP 0F 6E /r Pq,Ey', 'NP 0F 7E /r Ey,Pq'],
  semantics(m, dst, src) {
    requireMmx(m);
    const value = m.read(src);
    if (dst.kind === 'mmx') {
      writeMmx(m, dst, m.zext(value, 64));
    } else {
      storeMmx(m, dst, unsigned(m, value, m.operandSize === 64 ? 64 : 32));
    }
  },
});

const MOVQmmx = defineInstruction({
  name: 'MOVQ',
  sdm: 'Vol. 2B "MOVQ - Move Quadword"',
  feature: 'mmx',
  forms: ['NP 0F 6F /r Pq,Qq', 'NP 0F 7F /r Qq,Pq'],
  semantics(m, dst, src) {
    requireMmx(m);
    const value = m.read(src);
    if (dst.kind === 'mmx') {
      writeMmx(m, dst, value);
    } else {
      storeMmx(m, dst, value);
    }
  },
});

const MOVDQ2Q = defineInstruction({
  name: 'MOVDQ2Q',
  sdm: 'Vol. 2B "MOVDQ2Q - Move Quadword from XMM to MMX Technology Register"',
  feature: 'sse2',
  forms: ['F2 0F D6 /r Pq,Uq'],
  semantics(m, dst, src) {
    requireSse(m);
    requireMmx(m);
    writeMmx(m, dst, m.read(src));
  },
});

const MOVQ2DQ = defineInstruction({
  name: 'MOVQ2DQ',
  sdm: 'Vol. 2B "MOVQ2DQ - Move Quadword from MMX Technology to XMM Register"',
  feature: 'sse2',
  forms: ['F3 0F D6 /r Vdq,Nq'],
  semantics(m, dst, src) {
    requireSse(m);
    requireMmx(m);
    m.setXmm(dst, m.zext(m.read(src), 128));
    enterMmx(m);
  },
});

const EMMS = defineInstruction({
  name: 'EMMS',
  sdm: 'Vol. 2A "EMMS - Empty MMX Technology State"',
  feature: 'mmx',
  forms: ['NP 0F 77'],
  semantics(m) {
    requireMmx(m);
    m.set(vcpu.fpuTop, m.const(32, 0));
    m.set(vcpu.fpuEmpty, m.const(32, 0xff));
  },
});

export const vectorMoves: readonly Instruction[] = [
  move('MOVAPS', 'Vol. 2B "MOVAPS - Move Aligned Packed Single-Precision Floating-Point Values"', 'sse', [
    'NP 0F 28 /r Vps,Wps',
    'NP 0F 29 /r Wps,Vps',
  ]),
  move('MOVAPD', 'Vol. 2B "MOVAPD - Move Aligned Packed Double-Precision Floating-Point Values"', 'sse2', [
    '66 0F 28 /r Vpd,Wpd',
    '66 0F 29 /r Wpd,Vpd',
  ]),
  move('MOVDQA', 'Vol. 2B "MOVDQA - Move Aligned Packed Integer Values"', 'sse2', [
    '66 0F 6F /r Vdq,Wdq',
    '66 0F 7F /r Wdq,Vdq',
  ]),
  move('MOVUPS', 'Vol. 2B "MOVUPS - Move Unaligned Packed Single-Precision Floating-Point Values"', 'sse', [
    'NP 0F 10 /r Vps,Wps unaligned',
    'NP 0F 11 /r Wps,Vps unaligned',
  ]),
  move('MOVUPD', 'Vol. 2B "MOVUPD - Move Unaligned Packed Double-Precision Floating-Point Values"', 'sse2', [
    '66 0F 10 /r Vpd,Wpd unaligned',
    '66 0F 11 /r Wpd,Vpd unaligned',
  ]),
  move('MOVDQU', 'Vol. 2B "MOVDQU - Move Unaligned Packed Integer Values"', 'sse2', [
    'F3 0F 6F /r Vdq,Wdq unaligned',
    'F3 0F 7F /r Wdq,Vdq unaligned',
  ]),
  move('LDDQU', 'Vol. 2A "LDDQU - Load Unaligned Integer 128 Bits"', 'sse3', ['F2 0F F0 /r Vdq,Mdq unaligned']),
  move('MOVNTPS', 'Vol. 2B "MOVNTPS - Store Packed Single-Precision Values Using Non-Temporal Hint"', 'sse', [
    'NP 0F 2B /r Mps,Vps',
  ]),
  move('MOVNTPD', 'Vol. 2B "MOVNTPD - Store Packed Double-Precision Values Using Non-Temporal Hint"', 'sse2', [
    '66 0F 2B /r Mpd,Vpd',
  ]),
  move('MOVNTDQ', 'Vol. 2B "MOVNTDQ - Store Packed Integers Using Non-Temporal Hint"', 'sse2', ['66 0F E7 /r Mdq,Vdq']),
  move('MOVNTDQA', 'Vol. 2B "MOVNTDQA - Load Double Quadword Non-Temporal Aligned Hint"', 'sse4.1', [
    '66 0F 38 2A /r Vdq,Mdq',
  ]),
  MOVD,
  MOVQ,
  MOVDmmx,
  MOVQmmx,
  defineInstruction({
    name: 'MOVNTQ',
    sdm: 'Vol. 2B "MOVNTQ - Store of Quadword Using Non-Temporal Hint"',
    feature: 'sse',
    forms: ['NP 0F E7 /r Mq,Pq'],
    semantics: MOVQmmx.semantics,
  }),
  MOVDQ2Q,
  MOVQ2DQ,
  EMMS,
];
