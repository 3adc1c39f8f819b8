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
import { type Encoding, type MemoryShape, NO_REGISTER, RIP_REGISTER, type Segment } from '../form.ts';
import { RIP_RELATIVE_BASE } from '../inputs/inputs.ts';
import { pickTarget } from '../inputs/memory.ts';
import type { Prng } from '../inputs/prng.ts';
import { DATA, FS_BASE } from '../layout.ts';
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
  readonly code: Code;
  readonly variant: Variant;
  readonly lock: boolean;
  readonly repeat: 'none' | 'rep' | 'repne';
  /** Limits an immediate or picks it; undefined where any value will do. */
  readonly immediate: ((random: Prng) => number) | undefined;
}

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
    const encoder = new Encoder(64);
    encoder.encode(instruction, BigInt(RIP_RELATIVE_BASE));
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
    const decoder = new Decoder(64, code, reserved ? DecoderOptions.ForceReservedNop : DecoderOptions.None);
    decoder.ip = BigInt(RIP_RELATIVE_BASE);
    const decoded = decoder.decode();
    decoder.free();
    if (decoded.code !== this.#request.code || decoded.length !== code.length)
      throw new Error('not read back the same');
    const distance = Number(BigInt.asIntN(64, decoded.nearBranchTarget - BigInt(RIP_RELATIVE_BASE)));
    if (decoded.nearBranchTarget !== 0n && distance >= 0 && distance < code.length) throw new Error('endless loop');
  }

  #operand(kind: Kind, operand: number): void {
    const instruction = this.#instruction;
    const random = this.#random;
    const implicit = IMPLICIT.get(kind);
    const file = registerFile(kind);
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
      this.#absolute(operand, 8);
    } else if (kind === Kind.br64_1 || kind === Kind.br64_4) {
      instruction.setOpKind(operand, OpKind.NearBranch64);
      const reach = kind === Kind.br64_1 ? random.below(250) - 124 : this.#longReach();
      instruction.nearBranch64 = BigInt.asUintN(64, BigInt(RIP_RELATIVE_BASE + reach));
    } else if (!this.#immediate(kind, operand)) {
      this.#implicitMemory(kind, operand);
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
        if (operand === 1 && this.#request.code === Code.Enterq_imm16_imm8) return this.#second(operand, byte);
        if (operand === 1 && this.#request.code === Code.Enterw_imm16_imm8) return this.#second(operand, byte);
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
    const narrow = this.#memory ? this.#memory.addressBits === 32 : this.#random.chance(25);
    const segment = kind === Kind.es_rDI ? (this.#memory?.segment ?? 'none') : this.#pickSegment(narrow);
    const opKind = {
      [Kind.seg_rSI]: narrow ? OpKind.MemorySegESI : OpKind.MemorySegRSI,
      [Kind.es_rDI]: narrow ? OpKind.MemoryESEDI : OpKind.MemoryESRDI,
      [Kind.seg_rDI]: narrow ? OpKind.MemorySegEDI : OpKind.MemorySegRDI,
      [Kind.seg_rBX_al]: OpKind.Memory,
    }[kind as number];
    if (opKind === undefined) throw new RangeError(`no rule for operand kind ${Kind[kind]}`);
    instruction.setOpKind(operand, opKind);
    if (kind === Kind.seg_rBX_al) {
      instruction.memoryBase = narrow ? Register.EBX : Register.RBX;
      instruction.memoryIndex = Register.AL;
      instruction.memoryIndexScale = 1;
    }
    this.#memory = {
      base: NO_REGISTER,
      index: NO_REGISTER,
      scale: 1,
      displacement: 0n,
      addressBits: narrow ? 32 : 64,
      segment,
    };
  }

  /** GS lies out of reach of 32-bit offsets. */
  #pickSegment(narrow: boolean): Segment {
    const segment = this.#random.chance(10) ? 'fs' : this.#random.chance(10) && !narrow ? 'gs' : 'none';
    if (segment !== 'none') this.#instruction.segmentPrefix = segment === 'fs' ? Register.FS : Register.GS;
    return segment;
  }

  #absolute(operand: number, size: number): void {
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

  #explicitMemory(operand: number): void {
    const random = this.#random;
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
