/**
 * The state of a vCPU, declared once: every field's place in the vCPU block of machine memory follows from this table,
 * and saving, restoring, hashing and debugger views are derived from it.
 *
 *     vCPU block (one per vCPU, 64 KiB aligned)
 *     +0        architectural fields below, saved with the guest
 *     +SAVED    transient fields below: derived or alive only while generated code runs, never saved
 *
 * Arithmetic flags are kept as the values they derive from, so that writing them is a store and testing one is cheap:
 *
 *     CF = flagCarry (0 or 1)        PF = even parity of flagResult's low byte     AF = flagAdjust bit 4
 *     ZF = flagZero == 0             SF = flagResult bit 63                        OF = flagOverflow bit 31
 */

export interface StateField {
  readonly name: string;
  /** Width in bits of one element. */
  readonly type: 8 | 16 | 32 | 64 | 128;
  /** Number of elements; 1 for a plain field. */
  readonly count: number;
  /** Byte offset from the vCPU block's base. */
  readonly offset: number;
}

type Row = readonly [type: 8 | 16 | 32 | 64 | 128, count?: number];

const architectural = {
  // General-purpose registers in encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15.
  gpr: [64, 16],
  xmm: [128, 16],
  rip: [64],
  flagZero: [64],
  flagResult: [64],
  flagCarry: [32],
  flagOverflow: [32],
  flagAdjust: [32],
  /** RFLAGS without the arithmetic flags: TF IF DF IOPL NT RF VM AC VIF VIP ID and the fixed bit 1. */
  rflags: [32],
  /** By segment number: ES CS SS DS FS GS LDTR TR. */
  segmentSelector: [16, 8],
  segmentBase: [64, 8],
  /** In bytes, granularity applied. */
  segmentLimit: [32, 8],
  /** Access rights as VMCS has them (SDM Vol. 3C §24.4.1): type, S, DPL, P, AVL, L, D/B, G; bit 16 is "unusable". */
  segmentAccess: [32, 8],
  gdtrBase: [64],
  idtrBase: [64],
  gdtrLimit: [32],
  idtrLimit: [32],
  cr0: [64],
  cr2: [64],
  cr3: [64],
  cr4: [64],
  /** The page-directory-pointer entries of PAE paging, as they were when CR3 was loaded. */
  pdpte: [64, 4],
  efer: [64],
  xcr0: [64],
  /** DR0-DR3, (DR4, DR5 unused), DR6, DR7. */
  dr: [64, 8],
  cpl: [32],
  /** 1 for one instruction after STI, 2 after MOV SS / POP SS (SDM Vol. 3A §6.8.3). */
  interruptShadow: [32],
  /** 0 running, 1 halted, 2 shut down, 3 waiting for SIPI. */
  activity: [32],
  nmiPending: [32],
  nmiBlocked: [32],
  /** DR6 bits of a debug exception to take after this instruction. */
  pendingDebug: [32],
  /** System-management mode: where its memory is; whether it is on; whether an SMI waits. */
  smbase: [32],
  managementMode: [32],
  smiPending: [32],
  /** INIT waits. */
  initPending: [32],
  /** `pendingDebug` as an SMI found it. */
  suspendedDebug: [32],
  star: [64],
  lstar: [64],
  cstar: [64],
  sfmask: [64],
  kernelGsBase: [64],
  sysenterCs: [64],
  sysenterEsp: [64],
  sysenterEip: [64],
  tscAux: [64],
  tscOffset: [64],
  pat: [64],
  miscEnable: [64],
  /** x87: control word, status word without TOP, TOP, and one bit per physical register that is set when empty. */
  fcw: [16],
  fsw: [16],
  fpuTop: [32],
  fpuEmpty: [32],
  /** Physical registers R0-R7; MMn is the mantissa of Rn. Exponent with the sign in bit 15. */
  stMantissa: [64, 8],
  stExponent: [16, 8],
  fop: [16],
  fcs: [16],
  fds: [16],
  fip: [64],
  fdp: [64],
  /** IGNNE# is asserted: 1 from the board's answer to an error that FERR# told of until the error is gone. */
  ignoreNumericErrors: [32],
  mxcsr: [32],
  /** Instructions retired since power-on. */
  instructions: [64],
} satisfies Record<string, Row>;

