/**
 * The instruction forms to record: every opcode that the iced-x86 tables know for user code of a size, split into register
 * and memory operands and into plain, LOCK, REP and REPNE. The list owes nothing to Vivarium's own decoder.
 * Encodings that no assembler writes are in `raw-forms.ts`.
 */
import { Code, CodeExt, CpuidFeature, EncodingKind, Instruction, type OpCodeInfo } from 'iced-x86';
import type { Form } from '../form.ts';
import { hashName, Prng } from '../inputs/prng.ts';
import { ALIGNMENT_CHECK } from '../state.ts';
import { type EncodingRequest, encode, type Variant } from './encode.ts';
import { hasMemoryOnly, hasRegisterOrMemory, operandKinds } from './operand-kinds.ts';
import {
  type Bits,
  dataType,
  effort,
  type Group,
  groupOf,
  immediateRule,
  legacyEffort,
  ruleOf,
  slotBytes,
  unitOf,
} from './rules.ts';

export interface GroupedForm {
  readonly group: Group;
  readonly form: Form;
}

/** Second seed of the numbers that choose registers and immediates; cases have their index there. */
const ENCODING_SEED = 0x656e_6364;

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
  ['XSAVE', 'xsave'],
  ['INVPCID', 'invpcid'],
]);

/** Opcodes of those features that are not recorded, and why. */
const LEFT_OUT: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^(Syscall|Sysenter)$/, 'enters the kernel'],
  [/^(Sldt|Str|Smsw|Sgdt|Sidt)_/, 'depends on CR4.UMIP, and kernels emulate it'],
  [/^Int_imm8$/, 'listed by vector in raw-forms.ts'],
  [/^(Ud0|Ud1|Ud2)/, 'listed in raw-forms.ts'],
  [/^(Nopw|Nopd|Nopq)$/, 'listed in raw-forms.ts'],
  [/^Xgetbv$|^Xsetbv$/, 'depends on XCR0'],
  [/^Bswap_r16$/, 'undefined result'],
  [/^Fs?tp_sti_D|^Fstpnce_sti$/, 'undocumented alias'],
  [/^Popw_CS$/, 'of the 8086 alone'],
];

function featureOf(code: Code): string | undefined {
  const names = Array.from(Instruction.create(code).cpuidFeatures(), (feature) => CpuidFeature[feature]);
  return FEATURES.get(names.join('+'));
}

/** Opcodes of 64-bit mode alone on Intel processors, which `raw-legacy-forms.ts` lists as invalid elsewhere. */
const OF_64_BIT_MODE = /^Sysret/;

function existsIn(bits: Bits, name: string, info: OpCodeInfo): boolean {
  if (bits === 64) return info.mode64 && info.intelDecoder64;
  if (OF_64_BIT_MODE.test(name)) return false;
  return bits === 32 ? info.mode32 && info.intelDecoder32 : info.mode16 && info.intelDecoder16;
}

function isCandidate(name: string, info: OpCodeInfo, bits: Bits): boolean {
  if (!info.isInstruction || !existsIn(bits, name, info) || info.fwait) return false;
  if (info.encoding !== EncodingKind.Legacy && info.encoding !== EncodingKind.VEX) return false;
  return !LEFT_OUT.some(([pattern]) => pattern.test(name));
}

/** Opcodes that are recorded with RFLAGS.AC set, too. */
const ALIGNMENT_CHECKED =
  /^(Mov_r\d+_rm\d+|Mov_rm\d+_r\d+|Add_rm\d+_r\d+|Xchg_rm\d+_r\d+|Push_r(32|64)|Pop_r(32|64)|Retn[dq]|Call_rel32_(32|64)|Leave[dq]|Pusha[wd]|Popad|Bound_\w+|Les_\w+|Lods[wdq]_\w+|Stos[wdq]_\w+|Mov[au]ps_xmmm?128_xmm|Mov[au]ps_xmm_xmmm128|Movdqu_\w+|Addps_\w+|Movs[sd]_xmm_xmmm\d+|Movq_mm_mmm64|F(ld|stp)_m\d+fp|Fild_m\d+int|Fldcw_m2byte|Ldmxcsr_m32|Bts_rm32_r32|Crc32_r32_rm32|Cmpxchg8b_m64|Cvtsi2sd_xmm_rm32)$/;

