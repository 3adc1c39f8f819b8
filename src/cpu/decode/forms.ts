/**
 * Parses the form language of `../isa/instruction.ts`: one line of the manual's opcode tables to a typed `Form`.
 */

import type { Instruction } from '../isa/instruction.ts';
import {
  AT_OPCODE_GPR,
  AT_REG_CONTROL,
  AT_REG_DEBUG,
  AT_RELATIVE,
  AT_RM_GPR,
  AT_RM_ST,
  AT_RM_XMM,
  AT_VEX_GPR,
  AT_VEX_XMM,
  type OperandSpec,
  operandSpec,
} from './operand-specs.ts';

/** Opcode maps: one-byte, 0F, 0F 38, 0F 3A, then the same but the first under VEX. */
export const MAP_ONE_BYTE = 0;
export const MAP_0F = 1;
export const MAP_0F38 = 2;
export const MAP_0F3A = 3;
/** Added to MAP_0F... for VEX. */
export const MAP_VEX = 3;
export const MAPS = 7;

/** Mandatory prefixes by the values of VEX.pp (SDM Vol. 2A §2.3.6.2); `ANY` where the form has none. */
export const PREFIX_NONE = 0;
export const PREFIX_66 = 1;
export const PREFIX_F3 = 2;
export const PREFIX_F2 = 3;
export const ANY = -1;

export interface Form {
  readonly instruction: Instruction;
  readonly text: string;
  readonly map: number;
  readonly opcode: number;
  /** +r on the opcode byte. */
  readonly opcodeRegister: boolean;
  readonly isVex: boolean;
  /** PREFIX_... or ANY. */
  readonly prefix: number;
  /** Required REX.W or VEX.W, or ANY. */
  readonly w: number;
  /** Required VEX.L, or ANY. */
  readonly vectorLength: number;
  readonly hasModrm: boolean;
  /** Required reg field of the ModRM byte, or ANY. */
  readonly digit: number;
  /** ModRM byte given whole, or ANY; with `modrmRegister` its low three bits are free. */
  readonly modrm: number;
  readonly modrmRegister: boolean;
  /** What the mod field may be. MOV to and from control and debug registers take any as 3 ('ignored'). */
  readonly mod: 'any' | 'memory' | 'register' | 'ignored';
  readonly operands: readonly OperandSpec[];
  readonly usesVvvv: boolean;

  readonly lock: boolean;
  readonly rep: boolean;
  readonly i64: boolean;
  readonly o64: boolean;
  readonly d64: boolean;
  readonly f64: boolean;
  readonly cpl0: boolean;
  readonly prot: boolean;
  readonly unaligned: boolean;
  readonly ends: boolean;
  /** A 128-bit memory operand must lie on a multiple of 16 (#GP(0)). */
  readonly aligned: boolean;
}

/** A form that its author must correct. */
export class FormError extends Error {
  constructor(instruction: Instruction, text: string, problem: string) {
    super(`${instruction.name} '${text}': ${problem}`);
    this.name = 'FormError';
  }
}

const PREFIXES: readonly string[] = ['NP', '66', 'F3', 'F2'];
const VEX_MAPS: readonly string[] = ['', '0F', '0F38', '0F3A'];
const ATTRIBUTES = new Set(['lock', 'rep', 'i64', 'o64', 'd64', 'f64', 'cpl0', 'prot', 'unaligned', 'ends']);

const HEX = '0123456789ABCDEF';

