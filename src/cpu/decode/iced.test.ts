import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as iced from 'iced-x86';
import { instructions } from '../isa/index.ts';
import { type CodeMode, Decoded, type DecodedOperand, type DecodeFailure, type MemoryReference } from './decoded.ts';
import { Decoder } from './decoder.ts';

/**
 * Our decoder against iced-x86, on every opcode of every map with many ModRM bytes and prefixes, and on random bytes:
 * length, mnemonic, operands.
 */

/** Names of ours that iced spells otherwise, or that stand for several. */
const ALIASES: { readonly [name: string]: readonly string[] } = {
  'CBW/CWDE/CDQE': ['CBW', 'CWDE', 'CDQE'],
  'CWD/CDQ/CQO': ['CWD', 'CDQ', 'CQO'],
  CMPS: ['CMPSW', 'CMPSD', 'CMPSQ'],
  FWAIT: ['WAIT'],
  INS: ['INSW', 'INSD'],
  IRET: ['IRETD', 'IRETQ'],
  JrCXZ: ['JCXZ', 'JECXZ', 'JRCXZ'],
  LODS: ['LODSW', 'LODSD', 'LODSQ'],
  MOVS: ['MOVSW', 'MOVSD', 'MOVSQ'],
  PCMPESTRI: ['PCMPESTRI64'],
  PCMPESTRM: ['PCMPESTRM64'],
  FNOP: ['FNENI', 'FNDISI', 'FNSETPM'],
  FSTP: ['FSTPNCE'],
  MOVD: ['MOVQ'],
  NOP: ['RESERVEDNOP', 'ENDBR32', 'ENDBR64', 'CLDEMOTE', 'RDSSPD', 'RDSSPQ'],
  PREFETCHW: ['PREFETCH', 'PREFETCHWT1', 'RESERVEDNOP'],
  OUTS: ['OUTSW', 'OUTSD'],
  POPA: ['POPAD'],
  POPF: ['POPFD', 'POPFQ'],
  PREFETCHh: ['PREFETCHNTA', 'PREFETCHT0', 'PREFETCHT1', 'PREFETCHT2', 'PREFETCHIT0', 'PREFETCHIT1', 'RESERVEDNOP'],
  PUSHA: ['PUSHAD'],
  PUSHF: ['PUSHFD', 'PUSHFQ'],
  RET: ['RETF'],
  SCAS: ['SCASW', 'SCASD', 'SCASQ'],
  SHL: ['SAL'],
  STOS: ['STOSW', 'STOSD', 'STOSQ'],
  SYSEXIT: ['SYSEXITQ'],
  SYSRET: ['SYSRETQ'],
  VMCALL: ['VMMCALL'],
  WBINVD: ['WBNOINVD'],
  XLAT: ['XLATB'],
};

/** Conditions have several spellings; iced's are E, NE, AE, A, GE, G. */
const CONDITIONS: { readonly [suffix: string]: string } = { Z: 'E', NZ: 'NE', NB: 'AE', NBE: 'A', NL: 'GE', NLE: 'G' };

function isSameName(ours: string, theirs: string): boolean {
  if (ours === theirs || ALIASES[ours]?.includes(theirs)) return true;
  const [, verb, condition] = /^(J|SET|CMOV)(\w+)$/.exec(ours) ?? [];
  return verb !== undefined && condition in CONDITIONS && theirs === verb + CONDITIONS[condition];
}

/** What iced decodes and we leave undefined, by its CPUID features: extensions that no guest is given. */
const ABSENT = new Set(
  (
    'AESKLE AMX_BF16 AMX_COMPLEX AMX_FP16 AMX_INT8 AMX_TILE AVX AVX2 AVX512BW AVX512DQ AVX512F AVX_IFMA AVX_NE_CONVERT ' +
    'AVX_VNNI AVX_VNNI_INT16 AVX_VNNI_INT8 CET_SS CLZERO CMPCCXADD D3NOW D3NOWEXT ENQCMD F16C FMA FMA4 FRED GFNI HLE_or_RTM ' +
    'INVEPT INVLPGB INVVPID KL LKGS LWP MCOMMIT MONITOR MONITORX MOVDIR64B MPX MSRLIST OSS PADLOCK_ACE PADLOCK_GMI PADLOCK_PHE ' +
    'PADLOCK_PMM PADLOCK_RNG PADLOCK_UNDOC PCONFIG PKU PTWRITE RAO_INT RDPRU RMPQUERY RTM SERIALIZE SEV_ES SEV_SNP SGX1 ' +
    'SKINIT_or_SVM SM3 SM4 SMM SMX SSE4A SVM TBM TDX TSE TSXLDTRK UINTR VAES VMX WAITPKG WBNOINVD WRMSRNS XOP XSAVES'
  ).split(' '),
);

