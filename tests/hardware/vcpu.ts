/**
 * The state of a vector as fields of a vCPU, for engines that keep their state so: what the vectors take for granted
 * (64-bit mode or compatibility mode at CPL 3, as Linux sets it up), and the way in and out.
 *
 *     SYSTEM           GDT        SYSTEM + 0x800   LDT        SYSTEM + 0x1000  IDT        SYSTEM + 0x2000  TSS, then the stack of CPL 0
 *     HANDLERS + 16 n  where gate n leads; nothing is there
 *
 * An engine that delivers exceptions ends at a handler: `undeliver` reads the vector from its address and takes the
 * state back to what the handler would find in the interrupted program.
 */

import { CS, ES, FS, GS, LDTR, SS, TR } from '../../src/cpu/algebra.ts';
import { packedFlags, type StateFields, unpackFlags } from '../../src/cpu/reference/state-block.ts';
import { RSP, vcpu } from '../../src/cpu/state.ts';
import type { LegacyMode } from './form.ts';
import { GDT, GDT_LIMIT, PAGE, USER_GATES } from './layout.ts';
import { accessOf, descriptorOf, encodeDescriptor, LDT } from './segments.ts';
import type { MachineState } from './state.ts';
import type { Fault } from './vectors.ts';

/** Linear address of the supervisor's pages. */
export const SYSTEM = 0xffff_8000_0000_0000n;
export const SYSTEM_PAGES = 3;
const LDT_BASE = SYSTEM + 0x800n;
const IDT = SYSTEM + 0x1000n;
const TSS = SYSTEM + 0x2000n;
const STACK_TOP = SYSTEM + 0x3000n;
/** Linear address of the handlers. */
export const HANDLERS = 0xffff_9000_0000_0000n;
const IDT_GATES = 256;
const TSS_BYTES = 104;
const TSS_RSP0 = 4;
const TSS_IO_MAP = 0x66;
const FRAME_BYTES = 40n;
const KERNEL_CODE = 0x10;

/** PE MP ET NE WP AM PG. */
const CR0 = 0x8005_0033n;
/** PAE MCE PGE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE. */
const CR4 = 0x5_06e0n;
/** SCE LME LMA NXE. */
const EFER = 0xd01n;
/** x87 and SSE. */
const XCR0 = 3n;
const TOP_SHIFT = 11;
const TOP_MASK = 7 << TOP_SHIFT;
const FIXED_RFLAGS = 2;

const LDT_SELECTOR = 0x50n;
const DATA_ACCESS = 0xc0f3n;
const CODE64_ACCESS = 0xa0fbn;
const BUSY_TSS_ACCESS = 0x8bn;
const LDT_ACCESS = 0x82n;
const UNUSABLE = 0x1_0000n;

/** Descriptors of flat segments by kind, without DPL (SDM Vol. 3A §3.4.5 "Segment Descriptors"), accessed. */
const DESCRIPTORS = {
  code32: 0x00cf_9b00_0000_ffffn,
  code64: 0x00af_9b00_0000_ffffn,
  data: 0x00cf_9300_0000_ffffn,
} as const;

/** The contents of the supervisor's pages. */
export function systemPages(): Uint8Array[] {
  const bytes = new Uint8Array(SYSTEM_PAGES * PAGE);
  const view = new DataView(bytes.buffer);
  for (const { selector, dpl, kind } of GDT) {
    view.setBigUint64(selector, DESCRIPTORS[kind] | (BigInt(dpl) << 45n), true);
  }
  LDT.forEach((descriptor, entry) => {
    view.setBigUint64(Number(LDT_BASE - SYSTEM) + 8 * entry, encodeDescriptor(descriptor), true);
  });
  for (let vector = 0; vector < IDT_GATES; vector++) {
    const offset = HANDLERS + BigInt(16 * vector);
    const dpl = (USER_GATES as readonly number[]).includes(vector) ? 3 : 0;
    const at = Number(IDT - SYSTEM) + 16 * vector;
    view.setUint16(at, Number(offset & 0xffffn), true);
    view.setUint16(at + 2, KERNEL_CODE, true);
    // A 64-bit interrupt gate, present.
    view.setUint16(at + 4, 0x8e00 | (dpl << 13), true);
    view.setUint16(at + 6, Number((offset >> 16n) & 0xffffn), true);
    view.setUint32(at + 8, Number(offset >> 32n), true);
  }
  view.setBigUint64(Number(TSS - SYSTEM) + TSS_RSP0, STACK_TOP, true);
  // The I/O permission bitmap would begin beyond the limit: there is none.
  view.setUint16(Number(TSS - SYSTEM) + TSS_IO_MAP, TSS_BYTES, true);
  return Array.from({ length: SYSTEM_PAGES }, (_, i) => bytes.subarray(i * PAGE, (i + 1) * PAGE));
}

