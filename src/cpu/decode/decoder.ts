/**
 * Instruction bytes to a `Decoded`, after SDM Vol. 2A §2.1 "Instruction Format for Protected Mode, Real-Address Mode,
 * and Virtual-8086 Mode", §2.2 "IA-32e Mode" and §2.3 "Intel Advanced Vector Extensions", as far as VEX reaches.
 * Not modelled: EVEX, XOP and 3DNow! encodings (#UD).
 */

import { CS, DS, type Segment, SS } from '../algebra.ts';
import type { Feature, Instruction } from '../isa/instruction.ts';
import { RBP, RBX, RDI, RSI, RSP } from '../state.ts';
import { type CodeMode, Decoded, DecodedOperand, type DecodeFailure, MemoryReference, type Size } from './decoded.ts';
import { MAP_0F, MAP_0F3A, MAP_0F38, MAP_ONE_BYTE, MAP_VEX, PREFIX_66 } from './forms.ts';
import * as at from './operand-specs.ts';
import { DecodeTable, KEY_BITS, SLOTS_PER_MODE } from './table.ts';

const LONGEST = 15;

const NO_PREFIX = 0;
const SEGMENT_PREFIX = 1;
const OPERAND_SIZE_PREFIX = 2;
const ADDRESS_SIZE_PREFIX = 3;
const LOCK_PREFIX = 4;
const REPEAT_PREFIX = 5;
const REX_PREFIX = 6;

