/**
 * The instruction forms to record: every opcode that the iced-x86 tables know for 64-bit user code, split into register
 * and memory operands and into plain, LOCK, REP and REPNE. The list owes nothing to Vivarium's own decoder.
 * Encodings that no assembler writes are in `raw-forms.ts`.
 */
import {
  Code,
  CodeExt,
  CpuidFeature,
  EncodingKind,
  Instruction,
  OpCodeOperandKind as Kind,
  type OpCodeInfo,
} from 'iced-x86';
import type { Form, Unit } from '../form.ts';
import { hashName, Prng } from '../prng.ts';
import type { DataType } from '../values.ts';
import {
  type EncodingRequest,
  encode,
  hasMemoryOnly,
  hasRegisterOrMemory,
  memoryBytes,
  operandKinds,
  type Variant,
} from './encode.ts';

/** A file of vectors. */
export type Group = 'integer' | 'string' | 'x87' | 'mmx' | 'sse' | 'system';

export interface GroupedForm {
  readonly group: Group;
  readonly form: Form;
}

/** Features recorded, by iced-x86's name, and the name of the CPUID feature they are filed under. */
const FEATURES: ReadonlyMap<string, string> = new Map([
  ...['INTEL8086', 'INTEL186', 'INTEL286', 'INTEL386', 'INTEL486', 'X64', 'MULTIBYTENOP', 'PAUSE'].map(
    (name) => [name, 'base'] as const,
  ),
  ...['FPU', 'FPU287', 'FPU387'].map((name) => [name, 'fpu'] as const),
  ['CMOV', 'cmov'],
  ['FPU+CMOV', 'cmov'],
  ['FPU+SSE3', 'sse3'],
  ['PREFETCHW', 'prefetchw'],
  ['MMX', 'mmx'],
  ['SSE', 'sse'],
  ['SSE2', 'sse2'],
  ['SSE3', 'sse3'],
  ['SSSE3', 'ssse3'],
  ['SSE4_1', 'sse4.1'],
  ['SSE4_2', 'sse4.2'],
  ['POPCNT', 'popcnt'],
  ['LZCNT', 'lzcnt'],
  ['BMI1', 'bmi1'],
  ['BMI2', 'bmi2'],
  ['ADX', 'adx'],
  ['MOVBE', 'movbe'],
  ['CX8', 'cx8'],
  ['CMPXCHG16B', 'cx16'],
  ['FXSR', 'fxsr'],
  ['FSGSBASE', 'fsgsbase'],
  ['CLFSH', 'clflush'],
  ['CLFLUSHOPT', 'clflushopt'],
  ['CLWB', 'clwb'],
  ['CET_IBT', 'base'],
  ['AES', 'aes'],
  ['PCLMULQDQ', 'pclmulqdq'],
  ['SHA', 'sha'],
  ['MSR', 'msr'],
  ['SEP', 'sep'],
  ['SYSCALL', 'syscall'],
  ['WBNOINVD', 'base'],
  ['INVPCID', 'invpcid'],
]);

/** Opcodes of those features that are not recorded, and why. */
const LEFT_OUT: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^(Syscall|Sysenter)$/, 'enters the kernel'],
  [/^(Sldt|Str|Smsw|Sgdt|Sidt)_/, 'depends on CR4.UMIP, and kernels emulate it'],
  [/^Int_imm8$/, 'listed by vector in raw-forms.ts'],
  [/^(Ud0|Ud1|Ud2)/, 'listed in raw-forms.ts'],
  [/^(Nopw|Nopd|Nopq)$/, 'listed in raw-forms.ts'],
  [/^Lkgs/, 'not in 64-bit user mode'],
  [/^Wbnoinvd$/, 'depends on a feature that not every processor has'],
  [/^Fs?tp_sti_D|^Fstpnce_sti$/, 'undocumented alias'],
];

