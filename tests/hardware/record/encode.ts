/**
 * Encodings of a form with registers, immediates and addressing modes drawn at random, by the iced-x86 assembler.
 * Recording needs this; reading does not.
 */
import {
  Code,
  CodeExt,
  Decoder,
  DecoderOptions,
  Encoder,
  Instruction,
  OpCodeOperandKind as Kind,
  type OpCodeInfo,
  OpKind,
  Register,
  RegisterExt,
} from 'iced-x86';
import { type Encoding, type LegacyMode, type MemoryShape, NO_REGISTER, RIP_REGISTER, type Segment } from '../form.ts';
import { RIP_RELATIVE_BASE } from '../inputs/inputs.ts';
import { pickTarget } from '../inputs/memory.ts';
import type { Prng } from '../inputs/prng.ts';
import { DATA, FS_BASE } from '../layout.ts';
import { descriptorOf, SEGMENT_NUMBERS, startingSelectors } from '../segments.ts';
import {
  CONTROL,
  DEBUG,
  GPR64,
  IMPLICIT,
  memoryBytes,
  operandKinds,
  REGISTER_OR_MEMORY,
  registerFile,
  SEGMENTS,
} from './operand-kinds.ts';

/** How the r/m operand is written. */
export type Variant = 'register' | 'memory' | 'none';

export interface EncodingRequest {
  readonly bits: 16 | 32 | 64;
  readonly code: Code;
  readonly variant: Variant;
  readonly lock: boolean;
  readonly repeat: 'none' | 'rep' | 'repne';
  /** Limits an immediate or picks it; undefined where any value will do. */
  readonly immediate: ((random: Prng) => number) | undefined;
}

const SHORT_BRANCHES: ReadonlySet<Kind> = new Set([Kind.br16_1, Kind.br32_1, Kind.br64_1]);
const NEAR_BRANCHES: ReadonlySet<Kind> = new Set([Kind.br16_2, Kind.br32_4, Kind.br64_4]);
const ENTER: ReadonlySet<Code> = new Set([Code.Enterw_imm16_imm8, Code.Enterd_imm16_imm8, Code.Enterq_imm16_imm8]);

const MASKED_MOVES: ReadonlySet<Code> = new Set([Code.Maskmovq_rDI_mm_mm, Code.Maskmovdqu_rDI_xmm_xmm]);
const LEGACY_SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
const SEGMENT_REGISTERS = {
  es: Register.ES,
  cs: Register.CS,
  ss: Register.SS,
  ds: Register.DS,
  fs: Register.FS,
  gs: Register.GS,
} as const;

const [BX, SP, BP, SI, DI] = [3, 4, 5, 6, 7];
const PAIRS_16: readonly (readonly [base: number, index: number])[] = [
  [BX, SI],
  [BX, DI],
  [BP, SI],
  [BP, DI],
  [SI, NO_REGISTER],
  [DI, NO_REGISTER],
  [BP, NO_REGISTER],
  [BX, NO_REGISTER],
];

/** Operand kinds of implicit memory by address size. */
const IMPLICIT_MEMORY: ReadonlyMap<Kind, Readonly<Record<16 | 32 | 64, OpKind>>> = new Map([
  [Kind.seg_rSI, { 16: OpKind.MemorySegSI, 32: OpKind.MemorySegESI, 64: OpKind.MemorySegRSI }],
  [Kind.es_rDI, { 16: OpKind.MemoryESDI, 32: OpKind.MemoryESEDI, 64: OpKind.MemoryESRDI }],
  [Kind.seg_rDI, { 16: OpKind.MemorySegDI, 32: OpKind.MemorySegEDI, 64: OpKind.MemorySegRDI }],
  [Kind.seg_rBX_al, { 16: OpKind.Memory, 32: OpKind.Memory, 64: OpKind.Memory }],
]);

/** High-byte registers stand for their full register. */
function numberOf(register: Register): number {
  if (RegisterExt.isGPR8(register)) return RegisterExt.fullRegister(register) - GPR64;
  return RegisterExt.number(register);
}

class Attempt {
  readonly #random: Prng;
  readonly #request: EncodingRequest;
  readonly #info: OpCodeInfo;
  readonly #instruction: Instruction;
  readonly #registers: number[] = [];
  #memory: MemoryShape | undefined;

  constructor(random: Prng, request: EncodingRequest) {
    this.#random = random;
    this.#request = request;
    this.#info = CodeExt.opCode(request.code);
    this.#instruction = Instruction.create(request.code);
  }