/** Other instructions that we leave undefined, in which modes, and why. */
const UNDEFINED: readonly (readonly [name: string, modes: readonly CodeMode[], why: string])[] = [
  ['SALC', [16, 32], 'not in the manual'],
  ['SYSCALL', [16, 32], 'Intel processors have it in 64-bit mode only'],
  ['SYSRET', [16, 32], 'as SYSCALL'],
];

/** Where iced shows operands that our forms do not name, or the other way round: hints and fences use none. */
const NO_OPERANDS = new Set(['NOP', 'PREFETCHh', 'PREFETCHW', 'XLAT', 'LFENCE', 'MFENCE', 'SFENCE']);
/** Where iced shows a register as wide as the operand size though only 16 or 32 bits of it take part. */
const WIDE = new Set(
  'MOVMSKPS MOVMSKPD PMOVMSKB PINSRB PINSRW PEXTRB PEXTRW EXTRACTPS ARPL LLDT LTR LMSW VERR VERW LAR LSL'.split(' '),
);
const WIDE_FORMS = new Set(['8E /r Sw,Ew ends']);

const decoder = new Decoder(instructions);

function theirs(bytes: Uint8Array, mode: CodeMode): iced.Instruction {
  const decoder = new iced.Decoder(mode, bytes, iced.DecoderOptions.None);
  const instruction = decoder.decode();
  decoder.free();
  return instruction;
}

const REGISTER = new Map<number, string>();
for (const [name, value] of Object.entries(iced.Register)) if (typeof value === 'number') REGISTER.set(value, name);

const GPR_8 = 'AL CL DL BL SPL BPL SIL DIL R8L R9L R10L R11L R12L R13L R14L R15L'.split(' ');
const GPR_16 = 'AX CX DX BX SP BP SI DI R8W R9W R10W R11W R12W R13W R14W R15W'.split(' ');
const GPR_32 = 'EAX ECX EDX EBX ESP EBP ESI EDI R8D R9D R10D R11D R12D R13D R14D R15D'.split(' ');
const GPR_64 = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ');
const HIGH = 'AH CH DH BH'.split(' ');
const SEGMENTS = 'ES CS SS DS FS GS'.split(' ');
const BY_SIZE: { readonly [bits: number]: readonly string[] } = { 8: GPR_8, 16: GPR_16, 32: GPR_32, 64: GPR_64 };

function ourRegister(operand: DecodedOperand): string {
  const { register } = operand;
  switch (operand.kind) {
    case 'gpr':
      return operand.high ? HIGH[register] : BY_SIZE[operand.type as number][register];
    case 'xmm':
      return `XMM${register}`;
    case 'mmx':
      return `MM${register}`;
    case 'st':
      return `ST${register}`;
    case 'segment':
      return SEGMENTS[register];
    case 'control':
      return `CR${register}`;
    default:
      return `DR${register}`;
  }
}

/** In 64-bit mode only FS and GS tell; iced shows the others as they are written, which have no effect. */
function segmentName(name: string, mode: CodeMode): string {
  return mode === 64 && !/[FG]S/.test(name) ? '' : `${name}:`;
}

function ourMemory(memory: MemoryReference, decoded: Decoded): string {
  const { base, index, scale, displacement, displacementHigh, ripRelative, addressSize, segment } = memory;
  const names = BY_SIZE[addressSize];
  let offset = (BigInt(displacementHigh) << 32n) | BigInt(displacement >>> 0);
  if (ripRelative) offset += BigInt(decoded.length);
  const parts = [base < 0 ? 'None' : names[base], index < 0 ? 'None' : `${names[index]}*${1 << scale}`];
  return `${segmentName(SEGMENTS[segment], decoded.mode)}[${parts.join('+')}+${BigInt.asUintN(addressSize, offset)}]`;
}

