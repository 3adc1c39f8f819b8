/** Random code: instructions of random forms with random operands, the memory operands mostly in the data window. */

import { type CodeMode, Decoded } from '../../src/cpu/decode/decoded.ts';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { ANY, type Form, MAP_VEX, PREFIX_NONE } from '../../src/cpu/decode/forms.ts';
import { AT_FIXED_SEGMENT, AT_OFFSET, AT_REG_SEGMENT, AT_RELATIVE } from '../../src/cpu/decode/operand-specs.ts';
import { DecodeTable } from '../../src/cpu/decode/table.ts';
import { instructions } from '../../src/cpu/isa/index.ts';
import type { Prng } from '../hardware/inputs/prng.ts';
import { CODE, DATA, DATA_END, PAGE } from '../hardware/layout.ts';
import { little } from './assembler.ts';
import { DEVICE } from './places.ts';

/** What asks the machine around the processor, or leaves the program for good. */
const EXCLUDED = new Set('CPUID RDTSC RDTSCP RDRAND RDSEED SYSCALL SYSENTER VMCALL'.split(' '));

/** What CPL 3 may not do, beside the forms with 'cpl0', and what hardly ever leads to code. */
const PRIVILEGED = new Set('IN OUT INS OUTS CLI STI IRET SYSEXIT SYSRET INT INTO INT1 INT3 UD0 UD1 UD2'.split(' '));

const RCX = 1;
const RSI = 6;
const RDI = 7;
const NOP = 0x90;
const LONGEST = 15;
/** Mandatory prefixes by the values of a form's `prefix`. */
const PREFIX_BYTES = [[], [0x66], [0xf3], [0xf2]];
const MAP_BYTES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const REP = [0xf3, 0xf2];
const SEGMENT_OVERRIDES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const OPERAND_SIZE = 0x66;
const ADDRESS_SIZE = 0x67;
const LOCK = 0xf0;
const NO_INDEX = 4;
const ATTEMPTS = 20;

export const decoder = new Decoder(instructions);
const forms: readonly Form[] = new DecodeTable(instructions)
  .check()
  .filter(({ instruction }) => !EXCLUDED.has(instruction.name));

/** Where an instruction is to stand: programs have branches of their own, and a stack that leads back. */
export type Place = 'anywhere' | 'in programs';

const STRAYING = new Set(
  'ENTER LEAVE POPA POPF RETF LDS LES LSS LFS LGS BOUND LDMXCSR FXRSTOR XRSTOR FLDENV FRSTOR FLDCW WAIT'.split(' '),
);
const tame = forms.filter(
  ({ instruction: { name, usual }, cpl0, ends, operands }) =>
    !(cpl0 || (ends && usual === undefined) || PRIVILEGED.has(name) || STRAYING.has(name)) &&
    operands.every(({ at }) => at !== AT_REG_SEGMENT && at !== AT_FIXED_SEGMENT),
);
const tameStrings = tame.filter(({ rep }) => rep);

/** Somewhere in the data window, at times just outside or across a page boundary, or at a device. */
export function dataAddress(random: Prng, where: Place = 'anywhere'): number {
  if (random.chance(4)) return DEVICE + 0x100 + (random.below(0xe00) & ~7);
  if (where === 'in programs' && random.chance(85)) return DATA + 0x40 + (random.below(2 * PAGE - 0x80) & ~15);
  if (random.chance(15)) return DATA + 0x1000 * (1 + random.below(3)) - random.below(20);
  const address = DATA + 0x40 + random.below(DATA_END - DATA - 0x80);
  return random.chance(60) ? address & ~15 : address;
}

/** The ModRM byte of a form, with what follows it. `wide`: 32- or 64-bit addressing. */
function modrmBytes(random: Prng, form: Form, mode: CodeMode, wide: boolean): number[] {
  if (!form.hasModrm) return [];
  if (form.modrm !== ANY) return [form.modrm | (form.modrmRegister ? random.below(8) : 0)];
  const isMemory = form.mod === 'memory' || (form.mod === 'any' && random.chance(55));
  const mod = isMemory ? random.below(3) : 3;
  const reg = form.digit === ANY ? random.below(8) : form.digit;
  const rm = random.below(8);
  const bytes = [(mod << 6) | (reg << 3) | rm];
  if (!isMemory) return bytes;
  if (!wide) {
    // 16-bit addresses are offsets in a segment that begins with the data window.
    if (mod === 0) return rm === 6 ? [...bytes, ...little(dataAddress(random) - DATA, 2)] : bytes;
    return [...bytes, ...little(random.below(64), mod)];
  }
  let base = rm;
  if (rm === 4) {
    base = random.below(8);
    const index = random.chance(60) ? NO_INDEX : random.below(8);
    bytes.push((random.below(4) << 6) | (index << 3) | base);
  }
  if (mod === 0 && base === 5) {
    const relative = mode === 64 && rm === 5;
    return [...bytes, ...little(dataAddress(random) - (relative ? CODE + 0x800 : 0), 4)];
  }
  if (mod === 1) bytes.push(random.u32() & 0xff);
  if (mod === 2) bytes.push(...little(random.below(512) - 256, 4));
  return bytes;
}

function legacyPrefixes(random: Prng, form: Form): number[] {
  const prefixes: number[] = [];
  if (random.chance(6)) prefixes.push(random.pick(SEGMENT_OVERRIDES));
  if (form.lock && random.chance(20)) prefixes.push(LOCK);
  if (form.isVex) return prefixes;
  if (form.prefix > PREFIX_NONE) prefixes.push(...(PREFIX_BYTES[form.prefix] ?? []));
  else if (form.prefix === ANY && random.chance(12)) prefixes.push(OPERAND_SIZE);
  if (form.rep && random.chance(50)) prefixes.push(random.pick(REP));
  return prefixes;
}

