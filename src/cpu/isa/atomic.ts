/** Read-modify-write instructions for synchronisation: SDM Vol. 1 §7.3.1.2 "Exchange Instructions". */

import type { Algebra, Value } from '../algebra.ts';
import { RAX, RBX, RCX, RDX } from '../state.ts';
import { ADD_FLAGS, SUB_FLAGS } from './flag-recipes.ts';
import { defineInstruction, type Instruction } from './instruction.ts';
import { widthOf } from './widths.ts';

const XADD = defineInstruction({
  name: 'XADD',
  sdm: 'Vol. 2D "XADD - Exchange and Add"',
  forms: ['0F C0 /r Eb,Gb lock', '0F C1 /r Ev,Gv lock'],
  semantics(m, dst, src) {
    const a = m.readForWrite(dst);
    const b = m.read(src);
    const sum = m.add(a, b);
    // Memory first, since it may fault; of two registers the destination last, since they may be the same.
    if (dst.kind === 'memory') {
      m.write(dst, sum);
      m.write(src, a);
    } else {
      m.write(src, a);
      m.write(dst, sum);
    }
    m.setFlagsBy(ADD_FLAGS, a, b);
  },
});

/** Memory is written either way, with the source or with what it was; a register only with the source. */
const CMPXCHG = defineInstruction({
  name: 'CMPXCHG',
  sdm: 'Vol. 2A "CMPXCHG - Compare and Exchange"',
  forms: ['0F B0 /r Eb,Gb lock', '0F B1 /r Ev,Gv lock'],
  semantics(m, dst, src) {
    const old = m.readForWrite(dst);
    const accumulator = m.getGpr(RAX, widthOf(old));
    const equal = m.eq(accumulator, old);
    const source = m.read(src);
    if (dst.kind === 'memory') m.write(dst, m.select(equal, source, old));
    m.if(
      equal,
      () => {
        if (dst.kind === 'gpr') m.write(dst, source);
      },
      () => m.setGpr(RAX, old),
    );
    m.setFlagsBy(SUB_FLAGS, accumulator, old);
  },
});

/** A pair of 32-bit registers as one value. */
function pair(m: Algebra, high: number, low: number): Value {
  return m.or(m.shl(m.zext(m.getGpr(high, 32), 64), 32), m.zext(m.getGpr(low, 32), 64));
}

const CMPXCHG8B = defineInstruction({
  name: 'CMPXCHG8B',
  sdm: 'Vol. 2A "CMPXCHG8B/CMPXCHG16B - Compare and Exchange Bytes"',
  forms: ['W0 0F C7 /1 Mq lock'],
  semantics(m, dst) {
    const old = m.readForWrite(dst);
    const equal = m.eq(pair(m, RDX, RAX), old);
    m.write(dst, m.select(equal, pair(m, RCX, RBX), old));
    m.if(m.not(equal), () => {
      m.setGpr(RAX, m.trunc(old, 32));
      m.setGpr(RDX, m.trunc(m.shr(old, 32), 32));
    });
    m.setFlags({ ZF: equal });
  },
});

const CMPXCHG16B = defineInstruction({
  name: 'CMPXCHG16B',
  sdm: 'Vol. 2A "CMPXCHG8B/CMPXCHG16B - Compare and Exchange Bytes"',
  feature: 'cx16',
  forms: ['W1 0F C7 /1 Mdq lock'],
  semantics(m, dst) {
    const old = m.readForWrite(dst);
    const low = m.op('i64x2.extract_lane', [old], [0]);
    const high = m.op('i64x2.extract_lane', [old], [1]);
    const equal = m.and(m.eq(low, m.getGpr(RAX, 64)), m.eq(high, m.getGpr(RDX, 64)));
    const newLow = m.select(equal, m.getGpr(RBX, 64), low);
    const newHigh = m.select(equal, m.getGpr(RCX, 64), high);
    m.write(dst, m.join(newLow, newHigh));
    m.if(m.not(equal), () => {
      m.setGpr(RAX, low);
      m.setGpr(RDX, high);
    });
    m.setFlags({ ZF: equal });
  },
});

export const atomic: readonly Instruction[] = [XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B];
