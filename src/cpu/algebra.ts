/**
 * The algebra in which every instruction is written: the one meaning per instruction of docs/ARCHITECTURE.md.
 *
 * A definition's `semantics` runs once per engine and calls the methods below. What a call does depends on the engine:
 * the reference (`reference/`) computes with BigInt at once; the emitter (`emit/`) records WebAssembly to be generated.
 * A definition therefore must not look inside a Value, and must use `if`, `while` and `select` for everything that
 * depends on guest data. What is known when the instruction is decoded (`operandSize`, `mode`, an operand's kind) is
 * plain TypeScript data: branch on it with TypeScript's own `if`.
 *
 * Rules for definitions
 * - Whatever may fault (read, readForWrite, write to memory, load, store, raise) comes before register and flag
 *   writes, so that a faulting instruction leaves the guest's state as it found it.
 * - Pure operations cost nothing when their result is not used: compute flags without asking who reads them.
 * - Widths are checked: both sides of a binary operation have the same type.
 */

import type { StateField } from './state.ts';

/** Integer of that many bits (1 is a condition), a 128-bit vector or integer, or an IEEE 754 number. */
export type Type = 1 | 8 | 16 | 32 | 64 | 128 | 'f32' | 'f64';

/** A value of the guest, opaque to definitions. */
export interface Value {
  readonly type: Type;
}

/** A mutable local of a definition or routine. */
export interface Variable {
  readonly type: Type;
}

/** ES, CS, SS, DS, FS, GS in the order of their encodings, then the system segments. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;
export type Segment = 0 | 1 | 2 | 3 | 4 | 5;

/** A logical address: a segment and an offset of the address size in force. */
export interface Address {
  readonly segment: Segment | Value;
  /** Type 16, 32 or 64. */
  readonly offset: Value;
}

/** An operand of the instruction at hand, as decoded. Its contents are reached through `read`, `write`, `memory`. */
export interface Operand {
  readonly kind:
    | 'gpr'
    | 'memory'
    | 'immediate'
    | 'xmm'
    | 'mmx'
    | 'st'
    | 'segment'
    | 'control'
    | 'debug'
    | 'far'
    | 'constant';
  /** Type of what `read` returns and `write` takes; undefined where the instruction reaches memory piecewise. */
  readonly type: Type | undefined;
}

export type Flag = 'CF' | 'PF' | 'AF' | 'ZF' | 'SF' | 'OF';

/** Flags to write. `result` sets SF, ZF and PF from an integer; a flag of its own (type 1) wins over it. */
export type FlagWrites = { readonly [flag in Flag]?: Value } & { readonly result?: Value };

/**
 * Flags as a function of an instruction's operands and result, so that an engine can put off computing them until one
 * is read. All inputs have the same integer type.
 */
export interface FlagRecipe {
  readonly name: string;
  /** CF stays as it was; else all six flags are written. */
  readonly keepsCarry: boolean;
  /** How many inputs it has. */
  readonly inputs: 1 | 2 | 3;
  compute(m: Algebra, ...inputs: Value[]): FlagWrites;
  /** A condition code (as `condition` takes it) straight from the inputs, where that is simpler than by the flags. */
  condition?(m: Algebra, code: number, ...inputs: Value[]): Value | undefined;
}

/**
 * A shared piece of semantics, emitted once as a function of its own. Its body follows the rules of a definition but
 * has no operands and knows nothing of the instruction; what it needs comes as parameters or from the state.
 */
export interface Routine {
  readonly name: string;
  readonly params: readonly Type[];
  readonly results: readonly Type[];
  /** The body may call `raise`, `load`, `store` or a routine that does. */
  readonly faults: boolean;
  body(m: Algebra, ...args: Value[]): Value[];
}

const routines = new Map<string, Routine>();

/** Its name tells it apart from all others. */
export function defineRoutine(routine: Routine): Routine {
  if (routines.has(routine.name)) throw new Error(`there are two routines ${routine.name}`);
  routines.set(routine.name, routine);
  return routine;
}

/** Undefined if no definition that has been loaded has it. */
export function routineNamed(name: string): Routine | undefined {
  return routines.get(name);
}