function rexBytes(random: Prng, form: Form): number[] {
  const extended = random.chance(30) ? random.below(8) : 0;
  const w = form.w === ANY ? (random.chance(35) ? 1 : 0) : form.w;
  return w === 0 && extended === 0 && random.chance(90) ? [] : [0x40 | (w << 3) | extended];
}

/** The three-byte form (SDM Vol. 2A §2.3.5 "The VEX Prefix"); in 32-bit code R and X must be set and vvvv be low. */
function vexBytes(random: Prng, form: Form, mode: CodeMode): number[] {
  const extended = mode === 64 ? random.below(8) : 7;
  const w = form.w === ANY ? random.below(2) : form.w;
  const vvvv = !form.usesVvvv ? 15 : mode === 64 ? random.below(16) : 8 + random.below(8);
  const length = form.vectorLength === ANY ? 0 : form.vectorLength;
  return [
    0xc4,
    (extended << 5) | (form.map - MAP_VEX),
    (w << 7) | (vvvv << 3) | (length << 2) | Math.max(form.prefix, 0),
  ];
}

function encode(random: Prng, form: Form, mode: CodeMode): number[] {
  const prefixes = legacyPrefixes(random, form);
  const shortAddress = random.chance(mode === 16 ? 15 : 5);
  if (shortAddress) prefixes.push(ADDRESS_SIZE);
  const wide = mode === 64 || (mode === 32) !== shortAddress;
  const opcode = form.opcode + (form.opcodeRegister ? random.below(8) : 0);
  const head = form.isVex
    ? vexBytes(random, form, mode)
    : [...(mode === 64 ? rexBytes(random, form) : []), ...(MAP_BYTES[form.map] as number[])];
  return [...prefixes, ...head, opcode, ...modrmBytes(random, form, mode, wide)];
}

/** Relative targets and absolute offsets are set to places nearby; other immediates stay as drawn. */
function placeImmediate(random: Prng, bytes: number[], { form, operandSize, addressSize }: Decoded): void {
  for (const { at, bytes: sizes } of form.operands) {
    const count = sizes[operandSize === 16 ? 0 : operandSize === 32 ? 1 : 2];
    if (at === AT_RELATIVE) {
      const distance = random.chance(80) ? random.below(24) : -random.below(40);
      bytes.splice(bytes.length - count, count, ...little(distance, count));
    } else if (at === AT_OFFSET) {
      const address = addressSize === 16 ? dataAddress(random) - DATA : dataAddress(random);
      bytes.splice(bytes.length - addressSize / 8, addressSize / 8, ...little(address, addressSize / 8));
    }
  }
}

/** Reachable forms, of which those that fault for want of privilege come seldom. */
function drawForm(random: Prng, where: Place): Form {
  if (where === 'in programs' && random.chance(5)) return random.pick(tameStrings);
  for (;;) {
    const form = random.pick(where === 'anywhere' ? forms : tame);
    const isRefused = form.cpl0 || PRIVILEGED.has(form.instruction.name);
    if (!isRefused || random.chance(3)) return form;
  }
}

/** MOV of an immediate to a register, 32 bits or, in 16-bit code, 16. */
export function load(register: number, value: number, mode: CodeMode): number[] {
  const opcode = 0xb8 + (register & 7);
  if (mode === 16) return [opcode, ...little(value & 0xffff, 2)];
  return register < 8 ? [opcode, ...little(value >>> 0, 4)] : [0x41, opcode, ...little(value >>> 0, 4)];
}

/** Code that makes the memory operand, or the pointers of a string instruction, lead into the data window. */
function drawPointers(random: Prng, { memory, form }: Decoded, mode: CodeMode, where: Place): number[] {
  if (random.chance(where === 'anywhere' ? 8 : 2)) return [];
  const origin = mode === 16 ? DATA : 0;
  if (form.rep) {
    const registers = [RSI, RDI].flatMap((register) => load(register, dataAddress(random, where) - origin, mode));
    return [...registers, ...load(RCX, random.below(70), mode)];
  }
  if (memory === undefined || memory.base < 0) return [];
  const { base, index, scale, displacement } = memory;
  const mask = form.aligned ? 15 : random.chance(20) ? 63 : 0;
  const address = dataAddress(random, where) & ~(random.chance(97) ? mask : 0);
  if (index < 0) return load(base, address - origin - displacement, mode);
  if (index === base) return load(base, Math.floor((address - origin - displacement) / (1 + (1 << scale))), mode);
  const step = random.below(4) * 16;
  return [...load(index, step, mode), ...load(base, address - origin - displacement - (step << scale), mode)];
}

/** One instruction with what leads up to it; now and then not one that exists. */
export function drawInstruction(random: Prng, mode: CodeMode, where: Place = 'anywhere'): number[] {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const bytes = encode(random, drawForm(random, where), mode);
    while (bytes.length < LONGEST) bytes.push(random.chance(30) ? random.below(4) : random.u32() & 0xff);
    const decoded = decoder.decode(Uint8Array.from(bytes), 0, LONGEST, mode, true);
    if (!(decoded instanceof Decoded)) {
      if (where === 'anywhere' && random.chance(1)) return bytes.slice(0, 1 + random.below(LONGEST));
      continue;
    }
    if (EXCLUDED.has(decoded.instruction.name)) continue;
    bytes.length = decoded.length;
    placeImmediate(random, bytes, decoded);
    return [...drawPointers(random, decoded, mode, where), ...bytes];
  }
  return [NOP];
}

export function drawSequence(random: Prng, mode: CodeMode, count: number): number[] {
  return Array.from({ length: count }, () => drawInstruction(random, mode)).flat();
}
