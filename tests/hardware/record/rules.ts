/** What to make of an opcode, by its name in the iced-x86 tables: preparation, data type, file, number of cases. */
import { OpCodeOperandKind as Kind, type OpCodeInfo } from 'iced-x86';
import type { Unit } from '../form.ts';
import type { DataType } from '../inputs/values.ts';
import type { EncodingRequest, Variant } from './encode.ts';
import { memoryBytes } from './operand-kinds.ts';

/** Code size: 64-bit mode, or protected mode with 32- or 16-bit code. */
export type Bits = 16 | 32 | 64;

type Subset = 'integer' | 'string' | 'x87' | 'mmx' | 'sse' | 'system';

/** A file of vectors: those of 64-bit mode have no suffix. */
export type Group = Subset | `${Subset}-${16 | 32}`;

export interface Rule {
  readonly setup: string;
  readonly data?: DataType;
}

/** The first pattern that matches the iced-x86 name of an opcode decides how its operands are prepared. */
const SETUPS: readonly (readonly [pattern: RegExp, rule: Rule])[] = [
  [/^(Rol|Ror|Rcl|Rcr|Shl|Shr|Sal|Sar)_\w*_CL$/, { setup: 'shift' }],
  [/^Sh[lr]d_rm16_r16_CL$/, { setup: 'double-shift-16' }],
  [/^Sh[lr]d_\w*_CL$/, { setup: 'shift' }],
  [/^I?[Dd]iv_rm/, { setup: 'divide' }],
  [/^Bt[src]?_rm\d+_r\d+$/, { setup: 'bit-offset' }],
  [/^VEX_(Bzhi|Bextr|Shlx|Shrx|Sarx)_/, { setup: 'control' }],
  [/^(Loop|Loope|Loopne|Jcxz|Jecxz|Jrcxz)_/, { setup: 'counter' }],
  [/^(Push[wdq]?_([ECSDFG]S|r\d|imm)|Push_|Push[fa]|Call_rel)/, { setup: 'push' }],
  [/^Pop[wdq]?_([ESDFG]S)$/, { setup: 'pop-selector' }],
  [/^(Pop_|Pop[fa])/, { setup: 'pop' }],
  [/^(Call|Jmp)_rm(16|32|64)$/, { setup: 'indirect' }],
  [/^(Call|Jmp)_ptr/, { setup: 'far-immediate' }],
  [/^Bound_/, { setup: 'bound' }],
  [/^(Call|Jmp)_m16/, { setup: 'far-indirect' }],
  [/^Retn/, { setup: 'ret' }],
  [/^Retf/, { setup: 'far-return' }],
  [/^Iret/, { setup: 'interrupt-return' }],
  [/^Enter/, { setup: 'enter' }],
  [/^Leave/, { setup: 'leave' }],
  [/^Xlat/, { setup: 'xlat' }],
  [/^(Cmps[bwdq]_m\d+|Scas[bwdq]_)/, { setup: 'string-compare' }],
  [/^(Movs|Stos|Lods|Ins|Outs)[bwdq]_(m\d+_(m\d+|AL|AX|EAX|RAX|DX)|(AL|AX|EAX|RAX|DX)_m\d+)$/, { setup: 'string' }],
  [/^Cmpxchg(8b|16b)_/, { setup: 'compare-exchange-wide' }],
  [/^Cmpxchg_/, { setup: 'compare-exchange' }],
  [/^Maskmov/, { setup: 'masked-move' }],
  [/^Ps(rl|ra|ll)[wdq]_(xmm|mm)_(xmm|mm)m/, { setup: 'vector-shift' }],
  [/^Pcmpestr/, { setup: 'explicit-lengths', data: 'text' }],
  [/^Pcmpistr/, { setup: 'plain', data: 'text' }],
  [/^Ldmxcsr/, { setup: 'mxcsr' }],
  [/^(Fldenv|Frstor)/, { setup: 'environment' }],
  [/^Fldcw/, { setup: 'control-word' }],
  [/^Fxrstor/, { setup: 'fx-image' }],
  [/^Xsave/, { setup: 'xsave' }],
  [/^Xrstor/, { setup: 'xrstor' }],
  [/^F2xm1$/, { setup: 'x87-fraction' }],
  [/^Fyl2xp1$/, { setup: 'x87-log1p' }],
  [/^(Fsin|Fcos|Fsincos|Fptan|Fpatan)$/, { setup: 'x87-angle' }],
  [/^Fscale$/, { setup: 'x87-exponent' }],
  [/^Fprem1?$/, { setup: 'x87-near' }],
  [/^Mov_Sreg_/, { setup: 'selector' }],
  [/^(Lar|Lsl|Verr|Verw|Lldt|Ltr)_/, { setup: 'absent-selector' }],
  [/^L[sfgde]s_/, { setup: 'far-pointer' }],
  [/^Wr[fg]sbase/, { setup: 'segment-base' }],
  [/^(Lea_|Nop_|Reservednop|Prefetch|Clflush|Clwb|Invlpg)/, { setup: 'address-only' }],
];