/** Exception vectors, SDM Vol. 3A Table 6-1 "Protected-Mode Exceptions and Interrupts". */
export const DE = 0;
export const DB = 1;
export const NMI = 2;
export const BP = 3;
export const OF = 4;
export const BR = 5;
export const UD = 6;
export const NM = 7;
export const DF = 8;
export const TS = 10;
export const NP = 11;
export const SS_FAULT = 12;
export const GP = 13;
export const PF = 14;
export const MF = 16;
export const AC = 17;
export const XM = 19;

/** What the monitor outside does for an instruction; every call is an exit, counted by cause. */
export type HostCall =
  | 'portRead' // (port: 32, bytes: 32) -> 32
  | 'portWrite' // (port: 32, bytes: 32, value: 32)
  | 'portReadMany' // (port: 32, bytes: 32, machine address: 32, length in bytes: 32) -> 32: 1 when done, else nothing was
  | 'portWriteMany' // the same
  | 'cpuid' // reads EAX and ECX, writes EAX..EDX in the state
  | 'rdmsr' // (index: 32) -> 32: 1 when unknown (#GP); the value is in the state's `msrValue`
  | 'wrmsr' // (index: 32, value: 64) -> 32: 1 when refused (#GP)
  | 'tsc' // -> 64
  | 'random' // -> 64
  | 'controlWritten' // (register: 32) a control register, EFER or a segment changed what translations depend on
  | 'invalidatePage' // (linear: 64)
  | 'invalidateContext' // (kind: 32, pcid: 32, linear: 64) as INVPCID's types 0-3
  | 'readCr8' // -> 64
  | 'writeCr8' // (value: 64), below 16
  | 'managementMode' // (active: 32) SMIACT#: whether the processor is in system-management mode
  | 'numericError'; // FERR#: an x87 exception waits to be handled, with CR0.NE clear

export interface Algebra {
  // ---- What is known at decode time ----------------------------------------------------------------------------

  /** Code size: 64 in 64-bit mode, else the D bit of CS. In routines: not to be used. */
  readonly mode: 16 | 32 | 64;
  /** Effective operand size after prefixes and REX.W. */
  readonly operandSize: 16 | 32 | 64;
  readonly addressSize: 16 | 32 | 64;
  /** Width of a push in this mode: 64 in 64-bit mode (16 with a 66 prefix), else the operand size. */
  readonly stackSize: 16 | 32 | 64;
  readonly repeat: 'none' | 'rep' | 'repne';
  readonly lock: boolean;
  /** The segment that an implicit DS operand (string instructions, XLAT) uses after overrides. */
  readonly dataSegment: Segment;

  // ---- Pure integer operations: any type of 1 to 64 bits, both sides alike -----------------------------------------

  const(type: Type, value: number | bigint): Value;
  add(a: Value, b: Value): Value;
  sub(a: Value, b: Value): Value;
  mul(a: Value, b: Value): Value;
  and(a: Value, b: Value): Value;
  or(a: Value, b: Value): Value;
  xor(a: Value, b: Value): Value;
  not(a: Value): Value;
  neg(a: Value): Value;
  /** Shifts: the count has any integer type and must be below the width of `a`, or the result is arbitrary. */
  shl(a: Value, count: Value | number): Value;
  shr(a: Value, count: Value | number): Value;
  sar(a: Value, count: Value | number): Value;
  /** Rotates, of 32 or 64 bits only; the count is taken modulo the width. */
  rotl(a: Value, count: Value | number): Value;
  rotr(a: Value, count: Value | number): Value;
  /** 64 x 64 -> 128 bits unsigned: [low, high], both of type 64. */
  mulWide(a: Value, b: Value): [Value, Value];
  /** Division of 32- or 64-bit values. The divisor must not be 0 and (signed) the quotient must fit. */
  divU(a: Value, b: Value): Value;
  divS(a: Value, b: Value): Value;
  remU(a: Value, b: Value): Value;
  remS(a: Value, b: Value): Value;
  /** Leading/trailing zeros and ones count, of 32 or 64 bits; clz(0) and ctz(0) are the width. Result has a's type. */
  clz(a: Value): Value;
  ctz(a: Value): Value;
  popcnt(a: Value): Value;