function ourOperand(operand: DecodedOperand, decoded: Decoded): string {
  const wide = (BigInt(operand.immediateHigh) << 32n) | BigInt(operand.immediate >>> 0);
  switch (operand.kind) {
    case 'memory':
      return ourMemory(decoded.memory as MemoryReference, decoded);
    case 'immediate': {
      const isBranch = decoded.form.operands[decoded.operands.indexOf(operand)].text[0] === 'J';
      if (!isBranch) return `#${BigInt.asUintN(operand.type as number, wide)}`;
      const width = decoded.mode === 64 ? 64 : decoded.operandSize;
      return `to ${BigInt.asUintN(width, wide + BigInt(decoded.length))}`;
    }
    case 'constant':
      return `#${operand.immediate}`;
    case 'far':
      return `far ${operand.immediateHigh}:${operand.immediate >>> 0}`;
    default:
      return ourRegister(operand);
  }
}

const K = iced.OpKind;

function theirOperand(instruction: iced.Instruction, i: number, { addressSize, mode }: Decoded): string {
  const kind = instruction.opKind(i);
  switch (kind) {
    case K.Register:
      return REGISTER.get(instruction.opRegister(i)) as string;
    case K.NearBranch16:
    case K.NearBranch32:
    case K.NearBranch64:
      return `to ${instruction.nearBranchTarget}`;
    case K.FarBranch16:
      return `far ${instruction.farBranchSelector}:${instruction.farBranch16}`;
    case K.FarBranch32:
      return `far ${instruction.farBranchSelector}:${instruction.farBranch32}`;
    case K.Memory: {
      const base = REGISTER.get(instruction.memoryBase) as string;
      const isRelative = base === 'RIP' || base === 'EIP';
      const index = REGISTER.get(instruction.memoryIndex) as string;
      const scaled = index === 'None' ? index : `${index}*${instruction.memoryIndexScale}`;
      const offset = BigInt.asUintN(addressSize, instruction.memoryDisplacement);
      const segment = segmentName(REGISTER.get(instruction.memorySegment) as string, mode);
      return `${segment}[${isRelative ? 'None' : base}+${scaled}+${offset}]`;
    }
    default:
      return `#${instruction.immediate(i)}`;
  }
}

function theirOperands(instruction: iced.Instruction, ours: Decoded): string[] {
  const operands: string[] = [];
  for (let i = 0; i < instruction.opCount; i++) {
    const kind = instruction.opKind(i);
    const isImplied = kind >= K.MemorySegSI && kind <= K.MemoryESRDI;
    if (!isImplied) operands.push(theirOperand(instruction, i, ours));
  }
  // ST(0) is implied in many of our forms.
  if (operands.length === ours.operands.length + 1 && operands[0] === 'ST0') operands.shift();
  if (ours.instruction.name === 'OUT') operands.reverse();
  return operands.map((operand, i) => {
    const mine = ours.operands[i];
    if (operand[0] === '#') return `#${BigInt.asUintN((mine?.type as number) ?? 64, BigInt(operand.slice(1)))}`;
    const isWide = WIDE.has(ours.instruction.name) || WIDE_FORMS.has(ours.form.text);
    return isWide && mine?.kind === 'gpr' ? narrowed(operand, mine.type as number) : operand;
  });
}

/** The same register as wide as `bits`. */
function narrowed(name: string, bits: number): string {
  const number = Math.max(GPR_16.indexOf(name), GPR_32.indexOf(name), GPR_64.indexOf(name));
  return BY_SIZE[bits][number] ?? name;
}

interface Tally {
  compared: number;
  readonly differences: Map<string, string>;
}

