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
/** No F3 and no F2, but 66 is the operand size. */
export const PREFIX_NFX = 4;
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
  /** Which operand is a relative target, or -1. */
  readonly relativeOperand: number;
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

/** The operands and attributes of a form, and what they say about the rest. Many forms share one. */
interface Tail {
  readonly operands: readonly OperandSpec[];
  readonly attributes: ReadonlySet<string>;
  readonly usesReg: boolean;
  readonly usesRm: boolean;
  readonly usesVvvv: boolean;
  readonly usesOpcode: boolean;
  readonly usesStack: boolean;
  readonly mod: Form['mod'];
  /** What is wrong with it in itself. */
  readonly problem: string;
}

const PREFIXES: readonly string[] = ['NP', '66', 'F3', 'F2', 'NFx'];
const VEX_MAPS: readonly string[] = ['', '0F', '0F38', '0F3A'];
const ATTRIBUTES = new Set(['lock', 'rep', 'i64', 'o64', 'd64', 'f64', 'cpl0', 'prot', 'unaligned', 'ends']);

const HEX = '0123456789ABCDEF';

/** The byte written at `at` (as in `8F` or `50+r`), or -1. Letters are capitals: `Ed` is an operand. */
function hexByte(text: string, at: number): number {
  const high = HEX.indexOf(text[at] ?? '?');
  const low = HEX.indexOf(text[at + 1] ?? '?');
  const next = text[at + 2];
  return high < 0 || low < 0 || (next !== undefined && next !== ' ' && next !== '+') ? -1 : high * 16 + low;
}

const hasPlusR = (text: string, at: number): boolean => text.startsWith('+r', at + 2);

/** What a form says before its ModRM byte and operands. */
export interface Opcode {
  /** The text before the opcode: mandatory prefix, VEX, W. */
  readonly head: string;
  readonly map: number;
  /** -1 where there is none. */
  readonly opcode: number;
  readonly register: boolean;
  /** Where the rest of the text begins. */
  readonly end: number;
}

/** Cheap, as it is done for every form at start; `parseForm` checks what is taken for granted here. */
export function opcodeOf(text: string): Opcode {
  let at = text.startsWith('NFx ') ? 4 : text[2] === ' ' && PREFIXES.includes(text.slice(0, 2)) ? 3 : 0;
  let map = MAP_ONE_BYTE;
  if (text.startsWith('VEX.', at)) {
    const vexMap = VEX_MAPS.indexOf(text.split('.', 4)[3]);
    map = MAP_VEX + vexMap;
    at = vexMap < 1 ? text.length : text.indexOf(' ', at) + 1;
  } else if (text[at] === 'W' && text[at + 2] === ' ') at += 3;
  const head = text.slice(0, at);
  let opcode = hexByte(text, at);
  if (opcode === 0x0f && map === MAP_ONE_BYTE) {
    map = MAP_0F;
    at += 3;
    opcode = hexByte(text, at);
    if (opcode === 0x38 || opcode === 0x3a) {
      map = opcode === 0x38 ? MAP_0F38 : MAP_0F3A;
      at += 3;
      opcode = hexByte(text, at);
    }
  }
  const register = hasPlusR(text, at);
  return { head, map, opcode, register, end: at + (register ? 5 : 3) };
}

