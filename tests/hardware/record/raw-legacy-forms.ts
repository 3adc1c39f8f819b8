/**
 * Forms given byte by byte, as in `raw-forms.ts`, outside 64-bit mode: what is invalid there, prefixes that are ignored
 * or repeated, segment overrides, software interrupts.
 */
import { CodeExt, Decoder, DecoderOptions } from 'iced-x86';
import { type Encoding, type Form, INVALID, type LegacyMode, NO_REGISTER, type Segment } from '../form.ts';
import type { GroupedForm } from './forms.ts';
import { bytesOf, INTERRUPTS, INVALID_EVERYWHERE, TOO_LONG } from './raw-forms.ts';

const BX = 3;
const AVERAGE_REPEAT = 8;
const MEMORY_REPEAT = 24;

/** SYSCALL, SYSRET, SWAPGS and the base instructions exist in 64-bit mode only; LOCK before what only exists elsewhere. */
const NOT_OUTSIDE_64_BIT_MODE =
  '0F05 0F07 0F01F8 F30FAEC0 F30FAED0 F006 F00E F01F F027 F037 F040 F048 F060 F061 F06200 F06300 F0C400 F0C500 F0CE F0D40A F0D6 F09A00000000 F0EA00000000';

/** Bytes that must be accepted; `MM` is the ModRM byte of [BX] or [EBX]. */
interface Accepted {
  readonly code: string;
  readonly segment?: Segment;
}

const OVERRIDES: readonly (readonly [prefix: string, segment: Segment])[] = [
  ['26', 'es'],
  ['2E', 'cs'],
  ['36', 'ss'],
  ['3E', 'ds'],
  ['64', 'fs'],
  ['65', 'gs'],
];

const ACCEPTED: readonly Accepted[] = [
  ...['90', '6690', 'F390', 'F290', '2E90', '6490', '676790', '66F390'].map((code) => ({ code })),
  // REP and REPNE before instructions that do not use them.
  ...['F301C8', 'F201C8', 'F389C8', 'F2F7D8', 'F30FAFC1', 'F20FB6C1', 'F3D1E0', 'F285C0', 'F3FFC0', 'F340', 'F237'].map(
    (code) => ({ code }),
  ),
  { code: 'F301MM', segment: 'ds' },
  ...OVERRIDES.flatMap(([prefix, segment]) => [
    { code: `${prefix}01C8` },
    { code: `${prefix}01MM`, segment },
    { code: `${prefix}8BMM`, segment },
    { code: `67${prefix}668BMM`, segment },
  ]),
  // The last override counts.
  { code: '263E8BMM', segment: 'ds' },
  { code: '3E268BMM', segment: 'es' },
  { code: '642E8BMM', segment: 'cs' },
  // Sizes twice, and without an operand that they matter to.
  ...['666601C8', '6601C8', '6701C8', '67F7D8', '66666689C8', '6698', '6699', '660FC8', '0FC8'].map((code) => ({
    code,
  })),
  { code: '676701MM', segment: 'ds' },
  ...['2E7510', '3E7510', 'F2EB20'].map((code) => ({ code })),
  // 82 as an alias of 80, SALC, decimal adjustments to other bases than ten.
  ...['82C001', '82F87F', 'D6', 'D400', 'D401', 'D410', 'D4FF', 'D500', 'D510', 'D5FF', '6627', '6637'].map((code) => ({
    code,
  })),
  ...['0FB6C4', '88E0', '00F4', '86E0', '87C0', 'F6C880'].map((code) => ({ code })),
  // Shift counts and immediates at their limits, /6 as an alias of /4.
  ...['C0F009', 'C1F021', 'D0F0', 'D3F0', 'C0D809', 'C0D012', '66C1D811', '66C1D022', '0FBAF8E1', '660FBAE9F3'].map(
    (code) => ({ code }),
  ),
  // Fifteen bytes are allowed.
  ...[`${'66'.repeat(14)}90`, `${'2E'.repeat(13)}01C8`, `${'3E'.repeat(11)}6601C8`].map((code) => ({ code })),
  // Hints.
  ...['F30F1EFA', 'F30F1EFB', 'F30F1EC8', '0F1FC0', '660F1FC0', '0F18E0', '0F0DC0'].map((code) => ({ code })),
];

interface Description {
  readonly name: string;
  readonly mnemonic: string;
  readonly repeat: number;
  readonly memory?: Encoding['memory'];
}

function form(hex: string, mode: LegacyMode, { name, mnemonic, repeat, memory }: Description): GroupedForm {
  const made: Form = {
    mode,
    name: `${name} [${hex}], ${mode}-bit code`,
    mnemonic,
    feature: 'base',
    unit: 'gpr',
    data: 'int',
    setup: 'plain',
    memoryBytes: memory === undefined ? 0 : 4,
    flags: 0,
    repeat,
    encodings: [{ code: bytesOf(hex), registers: [], memory }],
  };
  return { group: `system-${mode}`, form: made };
}

function acceptedForm({ code, segment }: Accepted, mode: LegacyMode): GroupedForm {
  const flipped = /^(2E|26|36|3E|64|65|66|F.)*67(?!67)/.test(code);
  const addressBits = (mode === 32) !== flipped ? 32 : 16;
  const hex = code.replace('MM', addressBits === 32 ? '03' : '07');
  const shape = { base: BX, index: NO_REGISTER, scale: 1, displacement: 0n, addressBits } as const;
  const decoder = new Decoder(mode, bytesOf(hex), DecoderOptions.None);
  const name = CodeExt.opCode(decoder.decode().code).instructionString;
  decoder.free();
  const mnemonic = name.split(' ')[0];
  if (segment === undefined) return form(hex, mode, { name, mnemonic, repeat: AVERAGE_REPEAT });
  return form(hex, mode, { name, mnemonic, repeat: MEMORY_REPEAT, memory: { ...shape, segment } });
}

/** A REX prefix of 64-bit mode, behind others. */
const REX = /^(66|F0|F2|F3)*4/;

export function listRawLegacyForms(mode: LegacyMode): GroupedForm[] {
  const everywhere = INVALID_EVERYWHERE.split(' ').filter((hex) => !REX.test(hex));
  const invalid = [...everywhere, ...NOT_OUTSIDE_64_BIT_MODE.split(' ')];
  const description = { name: INVALID, mnemonic: INVALID };
  return [
    ...[...new Set(invalid)].map((hex) => form(hex, mode, { ...description, repeat: 3 })),
    ...TOO_LONG.map((hex) => form(hex, mode, { ...description, repeat: 6 })),
    ...ACCEPTED.map((accepted) => acceptedForm(accepted, mode)),
    ...[...INTERRUPTS, 4].map((vector) => {
      const hex = `CD${vector.toString(16).padStart(2, '0')}`;
      return form(hex, mode, { name: 'INT imm8', mnemonic: 'INT', repeat: 3 });
    }),
  ];
}