function compare(bytes: Uint8Array, mode: CodeMode, tally: Tally): void {
  const ours: Decoded | DecodeFailure = decoder.decode(bytes, 0, bytes.length, mode, true);
  const them = theirs(bytes, mode);
  const theirName = them.isInvalid ? 'undefined' : iced.Mnemonic[them.mnemonic].toUpperCase();
  const ourName = ours instanceof Decoded ? ours.instruction.name : 'undefined';
  tally.compared++;
  const note = (what: string, detail: string): void => {
    const hex = Array.from(bytes.subarray(0, 15), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const key = `${what} (${mode})`;
    if (!tally.differences.has(key)) tally.differences.set(key, `${key}: ${detail} [${hex}]`);
  };
  if (!isSameName(ourName, theirName)) {
    const isKnown =
      them.cpuidFeatures().some((feature) => ABSENT.has(iced.CpuidFeature[feature])) ||
      UNDEFINED.some(([name, modes]) => name === theirName && modes.includes(mode));
    const isAccepted = ourName === 'undefined' && isKnown;
    if (!isAccepted) note(`${ourName} for ${theirName}`, '');
  } else if (ours instanceof Decoded) {
    if (ours.length !== them.length) note(`${ourName}: length`, `${ours.length} for ${them.length}`);
    if (NO_OPERANDS.has(ourName) || them.isStringInstruction) return them.free();
    const mine = ours.operands.map((operand) => ourOperand(operand, ours));
    const other = theirOperands(them, ours);
    if (mine.join() !== other.join()) note(`${ourName} '${ours.form.text}': operands`, `${mine} for ${other}`);
  }
  them.free();
}

let seed = 12345;
function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return ((seed ^ (seed >>> 13)) >>> 0) % below;
}

function fillRandom(bytes: Uint8Array, from: number): Uint8Array {
  for (let i = from; i < bytes.length; i++) bytes[i] = random(256);
  return bytes;
}

const LENGTH = 20;
const MODES = [16, 32, 64] as const;
const PREFIXES: readonly (readonly number[])[] = [
  [],
  [0x66],
  [0xf2],
  [0xf3],
  [0x66, 0xf2],
  [0xf3, 0x66],
  [0x67],
  [0x48],
  [0x45],
  [0x66, 0x4f],
  [0xf3, 0x48],
  [0xf0],
  [0x64],
  [0x2e, 0x36],
];

function check(run: (tally: Tally) => void): void {
  const tally: Tally = { compared: 0, differences: new Map() };
  run(tally);
  assert.deepEqual([...tally.differences.values()], [], `of ${tally.compared} instructions`);
}

test('every opcode of the legacy maps decodes as iced has it', () => {
  check((tally) => {
    for (const map of [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]) {
      for (let opcode = 0; opcode < 256; opcode++) {
        for (const prefixes of PREFIXES) {
          for (let i = 0; i < 24; i++) {
            const bytes = fillRandom(new Uint8Array(LENGTH), 0);
            bytes.set([...prefixes, ...map, opcode]);
            const at = prefixes.length + map.length + 1;
            // All registers of the reg field with a memory and a register operand, then at random.
            if (i < 16) bytes[at] = (i << 3) | (i < 8 ? random(0xc0) & 0xc7 : 0xc0 | random(8));
            for (const mode of MODES) compare(bytes, mode, tally);
          }
        }
      }
    }
  });
});

test('every opcode under VEX decodes as iced has it', () => {
  check((tally) => {
    for (let opcode = 0; opcode < 256; opcode++) {
      for (const map of [1, 2, 3]) {
        for (let i = 0; i < 64; i++) {
          const bytes = fillRandom(new Uint8Array(LENGTH), 0);
          bytes.set([
            0xc4,
            0xe0 | map,
            ((i << 2) & 0x80) | (random(16) << 3) | (random(8) === 0 ? 4 : 0) | (i & 3),
            opcode,
          ]);
          if (i > 32) bytes[1] = (random(8) << 5) | map;
          for (const mode of MODES) compare(bytes, mode, tally);
          bytes.set([0xc5, random(256), opcode]);
          for (const mode of MODES) compare(bytes, mode, tally);
        }
      }
    }
  });
});

test('whole ModRM bytes decode as iced has them', () => {
  check((tally) => {
    for (const lead of [
      [0x0f, 0x01],
      [0x0f, 0xae],
      [0x0f, 0xc7],
      [0x0f, 0x00],
      [0x0f, 0x1e],
      ...Array.from({ length: 8 }, (_, i) => [0xd8 + i]),
    ]) {
      for (let modrm = 0xc0; modrm < 256; modrm++) {
        for (const prefixes of PREFIXES) {
          const bytes = fillRandom(new Uint8Array(LENGTH), 0);
          bytes.set([...prefixes, ...lead, modrm]);
          for (const mode of MODES) compare(bytes, mode, tally);
        }
      }
    }
  });
});

test('random bytes decode as iced has them', () => {
  check((tally) => {
    for (let i = 0; i < 30_000; i++) {
      const bytes = fillRandom(new Uint8Array(LENGTH), 0);
      for (const mode of MODES) compare(bytes, mode, tally);
    }
  });
});
