/** Single elements between vectors and general-purpose registers or memory, at a place that an immediate names. */

import type { Algebra, Operand, Value } from '../../algebra.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { enterMmx, requireMmx, writeMmx } from '../mmx-state.ts';
import { requireSse } from './available.ts';
import { immediate, lanes, low, splat, zero } from './lanes.ts';
import { shiftBytesRight } from './shuffles.ts';

type Lane = 8 | 16 | 32 | 64;

function place(m: Algebra, imm: Operand, count: number): Value {
  return m.and(immediate(m, m.read(imm)), m.const(32, count - 1));
}

/** Element `index` (type 32), of type 64 or 32. */
function element(m: Algebra, width: Lane, vector: Value, index: Value): Value {
  const moved = shiftBytesRight(m, vector, m.shl(index, Math.log2(width / 8)));
  switch (width) {
    case 8:
      return m.op('i8x16.extract_lane_u', [moved], [0]);
    case 16:
      return m.op('i16x8.extract_lane_u', [moved], [0]);
    case 32:
      return m.op('i32x4.extract_lane', [moved], [0]);
    default:
      return low(m, moved);
  }
}

/** `vector` with `value` as element `index`. */
function replaced(m: Algebra, width: Lane, vector: Value, value: Value, index: Value): Value {
  const count = 128 / width;
  const wide = width === 64 ? m.zext(index, 64) : index;
  const numbers = lanes(
    m,
    width,
    Array.from({ length: count }, (_, i) => i),
  );
  const chosen = m.op(`i${width}x${count}.eq`, [numbers, splat(m, width, wide)]);
  return m.op('v128.bitselect', [splat(m, width, value), vector, chosen]);
}

/** Extraction: to a register zero-extended, to memory as wide as the element. */
function extract(name: string, sdm: string, feature: Feature, forms: string[], width: Lane): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms,
    semantics(m, dst, src, imm) {
      requireSse(m);
      const value = element(m, width, m.getXmm(src), place(m, imm, 128 / width));
      m.write(dst, dst.kind === 'memory' ? m.trunc(value, width) : value);
    },
  });
}

function insert(name: string, sdm: string, feature: Feature, forms: string[], width: Lane): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms,
    semantics(m, dst, src, imm) {
      requireSse(m);
      const value = m.read(src);
      m.setXmm(dst, replaced(m, width, m.getXmm(dst), value, place(m, imm, 128 / width)));
    },
  });
}

const EXTRACT_SDM = 'Vol. 2B "PEXTRB/PEXTRD/PEXTRQ - Extract Byte/Dword/Qword"';
const EXTRACT_WORD_SDM = 'Vol. 2B "PEXTRW - Extract Word"';
const INSERT_SDM = 'Vol. 2B "PINSRB/PINSRD/PINSRQ - Insert Byte/Dword/Qword"';
const INSERT_WORD_SDM = 'Vol. 2B "PINSRW - Insert Word"';

const PEXTRWmmx = defineInstruction({
  name: 'PEXTRW',
  sdm: EXTRACT_WORD_SDM,
  feature: 'sse',
  forms: ['NP 0F C5 /r Gd,Nq,Ib'],
  semantics(m, dst, src, imm) {
    requireMmx(m);
    m.write(dst, element(m, 16, splat(m, 64, m.read(src)), place(m, imm, 4)));
    enterMmx(m);
  },
});

const PINSRWmmx = defineInstruction({
  name: 'PINSRW',
  sdm: INSERT_WORD_SDM,
  feature: 'sse',
  forms: ['NP 0F C4 /r Pq,Rd,Ib', 'NP 0F C4 /r Pq,Mw,Ib'],
  semantics(m, dst, src, imm) {
    requireMmx(m);
    const value = m.read(src);
    writeMmx(m, dst, low(m, replaced(m, 16, splat(m, 64, m.read(dst)), value, place(m, imm, 4))));
  },
});

/** The element that bits 7-6 choose (of memory the only one) goes to bits 5-4, then those of bits 3-0 are cleared. */
const INSERTPS = defineInstruction({
  name: 'INSERTPS',
  sdm: 'Vol. 2A "INSERTPS - Insert Scalar Single-Precision Floating-Point Value"',
  feature: 'sse4.1',
  forms: ['66 0F 3A 21 /r Vps,Wss,Ib'],
  semantics(m, dst, src, imm) {
    requireSse(m);
    const source = m.read(src);
    const control = immediate(m, m.read(imm));
    const field = (low: number): Value => m.and(m.shr(control, low), m.const(32, 3));
    const value = src.kind === 'memory' ? source : element(m, 32, m.getXmm(src), field(6));
    const inserted = replaced(m, 32, m.getXmm(dst), value, field(4));
    const cleared = m.op('v128.and', [splat(m, 32, control), lanes(m, 32, [1, 2, 4, 8])]);
    m.setXmm(dst, m.op('v128.and', [inserted, m.op('i32x4.eq', [cleared, zero(m)])]));
  },
});