/** The byte that a token such as `8F` or `50+r` begins with, or -1. Letters are capitals: `Ed` is an operand. */
function hexByte(token: string): number {
  if (token.length !== 2 && !(token.length === 4 && token.endsWith('+r'))) return -1;
  const high = HEX.indexOf(token[0]);
  const low = HEX.indexOf(token[1]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

export function parseForm(instruction: Instruction, text: string): Form {
  const fail = (problem: string): never => {
    throw new FormError(instruction, text, problem);
  };
  const tokens = text.split(' ');
  let at = 0;

  let prefix = PREFIXES.indexOf(tokens[at]);
  if (prefix >= 0) at++;

  let isVex = false;
  let vectorLength = ANY;
  let map = MAP_ONE_BYTE;
  let w = ANY;
  if (tokens[at]?.startsWith('VEX.')) {
    if (prefix !== ANY) fail('VEX has its prefix inside');
    const parts = tokens[at++].split('.');
    const vexMap = VEX_MAPS.indexOf(parts[3]);
    vectorLength = ['L0', 'L1', 'LIG'].indexOf(parts[1]);
    prefix = PREFIXES.indexOf(parts[2]);
    w = ['W0', 'W1', 'WIG'].indexOf(parts[4]);
    if (parts.length !== 5 || vectorLength < 0 || prefix < 0 || vexMap < 1 || w < 0) fail('malformed VEX');
    isVex = true;
    map = vexMap + MAP_VEX;
    if (vectorLength === 2) vectorLength = ANY;
    if (w === 2) w = ANY;
  }
  if (tokens[at] === 'W0' || tokens[at] === 'W1') {
    if (isVex) fail('VEX has its W inside');
    w = tokens[at++] === 'W1' ? 1 : 0;
  }

  // Opcode bytes
  let opcode = hexByte(tokens[at]);
  if (opcode < 0) fail('no opcode byte');
  if (!isVex && opcode === 0x0f) {
    map = MAP_0F;
    opcode = hexByte(tokens[++at] ?? '');
    if (opcode === 0x38 || opcode === 0x3a) {
      map = opcode === 0x38 ? MAP_0F38 : MAP_0F3A;
      opcode = hexByte(tokens[++at] ?? '');
    }
    if (opcode < 0) fail('opcode breaks off');
  }
  const opcodeRegister = tokens[at++].length === 4;
  if (opcodeRegister && (opcode & 7) !== 0) fail('+r on a byte that is not a multiple of 8');

  // ModRM byte
  let modrm = hexByte(tokens[at] ?? '');
  const modrmRegister = modrm >= 0 && tokens[at].length === 4;
  let digit = ANY;
  let hasModrm = modrm >= 0;
  if (modrm >= 0) {
    at++;
    if (modrm < 0xc0) fail('a whole ModRM byte must name a register');
    if (modrmRegister && (modrm & 7) !== 0) fail('+r on a byte that is not a multiple of 8');
  } else {
    modrm = ANY;
  }
  if (tokens[at]?.startsWith('/')) {
    const what = tokens[at++].slice(1);
    if (hasModrm) fail('a whole ModRM byte has its reg field inside');
    hasModrm = true;
    if (what !== 'r') {
      digit = '01234567'.indexOf(what);
      if (digit < 0 || what.length !== 1) fail(`/${what} is neither /r nor /0-/7`);
    }
  }

  // Operands and attributes
  let operands: readonly OperandSpec[] = [];
  if (at < tokens.length && !ATTRIBUTES.has(tokens[at])) {
    operands = tokens[at++]
      .split(',')
      .map((operand) => operandSpec(operand) ?? fail(`'${operand}' is neither an operand nor an attribute`));
  }
  const attributes = tokens.slice(at);
  for (const attribute of attributes) if (!ATTRIBUTES.has(attribute)) fail(`unknown attribute '${attribute}'`);
  const has = (attribute: string): boolean => attributes.includes(attribute);

  // What the operands say about the rest
  let usesReg = 0;
  let usesRm = 0;
  let usesVvvv = false;
  let usesOpcode = false;
  let mod: Form['mod'] = 'any';
  let immediateMet = false;
  for (const operand of operands) {
    const isImmediate = operand.bytes[1] !== 0;
    if (immediateMet && !isImmediate) fail('immediates come last');
    immediateMet ||= isImmediate;
    if (operand.modrm === 'reg') usesReg++;
    else if (operand.modrm !== 'none') usesRm++;
    if (operand.modrm === 'memory') mod = 'memory';
    if (operand.modrm === 'register') mod = 'register';
    if (operand.at === AT_VEX_GPR || operand.at === AT_VEX_XMM) usesVvvv = true;
    if (operand.at === AT_OPCODE_GPR) usesOpcode = true;
    if (operand.at === AT_RM_ST && !modrmRegister) fail('STi needs +r on the ModRM byte');
    if (operand.at === AT_RELATIVE && !has('ends')) fail('a branch ends its block');
  }
  for (const operand of operands) {
    if (operand.at === AT_REG_CONTROL || operand.at === AT_REG_DEBUG) mod = 'ignored';
  }
  if (usesReg > 1 || usesRm > 1) fail('two operands in one field of the ModRM byte');
  if (!hasModrm && usesReg + usesRm > 0) fail('operands need a ModRM byte');
  if (modrm !== ANY && usesReg + usesRm > 0) fail('a whole ModRM byte has no operands');
  if (digit !== ANY && usesReg > 0) fail('/digit and an operand both take the reg field');
  if (usesVvvv && !isVex) fail('B and H operands need VEX');
  if (usesOpcode !== opcodeRegister) fail('+r on the opcode and a Z operand go together');
  if (has('i64') && has('o64')) fail('i64 and o64 exclude each other');
  if (has('d64') && has('f64')) fail('d64 and f64 exclude each other');
  if (has('lock') && operands[0]?.modrm !== 'rm' && operands[0]?.modrm !== 'memory') fail('lock needs r/m first');

  return {
    instruction,
    text,
    map,
    opcode,
    opcodeRegister,
    isVex,
    prefix,
    w,
    vectorLength,
    hasModrm,
    digit,
    modrm,
    modrmRegister,
    mod: modrm !== ANY ? 'register' : mod,
    operands,
    usesVvvv,
    lock: has('lock'),
    rep: has('rep'),
    i64: has('i64'),
    o64: has('o64'),
    d64: has('d64'),
    f64: has('f64'),
    cpl0: has('cpl0'),
    prot: has('prot'),
    unaligned: has('unaligned'),
    ends: has('ends'),
    aligned: !isVex && !has('unaligned') && operands.some(isAligned),
  };
}

/** SDM Vol. 1 §10.4.1.1: 128-bit memory operands of legacy SSE instructions, and CMPXCHG16B's, are aligned. */
function isAligned(operand: OperandSpec): boolean {
  return operand.types[0] === 128 && (operand.at === AT_RM_XMM || operand.at === AT_RM_GPR);
}
