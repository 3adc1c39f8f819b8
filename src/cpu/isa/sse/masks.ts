/** Sign masks of vectors in general-purpose registers, and stores under a mask. */

import type { Algebra, Value } from '../../algebra.ts';
import { RDI } from '../../state.ts';
import { isNot0 } from '../fp/format.ts';
import { defineInstruction, type Feature, type Instruction } from '../instruction.ts';
import { enterMmx, requireMmx } from '../mmx-state.ts';
import { requireSse } from './available.ts';
import { splat } from './lanes.ts';

function signs(name: string, sdm: string, feature: Feature, form: string, operation: string): Instruction {
  return defineInstruction({
    name,
    sdm,
    feature,
    forms: [form],
    semantics(m, dst, src) {
      requireSse(m);
      m.write(dst, m.op(operation, [m.read(src)]));
    },
  });
}

const PMOVMSKB_SDM = 'Vol. 2B "PMOVMSKB - Move Byte Mask"';

const PMOVMSKBmmx = defineInstruction({
  name: 'PMOVMSKB',
  sdm: PMOVMSKB_SDM,
  feature: 'sse',
  forms: ['NP 0F D7 /r Gd,Nq'],
  semantics(m, dst, src) {
    requireMmx(m);
    m.write(dst, m.op('i8x16.bitmask', [m.zext(m.read(src), 128)]));
    enterMmx(m);
  },
});

/**
 * Stores those bytes of `data` at DS:rDI that `mask` (type 32) has a bit for. Bytes without one are neither written nor
 * looked at: memory is checked from the first to the last byte that is written.
 */
function storeMasked(m: Algebra, data: Value, mask: Value): void {
  const at = (index: Value) => m.offset(m.at(m.dataSegment, m.getGpr(RDI, m.addressSize)), index);
  m.if(isNot0(m, mask), () => {
    m.probeWrite(at(m.ctz(mask)), 1);
    m.probeWrite(at(m.sub(m.const(32, 31), m.clz(mask))), 1);
    const rest = m.variable(mask);
    const bytes = m.variable(data);
    const index = m.variable(m.const(32, 0));
    m.while(
      () => isNot0(m, m.use(rest)),
      () => {
        m.if(m.bit(m.use(rest), 0), () => {
          m.store(at(m.use(index)), m.trunc(m.op('i8x16.extract_lane_u', [m.use(bytes)], [0]), 8));
        });
        const next = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0];
        m.assign(bytes, m.op('i8x16.shuffle', [m.use(bytes), m.use(bytes)], next));
        m.assign(rest, m.shr(m.use(rest), 1));
        m.assign(index, m.add(m.use(index), m.const(32, 1)));
      },
    );
  });
}

const MASKMOVDQU = defineInstruction({
  name: 'MASKMOVDQU',
  sdm: 'Vol. 2B "MASKMOVDQU - Store Selected Bytes of Double Quadword"',
  feature: 'sse2',
  forms: ['66 0F F7 /r Vdq,Udq'],
  semantics(m, data, mask) {
    requireSse(m);
    storeMasked(m, m.getXmm(data), m.op('i8x16.bitmask', [m.getXmm(mask)]));
  },
});

const MASKMOVQ = defineInstruction({
  name: 'MASKMOVQ',
  sdm: 'Vol. 2B "MASKMOVQ - Store Selected Bytes of Quadword"',
  feature: 'sse',
  forms: ['NP 0F F7 /r Pq,Nq'],
  semantics(m, data, mask) {
    requireMmx(m);
    storeMasked(m, splat(m, 64, m.read(data)), m.op('i8x16.bitmask', [m.zext(m.read(mask), 128)]));
    enterMmx(m);
  },
});

export const masks: readonly Instruction[] = [
  signs(
    'MOVMSKPS',
    'Vol. 2B "MOVMSKPS - Extract Packed Single-Precision Floating-Point Sign Mask"',
    'sse',
    'NP 0F 50 /r Gd,Ups',
    'i32x4.bitmask',
  ),
  signs(
    'MOVMSKPD',
    'Vol. 2B "MOVMSKPD - Extract Packed Double-Precision Floating-Point Sign Mask"',
    'sse2',
    '66 0F 50 /r Gd,Upd',
    'i64x2.bitmask',
  ),
  signs('PMOVMSKB', PMOVMSKB_SDM, 'sse2', '66 0F D7 /r Gd,Udq', 'i8x16.bitmask'),
  PMOVMSKBmmx,
  MASKMOVDQU,
  MASKMOVQ,
];
