/** A vCPU block of its own for the reference: the fields of `../state.ts` at the same offsets as in machine memory. */

import { type StateField, sseSources, VCPU_FIELDS_BYTES, vcpu } from '../state.ts';

/** Reading and writing fields, whoever holds them. */
export interface StateFields {
  get(field: StateField, index?: number): bigint;
  /** Takes the low bits of `value`. */
  set(field: StateField, value: bigint, index?: number): void;
}

export class StateBlock implements StateFields {
  readonly bytes = new Uint8Array(VCPU_FIELDS_BYTES);
  readonly #view = new DataView(this.bytes.buffer);

  get(field: StateField, index = 0): bigint {
    const at = this.#place(field, index);
    switch (field.type) {
      case 8:
        return BigInt(this.#view.getUint8(at));
      case 16:
        return BigInt(this.#view.getUint16(at, true));
      case 32:
        return BigInt(this.#view.getUint32(at, true));
      case 64:
        return this.#view.getBigUint64(at, true);
      case 128:
        return (this.#view.getBigUint64(at + 8, true) << 64n) | this.#view.getBigUint64(at, true);
    }
  }

  set(field: StateField, value: bigint, index = 0): void {
    const at = this.#place(field, index);
    if (sseSources.has(field)) this.set(vcpu.sse, 0n);
    if (field.type <= 32) {
      const low = Number(BigInt.asUintN(32, value));
      if (field.type === 8) this.#view.setUint8(at, low);
      else if (field.type === 16) this.#view.setUint16(at, low, true);
      else this.#view.setUint32(at, low, true);
      return;
    }
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), true);
    if (field.type === 128) this.#view.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true);
  }

  /** A field of up to 32 bits. */
  number(field: StateField, index = 0): number {
    return Number(this.get(field, index));
  }

  #place(field: StateField, index: number): number {
    if (index < 0 || index >= field.count) throw new RangeError(`${field.name} has no element ${index}`);
    return field.offset + (index * field.type) / 8;
  }
}

const CR0_PE = 1n;
const EFER_LMA = 1n << 10n;
const VM = 1 << 17;
const CS = 1;
const ACCESS_L = 1 << 13;
const ACCESS_DB = 1 << 14;

export function isProtected(state: StateBlock): boolean {
  return (state.get(vcpu.cr0) & CR0_PE) !== 0n && (state.number(vcpu.rflags) & VM) === 0;
}

/** SDM Vol. 3A §5.2.1 "Code-Segment Descriptor in 64-bit Mode". */
export function codeMode(state: StateBlock): 16 | 32 | 64 {
  const access = state.number(vcpu.segmentAccess, CS);
  if ((state.get(vcpu.efer) & EFER_LMA) !== 0n && (access & ACCESS_L) !== 0) return 64;
  return (access & ACCESS_DB) !== 0 ? 32 : 16;
}

/** RFLAGS with the arithmetic flags in place. See `../state.ts` for how they are kept. */
export function packedFlags(state: StateFields): number {
  const result = state.get(vcpu.flagResult);
  let parity = Number(result & 0xffn);
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return (
    Number(state.get(vcpu.rflags)) |
    (Number(state.get(vcpu.flagCarry)) & 1) |
    ((parity & 1) === 0 ? 0x4 : 0) |
    (Number(state.get(vcpu.flagAdjust)) & 0x10) |
    (state.get(vcpu.flagZero) === 0n ? 0x40 : 0) |
    (result >> 63n === 1n ? 0x80 : 0) |
    (state.get(vcpu.flagOverflow) >> 31n === 1n ? 0x800 : 0)
  );
}

const ARITHMETIC_FLAGS = 0x8d5;

export function unpackFlags(state: StateFields, flags: number): void {
  state.set(vcpu.rflags, BigInt((flags & ~ARITHMETIC_FLAGS) >>> 0));
  state.set(vcpu.flagCarry, BigInt(flags & 1));
  state.set(vcpu.flagAdjust, BigInt(flags & 0x10));
  state.set(vcpu.flagZero, (flags & 0x40) === 0 ? 1n : 0n);
  // One odd low byte for PF clear; bit 63 is SF.
  state.set(vcpu.flagResult, ((flags & 0x80) === 0 ? 0n : 1n << 63n) | ((flags & 4) === 0 ? 1n : 0n));
  state.set(vcpu.flagOverflow, (flags & 0x800) === 0 ? 0n : 1n << 31n);
}
