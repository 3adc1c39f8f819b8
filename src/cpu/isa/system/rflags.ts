/** RFLAGS as one value (SDM Vol. 1 §3.4.3 "EFLAGS Register"): the arithmetic flags joined with the others. */

import type { Algebra, Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';

export const FLAG_CF = 1 << 0;
export const FLAG_PF = 1 << 2;
export const FLAG_AF = 1 << 4;
export const FLAG_ZF = 1 << 6;
export const FLAG_SF = 1 << 7;
export const FLAG_TF = 1 << 8;
export const FLAG_IF = 1 << 9;
export const FLAG_DF = 1 << 10;
export const FLAG_OF = 1 << 11;
export const FLAG_IOPL = 3 << 12;
export const FLAG_NT = 1 << 14;
export const FLAG_RF = 1 << 16;
export const FLAG_VM = 1 << 17;
export const FLAG_AC = 1 << 18;
export const FLAG_VIF = 1 << 19;
export const FLAG_VIP = 1 << 20;
export const FLAG_ID = 1 << 21;
export const FLAGS_ARITHMETIC = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;
/** Everything but what is fixed. */
export const FLAGS_ALL = 0x3f7fd5;
/** What a program may change at any privilege. */
export const FLAGS_FREE = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
const FIXED_ONE = 2;

/** All of RFLAGS, type 32. */
export function readRflags(m: Algebra): Value {
  const at = (flag: Value, position: number): Value => m.shl(m.zext(flag, 32), position);
  const low = m.or(
    m.or(at(m.getFlag('CF'), 0), at(m.getFlag('PF'), 2)),
    m.or(at(m.getFlag('AF'), 4), at(m.getFlag('ZF'), 6)),
  );
  const high = m.or(at(m.getFlag('SF'), 7), at(m.getFlag('OF'), 11));
  return m.or(m.or(m.get(vcpu.rflags), m.const(32, FIXED_ONE)), m.or(low, high));
}

/** Replaces the bits of `mask` (type 32) by those of `image` (type 32). */
export function writeRflags(m: Algebra, image: Value, mask: Value): void {
  const old = readRflags(m);
  const merged = m.or(m.and(image, mask), m.and(old, m.not(mask)));
  m.set(vcpu.rflags, m.and(merged, m.const(32, ~FLAGS_ARITHMETIC)));
  m.setFlags({
    CF: m.bit(merged, 0),
    PF: m.bit(merged, 2),
    AF: m.bit(merged, 4),
    ZF: m.bit(merged, 6),
    SF: m.bit(merged, 7),
    OF: m.bit(merged, 11),
  });
}