interface Rule {
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
  [/^(Loop|Loope|Loopne|Jecxz|Jrcxz)_/, { setup: 'counter' }],
  [/^(Push[wq]?_(FS|GS|r\d|imm)|Push_|Pushf|Call_rel)/, { setup: 'push' }],
  [/^Pop[wq]?_(FS|GS)$/, { setup: 'pop-selector' }],
  [/^(Pop_|Popf)/, { setup: 'pop' }],
  [/^(Call|Jmp)_rm64$/, { setup: 'indirect' }],
  [/^(Call|Jmp)_m16/, { setup: 'far-indirect' }],
  [/^Retn/, { setup: 'ret' }],
  [/^Retf/, { setup: 'far-return' }],
  [/^Iret/, { setup: 'interrupt-return' }],
  [/^Enter/, { setup: 'enter' }],
  [/^Leave/, { setup: 'leave' }],
  [/^Xlat/, { setup: 'xlat' }],
  [/^(Cmps|Scas)[bwdq]_m?(8|16|32|64|AL|AX|EAX|RAX)/, { setup: 'string-compare' }],
  [/^(Scas)[bwdq]_/, { setup: 'string-compare' }],
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
  [/^F2xm1$/, { setup: 'x87-fraction' }],
  [/^Fyl2xp1$/, { setup: 'x87-log1p' }],
  [/^(Fsin|Fcos|Fsincos|Fptan|Fpatan)$/, { setup: 'x87-angle' }],
  [/^Fscale$/, { setup: 'x87-exponent' }],
  [/^Fprem1?$/, { setup: 'x87-near' }],
  [/^Mov_Sreg_/, { setup: 'selector' }],
  [/^(Lar|Lsl|Verr|Verw|Lldt|Ltr)_/, { setup: 'absent-selector' }],
  [/^L[sfg]s_/, { setup: 'far-pointer' }],
  [/^Wr[fg]sbase/, { setup: 'segment-base' }],
  [/^(Lea_|Nop_|Reservednop|Prefetch|Clflush|Clwb|Invlpg)/, { setup: 'address-only' }],
];

const INTEGER_SOURCE = /^(Cvt(pi|si|dq)2|Mov(d|q|nti)_|Pinsr|Movs[ldh]+dup)/;
const F64 = /(pd|sd)_xmm|^(Cvtt?[ps]d2|Movddup|Ucomisd|Comisd|Movnt?pd)/i;
const F32 = /(ps|ss)_xmm|^(Cvtt?[ps]s2|Ucomiss|Comiss|Movntps)/i;