/** Kind of prefix that a byte is, in 16- and 32-bit code (0) and in 64-bit code (256). */
const prefixKinds = new Uint8Array(512);
for (const base of [0, 256]) {
  for (const byte of [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) prefixKinds[base + byte] = SEGMENT_PREFIX;
  prefixKinds[base + 0x66] = OPERAND_SIZE_PREFIX;
  prefixKinds[base + 0x67] = ADDRESS_SIZE_PREFIX;
  prefixKinds[base + 0xf0] = LOCK_PREFIX;
  prefixKinds[base + 0xf2] = REPEAT_PREFIX;
  prefixKinds[base + 0xf3] = REPEAT_PREFIX;
}
prefixKinds.fill(REX_PREFIX, 256 + 0x40, 256 + 0x50);

const REX_B = 1;
const REX_X = 2;
const REX_R = 4;
const REX_W = 8;

/** Base and index registers by the r/m field of 16-bit addressing, SDM Vol. 2A Table 2-1. */
const BASES_16 = [RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX];
const INDEXES_16 = [RSI, RDI, RSI, RDI, -1, -1, -1, -1];

/** CR0, CR2, CR3, CR4 and CR8. */
const CONTROL_REGISTERS = 0b1_0001_1101;

/** Decodes with the tables of one set of instructions. Holds the instruction at hand only while `decode` runs. */
export class Decoder {
  readonly table: DecodeTable;

  // The instruction at hand.
  #bytes: Uint8Array = new Uint8Array(0);
  #position = 0;
  #limit = 0;
  #mode: CodeMode = 64;
  /** REX as it stands (0 without one), or W, R, X and B of VEX. */
  #rex = 0;
  #isVex = false;
  #vvvv = 0;
  #modrm = 0;
  #opcode = 0;
  #sizeIndex: 0 | 1 | 2 = 0;
  #addressSize: Size = 64;
  #segment = -1;
  /** A 64-bit immediate's or moffs's upper half, beside the lower one that a method returned. */
  #high = 0;

  constructor(instructions: readonly Instruction[], features?: ReadonlySet<Feature>) {
    this.table = new DecodeTable(instructions, features);
  }

  /**
   * The instruction at `bytes[offset]`, of which `available` bytes may be read. `isProtected` is false in real and
   * virtual-8086 mode, where some instructions do not exist.
   */
  decode(
    bytes: Uint8Array,
    offset: number,
    available: number,
    mode: CodeMode,
    isProtected: boolean,
  ): Decoded | DecodeFailure {
    const limit = offset + Math.min(available, LONGEST);
    const isLong = mode === 64;
    const kinds = isLong ? 256 : 0;
    let position = offset;
    this.#bytes = bytes;
    this.#limit = limit;
    this.#mode = mode;

    // Prefixes
    let rex = 0;
    let has66 = false;
    let has67 = false;
    let hasLock = false;
    let repeat = 0;
    let segment = -1;
    let byte = 0;
    for (;;) {
      if (position >= limit) return this.#short(offset);
      byte = bytes[position++];
      const kind = prefixKinds[kinds + byte];
      if (kind === NO_PREFIX) break;
      // SDM Vol. 2A §2.2.1: a REX prefix counts only right before the opcode.
      rex = kind === REX_PREFIX ? byte : 0;
      if (kind === SEGMENT_PREFIX) {
        // SDM Vol. 2A §2.1.1; in 64-bit mode only FS and GS count.
        if (byte >= 0x64) segment = byte - 0x60;
        else if (!isLong) segment = (byte >> 3) & 3;
      } else if (kind === OPERAND_SIZE_PREFIX) has66 = true;
      else if (kind === ADDRESS_SIZE_PREFIX) has67 = true;
      else if (kind === LOCK_PREFIX) hasLock = true;
      else if (kind === REPEAT_PREFIX) repeat = byte;
    }

    // Opcode
    let map = MAP_ONE_BYTE;
    let isVex = false;
    let key = 0;
    this.#vvvv = 0;
    if (byte === 0x0f) {
      if (position >= limit) return this.#short(offset);
      byte = bytes[position++];
      map = MAP_0F;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? MAP_0F38 : MAP_0F3A;
        if (position >= limit) return this.#short(offset);
        byte = bytes[position++];
      }
    } else if ((byte === 0xc4 || byte === 0xc5) && (isLong || isProtected)) {
      if (position >= limit) return this.#short(offset);
      // Outside 64-bit mode mod = 3, impossible for LES and LDS, tells VEX.
      isVex = isLong || bytes[position] >= 0xc0;
    }
    if (isVex) {
      if (has66 || hasLock || repeat !== 0 || rex !== 0) return 'undefined';
      let last = bytes[position++];
      map = MAP_VEX + MAP_0F;
      rex = (~last >> 5) & REX_R;
      if (byte === 0xc4) {
        // RXB inverted and the map, then W vvvv L pp.
        rex = (~last >> 5) & 7;
        map = MAP_VEX + (last & 31);
        if (map < MAP_VEX + MAP_0F || map > MAP_VEX + MAP_0F3A) return 'undefined';
        if (position >= limit) return this.#short(offset);
        last = bytes[position++];
        if (isLong) rex |= (last >> 4) & REX_W;
      }
      if (!isLong) rex = 0;
      this.#vvvv = (~last >> 3) & 15;
      if (position >= limit) return this.#short(offset);
      byte = bytes[position++];
      key = (last & 3) | ((last & 4) << 1);
    } else {
      key = repeat === 0xf3 ? 2 : repeat === 0xf2 ? 3 : has66 ? 1 : 0;
      key |= (rex & REX_B) << 3;
    }
    key |= (rex & REX_W) >> 1;

    // Form
    const slot = this.table.slot((isLong ? SLOTS_PER_MODE : 0) + (map << 8) + byte);
    if (slot === null) return 'undefined';
    let modrm = 0;
    let cell = 0;
    if (slot.hasModrm) {
      if (position >= limit) return this.#short(offset);
      modrm = bytes[position++];
      if (slot.selector === 1) cell = ((modrm >> 3) & 7) | (modrm >= 0xc0 ? 8 : 0);
      else if (slot.selector === 2) cell = modrm >= 0xc0 ? 8 + (modrm & 63) : (modrm >> 3) & 7;
    }
    const form = slot.forms[(cell << KEY_BITS) | key];
    if (form === undefined || (!isProtected && (form.prot || isVex))) return 'undefined';
    if (isVex && !form.usesVvvv && this.#vvvv !== 0) return 'undefined';
    const isMemory = form.hasModrm && modrm < 0xc0 && form.mod !== 'ignored';
    if (hasLock && !(form.lock && isMemory)) return 'undefined';

    // Sizes. A mandatory 66 is part of the opcode and leaves them alone.
    const narrow = has66 && form.prefix !== PREFIX_66;
    let operandSize: Size;
    let stackSize: Size;
    if (isLong) {
      const wide = form.f64 || (rex & REX_W) !== 0;
      operandSize = wide ? 64 : narrow ? 16 : form.d64 ? 64 : 32;
      stackSize = wide || !narrow ? 64 : 16;
    } else {
      operandSize = (mode === 32) !== narrow ? 32 : 16;
      stackSize = operandSize;
    }
    const addressSize: Size = isLong ? (has67 ? 32 : 64) : (mode === 32) !== has67 ? 32 : 16;

    this.#position = position;
    this.#rex = rex;
    this.#isVex = isVex;
    this.#modrm = modrm;
    this.#opcode = byte;
    this.#sizeIndex = operandSize === 64 ? 2 : operandSize === 32 ? 1 : 0;
    this.#addressSize = addressSize;
    this.#segment = segment;

    let memory: MemoryReference | undefined;
    if (isMemory) {
      memory = addressSize === 16 ? this.#memory16() : this.#memory();
      if (memory === undefined) return this.#short(offset);
    }
    const operands: DecodedOperand[] = [];
    for (let i = 0; i < form.operands.length; i++) {
      const spec = form.operands[i];
      if (spec.at === at.AT_OFFSET) {
        memory = this.#memoryOffset();
        if (memory === undefined) return this.#short(offset);
      }
      const operand = this.#operand(spec, i);
      if (operand === undefined) return this.#position > limit ? this.#short(offset) : 'undefined';
      operands.push(operand);
    }
    return new Decoded(
      form,
      this.#position - offset,
      mode,
      operandSize,
      addressSize,
      stackSize,
      !form.rep || repeat === 0 ? 'none' : repeat === 0xf3 ? 'rep' : 'repne',
      hasLock,
      (segment < 0 ? DS : segment) as Segment,
      operands,
      memory,
    );
  }

  /** The bytes ran out: those that were given, or those an instruction may have. */
  #short(offset: number): DecodeFailure {
    return this.#limit - offset === LONGEST ? 'too-long' : 'incomplete';
  }

  /** Undefined where the encoding is invalid, or the bytes do not reach (the position is past the limit then). */
  #operand(spec: at.OperandSpec, ordinal: number): DecodedOperand | undefined {
    const type = spec.types[this.#sizeIndex];
    const modrm = this.#modrm;
    const rex = this.#rex;
    switch (spec.at) {
      case at.AT_RM_GPR:
        if (modrm < 0xc0 && spec.modrm !== 'register') return memoryOperand(type);
        return this.#gpr(type, (modrm & 7) | ((rex & REX_B) << 3));
      case at.AT_REG_GPR:
        return this.#gpr(type, ((modrm >> 3) & 7) | ((rex & REX_R) << 1));
      case at.AT_OPCODE_GPR:
        return this.#gpr(type, (this.#opcode & 7) | ((rex & REX_B) << 3));
      case at.AT_VEX_GPR:
        return registerOperand('gpr', type, this.#vexRegister());
      case at.AT_FIXED_GPR:
        return registerOperand('gpr', type, spec.fixed);
      case at.AT_REG_XMM:
        return registerOperand('xmm', type, ((modrm >> 3) & 7) | ((rex & REX_R) << 1));
      case at.AT_RM_XMM:
        if (modrm < 0xc0) return memoryOperand(type);
        return registerOperand('xmm', type, (modrm & 7) | ((rex & REX_B) << 3));
      case at.AT_VEX_XMM:
        return registerOperand('xmm', type, this.#vexRegister());
      case at.AT_REG_MMX:
        return registerOperand('mmx', type, (modrm >> 3) & 7);
      case at.AT_RM_MMX:
        if (modrm < 0xc0) return memoryOperand(type);
        return registerOperand('mmx', type, modrm & 7);
      case at.AT_REG_SEGMENT: {
        const register = (modrm >> 3) & 7;
        const isDestination = ordinal === 0;
        if (register > 5 || (isDestination && register === CS)) return undefined;
        return registerOperand('segment', type, register);
      }
      case at.AT_FIXED_SEGMENT:
        return registerOperand('segment', type, spec.fixed);
      case at.AT_REG_CONTROL: {
        const register = ((modrm >> 3) & 7) | ((rex & REX_R) << 1);
        return ((CONTROL_REGISTERS >> register) & 1) === 0 ? undefined : registerOperand('control', type, register);
      }
      case at.AT_REG_DEBUG: {
        const register = ((modrm >> 3) & 7) | ((rex & REX_R) << 1);
        return register > 7 ? undefined : registerOperand('debug', type, register);
      }
      case at.AT_IMMEDIATE: {
        const bytes = spec.bytes[this.#sizeIndex];
        const low = this.#signed(bytes);
        if (this.#position > this.#limit) return undefined;
        if (type === 64) return new DecodedOperand('immediate', type, -1, false, low, this.#high);
        return new DecodedOperand(
          'immediate',
          type,
          -1,
          false,
          type === 8 ? low & 0xff : type === 16 ? low & 0xffff : low,
          0,
        );
      }
      case at.AT_RELATIVE: {
        const low = this.#signed(spec.bytes[this.#sizeIndex]);
        if (this.#position > this.#limit) return undefined;
        return new DecodedOperand('immediate', type, -1, false, low, low >> 31);
      }
      case at.AT_FAR: {
        const bytes = spec.bytes[this.#sizeIndex];
        const low = this.#signed(bytes);
        const selector = this.#signed(2) & 0xffff;
        if (this.#position > this.#limit) return undefined;
        return new DecodedOperand('far', type, -1, false, bytes === 2 ? low & 0xffff : low, selector);
      }
      case at.AT_OFFSET:
        return memoryOperand(type);
      case at.AT_FIXED_ST:
        return registerOperand('st', type, spec.fixed);
      case at.AT_RM_ST:
        return registerOperand('st', type, modrm & 7);
      default:
        return new DecodedOperand('constant', type, -1, false, spec.fixed, 0);
    }
  }

  #gpr(type: at.OperandSpec['types'][0], register: number): DecodedOperand {
    // SDM Vol. 2A §2.2.1.2: with any REX prefix, AH-BH give way to SPL-DIL.
    if (type === 8 && register >= 4 && register < 8 && this.#rex === 0 && !this.#isVex) {
      return new DecodedOperand('gpr', 8, register - 4, true, 0, 0);
    }
    return registerOperand('gpr', type, register);
  }

  /** SDM Vol. 2A §2.3.5.6: outside 64-bit mode the top bit of VEX.vvvv is ignored. */
  #vexRegister(): number {
    return this.#mode === 64 ? this.#vvvv : this.#vvvv & 7;
  }

  /** Signed number of 1, 2, 4 or 8 bytes; its upper half is left in `#high`. Beyond the limit it means nothing. */
  #signed(bytes: number): number {
    const code = this.#bytes;
    const position = this.#position;
    this.#position = position + bytes;
    if (this.#position > this.#limit) return 0;
    let low: number;
    if (bytes === 1) low = (code[position] << 24) >> 24;
    else if (bytes === 2) low = ((code[position] | (code[position + 1] << 8)) << 16) >> 16;
    else low = code[position] | (code[position + 1] << 8) | (code[position + 2] << 16) | (code[position + 3] << 24);
    this.#high = low >> 31;
    if (bytes === 8) {
      const at = position + 4;
      this.#high = code[at] | (code[at + 1] << 8) | (code[at + 2] << 16) | (code[at + 3] << 24);
    }
    return low;
  }

  /** SDM Vol. 2A §2.1.5 "Addressing-Mode Encoding", 32- and 64-bit. Undefined where the bytes do not reach. */
  #memory(): MemoryReference | undefined {
    const mod = this.#modrm >> 6;
    const rm = this.#modrm & 7;
    const rex = this.#rex;
    let base = rm | ((rex & REX_B) << 3);
    let index = -1;
    let scale = 0;
    let displacementBytes = mod === 1 ? 1 : mod === 2 ? 4 : 0;
    let ripRelative = false;
    if (rm === 4) {
      if (this.#position >= this.#limit) return undefined;
      const sib = this.#bytes[this.#position++];
      base = (sib & 7) | ((rex & REX_B) << 3);
      index = ((sib >> 3) & 7) | ((rex & REX_X) << 2);
      if (index === RSP) index = -1;
      else scale = sib >> 6;
      if ((sib & 7) === RBP && mod === 0) {
        base = -1;
        displacementBytes = 4;
      }
    } else if (rm === RBP && mod === 0) {
      base = -1;
      displacementBytes = 4;
      ripRelative = this.#mode === 64;
    }
    return this.#reference(base, index, scale, displacementBytes, ripRelative);
  }

  #memory16(): MemoryReference | undefined {
    const mod = this.#modrm >> 6;
    const rm = this.#modrm & 7;
    if (mod === 0 && rm === 6) return this.#reference(-1, -1, 0, 2, false);
    return this.#reference(BASES_16[rm], INDEXES_16[rm], 0, mod, false);
  }

  #reference(
    base: number,
    index: number,
    scale: number,
    displacementBytes: number,
    ripRelative: boolean,
  ): MemoryReference | undefined {
    const displacement = displacementBytes === 0 ? 0 : this.#signed(displacementBytes);
    if (this.#position > this.#limit) return undefined;
    const isStack = base === RSP || base === RBP;
    return new MemoryReference(
      (this.#segment >= 0 ? this.#segment : isStack ? SS : DS) as Segment,
      this.#segment >= 0,
      base,
      index,
      scale,
      displacement,
      displacement >> 31,
      ripRelative,
      this.#addressSize,
    );
  }

  /** The offset of MOV between the accumulator and memory: as long as an address. */
  #memoryOffset(): MemoryReference | undefined {
    const low = this.#signed(this.#addressSize / 8);
    if (this.#position > this.#limit) return undefined;
    const segment = (this.#segment >= 0 ? this.#segment : DS) as Segment;
    return new MemoryReference(segment, this.#segment >= 0, -1, -1, 0, low, this.#high, false, this.#addressSize);
  }
}

function registerOperand(kind: DecodedOperand['kind'], type: DecodedOperand['type'], register: number): DecodedOperand {
  return new DecodedOperand(kind, type, register, false, 0, 0);
}

function memoryOperand(type: DecodedOperand['type']): DecodedOperand {
  return new DecodedOperand('memory', type, -1, false, 0, 0);
}
