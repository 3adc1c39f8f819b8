/**
 * The operand column of a form: a letter for where the operand is and a size (`Ev`, `Ibs`), or a fixed register.
 * The language is described in `../isa/instruction.ts`; letters and sizes follow SDM Vol. 2D Appendix A.2.
 */

import type { Type } from '../algebra.ts';

/** Where an operand is found. Small integers, so that the decoder's `switch` becomes a jump table. */
export const AT_RM_GPR = 0;
export const AT_REG_GPR = 1;
export const AT_OPCODE_GPR = 2;
export const AT_VEX_GPR = 3;
export const AT_FIXED_GPR = 4;
export const AT_REG_XMM = 5;
export const AT_RM_XMM = 6;
export const AT_VEX_XMM = 7;
export const AT_REG_MMX = 8;
export const AT_RM_MMX = 9;
export const AT_REG_SEGMENT = 10;
export const AT_FIXED_SEGMENT = 11;
export const AT_REG_CONTROL = 12;
export const AT_REG_DEBUG = 13;
export const AT_IMMEDIATE = 14;
export const AT_RELATIVE = 15;
export const AT_FAR = 16;
export const AT_OFFSET = 17;
export const AT_FIXED_ST = 18;
export const AT_RM_ST = 19;
export const AT_CONSTANT = 20;

/** Something that depends on the operand size: its values for 16, 32 and 64 bits. */
export type BySize<T> = readonly [T, T, T];

export type ModRmUse = 'none' | 'reg' | 'rm' | 'memory' | 'register';

export interface OperandSpec {
  readonly text: string;
  /** One of the AT_ constants. */
  readonly at: number;
  /** What part of the ModRM byte it takes: 'rm' any mod, 'memory' mod 0-2, 'register' mod 3. */
  readonly modrm: ModRmUse;
  readonly types: BySize<Type | undefined>;
  /** Bytes of an immediate, relative target or offset part of a far pointer in the instruction, else 0. */
  readonly bytes: BySize<number>;
  /** Register number or constant of a fixed operand. */
  readonly fixed: number;
}

const TYPES: { readonly [size: string]: BySize<Type | undefined> } = {
  b: [8, 8, 8],
  w: [16, 16, 16],
  d: [32, 32, 32],
  q: [64, 64, 64],
  v: [16, 32, 64],
  z: [16, 32, 32],
  y: [32, 32, 64],
  x: [128, 128, 128],
  dq: [128, 128, 128],
  ps: [128, 128, 128],
  pd: [128, 128, 128],
  ss: [32, 32, 32],
  sd: [64, 64, 64],
  t: [undefined, undefined, undefined],
  '': [undefined, undefined, undefined],
};

const NO_BYTES: BySize<number> = [0, 0, 0];

interface Letter {
  readonly at: number;
  readonly modrm: ModRmUse;
  /** Sizes that make sense for it. */
  readonly sizes: string;
}

const GPR = 'b w d q v z y';
const XMM = 'd q x dq ps pd ss sd';

const LETTERS: { readonly [letter: string]: Letter } = {
  E: { at: AT_RM_GPR, modrm: 'rm', sizes: GPR },
  M: { at: AT_RM_GPR, modrm: 'memory', sizes: `${GPR} ${XMM} t ` },
  R: { at: AT_RM_GPR, modrm: 'register', sizes: GPR },
  G: { at: AT_REG_GPR, modrm: 'reg', sizes: GPR },
  Z: { at: AT_OPCODE_GPR, modrm: 'none', sizes: GPR },
  B: { at: AT_VEX_GPR, modrm: 'none', sizes: GPR },
  V: { at: AT_REG_XMM, modrm: 'reg', sizes: XMM },
  W: { at: AT_RM_XMM, modrm: 'rm', sizes: `b w ${XMM}` },
  U: { at: AT_RM_XMM, modrm: 'register', sizes: `b w ${XMM}` },
  H: { at: AT_VEX_XMM, modrm: 'none', sizes: XMM },
  P: { at: AT_REG_MMX, modrm: 'reg', sizes: 'd q' },
  Q: { at: AT_RM_MMX, modrm: 'rm', sizes: 'd q' },
  N: { at: AT_RM_MMX, modrm: 'register', sizes: 'd q' },
  S: { at: AT_REG_SEGMENT, modrm: 'reg', sizes: 'w ' },
  C: { at: AT_REG_CONTROL, modrm: 'reg', sizes: 'd q y ' },
  D: { at: AT_REG_DEBUG, modrm: 'reg', sizes: 'd q y ' },
  I: { at: AT_IMMEDIATE, modrm: 'none', sizes: 'b bs w d q z v' },
  J: { at: AT_RELATIVE, modrm: 'none', sizes: 'b z' },
  A: { at: AT_FAR, modrm: 'none', sizes: 'v p ' },
  O: { at: AT_OFFSET, modrm: 'none', sizes: 'b v z' },
};