/** Elements of the second operand where the immediate has a bit for them. */
function blend(name: string, sdm: string, form: string, width: Lane): Instruction {
  const count = 128 / width;
  const bits = lanesOfBits(count);
  return defineInstruction({
    name,
    sdm,
    feature: 'sse4.1',
    forms: [form],
    semantics(m, dst, src, imm) {
      requireSse(m);
      const b = m.read(src);
      const control = immediate(m, m.read(imm));
      const chosen = m.op('v128.and', [
        splat(m, width, width === 64 ? m.zext(control, 64) : control),
        lanes(m, width, bits),
      ]);
      const kept = m.op(`i${width}x${count}.eq`, [chosen, zero(m)]);
      m.setXmm(dst, m.op('v128.bitselect', [m.getXmm(dst), b, kept]));
    },
  });
}

function lanesOfBits(count: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 << i);
}

/** Elements of the second operand where XMM0 has its sign bit set. */
function blendBySign(name: string, sdm: string, form: string, width: Lane): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature: 'sse4.1',
    forms: [form],
    semantics(m, dst, src) {
      requireSse(m);
      const b = m.read(src);
      const chosen = m.op(`i${width}x${128 / width}.shr_s`, [m.getXmm(0), m.const(32, width - 1)]);
      m.setXmm(dst, m.op('v128.bitselect', [b, m.getXmm(dst), chosen]));
    },
  });
}

export const insertExtract: readonly Instruction[] = [
  extract('PEXTRB', EXTRACT_SDM, 'sse4.1', ['66 0F 3A 14 /r Rd,Vdq,Ib', '66 0F 3A 14 /r Mb,Vdq,Ib'], 8),
  extract('PEXTRW', EXTRACT_WORD_SDM, 'sse4.1', ['66 0F 3A 15 /r Rd,Vdq,Ib', '66 0F 3A 15 /r Mw,Vdq,Ib'], 16),
  extract('PEXTRW', EXTRACT_WORD_SDM, 'sse2', ['66 0F C5 /r Gd,Udq,Ib'], 16),
  extract('PEXTRD', EXTRACT_SDM, 'sse4.1', ['66 W0 0F 3A 16 /r Ed,Vdq,Ib'], 32),
  extract('PEXTRQ', EXTRACT_SDM, 'sse4.1', ['66 W1 0F 3A 16 /r Eq,Vdq,Ib'], 64),
  extract(
    'EXTRACTPS',
    'Vol. 2A "EXTRACTPS - Extract Packed Floating-Point Values"',
    'sse4.1',
    ['66 0F 3A 17 /r Ed,Vps,Ib'],
    32,
  ),
  PEXTRWmmx,
  insert('PINSRB', INSERT_SDM, 'sse4.1', ['66 0F 3A 20 /r Vdq,Rd,Ib', '66 0F 3A 20 /r Vdq,Mb,Ib'], 8),
  insert('PINSRW', INSERT_WORD_SDM, 'sse2', ['66 0F C4 /r Vdq,Rd,Ib', '66 0F C4 /r Vdq,Mw,Ib'], 16),
  insert('PINSRD', INSERT_SDM, 'sse4.1', ['66 W0 0F 3A 22 /r Vdq,Ed,Ib'], 32),
  insert('PINSRQ', INSERT_SDM, 'sse4.1', ['66 W1 0F 3A 22 /r Vdq,Eq,Ib'], 64),
  PINSRWmmx,
  INSERTPS,
  blend('PBLENDW', 'Vol. 2B "PBLENDW - Blend Packed Words"', '66 0F 3A 0E /r Vdq,Wdq,Ib', 16),
  blend(
    'BLENDPS',
    'Vol. 2A "BLENDPS - Blend Packed Single-Precision Floating-Point Values"',
    '66 0F 3A 0C /r Vps,Wps,Ib',
    32,
  ),
  blend(
    'BLENDPD',
    'Vol. 2A "BLENDPD - Blend Packed Double-Precision Floating-Point Values"',
    '66 0F 3A 0D /r Vpd,Wpd,Ib',
    64,
  ),
  blendBySign('PBLENDVB', 'Vol. 2B "PBLENDVB - Variable Blend Packed Bytes"', '66 0F 38 10 /r Vdq,Wdq', 8),
  blendBySign(
    'BLENDVPS',
    'Vol. 2A "BLENDVPS - Variable Blend Packed Single-Precision Floating-Point Values"',
    '66 0F 38 14 /r Vps,Wps',
    32,
  ),
  blendBySign(
    'BLENDVPD',
    'Vol. 2A "BLENDVPD - Variable Blend Packed Double-Precision Floating-Point Values"',
    '66 0F 38 15 /r Vpd,Wpd',
    64,
  ),
];
