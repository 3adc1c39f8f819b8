/**
 * Checks of code segments that far transfers share: SDM Vol. 3A §5.8 "Privilege Level Checking When Transferring
 * Program Control Between Code Segments".
 */

import { type Algebra, GP, type Value } from '../../algebra.ts';
import { ACCESS_BIG, ACCESS_LONG, descriptorLimit } from './descriptors.ts';
import { isCanonical, isLongMode } from './modes.ts';

/** #GP(error) unless the access rights are those of a code segment; in IA-32e mode L and D exclude each other. */
export function requireCode(m: Algebra, access: Value, error: Value): void {
  const isCode = m.eq(m.and(access, m.const(32, 0x18)), m.const(32, 0x18));
  const both = m.eq(m.and(access, m.const(32, ACCESS_LONG | ACCESS_BIG)), m.const(32, ACCESS_LONG | ACCESS_BIG));
  m.if(m.or(m.not(isCode), m.and(isLongMode(m), both)), () => m.raise(GP, error));
}

/** #GP(0) where the offset (type 64) is not canonical in 64-bit code, or beyond the limit of other code. */
export function checkCodeOffset(m: Algebra, offset: Value, descriptor: Value, access: Value): void {
  const beyond = m.ltU(m.zext(descriptorLimit(m, descriptor), 64), offset);
  const is64 = m.and(isLongMode(m), m.bit(access, 13));
  m.if(m.select(is64, m.not(isCanonical(m, offset)), beyond), () => m.raise(GP, 0));
}