  /** Throws what the assembler throws where the random choices do not go together (AH with R8B, for one). */
  encode(): Encoding {
    const instruction = this.#instruction;
    operandKinds(this.#info).forEach((kind, operand) => {
      this.#operand(kind, operand);
    });
    instruction.hasLockPrefix = this.#request.lock;
    instruction.hasRepPrefix = this.#request.repeat === 'rep';
    instruction.hasRepnePrefix = this.#request.repeat === 'repne';
    const encoder = new Encoder(this.#request.bits);
    encoder.encode(instruction, BigInt(this.#start));
    const code = encoder.takeBuffer();
    encoder.free();
    this.#check(code);
    if (this.#memory?.base === RIP_REGISTER) {
      const displacement = instruction.memoryDisplacement - BigInt(RIP_RELATIVE_BASE + code.length);
      this.#memory = { ...this.#memory, displacement };
    }
    return { code, registers: this.#registers, memory: this.#memory };
  }

  /** The disassembler must read the same instruction back, and a branch must not land within itself. */
  #check(code: Uint8Array): void {
    const reserved = this.#info.isReservedNop;
    const { bits } = this.#request;
    const decoder = new Decoder(bits, code, reserved ? DecoderOptions.ForceReservedNop : DecoderOptions.None);
    decoder.ip = BigInt(this.#start);
    const decoded = decoder.decode();
    decoder.free();
    if (decoded.code !== this.#request.code || decoded.length !== code.length)
      throw new Error('not read back the same');
    const targetBits = decoded.op0Kind === OpKind.NearBranch16 ? 16 : bits;
    const distance = Number(BigInt.asIntN(targetBits, decoded.nearBranchTarget - BigInt(this.#start)));
    if (decoded.nearBranchTarget !== 0n && distance >= 0 && distance < code.length) throw new Error('endless loop');
  }

  #operand(kind: Kind, operand: number): void {
    const instruction = this.#instruction;
    const random = this.#random;
    const implicit = IMPLICIT.get(kind);
    const file = registerFile(kind, this.#request.bits);
    if (implicit !== undefined) {
      this.#register(operand, implicit, false);
    } else if (kind === Kind.mem || (REGISTER_OR_MEMORY.has(kind) && this.#request.variant === 'memory')) {
      this.#explicitMemory(operand);
    } else if (file !== undefined) {
      this.#register(operand, file.first + random.below(file.count), true);
    } else if (kind === Kind.cr_reg || kind === Kind.dr_reg) {
      this.#register(operand, random.pick(kind === Kind.cr_reg ? CONTROL : DEBUG), false);
    } else if (kind === Kind.seg_reg) {
      const from = this.#request.code;
      const load = from === Code.Mov_Sreg_rm16 || from === Code.Mov_Sreg_r32m16 || from === Code.Mov_Sreg_r64m16;
      this.#register(operand, load ? random.pick(SEGMENTS) : Register.ES + random.below(6), false);
    } else if (kind === Kind.mem_offs) {
      this.#absolute(operand, this.#request.bits === 64 ? 8 : this.#pickAddressBytes());
    } else if (SHORT_BRANCHES.has(kind) || NEAR_BRANCHES.has(kind)) {
      this.#branch(operand, kind, SHORT_BRANCHES.has(kind) ? random.below(250) - 124 : this.#longReach());
    } else if (kind === Kind.farbr2_2 || kind === Kind.farbr4_2) {
      // Drawn case by case: the offset depends on what the selector names.
      instruction.setOpKind(operand, kind === Kind.farbr2_2 ? OpKind.FarBranch16 : OpKind.FarBranch32);
    } else if (!this.#immediate(kind, operand)) {
      this.#implicitMemory(kind, operand);
    }
  }

  /** Where the instruction stands for the assembler; displacements of branches are all that depends on it. */
  get #start(): number {
    return this.#request.bits === 16 ? RIP_RELATIVE_BASE & 0xffff : RIP_RELATIVE_BASE;
  }

  #branch(operand: number, kind: Kind, reach: number): void {
    const instruction = this.#instruction;
    const target = this.#start + reach;
    if (kind === Kind.br64_1 || kind === Kind.br64_4) {
      instruction.setOpKind(operand, OpKind.NearBranch64);
      instruction.nearBranch64 = BigInt.asUintN(64, BigInt(target));
    } else if (kind === Kind.br32_1 || kind === Kind.br32_4) {
      instruction.setOpKind(operand, OpKind.NearBranch32);
      instruction.nearBranch32 = target >>> 0;
    } else {
      instruction.setOpKind(operand, OpKind.NearBranch16);
      // With 32-bit code the upper half of the instruction pointer is lost.
      instruction.nearBranch16 = target & 0xffff;
    }
  }

  #longReach(): number {
    const random = this.#random;
    return random.chance(60)
      ? random.below(0x900) - 0x480
      : random.chance(50)
        ? random.below(0x7000_0000)
        : -0x80_0000 + random.below(0xffff);
  }

  #register(operand: number, register: Register, explicit: boolean): void {
    this.#instruction.setOpKind(operand, OpKind.Register);
    this.#instruction.setOpRegister(operand, register);
    if (explicit) this.#registers.push(numberOf(register));
  }

  #immediate(kind: Kind, operand: number): boolean {
    const instruction = this.#instruction;
    const random = this.#random;
    const small = random.chance(40);
    const value = this.#request.immediate?.(random);
    const set = (opKind: OpKind): void => instruction.setOpKind(operand, opKind);
    const byte = value ?? (small ? random.below(16) : random.u32() & 0xff);
    const signed = (byte << 24) >> 24;
    const wide =
      value ??
      (small ? random.below(65) - 32 : random.pick([random.u32() | 0, random.u32() & 0xffff, 1 << random.below(32)]));
    switch (kind) {
      case Kind.imm8:
      case Kind.imm8_const_1:
        // ENTER and EXTRQ have a second immediate; only ENTER is listed, whose nesting level is taken modulo 32.
        if (operand === 1 && ENTER.has(this.#request.code)) return this.#second(operand, byte);
        set(OpKind.Immediate8);
        instruction.immediate8 = kind === Kind.imm8_const_1 ? 1 : byte;
        return true;
      case Kind.imm8sex16:
        set(OpKind.Immediate8to16);
        instruction.immediate8to16 = signed;
        return true;
      case Kind.imm8sex32:
        set(OpKind.Immediate8to32);
        instruction.immediate8to32 = signed;
        return true;
      case Kind.imm8sex64:
        set(OpKind.Immediate8to64);
        instruction.immediate8to64 = BigInt(signed);
        return true;
      case Kind.imm16:
        set(OpKind.Immediate16);
        instruction.immediate16 = wide & 0xffff;
        return true;
      case Kind.imm32:
        set(OpKind.Immediate32);
        instruction.immediate32 = wide >>> 0;
        return true;
      case Kind.imm32sex64:
        set(OpKind.Immediate32to64);
        instruction.immediate32to64 = BigInt(wide);
        return true;
      case Kind.imm64:
        set(OpKind.Immediate64);
        instruction.immediate64 = small ? BigInt.asUintN(64, BigInt(wide)) : random.u64();
        return true;
      default:
        return false;
    }
  }

  #second(operand: number, byte: number): true {
    this.#instruction.setOpKind(operand, OpKind.Immediate8_2nd);
    this.#instruction.immediate8_2nd = byte & 0x80 ? byte & 0xe3 : byte & 7;
    return true;
  }

  /** String and XLAT operands: address size and segment vary, registers are fixed. */
  #implicitMemory(kind: Kind, operand: number): void {
    const instruction = this.#instruction;
    const { bits } = this.#request;
    const addressBits = this.#memory?.addressBits ?? this.#pickImplicitBits();
    const narrow = bits === 64 && addressBits === 32;
    const unnamed = bits === 64 ? 'none' : 'ds';
    const segment =
      kind === Kind.es_rDI
        ? (this.#memory?.segment ?? unnamed)
        : bits === 64
          ? this.#pickSegment(narrow)
          : this.#pickLegacySegment('ds');
    const opKind = IMPLICIT_MEMORY.get(kind)?.[addressBits as 16 | 32 | 64];
    if (opKind === undefined) throw new RangeError(`no rule for operand kind ${Kind[kind]}`);
    instruction.setOpKind(operand, opKind);
    if (kind === Kind.seg_rBX_al) {
      instruction.memoryBase = addressBits === 64 ? Register.RBX : addressBits === 32 ? Register.EBX : Register.BX;
      instruction.memoryIndex = Register.AL;
      instruction.memoryIndexScale = 1;
    }
    this.#memory = {
      base: NO_REGISTER,
      index: NO_REGISTER,
      scale: 1,
      displacement: 0n,
      addressBits,
      segment,
    };
  }

  #pickImplicitBits(): number {
    const { bits } = this.#request;
    if (bits === 64) return this.#random.chance(25) ? 32 : 64;
    return 8 * this.#pickAddressBytes();
  }

  /** Address size outside 64-bit mode, in bytes: that of the code in two of three. */
  #pickAddressBytes(): 2 | 4 {
    return (this.#request.bits === 16) === this.#random.chance(66) ? 2 : 4;
  }

  /** A segment override outside 64-bit mode, and the segment that results. */
  #pickLegacySegment(unnamed: Segment): Segment {
    const random = this.#random;
    if (random.chance(65)) return unnamed;
    // A fault of a masked move depends on the model, and code is not writable.
    const writes = MASKED_MOVES.has(this.#request.code);
    const segment = random.pick(writes ? LEGACY_SEGMENTS.filter((name) => name !== 'cs') : LEGACY_SEGMENTS);
    this.#instruction.segmentPrefix = SEGMENT_REGISTERS[segment];
    return segment;
  }

  /** GS lies out of reach of 32-bit offsets. */
  #pickSegment(narrow: boolean): Segment {
    const segment = this.#random.chance(10) ? 'fs' : this.#random.chance(10) && !narrow ? 'gs' : 'none';
    if (segment !== 'none') this.#instruction.segmentPrefix = segment === 'fs' ? Register.FS : Register.GS;
    return segment;
  }

  #absolute(operand: number, size: number): void {
    if (this.#request.bits !== 64) return this.#legacyAbsolute(operand, size);
    const instruction = this.#instruction;
    const narrow = this.#random.chance(15);
    const segment = narrow && this.#random.chance(30) ? 'fs' : 'none';
    if (segment === 'fs') instruction.segmentPrefix = Register.FS;
    const target = this.#fixedTarget();
    const displacement = segment === 'fs' ? target - FS_BASE : target;
    instruction.setOpKind(operand, OpKind.Memory);
    instruction.memoryBase = Register.None;
    instruction.memoryIndex = Register.None;
    instruction.memoryDisplacement = displacement;
    instruction.memoryDisplSize = narrow ? 4 : size;
    const addressBits = narrow ? 32 : 64;
    this.#memory = { base: NO_REGISTER, index: NO_REGISTER, scale: 1, displacement, addressBits, segment };
  }

  /** A target for operands whose address the registers cannot change, within reach of 31 bits; mostly aligned. */
  #fixedTarget(): bigint {
    const aligned = BigInt(DATA + 64 * this.#random.below(96));
    const target = pickTarget(this.#random, Math.max(1, memoryBytes(this.#info)));
    return this.#random.chance(50) || target >= 0x7000_0000n ? aligned : target;
  }

  /** The displacement alone; which segments such a case begins with is known (`startingSelectors`). */
  #legacyAbsolute(operand: number, bytes: number): void {
    const instruction = this.#instruction;
    const bits = this.#request.bits as LegacyMode;
    const segment = this.#pickLegacySegment('ds');
    const selector = startingSelectors(bits, bytes === 4)[SEGMENT_NUMBERS[segment]];
    const base = BigInt(descriptorOf(selector)?.base ?? 0);
    const displacement = BigInt.asUintN(8 * bytes, this.#fixedTarget() - base);
    instruction.setOpKind(operand, OpKind.Memory);
    instruction.memoryDisplacement = displacement;
    instruction.memoryDisplSize = bytes;
    this.#memory = { base: NO_REGISTER, index: NO_REGISTER, scale: 1, displacement, addressBits: 8 * bytes, segment };
  }

  /** SDM Vol. 2A Table 2-1 "16-Bit Addressing Forms with the ModR/M Byte". */
  #memory16(operand: number): void {
    const random = this.#random;
    const instruction = this.#instruction;
    const [base, index] = random.pick(PAIRS_16);
    const size = base === BP && index === NO_REGISTER ? 1 + random.below(2) : random.below(3);
    const displacement = BigInt(
      size === 0 ? 0 : size === 1 ? random.below(256) - 128 : random.below(0x1_0000) - 0x8000,
    );
    instruction.setOpKind(operand, OpKind.Memory);
    instruction.memoryBase = Register.AX + base;
    instruction.memoryIndex = index === NO_REGISTER ? Register.None : Register.AX + index;
    instruction.memoryDisplacement = BigInt.asUintN(16, displacement);
    instruction.memoryDisplSize = size;
    const segment = this.#pickLegacySegment(base === BP ? 'ss' : 'ds');
    this.#memory = { base, index, scale: 1, displacement, addressBits: 16, segment };
  }

  #memory32(operand: number): void {
    const random = this.#random;
    const instruction = this.#instruction;
    const base = random.chance(15) ? NO_REGISTER : random.below(8);
    let index = base === NO_REGISTER || random.chance(50) ? random.below(8) : NO_REGISTER;
    if (index === SP) index = base === NO_REGISTER ? 0 : NO_REGISTER;
    const scale = index === NO_REGISTER ? 1 : 1 << random.below(4);
    const size = base === NO_REGISTER ? 4 : random.pick([0, 1, 1, 4]);
    const displacement = BigInt(size === 0 ? 0 : size === 1 ? random.below(256) - 128 : random.u32() | 0);
    instruction.setOpKind(operand, OpKind.Memory);
    instruction.memoryBase = base === NO_REGISTER ? Register.None : Register.EAX + base;
    instruction.memoryIndex = index === NO_REGISTER ? Register.None : Register.EAX + index;
    instruction.memoryIndexScale = scale;
    instruction.memoryDisplacement = BigInt.asUintN(32, displacement);
    instruction.memoryDisplSize = size;
    const segment = this.#pickLegacySegment(base === BP || base === SP ? 'ss' : 'ds');
    this.#memory = { base, index, scale, displacement, addressBits: 32, segment };
  }

