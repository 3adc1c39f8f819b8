/**
 * What the manual leaves undefined, and so is not compared: the stated list of masks.
 * Citations are the entries of SDM Vol. 2, section "Flags Affected" or "FPU Flags Affected", unless they say otherwise.
 * Hardware is deterministic in most of these; software that depends on it is wrong all the same.
 */
import type { Form } from './form.ts';
import type { MachineState } from './state.ts';

export const CF = 0x001;
export const PF = 0x004;
export const AF = 0x010;
export const ZF = 0x040;
export const SF = 0x080;
export const OF = 0x800;
const ALL = CF | PF | AF | ZF | SF | OF;

/** RFLAGS bits left undefined whatever the operands. */
export const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {
  AND: AF, // "The state of the AF flag is undefined."
  OR: AF,
  XOR: AF,
  TEST: AF,
  MUL: SF | ZF | AF | PF,
  IMUL: SF | ZF | AF | PF,
  DIV: ALL,
  IDIV: ALL,
  BT: OF | SF | AF | PF, // ZF is unaffected
  BTS: OF | SF | AF | PF,
  BTR: OF | SF | AF | PF,
  BTC: OF | SF | AF | PF,
  BSF: CF | OF | SF | AF | PF,
  BSR: CF | OF | SF | AF | PF,
  LZCNT: OF | SF | PF | AF,
  TZCNT: OF | SF | PF | AF,
  AAA: OF | SF | ZF | PF,
  AAS: OF | SF | ZF | PF,
  AAD: OF | AF | CF,
  AAM: OF | AF | CF,
  DAA: OF,
  DAS: OF,
  ANDN: AF | PF,
  BEXTR: AF | SF | PF,
  BLSI: AF | PF,
  BLSMSK: AF | PF,
  BLSR: AF | PF,
  BZHI: AF | PF,
};

const SHIFTS = new Set(['SHL', 'SAL', 'SHR', 'SAR']);
const ROTATES = new Set(['ROL', 'ROR', 'RCL', 'RCR']);
const DOUBLE_SHIFTS = new Set(['SHLD', 'SHRD']);

/** Bits of the first operand, from the form's name. */
function operandBits(name: string): number {
  return Number(/^\S+ r\/m(\d+)/.exec(name)?.[1] ?? 0);
}

/** The shift count before masking: an immediate, CL, or 1. */
function shiftCount(form: Form, code: Uint8Array, state: MachineState): number {
  if (/, CL\b/.test(form.name)) return Number(state.gpr[1] & 0xffn);
  return /, imm8\b/.test(form.name) ? code[code.length - 1] : 1;
}

/**
 * Shifts and rotates: a count of zero changes no flag; OF is defined for counts of one only. For shifts AF is undefined,
 * and CF of SHL and SHR for counts of the operand's size or more. For SHLD and SHRD AF is undefined too, and vectors
 * avoid counts beyond the operand, which leave everything undefined.
 */
function undefinedShiftFlags(form: Form, code: Uint8Array, state: MachineState): number {
  const bits = operandBits(form.name);
  const count = shiftCount(form, code, state) & (bits === 64 ? 63 : 31);
  if (count === 0) return 0;
  let flags = count === 1 ? 0 : OF;
  if (ROTATES.has(form.mnemonic)) return flags;
  flags |= AF;
  if (form.mnemonic !== 'SAR' && SHIFTS.has(form.mnemonic) && count >= bits) flags |= CF;
  return flags;
}

/** The RFLAGS bits that the form leaves undefined for this input. */
export function undefinedFlags(form: Form, code: Uint8Array, input: MachineState): number {
  const { mnemonic } = form;
  if (SHIFTS.has(mnemonic) || ROTATES.has(mnemonic) || DOUBLE_SHIFTS.has(mnemonic)) {
    return undefinedShiftFlags(form, code, input);
  }
  return UNDEFINED_FLAGS[mnemonic] ?? 0;
}

const C0 = 0x0100;
const C1 = 0x0200;
const C2 = 0x0400;
const C3 = 0x4000;

/** SDM Vol. 1 Table 8-1 "Condition Code Interpretation": instructions that leave C0, C2 and C3 undefined. */
const CONDITION_UNDEFINED = new Set(
  (
    'F2XM1 FADD FADDP FIADD FBSTP FCMOVB FCMOVE FCMOVBE FCMOVU FCMOVNB FCMOVNE FCMOVNBE FCMOVNU FDIV FDIVP FDIVR FDIVRP ' +
    'FIDIV FIDIVR FMUL FMULP FIMUL FIST FISTP FISTTP FPATAN FRNDINT FSCALE FST FSTP FSUB FSUBP FSUBR FSUBRP FISUB FISUBR ' +
    'FSQRT FYL2X FYL2XP1 FABS FBLD FCHS FDECSTP FILD FINCSTP FLD FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ FXCH FXTRACT ' +
    'FCOMI FCOMIP FUCOMI FUCOMIP'
  ).split(' '),
);

/** The same table: instructions that leave all four undefined. */
const ALL_CONDITIONS_UNDEFINED = new Set(
  'FFREE FFREEP FLDCW FNCLEX FNOP FNSTCW FNSTENV FNSTSW FNENI FNDISI FNSETPM'.split(' '),
);

/** SDM Vol. 1 §8.3.10 "Transcendental Instruction Accuracy": results are known within a unit or so in the last place. */
export const TRANSCENDENTAL = new Set('F2XM1 FYL2X FYL2XP1 FPTAN FPATAN FSIN FCOS FSINCOS'.split(' '));

/** x87 status bits that the form leaves undefined, given the status word that hardware ended with. */
export function undefinedStatus(form: Form, output: MachineState): number {
  const { mnemonic } = form;
  if (ALL_CONDITIONS_UNDEFINED.has(mnemonic)) return C0 | C1 | C2 | C3;
  let bits = CONDITION_UNDEFINED.has(mnemonic) ? C0 | C2 | C3 : 0;
  // FSIN, FCOS, FSINCOS, FPTAN: C0 and C3 undefined, C1 too when C2 says that the operand was out of range.
  if (/^(FSIN|FCOS|FSINCOS|FPTAN)$/.test(mnemonic)) bits |= C0 | C3 | (output.status & C2 ? C1 : 0);
  // Which way a result was rounded (C1) follows from a result that is itself only known within a unit.
  if (TRANSCENDENTAL.has(mnemonic)) bits |= C1;
  return bits;
}

/** SDM Vol. 2 "RCPPS", "RSQRTPS" and their scalar forms: relative error at most 1.5 * 2^-12. */
export const APPROXIMATE = new Set(['RCPPS', 'RCPSS', 'RSQRTPS', 'RSQRTSS']);

/**
 * Bytes of the memory operand that depend on the processor model: instruction and operand pointers, opcode, and what is
 * reserved (SDM Vol. 1 §8.1.8, §8.1.9, §10.5.1). Pairs of offset and length.
 */
export function undefinedMemory(form: Form): readonly (readonly [offset: number, length: number])[] {
  switch (form.mnemonic) {
    case 'FNSTENV':
    case 'FNSAVE':
      // The words beside control, status and tag are reserved; then FIP, FCS and FOP, FDP, FDS.
      return form.memoryBytes === 14 || form.memoryBytes === 94
        ? [[6, 8]]
        : [
            [2, 2],
            [6, 2],
            [10, 18],
          ];
    case 'FXSAVE':
    case 'FXSAVE64':
    case 'XSAVE':
    case 'XSAVE64':
      return [[5, 19]];
    default:
      return [];
  }
}