  /** Comparisons, giving type 1. */
  eq(a: Value, b: Value): Value;
  ne(a: Value, b: Value): Value;
  ltU(a: Value, b: Value): Value;
  ltS(a: Value, b: Value): Value;
  leU(a: Value, b: Value): Value;
  leS(a: Value, b: Value): Value;
  isZero(a: Value): Value;
  /** Bit `index` of `a`, type 1. */
  bit(a: Value, index: number): Value;
  /** The most significant bit, type 1. */
  msb(a: Value): Value;

  /** Conversions; the same type passes through. Type 1 zero-extends to 0 or 1, sign-extends to 0 or all ones. */
  zext(a: Value, type: Type): Value;
  sext(a: Value, type: Type): Value;
  trunc(a: Value, type: Type): Value;
  /** `condition` (type 1) ? a : b. Both sides are computed. */
  select(condition: Value, a: Value, b: Value): Value;

  // ---- Floating point and vectors ----------------------------------------------------------------------------------

  /**
   * A WebAssembly operation by its name: 'f64.add', 'f32.demote_f64', 'i64.reinterpret_f64', 'i16x8.mul',
   * 'i8x16.swizzle', 'i64.trunc_sat_f64_s'... Types are checked against the operation's signature (f32, f64, i32 = 32,
   * i64 = 64, v128 = 128). Lane operations take the lane, `i8x16.shuffle` its 16 lanes, as `immediates`.
   */
  op(name: string, args: readonly Value[], immediates?: readonly number[]): Value;
  /** 128 bits from two 64-bit halves. */
  join(low: Value, high: Value): Value;

  // ---- State of the vCPU ---------------------------------------------------------------------------------------

  get(field: StateField): Value;
  set(field: StateField, value: Value): void;
  /** Elements of array fields; a dynamic index (type 32) must be within bounds: mask it. */
  getAt(field: StateField, index: Value | number): Value;
  setAt(field: StateField, index: Value | number, value: Value): void;

  /** General-purpose register by number (0 = rAX ... 15 = R15), as a value of the given width. */
  getGpr(index: number, type: 8 | 16 | 32 | 64): Value;
  /** 8- and 16-bit writes keep the rest of the register; 32-bit writes clear the upper half. */
  setGpr(index: number, value: Value): void;
  /** All 128 bits of an XMM register by number, or of an operand of kind 'xmm'. */
  getXmm(register: number | Operand): Value;
  setXmm(register: number | Operand, value: Value): void;
  /** Number of a register operand (kind gpr, xmm, mmx, st, segment, control, debug), type 32. */
  index(operand: Operand): Value;

  getFlag(flag: Flag): Value;
  /** Condition code 0-15 as in Jcc, SETcc, CMOVcc (SDM Vol. 1 Appendix B), type 1. */
  condition(code: number): Value;
  setFlags(flags: FlagWrites): void;
  /** As `setFlags(recipe.compute(...inputs))`. */
  setFlagsBy(recipe: FlagRecipe, ...inputs: Value[]): void;
  /** The same where the condition holds; else the flags stay as they are. */
  setFlagsByIf(condition: Value, recipe: FlagRecipe, ...inputs: Value[]): void;

  // ---- Operands and memory; everything here may fault ----------------------------------------------------------