export function parseForm(instruction: Instruction, text: string): Form {
  const fail = (problem: string): never => {
    throw new FormError(instruction, text, problem);
  };
  const { head, map, opcode, register: opcodeRegister, end } = opcodeOf(text);
  if (opcode < 0) fail('no opcode byte');
  const isVex = map > MAP_VEX;
  let prefix = ANY;
  let w = ANY;
  let vectorLength = ANY;
  if (isVex) {
    // VEX.<length>.<prefix>.<map>.<W>
    const parts = head.trimEnd().split('.');
    vectorLength = ['L0', 'L1', 'LIG'].indexOf(parts[1]);
    prefix = PREFIXES.indexOf(parts[2]);
    w = ['W0', 'W1', 'WIG'].indexOf(parts[4]);
    if (parts[0] !== 'VEX' || parts.length !== 5 || vectorLength < 0 || prefix < 0 || prefix > 3 || w < 0)
      fail('malformed VEX');
    if (vectorLength === 2) vectorLength = ANY;
    if (w === 2) w = ANY;
  } else if (head !== '') {
    prefix = PREFIXES.indexOf(head.slice(0, head.indexOf(' ')));
    const wide = prefix === ANY ? head : head.slice(head.indexOf(' ') + 1);
    w = ['W0 ', 'W1 '].indexOf(wide);
    if (w < 0 && wide !== '') fail(`'${head}' is no prefix`);
  }

  // ModRM: a byte given whole, /r or /digit.
  let rest = text.slice(end);
  const modrm = hexByte(rest, 0);
  const modrmRegister = modrm >= 0 && hasPlusR(rest, 0);
  const hasModrm = modrm >= 0 || rest[0] === '/';
  let digit = ANY;
  if (modrm >= 0) {
    rest = rest.slice(modrmRegister ? 5 : 3);
    if (modrm < 0xc0) fail('a whole ModRM byte must name a register');
  } else if (hasModrm) {
    digit = '01234567'.indexOf(rest[1] ?? '?');
    if ((digit < 0 && rest[1] !== 'r') || (rest[2] ?? ' ') !== ' ') fail('neither /r nor /0-/7');
    rest = rest.slice(3);
  }
  if ((opcodeRegister && (opcode & 7) !== 0) || (modrmRegister && (modrm & 7) !== 0)) {
    fail('+r on a byte that is not a multiple of 8');
  }

  const tail = parseTail(rest);
  if (tail.problem !== '') fail(tail.problem);
  if (!hasModrm && (tail.usesReg || tail.usesRm)) fail('operands need a ModRM byte');
  if (modrm !== ANY && (tail.usesReg || tail.usesRm)) fail('a whole ModRM byte leaves no operands');
  if (digit !== ANY && tail.usesReg) fail('/digit and an operand both take the reg field');
  if (tail.usesVvvv && !isVex) fail('B and H operands need VEX');
  if (tail.usesOpcode !== opcodeRegister) fail('+r on the opcode and a Z operand go together');
  if (tail.usesStack && !modrmRegister) fail('STi needs +r on the ModRM byte');

  const { operands, attributes } = tail;
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
    mod: modrm !== ANY ? 'register' : tail.mod,
    operands,
    relativeOperand: operands.findIndex(({ at }) => at === AT_RELATIVE),
    usesVvvv: tail.usesVvvv,
    lock: attributes.has('lock'),
    rep: attributes.has('rep'),
    i64: attributes.has('i64'),
    o64: attributes.has('o64'),
    d64: attributes.has('d64'),
    f64: attributes.has('f64'),
    cpl0: attributes.has('cpl0'),
    prot: attributes.has('prot'),
    unaligned: attributes.has('unaligned'),
    ends: attributes.has('ends'),
    aligned: !isVex && !attributes.has('unaligned') && operands.some(isAligned),
  };
}

/** SDM Vol. 1 §10.4.1.1: 128-bit memory operands of legacy SSE instructions, and CMPXCHG16B's, are aligned. */
function isAligned(operand: OperandSpec): boolean {
  return operand.types[0] === 128 && (operand.at === AT_RM_XMM || operand.at === AT_RM_GPR);
}

const tails = new Map<string, Tail>();

function parseTail(text: string): Tail {
  let tail = tails.get(text);
  if (tail === undefined) {
    tail = readTail(text === '' ? [] : text.split(' '));
    tails.set(text, tail);
  }
  return tail;
}

function readTail(tokens: readonly string[]): Tail {
  let problem = '';
  const operands: OperandSpec[] = [];
  const hasOperands = tokens.length > 0 && !ATTRIBUTES.has(tokens[0]);
  for (const text of hasOperands ? tokens[0].split(',') : []) {
    const operand = operandSpec(text);
    if (operand === undefined) problem = `'${text}' is neither an operand nor an attribute`;
    else operands.push(operand);
  }
  const attributes = new Set(tokens.slice(hasOperands ? 1 : 0));
  for (const attribute of attributes) if (!ATTRIBUTES.has(attribute)) problem = `unknown attribute '${attribute}'`;

  let usesReg = 0;
  let usesRm = 0;
  let mod: Form['mod'] = 'any';
  for (const operand of operands) {
    if (operand.modrm === 'reg') usesReg++;
    else if (operand.modrm !== 'none') usesRm++;
    if (operand.modrm === 'memory' || operand.modrm === 'register') mod = operand.modrm;
  }
  const uses = (...places: number[]): boolean => operands.some((operand) => places.includes(operand.at));
  if (uses(AT_REG_CONTROL, AT_REG_DEBUG)) mod = 'ignored';
  const firstImmediate = operands.findIndex((operand) => operand.bytes[1] !== 0);
  if (firstImmediate >= 0 && operands.slice(firstImmediate).some((operand) => operand.bytes[1] === 0)) {
    problem = 'immediates come last';
  }
  if (usesReg > 1 || usesRm > 1) problem = 'two operands in one field of the ModRM byte';
  if (uses(AT_RELATIVE) && !attributes.has('ends')) problem = 'a branch ends its block';
  if (attributes.has('i64') && attributes.has('o64')) problem = 'i64 and o64 exclude each other';
  if (attributes.has('d64') && attributes.has('f64')) problem = 'd64 and f64 exclude each other';
  const first = operands[0]?.modrm;
  if (attributes.has('lock') && first !== 'rm' && first !== 'memory') problem = 'lock needs r/m first';
  return {
    operands,
    attributes,
    usesReg: usesReg > 0,
    usesRm: usesRm > 0,
    usesVvvv: uses(AT_VEX_GPR, AT_VEX_XMM),
    usesOpcode: uses(AT_OPCODE_GPR),
    usesStack: uses(AT_RM_ST),
    mod,
    problem,
  };
}