/** Outside 64-bit mode: segments as their selectors name them, and the local table. */
function enterSegments(fields: StateFields, state: MachineState): void {
  for (let segment = ES; segment <= GS; segment++) {
    const descriptor = descriptorOf(state.selectors[segment]);
    fields.set(vcpu.segmentBase, BigInt(descriptor?.base ?? 0), segment);
    fields.set(vcpu.segmentLimit, BigInt(descriptor?.limit ?? 0), segment);
    fields.set(vcpu.segmentAccess, descriptor === undefined ? UNUSABLE : BigInt(accessOf(descriptor)), segment);
  }
  fields.set(vcpu.segmentSelector, LDT_SELECTOR, LDTR);
  fields.set(vcpu.segmentAccess, LDT_ACCESS, LDTR);
  fields.set(vcpu.segmentBase, LDT_BASE, LDTR);
  fields.set(vcpu.segmentLimit, BigInt(8 * LDT.length - 1), LDTR);
}

/** Everything a vector says nothing of, and then the vector's state; of 64-bit mode, if no other mode is given. */
export function enterState(fields: StateFields, state: MachineState, mode?: LegacyMode): void {
  fields.set(vcpu.cr0, CR0);
  fields.set(vcpu.cr4, CR4);
  fields.set(vcpu.efer, EFER);
  fields.set(vcpu.xcr0, XCR0);
  fields.set(vcpu.cpl, 3n);
  fields.set(vcpu.activity, 0n);
  fields.set(vcpu.interruptShadow, 0n);
  fields.set(vcpu.gdtrBase, SYSTEM);
  fields.set(vcpu.gdtrLimit, BigInt(GDT_LIMIT));
  fields.set(vcpu.idtrBase, IDT);
  fields.set(vcpu.idtrLimit, BigInt(IDT_GATES * 16 - 1));
  for (let segment = ES; segment <= TR; segment++) {
    fields.set(vcpu.segmentBase, 0n, segment);
    fields.set(vcpu.segmentLimit, 0xffff_ffffn, segment);
    const isNull = segment !== CS && segment !== SS;
    fields.set(vcpu.segmentAccess, isNull ? UNUSABLE : segment === CS ? CODE64_ACCESS : DATA_ACCESS, segment);
  }
  fields.set(vcpu.segmentAccess, UNUSABLE, LDTR);
  fields.set(vcpu.segmentSelector, 0n, LDTR);
  fields.set(vcpu.segmentSelector, 0x40n, TR);
  fields.set(vcpu.segmentAccess, BUSY_TSS_ACCESS, TR);
  fields.set(vcpu.segmentBase, TSS, TR);
  fields.set(vcpu.segmentLimit, BigInt(TSS_BYTES - 1), TR);

  for (let i = 0; i < 16; i++) fields.set(vcpu.gpr, state.gpr[i], i);
  fields.set(vcpu.rip, state.rip);
  unpackFlags(fields, state.rflags);
  for (let i = 0; i < 6; i++) fields.set(vcpu.segmentSelector, BigInt(state.selectors[i]), i);
  fields.set(vcpu.segmentBase, state.fsBase, FS);
  fields.set(vcpu.segmentBase, state.gsBase, GS);
  if (mode !== undefined) enterSegments(fields, state);
  const top = (state.status & TOP_MASK) >> TOP_SHIFT;
  fields.set(vcpu.fcw, BigInt(state.control));
  fields.set(vcpu.fsw, BigInt(state.status & ~TOP_MASK));
  fields.set(vcpu.fpuTop, BigInt(top));
  fields.set(vcpu.fpuEmpty, BigInt(~state.tag & 0xff));
  fields.set(vcpu.mxcsr, BigInt(state.mxcsr));
  const st = viewOf(state.st);
  for (let i = 0; i < 8; i++) {
    fields.set(vcpu.stMantissa, st.getBigUint64(10 * i, true), i);
    fields.set(vcpu.stExponent, BigInt(st.getUint16(10 * i + 8, true)), i);
  }
  const xmm = viewOf(state.xmm);
  for (let i = 0; i < 16; i++) {
    const high = xmm.getBigUint64(16 * i + 8, true);
    fields.set(vcpu.xmm, (high << 64n) | xmm.getBigUint64(16 * i, true), i);
  }
}

