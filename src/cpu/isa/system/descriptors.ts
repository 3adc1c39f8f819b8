/** Segment descriptors (SDM Vol. 3A §3.4.5 "Segment Descriptors") and segment registers. */

import { type Algebra, GP, LDTR, type Value } from '../../algebra.ts';
import { vcpu } from '../../state.ts';

/** Access-rights bits as kept in `segmentAccess`. */
export const ACCESS_TYPE = 0xf;
export const ACCESS_CODE = 1 << 3;
export const ACCESS_CONFORMING = 1 << 2;
export const ACCESS_S = 1 << 4;
export const ACCESS_DPL_SHIFT = 5;
export const ACCESS_PRESENT = 1 << 7;
export const ACCESS_LONG = 1 << 13;
export const ACCESS_BIG = 1 << 14;
export const ACCESS_GRANULARITY = 1 << 15;
export const ACCESS_UNUSABLE = 1 << 16;

/**
 * Linear address (type 64) of the 8-byte descriptor that `selector` (type 16) names; #`vector`(selector) beyond the
 * table, with `external` (type 32) as the EXT bit of the error code.
 */
export function descriptorAddress(m: Algebra, selector: Value, vector = GP, external?: Value): Value {
  const offset = m.and(m.zext(selector, 32), m.const(32, 0xfff8));
  const local = m.bit(selector, 2);
  const limit = m.select(local, m.getAt(vcpu.segmentLimit, LDTR), m.get(vcpu.gdtrLimit));
  const base = m.select(local, m.getAt(vcpu.segmentBase, LDTR), m.get(vcpu.gdtrBase));
  const noTable = m.and(local, m.bit(m.getAt(vcpu.segmentAccess, LDTR), 16));
  const outside = m.ltU(limit, m.add(offset, m.const(32, 7)));
  m.if(m.or(noTable, outside), () => m.raise(vector, selectorError(m, selector, external)));
  return m.add(base, m.zext(offset, 64));
}

/** Error code (type 32) that names a selector, its RPL bits cleared; `external` (type 32) is the EXT bit. */
export function selectorError(m: Algebra, selector: Value, external?: Value): Value {
  const error = m.and(m.zext(selector, 32), m.const(32, 0xfffc));
  return external === undefined ? error : m.or(error, external);
}

/** Access rights of a descriptor (type 64) as VMCS have them, type 32. */
export function descriptorAccess(m: Algebra, descriptor: Value): Value {
  return m.and(m.trunc(m.shr(descriptor, 40), 32), m.const(32, 0xf0ff));
}

export function descriptorDpl(m: Algebra, access: Value): Value {
  return m.and(m.shr(access, ACCESS_DPL_SHIFT), m.const(32, 3));
}

/** Base (type 64) of an 8-byte descriptor. */
export function descriptorBase(m: Algebra, descriptor: Value): Value {
  const low = m.and(m.shr(descriptor, 16), m.const(64, 0xffffffn));
  const high = m.and(m.shr(descriptor, 32), m.const(64, 0xff000000n));
  return m.or(low, high);
}

/** Limit in bytes (type 32), granularity applied. */
export function descriptorLimit(m: Algebra, descriptor: Value): Value {
  const low = m.and(m.trunc(descriptor, 32), m.const(32, 0xffff));
  const high = m.and(m.trunc(m.shr(descriptor, 32), 32), m.const(32, 0xf0000));
  const limit = m.or(low, high);
  const pages = m.or(m.shl(limit, 12), m.const(32, 0xfff));
  return m.select(m.bit(descriptor, 55), pages, limit);
}

/** Fills a segment register's hidden part from a code or data descriptor (type 64) that has passed its checks. */
export function setSegment(m: Algebra, segment: number | Value, selector: Value, descriptor: Value): void {
  m.setAt(vcpu.segmentSelector, segment, selector);
  m.setAt(vcpu.segmentBase, segment, descriptorBase(m, descriptor));
  m.setAt(vcpu.segmentLimit, segment, descriptorLimit(m, descriptor));
  m.setAt(vcpu.segmentAccess, segment, m.or(descriptorAccess(m, descriptor), m.const(32, 1)));
}

/** Sets the accessed bit of a code or data descriptor in its table, where it is not set yet. */
export function markAccessed(m: Algebra, address: Value, access: Value): void {
  m.if(m.not(m.bit(access, 0)), () =>
    m.storeSystem(m.add(address, m.const(64, 5)), m.trunc(m.or(access, m.const(32, 1)), 8)),
  );
}