function dataType(name: string): DataType {
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

function unitOf(name: string, feature: string, kinds: readonly Kind[]): Unit {
  if (feature === 'fxsr') return 'all';
  if (feature === 'fpu' || /^F(cmov|u?comi|isttp)/.test(name)) return 'x87';
  if (name === 'Wait') return 'x87';
  if (name === 'Emms' || kinds.some((kind) => kind === Kind.mm_or_mem || kind === Kind.mm_reg || kind === Kind.mm_rm))
    return 'mmx';
  const vector = kinds.some((kind) => kind === Kind.xmm_or_mem || kind === Kind.xmm_reg || kind === Kind.xmm_rm);
  return vector || /mxcsr/.test(name) ? 'sse' : 'gpr';
}

const SYSTEM =
  /^(Mov_\w*Sreg|Mov_\w*[cd]r|L[sfg]s_|(Pop|Push)[wq]?_[FG]S|Lar|Lsl|Ver[rw]|Retf|Iret|(Call|Jmp)_m16|(Rd|Wr)[fg]sbase|In_|Int1|Int3|Outs?[bwd]?_)/;

function groupOf(name: string, info: OpCodeInfo, unit: Unit, setup: string): Group {
  if (info.isPrivileged || !info.cpl3 || info.isInputOutput || SYSTEM.test(name)) return 'system';
  if (unit === 'x87' || unit === 'all') return 'x87';
  if (unit === 'mmx' || unit === 'sse') return unit;
  return setup.startsWith('string') ? 'string' : 'integer';
}

function slotBytes(setup: string, info: OpCodeInfo): number {
  const explicit = memoryBytes(info);
  if (setup === 'push' || setup === 'pop' || setup === 'pop-selector') {
    if (explicit !== 0) return explicit;
    return info.operandSize === 16 || (/^(PUSHFW?|POPFW?)$/.test(info.instructionString) && info.operandSize === 16)
      ? 2
      : 8;
  }
  if (setup === 'far-return' || setup === 'interrupt-return') return info.operandSize / 8;
  return explicit;
}

/** Immediates that must stay within the defined part: SHLD and SHRD of 16 bits, and small frames for ENTER. */
function immediateRule(name: string): EncodingRequest['immediate'] {
  if (/^Sh[lr]d_rm16_r16_imm8$/.test(name)) return (random) => random.below(17) + 32 * random.below(8);
  if (/^(Shl|Shr|Sal|Sar|Rol|Ror|Rcl|Rcr)_\w*_imm8$/.test(name))
    return (random) => (random.chance(70) ? random.below(66) : random.u32() & 0xff);
  if (/^Ps[rl]/.test(name)) return (random) => (random.chance(85) ? random.below(70) : random.u32() & 0xff);
  if (/^Enter/.test(name)) return undefined;
  return undefined;
}

/** Encodings and cases of each, by how much there is to vary. */
function effort(
  variant: Variant,
  info: OpCodeInfo,
  unit: Unit,
  setup: string,
  kinds: readonly Kind[],
): [encodings: number, repeat: number] {
  if (info.isPrivileged || info.isInputOutput) return variant === 'none' && kinds.length === 0 ? [1, 8] : [4, 5];
  if (setup === 'fx-image' || setup === 'environment') return [6, 6];
  if (unit === 'all') return [6, 4];
  if (setup.startsWith('string')) return setup.includes('rep') ? [6, 18] : [6, 10];
  if (setup === 'address-only') return [5, 4];
  const immediate = kinds.includes(Kind.imm8);
  if (unit === 'x87')
    return variant === 'memory' ? [6, 13] : kinds.length === 0 || setup !== 'plain' ? [1, 110] : [5, 13];
  if (variant === 'memory') return immediate ? [10, 7] : [8, 9];
  if (kinds.length === 0) return [1, 40];
  if (unit === 'sse' || unit === 'mmx') return immediate ? [12, 6] : [5, 14];
  return immediate ? [8, 8] : [6, 12];
}

function featureOf(code: Code): string | undefined {
  const names = Array.from(Instruction.create(code).cpuidFeatures(), (feature) => CpuidFeature[feature]);
  return FEATURES.get(names.join('+'));
}

function isCandidate(name: string, info: OpCodeInfo): boolean {
  if (!info.isInstruction || !info.mode64 || !info.intelDecoder64 || info.fwait) return false;
  if (info.encoding !== EncodingKind.Legacy && info.encoding !== EncodingKind.VEX) return false;
  return !LEFT_OUT.some(([pattern]) => pattern.test(name));
}

const STRING_COMPARES = /^(Cmps|Scas)/;

/** All forms, in the order of the opcode tables. */
export function listForms(): GroupedForm[] {
  const forms: GroupedForm[] = [];
  for (const [name, code] of Object.entries(Code)) {
    if (typeof code !== 'number') continue;
    const info = CodeExt.opCode(code);
    if (!isCandidate(name, info)) continue;
    const feature = featureOf(code);
    if (feature === undefined) continue;
    const variants: Variant[] = hasRegisterOrMemory(info)
      ? ['register', 'memory']
      : [hasMemoryOnly(info) ? 'memory' : 'none'];
    for (const variant of variants) forms.push(...expand(name, code, info, feature, variant));
  }
  return forms;
}

function expand(name: string, code: Code, info: OpCodeInfo, feature: string, variant: Variant): GroupedForm[] {
  const kinds = operandKinds(info);
  const rule = SETUPS.find(([pattern]) => pattern.test(name))?.[1] ?? { setup: 'plain' };
  const unit = unitOf(name, feature, kinds);
  const setup = unit === 'x87' && rule.setup === 'plain' ? 'plain' : rule.setup;
  const make = (suffix: string, lock: boolean, repeat: EncodingRequest['repeat'], actualSetup: string): GroupedForm => {
    const operands = variant === 'none' ? '' : ` ${variant}`;
    const fullName = `${info.instructionString} [${info.opCodeString}]${operands}${suffix}`;
    const random = new Prng();
    random.seed(hashName(fullName), 0x656e63);
    const [count, cases] = effort(variant, info, unit, actualSetup, kinds);
    const request = { code, variant, lock, repeat, immediate: immediateRule(name) };
    return {
      group: groupOf(name, info, unit, actualSetup),
      form: {
        name: fullName,
        mnemonic: info.instructionString.split(' ')[0],
        feature,
        unit,
        data: rule.data ?? dataType(name),
        setup: actualSetup,
        memoryBytes: slotBytes(actualSetup, info),
        repeat: cases,
        encodings: Array.from({ length: count }, () => encode(random, request)),
      },
    };
  };
  const forms = [make('', false, 'none', setup)];
  if (info.canUseLockPrefix && variant === 'memory') forms.push(make(' lock', true, 'none', setup));
  if (setup.startsWith('string')) {
    const compares = STRING_COMPARES.test(name);
    const repeated = compares ? 'string-rep-compare' : 'string-rep';
    forms.push(make(compares ? ' repe' : ' rep', false, 'rep', repeated));
    if (compares) forms.push(make(' repne', false, 'repne', repeated));
  }
  return forms;
}
