/** Operand kinds of the iced-x86 tables: which registers they draw from, which are memory. */
import { OpCodeOperandKind as Kind, MemorySizeExt, type OpCodeInfo, Register } from 'iced-x86';

export const GPR64 = Register.RAX;
export const REGISTER_OR_MEMORY: ReadonlySet<Kind> = new Set([
  Kind.r8_or_mem,
  Kind.r16_or_mem,
  Kind.r32_or_mem,
  Kind.r64_or_mem,
  Kind.mm_or_mem,
  Kind.xmm_or_mem,
]);

export function hasRegisterOrMemory(info: OpCodeInfo): boolean {
  return operandKinds(info).some((kind) => REGISTER_OR_MEMORY.has(kind));
}

export function hasMemoryOnly(info: OpCodeInfo): boolean {
  return operandKinds(info).some((kind) => kind === Kind.mem || kind === Kind.mem_offs);
}

export function operandKinds(info: OpCodeInfo): Kind[] {
  return Array.from({ length: info.opCount }, (_, i) => info.opKind(i));
}

export function memoryBytes(info: OpCodeInfo): number {
  return MemorySizeExt.size(info.memorySize);
}

/** Registers that an operand kind draws from in a mode. Outside 64-bit mode there are eight of each. */
export function registerFile(kind: Kind, bits: 16 | 32 | 64): { first: Register; count: number } | undefined {
  const file = registerFile64(kind);
  return file && bits !== 64 ? { ...file, count: 8 } : file;
}

/** First register of the file that an operand kind draws from and its size, or undefined. */
function registerFile64(kind: Kind): { first: Register; count: number } | undefined {
  switch (kind) {
    case Kind.r8_or_mem:
    case Kind.r8_reg:
    case Kind.r8_opcode:
      return { first: Register.AL, count: 20 };
    case Kind.r16_or_mem:
    case Kind.r16_reg:
    case Kind.r16_rm:
    case Kind.r16_opcode:
      return { first: Register.AX, count: 16 };
    case Kind.r32_or_mem:
    case Kind.r32_reg:
    case Kind.r32_rm:
    case Kind.r32_opcode:
    case Kind.r32_vvvv:
      return { first: Register.EAX, count: 16 };
    case Kind.r64_or_mem:
    case Kind.r64_reg:
    case Kind.r64_rm:
    case Kind.r64_opcode:
    case Kind.r64_vvvv:
      return { first: GPR64, count: 16 };
    case Kind.mm_or_mem:
    case Kind.mm_reg:
    case Kind.mm_rm:
      return { first: Register.MM0, count: 8 };
    case Kind.xmm_or_mem:
    case Kind.xmm_reg:
    case Kind.xmm_rm:
      return { first: Register.XMM0, count: 16 };
    case Kind.sti_opcode:
      return { first: Register.ST0, count: 8 };
    default:
      return undefined;
  }
}

/** Operands that are one fixed register. */
export const IMPLICIT: ReadonlyMap<Kind, Register> = new Map([
  [Kind.al, Register.AL],
  [Kind.cl, Register.CL],
  [Kind.ax, Register.AX],
  [Kind.dx, Register.DX],
  [Kind.eax, Register.EAX],
  [Kind.rax, Register.RAX],
  [Kind.st0, Register.ST0],
  [Kind.es, Register.ES],
  [Kind.cs, Register.CS],
  [Kind.ss, Register.SS],
  [Kind.ds, Register.DS],
  [Kind.fs, Register.FS],
  [Kind.gs, Register.GS],
]);

/** CR1 does not exist, and DR4 and DR5 depend on CR4.DE. */
export const CONTROL = [Register.CR0, Register.CR2, Register.CR3, Register.CR4, Register.CR8];
export const DEBUG = [Register.DR0, Register.DR1, Register.DR2, Register.DR3, Register.DR6, Register.DR7];

/** CS cannot be loaded by MOV. */
export const SEGMENTS = [Register.ES, Register.SS, Register.DS, Register.FS, Register.GS];