/** All forms, in the order of the opcode tables. */
export function listForms(bits: Bits): GroupedForm[] {
  const forms: GroupedForm[] = [];
  for (const [name, code] of Object.entries(Code)) {
    if (typeof code !== 'number') continue;
    const info = CodeExt.opCode(code);
    if (!isCandidate(name, info, bits)) continue;
    const feature = featureOf(code);
    if (feature === undefined) continue;
    const variants: Variant[] = hasRegisterOrMemory(info)
      ? ['register', 'memory']
      : [hasMemoryOnly(info) ? 'memory' : 'none'];
    for (const variant of variants) forms.push(...expand({ name, code, info, feature, variant, bits }));
  }
  return forms;
}

interface Opcode {
  readonly name: string;
  readonly code: Code;
  readonly info: OpCodeInfo;
  readonly feature: string;
  readonly variant: Variant;
  readonly bits: Bits;
}

interface Modifiers {
  readonly suffix: string;
  readonly lock?: boolean;
  readonly repeat?: EncodingRequest['repeat'];
  readonly setup?: string;
  readonly flags?: number;
}

/** The plain form and those with LOCK, REP, REPE, REPNE and alignment checking, where they apply. */
function expand(opcode: Opcode): GroupedForm[] {
  const { name, info, variant } = opcode;
  const { setup } = ruleOf(name);
  const forms = [build(opcode, { suffix: '' })];
  if (info.canUseLockPrefix && variant === 'memory') forms.push(build(opcode, { suffix: ' lock', lock: true }));
  if (setup === 'string-compare') {
    for (const [suffix, repeat] of [
      [' repe', 'rep'],
      [' repne', 'repne'],
    ] as const) {
      forms.push(build(opcode, { suffix, repeat, setup: 'string-rep-compare' }));
    }
  } else if (setup === 'string') {
    forms.push(build(opcode, { suffix: ' rep', repeat: 'rep', setup: 'string-rep' }));
  }
  if (ALIGNMENT_CHECKED.test(name) && variant !== 'register') {
    forms.push(build(opcode, { suffix: ' alignment-check', flags: ALIGNMENT_CHECK }));
  }
  return forms;
}

function build({ name, code, info, feature, variant, bits }: Opcode, modifiers: Modifiers): GroupedForm {
  const kinds = operandKinds(info);
  const rule = ruleOf(name);
  const setup = modifiers.setup ?? rule.setup;
  const unit = unitOf(name, feature, kinds);
  const data = rule.data ?? dataType(name);
  const operands = variant === 'none' ? '' : ` ${variant}`;
  const size = bits === 64 ? '' : `, ${bits}-bit code`;
  const fullName = `${info.instructionString} [${info.opCodeString}]${operands}${modifiers.suffix}${size}`;
  const random = new Prng();
  random.seed(hashName(fullName), ENCODING_SEED);
  const subject = { variant, info, unit, data, setup, kinds };
  const [count, repeat] = bits === 64 ? effort(subject) : legacyEffort(subject);
  const request: EncodingRequest = {
    bits,
    code,
    variant,
    lock: modifiers.lock ?? false,
    repeat: modifiers.repeat ?? 'none',
    immediate: immediateRule(name),
  };
  const form: Form = {
    ...(bits === 64 ? {} : { mode: bits }),
    name: fullName,
    mnemonic: info.instructionString.split(' ')[0],
    feature,
    unit,
    data,
    setup,
    memoryBytes: slotBytes(setup, info, bits),
    flags: modifiers.flags ?? 0,
    repeat,
    encodings: Array.from({ length: count }, () => encode(random, request)),
  };
  return { group: groupOf(name, info, unit, setup, bits), form };
}