const transient = {
  /** Added to an in-page code offset it gives the CS offset of the instruction. */
  ipBase: [64],
  /** Instructions left in this slice; blocks take their length off it on entry. */
  budget: [32],
  /** What needs the run loop: bit 0 an interrupt for when IF is set, bit 1 anything that does not wait for IF. */
  pendingEvents: [32],
  /** An exception on its way: vector, whether it has an error code, error code. */
  faultVector: [32],
  faultHasCode: [32],
  faultCode: [32],
  /** Linear address of the page fault on its way. */
  faultLinear: [64],
  /** Why generated code returned to the run loop (`interpreter/exits.ts`), and at which decoded operation. */
  exitReason: [32],
  exitOperation: [32],
  /** `ipBase` for the first page of the region in which, or before which, a slice has ended. */
  regionBase: [64],
  msrValue: [64],
  /** Linear address that the last effective-address computation gave. */
  effective: [64],
  /** Address-space tag of the TLB of the current privilege, in bits 52-61. */
  tlbTag: [64],
  /** Tag of the address space, and of the supervisor TLB, whose entries outlive address spaces if pages are global. */
  spaceTag: [64],
  supervisorTag: [64],
  /** Entries of the supervisor TLB that do not, listed at LOCAL_ENTRIES; and how many were made for fetches. */
  localEntries: [32],
  localFetches: [32],
  /** Machine address of the TLB of the current privilege. */
  tlbBase: [32],
  /** Tag of jump-cache entries now: address space and code mode in bits 48-63. */
  codeTag: [64],
  /** Code-mode key of the block cache now. */
  codeMode: [32],
  /** `budget` when interruptShadow was set: the shadow lasts while nothing has retired since. */
  shadowBudget: [32],
  /** Guest-physical address of the last translation that met no RAM, and frame-table entry of the last that did. */
  devicePhysical: [64],
  frameEntry: [32],
  /** What SSE instructions want to know of CR0, CR4 and MXCSR (`isa/sse/available.ts`); 0: to be found out anew. */
  sse: [32],
  /** Table from guest-physical page to frame, and its number of entries. */
  frameTable: [32],
  framePages: [32],
  /** Guest-physical addresses are ANDed with it: A20M# clears bit 20. */
  a20Mask: [64],
  /** Exceptions and interrupts delivered, by vector. */
  eventCounts: [32, 256],
  /** 1 set by what ends a single step without its trap: delivery of any event, SYSCALL. STEP_GOES_ON: more to repeat. */
  stepEnded: [32],
  /** Counted only by code emitted with `countHits`. */
  tlbHits: [64],
  tlbMisses: [64],
  /** All zeros, for absent base and index registers. */
  zero: [64],
  scratch: [128, 4],
} satisfies Record<string, Row>;

type Names = keyof typeof architectural | keyof typeof transient;

function place(rows: Record<string, Row>, start: number): [Record<string, StateField>, number] {
  const placed: Record<string, StateField> = {};
  let offset = start;
  for (const [name, [type, count = 1]] of Object.entries(rows)) {
    const bytes = type / 8;
    offset = Math.ceil(offset / bytes) * bytes;
    placed[name] = { name, type, count, offset };
    offset += bytes * count;
  }
  return [placed, Math.ceil(offset / 16) * 16];
}

const [architecturalFields, savedBytes] = place(architectural, 0);
const [transientFields, blockBytes] = place(transient, savedBytes);

/** Every field by name. */
export const vcpu = { ...architecturalFields, ...transientFields } as { readonly [name in Names]: StateField };

/** The fields that `sse` follows from: whoever writes one of them clears `sse`. */
export const sseSources: ReadonlySet<StateField> = new Set([vcpu.cr0, vcpu.cr4, vcpu.mxcsr]);

/** The fields that are saved, in order. */
export const architecturalState: readonly StateField[] = Object.values(architecturalFields);

/** Bytes of the vCPU block that these fields take. */
export const VCPU_FIELDS_BYTES = blockBytes;

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** `stepEnded` where a repeated instruction has more to do: RF stays for it. */
export const STEP_GOES_ON = 2;