const INTEGER_SOURCE = /^(Cvt(pi|si|dq)2|Mov(d|q|nti)_|Pinsr|Movs[ldh]+dup)/;
const F64 = /(pd|sd)_xmm|^(Cvtt?[ps]d2|Movddup|Ucomisd|Comisd|Movnt?pd)/i;
const F32 = /(ps|ss)_xmm|^(Cvtt?[ps]s2|Ucomiss|Comiss|Movntps)/i;

/** How operands are meant, by the iced-x86 name of the opcode. */
export function dataType(name: string): DataType {
  if (/_m80bcd/.test(name)) return 'bcd';
  if (/_m32fp/.test(name)) return 'f32';
  if (/_m64fp/.test(name)) return 'f64';
  if (/_m80fp/.test(name)) return 'f80';
  if (INTEGER_SOURCE.test(name) || /^Movsd_m32/.test(name)) return 'int';
  if (/^(Cvtt?ps2|Cvtt?ss2)/.test(name)) return 'f32';
  if (/^(Cvtt?pd2|Cvtt?sd2)/.test(name)) return 'f64';
  if (F32.test(name)) return 'f32';
  if (F64.test(name) && !name.startsWith('P')) return 'f64';
  return 'int';
}

export function unitOf(name: string, feature: string, kinds: readonly Kind[]): Unit {
  if (feature === 'fxsr' || feature === 'xsave') return 'all';
  if (feature === 'fpu' || /^F(cmov|u?comi|isttp)/.test(name)) return 'x87';
  if (name === 'Wait') return 'x87';
  if (name === 'Emms' || kinds.some((kind) => kind === Kind.mm_or_mem || kind === Kind.mm_reg || kind === Kind.mm_rm))
    return 'mmx';
  const vector = kinds.some((kind) => kind === Kind.xmm_or_mem || kind === Kind.xmm_reg || kind === Kind.xmm_rm);
  return vector || /mxcsr/.test(name) ? 'sse' : 'gpr';
}

const SYSTEM =
  /^(Mov_\w*Sreg|Mov_\w*[cd]r|L[sfgde]s_|(Pop|Push)[wdq]?_[ECSDFG]S|Arpl|Lar|Lsl|Ver[rw]|Retf|Iret|(Call|Jmp)_(m16|ptr)|(Rd|Wr)[fg]sbase|In_|Int1|Int3|Outs?[bwd]?_)/;

export function groupOf(name: string, info: OpCodeInfo, unit: Unit, setup: string, bits: Bits): Group {
  const subset = subsetOf(name, info, unit, setup);
  return bits === 64 ? subset : `${subset}-${bits}`;
}

function subsetOf(name: string, info: OpCodeInfo, unit: Unit, setup: string): Subset {
  if (info.isPrivileged || !info.cpl3 || info.isInputOutput || SYSTEM.test(name)) return 'system';
  if (unit === 'x87' || unit === 'all') return 'x87';
  if (unit === 'mmx' || unit === 'sse') return unit;
  return setup.startsWith('string') ? 'string' : 'integer';
}

/** The FXSAVE image and the header. */
const XSAVE_BYTES = 576;

/** Setups of near returns and saved frame pointers, which have the operand's size outside 64-bit mode. */
const FRAMES: ReadonlySet<string> = new Set(['indirect', 'ret', 'enter', 'leave', 'far-immediate']);