function fixedOperand(
  text: string,
  at: number,
  number: number,
  types: BySize<Type | undefined>,
): [string, OperandSpec] {
  return [text, { text, at, modrm: 'none', types, bytes: NO_BYTES, fixed: number }];
}

/** Operands by their text: the fixed ones from the start, the others as they are met. */
const specs = new Map<string, OperandSpec>([
  fixedOperand('AL', AT_FIXED_GPR, 0, TYPES.b),
  fixedOperand('CL', AT_FIXED_GPR, 1, TYPES.b),
  fixedOperand('AX', AT_FIXED_GPR, 0, TYPES.w),
  fixedOperand('DX', AT_FIXED_GPR, 2, TYPES.w),
  fixedOperand('EAX', AT_FIXED_GPR, 0, TYPES.d),
  fixedOperand('RAX', AT_FIXED_GPR, 0, TYPES.q),
  fixedOperand('rAX', AT_FIXED_GPR, 0, TYPES.v),
  fixedOperand('zAX', AT_FIXED_GPR, 0, TYPES.z),
  ...['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].map((name, i) => fixedOperand(name, AT_FIXED_SEGMENT, i, TYPES.w)),
  fixedOperand('ST0', AT_FIXED_ST, 0, TYPES['']),
  ['STi', { text: 'STi', at: AT_RM_ST, modrm: 'none', types: TYPES[''], bytes: NO_BYTES, fixed: 0 }],
  fixedOperand('1', AT_CONSTANT, 1, TYPES.b),
]);

/** Bytes and type of an I, J, A or O operand. */
function immediateShape(letter: string, size: string): Pick<OperandSpec, 'types' | 'bytes'> {
  switch (letter) {
    case 'J':
      return { types: TYPES.v, bytes: size === 'b' ? [1, 1, 1] : [2, 4, 4] };
    case 'A':
      return { types: TYPES.q, bytes: [2, 4, 4] };
    case 'O':
      return { types: TYPES[size], bytes: NO_BYTES };
    default:
      break;
  }
  if (size === 'bs') return { types: TYPES.v, bytes: [1, 1, 1] };
  if (size === 'z') return { types: TYPES.v, bytes: [2, 4, 4] };
  const [a, b, c] = TYPES[size];
  return { types: TYPES[size], bytes: [Number(a) / 8, Number(b) / 8, Number(c) / 8] };
}

/** The operand of that text, or undefined if there is none such. */
export function operandSpec(text: string): OperandSpec | undefined {
  const known = specs.get(text);
  if (known !== undefined) return known;
  const size = text.slice(1);
  const letter = LETTERS[text[0]];
  if (letter === undefined || !letter.sizes.split(' ').includes(size)) return undefined;
  const isImmediate = 'IJAO'.includes(text[0]);
  const { types, bytes } = isImmediate ? immediateShape(text[0], size) : { types: TYPES[size], bytes: NO_BYTES };
  const isSystem = letter.at === AT_REG_CONTROL || letter.at === AT_REG_DEBUG;
  const spec: OperandSpec = {
    text,
    at: letter.at,
    modrm: letter.modrm,
    types: isSystem ? TYPES.q : letter.at === AT_REG_SEGMENT ? TYPES.w : types,
    bytes,
    fixed: 0,
  };
  specs.set(text, spec);
  return spec;
}