  #explicitMemory(operand: number): void {
    const random = this.#random;
    if (this.#request.bits !== 64) {
      const bytes = this.#pickAddressBytes();
      if (random.below(12) === 0) return this.#legacyAbsolute(operand, bytes);
      return bytes === 2 ? this.#memory16(operand) : this.#memory32(operand);
    }
    const instruction = this.#instruction;
    const mode = random.below(20);
    if (mode === 0) return this.#absolute(operand, 4);
    instruction.setOpKind(operand, OpKind.Memory);
    const narrow = random.chance(12);
    const addressBits = narrow ? 32 : 64;
    const file = narrow ? Register.EAX : Register.RAX;
    if (mode < 3) {
      const target = this.#fixedTarget();
      instruction.memoryBase = narrow ? Register.EIP : Register.RIP;
      instruction.memoryDisplacement = target;
      instruction.memoryDisplSize = narrow ? 4 : 8;
      // The displacement is relative to the end of the instruction, which is not known yet.
      this.#memory = {
        base: RIP_REGISTER,
        index: NO_REGISTER,
        scale: 1,
        displacement: 0n,
        addressBits,
        segment: 'none',
      };
      return;
    }
    const base = mode < 5 ? NO_REGISTER : random.below(16);
    const indexed = mode < 5 || mode >= 13;
    let index = indexed ? random.below(16) : NO_REGISTER;
    if (index === 4) index = 12; // RSP is no index
    const scale = index === NO_REGISTER ? 1 : 1 << random.below(4);
    const size = base === NO_REGISTER ? 4 : random.pick([0, 1, 1, 4]);
    const displacement = BigInt(
      size === 0 ? 0 : size === 1 ? random.below(256) - 128 : random.below(0x20_0000) - 0x10_0000,
    );
    instruction.memoryBase = base === NO_REGISTER ? Register.None : file + base;
    instruction.memoryIndex = index === NO_REGISTER ? Register.None : file + index;
    instruction.memoryIndexScale = scale;
    instruction.memoryDisplacement = BigInt.asUintN(addressBits, displacement);
    instruction.memoryDisplSize = size === 4 && !narrow ? 8 : size;
    const segment = this.#pickSegment(narrow);
    this.#memory = { base, index, scale, displacement, addressBits, segment };
  }
}

/** Draw one encoding; random choices that do not go together are drawn again. */
export function encode(random: Prng, request: EncodingRequest): Encoding {
  let failure: unknown;
  for (let attempt = 0; attempt < 60; attempt++) {
    try {
      return new Attempt(random, request).encode();
    } catch (error) {
      if (error instanceof RangeError) throw error;
      failure = error;
    }
  }
  throw new Error(`cannot encode ${CodeExt.opCode(request.code).instructionString}`, { cause: failure });
}
