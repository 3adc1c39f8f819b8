/** What a vector file says of an instruction form: enough to draw the inputs of all its cases again. */
import type { DataType } from './inputs/values.ts';

/** Register numbers of a memory operand beyond R15. */
export const NO_REGISTER = -1;
export const RIP_REGISTER = 16;

/** The segment that an address is in; outside 64-bit mode it is always named, whether by a prefix or by default. */
export type Segment = 'none' | 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';

/** Code size outside 64-bit mode. */
export type LegacyMode = 16 | 32;

/** The memory operand of one encoding. Implicit operands (strings, XLAT) have no base and no index here. */
export interface MemoryShape {
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: bigint;
  readonly addressBits: number;
  readonly segment: Segment;
}

/** One way to write the form down: registers chosen, immediates chosen, addressing mode chosen. */
export interface Encoding {
  readonly code: Uint8Array;
  /** Numbers of the explicit register operands, in operand order; high-byte registers are their full register. */
  readonly registers: readonly number[];
  readonly memory: MemoryShape | undefined;
}

/** Which registers beyond the general-purpose ones get values of their own. */
export type Unit = 'gpr' | 'x87' | 'mmx' | 'sse' | 'all';

export interface Form {
  /** Protected mode with 16- or 32-bit code; absent for 64-bit mode. */
  readonly mode?: LegacyMode;
  /** Unique and readable, such as `ADD r/m32, r32 (memory, LOCK)`. */
  readonly name: string;
  readonly mnemonic: string;
  /** The CPUID feature that the form belongs to; see `README.md` for the names. */
  readonly feature: string;
  readonly unit: Unit;
  readonly data: DataType;
  /** Name of the rule in `inputs/setups.ts` that prepares the operands. */
  readonly setup: string;
  /** Size of the memory operand, or of one string element or stack slot; 0 if there is none. */
  readonly memoryBytes: number;
  /** Set in RFLAGS in every case: AC, for the forms that check alignment. */
  readonly flags: number;
  /** Cases of each encoding. */
  readonly repeat: number;
  readonly encodings: readonly Encoding[];
}

/** `Form.mnemonic` of what is no instruction. */
export const INVALID = 'INVALID';

export function caseCount(form: Form): number {
  return form.encodings.length * form.repeat;
}