/**
 * The state as the recorder would see it, through an interrupt. Returning from one to CPL 3 gives null selectors the
 * value 0 whatever their RPL (SDM Vol. 2A "IRET", RETURN-TO-OUTER-PRIVILEGE-LEVEL).
 */
export function leaveState(fields: StateFields, state: MachineState): void {
  for (let i = 0; i < 16; i++) state.gpr[i] = fields.get(vcpu.gpr, i);
  state.rip = fields.get(vcpu.rip);
  state.rflags = packedFlags(fields) | FIXED_RFLAGS;
  for (let i = 0; i < 6; i++) {
    const selector = Number(fields.get(vcpu.segmentSelector, i));
    state.selectors[i] = selector < 4 ? 0 : selector;
  }
  state.fsBase = fields.get(vcpu.segmentBase, FS);
  state.gsBase = fields.get(vcpu.segmentBase, GS);
  const top = Number(fields.get(vcpu.fpuTop));
  state.control = Number(fields.get(vcpu.fcw));
  state.status = Number(fields.get(vcpu.fsw)) | (top << TOP_SHIFT);
  state.tag = ~Number(fields.get(vcpu.fpuEmpty)) & 0xff;
  state.mxcsr = Number(fields.get(vcpu.mxcsr));
  const st = viewOf(state.st);
  for (let i = 0; i < 8; i++) {
    st.setBigUint64(10 * i, fields.get(vcpu.stMantissa, i), true);
    st.setUint16(10 * i + 8, Number(fields.get(vcpu.stExponent, i)), true);
  }
  const xmm = viewOf(state.xmm);
  for (let i = 0; i < 16; i++) {
    const value = fields.get(vcpu.xmm, i);
    xmm.setBigUint64(16 * i, BigInt.asUintN(64, value), true);
    xmm.setBigUint64(16 * i + 8, value >> 64n, true);
  }
}

/**
 * If the exception was delivered (the engine is at a handler), the fault, with the interrupted program's RIP, RSP, CS,
 * SS and RFLAGS taken back from the frame. `load` reads 64 bits of the supervisor's pages.
 */
export function undeliver(fields: StateFields, load: (linear: bigint) => bigint): Fault | undefined {
  const rip = fields.get(vcpu.rip);
  if (rip < HANDLERS || rip >= HANDLERS + BigInt(16 * IDT_GATES)) return undefined;
  const vector = Number((rip - HANDLERS) >> 4n);
  let frame = fields.get(vcpu.gpr, RSP);
  const hasCode = STACK_TOP - frame > FRAME_BYTES;
  const errorCode = hasCode ? Number(load(frame)) : 0;
  if (hasCode) frame += 8n;
  fields.set(vcpu.rip, load(frame));
  fields.set(vcpu.segmentSelector, load(frame + 8n), CS);
  unpackFlags(fields, Number(load(frame + 16n)));
  fields.set(vcpu.gpr, load(frame + 24n), RSP);
  fields.set(vcpu.segmentSelector, load(frame + 32n), SS);
  return { vector, errorCode, cr2: vector === 14 ? fields.get(vcpu.cr2) : undefined };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
