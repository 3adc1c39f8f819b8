/** Questions about the mode the vCPU is in, asked when the instruction runs: for routines, which have no `m.mode`. */

import { type Algebra, CS, GP, UD, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';

/** `pendingEvents`: something that does not wait for IF. */
const EVENT_ANY = 2;

/** Whether any bit of `mask` is set in `value`, type 1. */
export function anySet(m: Algebra, value: Value, mask: number | bigint): Value {
  return m.ne(m.and(value, m.const(value.type, mask)), m.const(value.type, 0));
}

export function isProtectedMode(m: Algebra): Value {
  return m.bit(m.get(vcpu.cr0), 0);
}

export function isVirtual8086(m: Algebra): Value {
  return m.bit(m.get(vcpu.rflags), 17);
}

/** Protected mode other than virtual-8086: selectors name descriptors. */
export function usesDescriptors(m: Algebra): Value {
  return m.and(isProtectedMode(m), m.not(isVirtual8086(m)));
}

/** IA-32e mode, 64-bit or compatibility. */
export function isLongMode(m: Algebra): Value {
  return m.bit(m.get(vcpu.efer), 10);
}

/** 64-bit mode. */
export function is64BitMode(m: Algebra): Value {
  return m.and(isLongMode(m), m.bit(m.getAt(vcpu.segmentAccess, CS), 13));
}

/** IOPL, type 32. */
export function ioPrivilegeLevel(m: Algebra): Value {
  return m.and(m.shr(m.get(vcpu.rflags), 12), m.const(32, 3));
}

export function isCanonical(m: Algebra, linear: Value): Value {
  return m.eq(m.sar(m.shl(linear, 16), 16), linear);
}

/** #UD where the bit of CR4 that switches an instruction on is clear. */
export function requireCr4(m: Algebra, bit: number): void {
  m.if(m.not(anySet(m, m.get(vcpu.cr4), bit)), () => m.raise(UD));
}

export function requirePrivilege(m: Algebra): void {
  m.if(m.ne(m.get(vcpu.cpl), m.const(32, 0)), () => m.raise(GP, 0));
}

/** After this instruction the run loop looks what is pending. */
export function requestRunLoop(m: Algebra): void {
  m.set(vcpu.pendingEvents, m.or(m.get(vcpu.pendingEvents), m.const(32, EVENT_ANY)));
}