/** Size of the memory operand, or of what the stack instructions push and pop. */
export function slotBytes(setup: string, info: OpCodeInfo, bits: Bits): number {
  const explicit = memoryBytes(info);
  if (setup === 'push' || setup === 'pop' || setup === 'pop-selector') {
    if (explicit !== 0) return explicit;
    return info.operandSize === 16 ? 2 : bits === 64 ? 8 : 4;
  }
  if (bits !== 64 && FRAMES.has(setup)) return info.operandSize / 8;
  if (setup === 'far-return' || setup === 'interrupt-return') return info.operandSize / 8;
  return setup === 'xsave' || setup === 'xrstor' ? XSAVE_BYTES : explicit;
}

/** Immediates: within the defined part for SHLD and SHRD of 16 bits, mostly around the operand size for other shifts. */
export function immediateRule(name: string): EncodingRequest['immediate'] {
  if (/^Sh[lr]d_rm16_r16_imm8$/.test(name)) return (random) => random.below(17) + 32 * random.below(8);
  if (/^(Shl|Shr|Sal|Sar|Rol|Ror|Rcl|Rcr)_\w*_imm8$/.test(name))
    return (random) => (random.chance(70) ? random.below(66) : random.u32() & 0xff);
  if (/^Ps[rl]/.test(name)) return (random) => (random.chance(85) ? random.below(70) : random.u32() & 0xff);
  return undefined;
}

/** The preparation of an opcode's operands. */
export function ruleOf(name: string): Rule {
  return SETUPS.find(([pattern]) => pattern.test(name))?.[1] ?? { setup: 'plain' };
}

/** Encodings of a form, and cases of each encoding. */
export type Effort = readonly [encodings: number, repeat: number];

interface Subject {
  readonly variant: Variant;
  readonly info: OpCodeInfo;
  readonly unit: Unit;
  readonly data: DataType;
  readonly setup: string;
  readonly kinds: readonly Kind[];
}

/** By how much there is to vary. */
export function effort({ variant, info, unit, data, setup, kinds }: Subject): Effort {
  if (info.isPrivileged || info.isInputOutput) return kinds.length === 0 ? [1, 8] : [4, 5];
  if (setup === 'fx-image' || setup === 'environment' || unit === 'all') return [8, 6];
  if (setup.startsWith('string')) return setup.includes('rep') ? [8, 18] : [8, 10];
  if (setup === 'address-only') return [5, 4];
  const immediate = kinds.includes(Kind.imm8);
  if (unit === 'x87') return x87Effort(variant, kinds);
  if (variant === 'memory') return immediate ? [10, 7] : data === 'int' ? [8, 9] : [8, 12];
  if (kinds.length === 0) return [1, 40];
  if (unit === 'gpr') return immediate ? [8, 8] : [6, 12];
  return immediate ? [14, 6] : data === 'int' ? [5, 14] : [6, 18];
}

/** Outside 64-bit mode: less of what only the operands decide, for the operations are those of 64-bit mode. */
export function legacyEffort(subject: Subject): Effort {
  const { variant, info, unit, setup, kinds } = subject;
  if (info.isPrivileged || info.isInputOutput) return effort(subject);
  if (setup === 'fx-image' || setup === 'environment' || unit === 'all') return [6, 4];
  if (setup.startsWith('string')) return setup.includes('rep') ? [8, 8] : [8, 4];
  if (setup === 'address-only') return [6, 3];
  if (LEGACY_STATE.has(setup)) return kinds.length === 0 ? [1, 60] : [8, 10];
  if (unit !== 'gpr') return variant === 'memory' ? [6, 2] : kinds.length === 0 ? [1, 10] : [3, 3];
  if (variant === 'memory') return [9, 4];
  return kinds.length === 0 ? [1, 40] : [6, 5];
}

/** Setups of instructions that load segments or move the stack: what they do depends on the mode most. */
const LEGACY_STATE: ReadonlySet<string> = new Set(
  'push pop indirect ret enter leave selector absent-selector pop-selector far-pointer far-indirect far-immediate far-return interrupt-return bound counter'.split(
    ' ',
  ),
);

function x87Effort(variant: Variant, kinds: readonly Kind[]): Effort {
  if (variant === 'memory') return [8, 14];
  return kinds.length === 0 ? [1, 160] : [6, 16];
}