  /**
   * Value of the operand: register contents, immediate (sign-extended as its form says) or memory. A far pointer
   * immediate has type 64: offset in its low half, selector above.
   */
  read(operand: Operand): Value;
  /** As `read`, for an operand that `write` follows on: memory is checked for writing, once. */
  readForWrite(operand: Operand): Value;
  write(operand: Operand, value: Value): void;
  /** Logical address of a memory operand, for instructions that reach memory piecewise. Computing it cannot fault. */
  memory(operand: Operand): Address;
  /** Address in a segment, e.g. `m.at(ES, m.getGpr(RDI, ...))`. */
  at(segment: Segment, offset: Value): Address;
  /** The address `bytes` further on, wrapped to the address size. */
  offset(address: Address, bytes: number | Value): Address;
  load(type: Type, address: Address): Value;
  store(address: Address, value: Value): void;
  /** Checks that `bytes` from the address on can be written, without writing: for stores in several pieces. */
  probeWrite(address: Address, bytes: number): void;
  /** Accesses to system structures by linear address (type 64): supervisor privilege whatever CPL is, flat. */
  loadSystem(type: Type, linear: Value): Value;
  storeSystem(linear: Value, value: Value): void;
  /** Linear address (type 64) after the segment's checks for an access of `bytes`. Canonical form is the access's check. */
  linear(address: Address, bytes: number, access: 'read' | 'write'): Value;
  /**
   * Where `linear` is in machine memory (type 32) if a read or write of the rest of its page can go straight there,
   * else 0. May be 0 at any time (the reference always says 0): a fast path only.
   */
  machineAddress(linear: Value, access: 'read' | 'write'): Value;
  /** memory.copy and memory.fill on machine addresses (type 32); lengths in bytes (type 32), fill byte type 8. */
  machineCopy(to: Value, from: Value, bytes: Value): void;
  machineFill(to: Value, byte: Value, bytes: Value): void;
  /** Stack: value of 16, 32 or 64 bits, at SS:rSP by the stack's address size. `push` writes rSP after the store. */
  push(value: Value): void;
  /** Reads the top of the stack and moves rSP. Put it before other writes. */
  pop(type: 16 | 32 | 64): Value;

  // ---- Control ---------------------------------------------------------------------------------------------------

  /**
   * Code of a definition that raises an exception, or not, for what CPL and the control registers are. An engine may
   * leave it out where `check`, the same function each time, has been run before and they cannot have changed for the
   * worse since. Not to be called within `if` or `while`.
   */
  once(check: (m: Algebra) => void): void;
  if(condition: Value, then: () => void, otherwise?: () => void): void;
  while(condition: () => Value, body: () => void): void;
  variable(initial: Value): Variable;
  assign(variable: Variable, value: Value): void;
  use(variable: Variable): Value;
  call(routine: Routine, ...args: Value[]): Value[];
  /** Calls a routine without results that may fault; gives 1 (type 1) when it did, its exception left in `faultVector`. */
  attempt(routine: Routine, ...args: Value[]): Value;
  host(call: HostCall, ...args: Value[]): Value;
  /**
   * To be called after CPL, RFLAGS.AC or .VM, CS, SS, DR7, CR0, CR4 or EFER were written: what addresses and code bytes
   * mean may have changed. Cheap; does not flush (see the host calls for that).
   */
  contextChanged(): void;
  /** Memory by guest-physical address (type 64), for page tables: reads of anything but RAM give all ones. */
  loadPhysical(type: 32 | 64, address: Value): Value;
  storePhysical(address: Value, value: Value): void;

  /**
   * Ends the instruction with an exception (a fault: state stays as before it). The error code is given exactly for
   * the vectors that have one. Nothing after it in the same branch happens.
   */
  raise(vector: number, errorCode?: Value | number): void;
  /** Offset (in CS) of this instruction and of the next one, type 64. */
  ip(): Value;
  nextIp(): Value;
  /**
   * Continues at that CS offset (type 64, already truncated to the operand size): checks canonical form or limit
   * (#GP(0)) and must come last but for register writes that cannot fault... call it before those.
   */
  jump(target: Value): void;
  /**
   * Continues at that CS offset (type 64) after a far transfer: the definition has checked it against the new CS, and
   * all state is written. `vcpu.rip` as a routine left it is not looked at.
   */
  jumpFar(target: Value): void;
  /** Relative branch to the J operand; where `condition` is false execution falls through. */
  branch(condition: Value | undefined, target: Operand): void;
  /** Runs this same instruction again (a repeated string instruction that has more to do). */
  again(): void;
  /** After this instruction, leaves to the run loop: 'halt' (HLT), 'shutdown', 'yield' (PAUSE). */
  stop(reason: 'halt' | 'shutdown' | 'yield'): void;
}
