/**
 * Logical to linear addresses: SDM Vol. 3A §3.3 "Logical and Linear Addresses", §5.3 "Limit Checking", §5.5 "Privilege
 * Levels" (type checks of Table 5-1 as they apply to accesses), §3.3.7.1 "Canonical Addressing".
 */

import { FS, GP, SS, SS_FAULT } from '../algebra.ts';
import { vcpu } from '../state.ts';
import { GuestFault } from './fault.ts';
import { codeMode, isProtected, type StateBlock } from './state-block.ts';

const CR4_LA57 = 1n << 12n;
const TYPE_CODE = 8;
const TYPE_EXPAND_DOWN = 4;
/** Writable data or readable code. */
const TYPE_RW = 2;
const ACCESS_DB = 1 << 14;
const ACCESS_UNUSABLE = 1 << 16;
const LAST_32 = 0xffff_ffffn;

export function isCanonical(state: StateBlock, linear: bigint): boolean {
  const width = (state.get(vcpu.cr4) & CR4_LA57) !== 0n ? 57 : 48;
  return BigInt.asUintN(64, BigInt.asIntN(width, linear)) === linear;
}

/** Base plus offset, with no check. */
export function uncheckedLinear(state: StateBlock, segment: number, offset: bigint): bigint {
  const base = state.get(vcpu.segmentBase, segment);
  if (codeMode(state) === 64) return segment < FS ? offset : BigInt.asUintN(64, base + offset);
  return BigInt.asUintN(32, base + offset);
}

/** The linear address of `bytes` at `segment`:`offset`; throws #GP(0), or #SS(0) through SS. */
export function linearAddress(
  state: StateBlock,
  segment: number,
  offset: bigint,
  bytes: number,
  access: 'read' | 'write',
): bigint {
  const fault = new GuestFault(segment === SS ? SS_FAULT : GP, 0);
  const linear = uncheckedLinear(state, segment, offset);
  const length = BigInt(bytes);
  if (codeMode(state) === 64) {
    if (!isCanonical(state, linear) || !isCanonical(state, BigInt.asUintN(64, linear + length - 1n))) throw fault;
    return linear;
  }
  const rights = state.number(vcpu.segmentAccess, segment);
  if (isProtected(state)) {
    if ((rights & ACCESS_UNUSABLE) !== 0) throw fault;
    const isCode = (rights & TYPE_CODE) !== 0;
    const accessible = (rights & TYPE_RW) !== 0;
    if (access === 'write' ? isCode || !accessible : isCode && !accessible) throw fault;
  }
  const limit = state.get(vcpu.segmentLimit, segment);
  const last = offset + length - 1n;
  if ((rights & (TYPE_CODE | TYPE_EXPAND_DOWN)) === TYPE_EXPAND_DOWN) {
    const top = (rights & ACCESS_DB) !== 0 ? LAST_32 : 0xffffn;
    if (offset <= limit || last > top) throw fault;
  } else if (last > limit && limit !== LAST_32) {
    // Beyond a limit of 4 GiB an access wraps (left open by §5.3).
    throw fault;
  }
  return linear;
}
