/**
 * The architectural state of a vCPU as bytes that outlive this version of the program, and what of it can be believed.
 *
 *     u16 number of fields, then for each: u8 length of the name, the name, u8 bits of an element, u16 elements, elements
 *
 * Little endian. A field that is not there is zero; one that this program does not have is refused.
 */

import { VivariumError } from '../base/errors.ts';
import * as bits from './isa/system/control-bits.ts';
import { FLAG_VM, FLAGS_ALL } from './isa/system/rflags.ts';
import { architecturalState, type StateField, vcpu } from './state.ts';

const FLAGS_ARITHMETIC = 0x8d5;
const RFLAGS_KEPT = BigInt((FLAGS_ALL & ~FLAGS_ARITHMETIC) | 2);
/** Access rights, and the bit that stands for an unusable segment. */
const SEGMENT_ACCESS = 0x1ffffn;
const CODE_LONG = 1n << 13n;
const CS = 1;
const LOW_32 = 0xffff_ffffn;
/** Counts are exact in numbers far beyond this. */
const MOST_INSTRUCTIONS = 1n << 52n;
const FSW_TOP = 0x3800n;
const MXCSR_KEPT = 0xffffn;
const HALTED = 1n;

const sizeOf = ({ type, count }: StateField): number => (type / 8) * count;

/** `block`: the architectural part of a vCPU block. */
export function encodeCpuState(block: Uint8Array): Uint8Array {
  const names = architecturalState.map(({ name }) => new TextEncoder().encode(name));
  const total = architecturalState.reduce(
    (sum, field, i) => sum + 4 + (names[i] as Uint8Array).length + sizeOf(field),
    2,
  );
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  view.setUint16(0, architecturalState.length, true);
  let at = 2;
  for (const [i, field] of architecturalState.entries()) {
    const name = names[i] as Uint8Array;
    out[at] = name.length;
    out.set(name, at + 1);
    at += 1 + name.length;
    out[at] = field.type;
    view.setUint16(at + 1, field.count, true);
    out.set(block.subarray(field.offset, field.offset + sizeOf(field)), at + 3);
    at += 3 + sizeOf(field);
  }
  return out;
}

/**
 * The architectural part of a vCPU block of `blockBytes` again. Throws a VivariumError for what `encodeCpuState` cannot
 * have written, and for registers that no guest can have loaded: modes of the processor that do not exist among them.
 */
export function decodeCpuState(saved: Uint8Array, blockBytes: number): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
  let at = 0;
  const take = (bytes: number): number => {
    at += bytes;
    if (at > saved.length) throw refused(undefined, 'is cut off');
    return at - bytes;
  };
  const seen = new Set<string>();
  for (let left = view.byteLength < 2 ? 0 : view.getUint16(take(2), true); left > 0; left--) {
    const length = view.getUint8(take(1));
    const name = new TextDecoder().decode(saved.subarray(at, take(length) + length));
    const field = architecturalState.find((one) => one.name === name);
    const shape = take(3);
    if (field === undefined || seen.has(name)) throw refused(undefined, 'has fields that this program does not know');
    if (view.getUint8(shape) !== field.type || view.getUint16(shape + 1, true) !== field.count) {
      throw refused(name, 'has another shape');
    }
    seen.add(name);
    const data = take(sizeOf(field));
    block.set(saved.subarray(data, at), field.offset);
  }
  if (at !== saved.length || seen.size === 0) throw refused(undefined, 'is not of the length it says');
  check(new DataView(block.buffer));
  return block;
}

function refused(field: string | undefined, problem: string): VivariumError {
  const where = field === undefined ? 'it' : `its field "${field}"`;
  return new VivariumError(
    { kind: 'bad-state', part: 'vcpu', ...(field !== undefined && { field }) },
    `Saved state of "vcpu" cannot be restored: ${where} ${problem}.`,
  );
}

function check(view: DataView): void {
  const get = ({ type, offset }: StateField, index = 0): bigint => {
    if (type === 8) return BigInt(view.getUint8(offset + index));
    if (type === 16) return BigInt(view.getUint16(offset + 2 * index, true));
    if (type === 32) return BigInt(view.getUint32(offset + 4 * index, true));
    return view.getBigUint64(offset + 8 * index, true);
  };
  const hold = (field: StateField, holds: boolean): void => {
    if (!holds) throw refused(field.name, 'has a value that it cannot have had');
  };
  const within = (field: StateField, largest: bigint): void => {
    for (let i = 0; i < field.count; i++) hold(field, get(field, i) <= largest);
  };
  const only = (field: StateField, mask: number | bigint): void => hold(field, (get(field) & ~BigInt(mask)) === 0n);

  within(vcpu.flagCarry, 1n);
  within(vcpu.cpl, 3n);
  within(vcpu.interruptShadow, 2n);
  within(vcpu.activity, HALTED);
  within(vcpu.nmiPending, 1n);
  within(vcpu.nmiBlocked, 1n);
  within(vcpu.managementMode, 1n);
  within(vcpu.smiPending, 1n);
  within(vcpu.initPending, 1n);
  within(vcpu.managementMode, 1n);
  within(vcpu.smiPending, 1n);
  within(vcpu.fpuTop, 7n);
  within(vcpu.fpuEmpty, 0xffn);
  within(vcpu.segmentAccess, SEGMENT_ACCESS);
  within(vcpu.instructions, MOST_INSTRUCTIONS);
  only(vcpu.fsw, 0xffffn & ~FSW_TOP);
  only(vcpu.mxcsr, MXCSR_KEPT);
  only(vcpu.pendingDebug, bits.DR6_WRITABLE);
  only(vcpu.suspendedDebug, bits.DR6_WRITABLE);
  only(vcpu.suspendedDebug, bits.DR6_WRITABLE);
  only(vcpu.xcr0, bits.XCR0_SUPPORTED);
  hold(vcpu.xcr0, (get(vcpu.xcr0) & 1n) !== 0n);
  only(vcpu.rflags, RFLAGS_KEPT);
  hold(vcpu.rflags, (get(vcpu.rflags) & 2n) !== 0n);
  hold(vcpu.dr, get(vcpu.dr, 6) <= LOW_32 && get(vcpu.dr, 7) <= LOW_32);

  const has = (field: StateField, bit: number): boolean => (get(field) & BigInt(bit)) !== 0n;
  const paging = has(vcpu.cr0, bits.CR0_PG);
  const long = has(vcpu.efer, bits.EFER_LMA);
  only(vcpu.cr0, bits.CR0_WRITABLE + bits.CR0_ET);
  hold(vcpu.cr0, has(vcpu.cr0, bits.CR0_PE) || !paging);
  only(vcpu.cr4, bits.CR4_WRITABLE);
  hold(vcpu.cr4, has(vcpu.cr4, bits.CR4_PAE) || !long);
  hold(vcpu.cr4, long || !has(vcpu.cr4, bits.CR4_PCIDE));
  only(vcpu.efer, bits.EFER_SCE | bits.EFER_LME | bits.EFER_LMA | bits.EFER_NXE);
  hold(vcpu.efer, long === (paging && has(vcpu.efer, bits.EFER_LME)));
  hold(vcpu.rflags, !long || !has(vcpu.rflags, FLAG_VM));
  hold(vcpu.cr3, get(vcpu.cr3) >> 63n === 0n);
  const code64 = long && (get(vcpu.segmentAccess, CS) & CODE_LONG) !== 0n;
  hold(vcpu.rip, code64 || get(vcpu.rip) <= LOW_32);
}
