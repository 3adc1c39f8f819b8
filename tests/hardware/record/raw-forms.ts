/**
 * Forms given byte by byte: invalid opcodes, LOCK where it is not allowed, prefixes that are ignored or repeated,
 * software interrupts, instructions that are too long.
 *
 * Left out of the invalid opcodes: 62 (EVEX), C4 and C5 with valid payloads, 0F 01 with register operands and 0F A6/A7,
 * whose meaning depends on the processor's extensions.
 */
import { CodeExt, Decoder, DecoderOptions } from 'iced-x86';
import { type Encoding, type Form, INVALID, NO_REGISTER } from '../form.ts';
import type { GroupedForm } from './forms.ts';

/** SDM Vol. 2A Table A-2 and §2.2.1.2: opcodes that 64-bit mode does not have. ModRM C0 and 00 where one is needed. */
const NOT_IN_64_BIT_MODE = '06 07 0E 16 17 1E 1F 27 2F 37 3F 60 61 82C001 820001 9A00000000 CE D40A D50A D6 EA00000000';

/** SDM Vol. 2D Tables: empty cells of the opcode maps and of the opcode groups. */
const EMPTY_CELLS = [
  '0F04 0F0A 0F0C 0F0EC0 0F0FC0BF 0F24C0 0F25C0 0F26C0 0F27C0 0F36 0F39C0 0F3BC0 0F3CC0 0F3DC0 0F3EC0 0F3FC0 0FAA 0FB8C0',
  '0F7AC0 0F7BC0 0F7CC0 0F7DC0 0FA6C0 0FA7C0 0FD0C0 0FD6C0 0FE6C0 0FF0C0',
  'FED0 FED8 FEE0 FEE8 FEF0 FEF8 FE10 FE38 FFF8 FF38 8FC8 8FD0 8FD8 C6C800 C6D000 C6E000 C60800 C7C800000000 C7D000000000 C70800000000',
  '0F00F0 0F0030 0F00F8 0F0038 0FBAC001 0FBAC801 0FBAD001 0FBAD801 0FBA0001 0FC7C0 0FC7D0 0FC700',
  '0F71C001 0F71C801 0F71D801 0F71E801 0F71F801 0F7101 0F72C001 0F72F801 0F73C001 0F73D801 0F73F801 0F73E001 660F73C801 660F73E001',
  'D9D1 D9D7 D9E2 D9E3 D9E6 D9E7 D9EF D908 DAE0 DAE8 DAEA DAF0 DAF8 DBE5 DBE6 DBF8 DB20 DB30 DDF0 DDF8 DD28 DED8 DEDA DFE1 DFF8',
].join(' ');

/** Operands of the wrong kind: a register where memory is required, and the reverse. */
const WRONG_OPERAND = [
  '8DC0 488DC1 0FC7C8 480FC7C8 0FC3C0 480FC3C1 0F2BC0 660F2BC1 660FE7C0 0FE7C0 F20FF0C0 660F382AC1 0F38F0C0 0F38F1C0',
  '0F13C1 0F17C1 660F12C1 660F13C1 660F16C1 660F17C1 0FB2C0 0FB4C0 0FB5C0 0FAEC0 0FAEC8 0FAED0 0FAED8',
  '0FF700 660FF700 0F5000 660F5000 0FD700 660FD700 0FC50001 660FC50001 F30FD600 F20FD600 0F7101 660F7201',
  '8EC8 8EF0 8EF8 8E08 8CF0 8CF8 8C30 0F20C8 0F22C8 F30FAE00 F30FAE08',
].join(' ');

/** VEX: a preceding LOCK, 66, F2, F3 or REX; L = 1, a vvvv that must be 1111b, an opcode group's empty cells. */
const VEX_INVALID = [
  'F0C4E270F2C1 66C4E270F2C1 F2C4E270F2C1 F3C4E270F2C1 48C4E270F2C1 41C4E270F2C1',
  'C4E274F2C1 C4E274F7C1 C4E2F4F5C1 C4E27FF0C105 C4E373F0C105 C4E270F3C1 C4E270F3E1 C4E270F3E9',
  'C4E070F2C1 C4E472F7C1',
].join(' ');

/** LOCK before anything but a read-modify-write of memory (SDM Vol. 2A "LOCK"). */
const LOCK_INVALID = [
  'F001C8 F08900 F08B00 F0890408 F0C60001 F00300 F03900 F03B00 F0833801 F08500 F0F60001 F0A801 F0D120 F0D300 F0C10003',
  'F0F720 F0F728 F0F730 F0F738 F00FAF00 F00FB600 F00FBE00 F00FA300 F00FBA2001 F00FBC00 F00FBD00 F00FA400 F0FEC0 F0FFC8 F0F7D0 F0F7D8',
  'F087C8 F00FC1C8 F00FB1C8 F00FABC8 F00FBAE901 F08D00 F050 F058 F06A01 F0EB10 F0E800000000 F0C3 F0FF20 F0FF30 F090 F098 F099 F09C',
  'F0A4 F0AA F0A6 F0F8 F0F5 F0FC F00FA2 F00FC8 F00F4000 F00F9000 F0D9E8 F0D900 F00F5800 F00FAEF0 F00F1F00 F0C8000000 F0C9 F0D7 F00F0B',
].join(' ');

const ALWAYS_INVALID = '0F0B 0FB9C0 0FB900 480FB9C8 0FFFC0 0FFF00 480FFFC8 660F0B F30F0B';

/** Bytes that must be accepted, with the register that addresses memory, if any. */
interface Accepted {
  readonly code: string;
  readonly base?: number;
  readonly bytes?: number;
  readonly addressBits?: number;
  readonly setup?: string;
}

/** Prefixes without effect, in any order and number, as far as hardware of the last ten years agrees. */
const ACCEPTED: readonly Accepted[] = [
  ...['90', '6690', '4890', 'F390', 'F290', '4190', '666690', '2E90', '6490', '676790'].map((code) => ({ code })),
  // REP and REPNE before instructions that do not use them.
  ...['F301C8', 'F201C8', 'F389C8', 'F2F7D8', 'F3480FAFC1', 'F20FB6C1', 'F3D1E0', 'F285C0', 'F3FFC0'].map((code) => ({
    code,
  })),
  { code: 'F30103', base: 3, bytes: 4 },
  { code: 'F2488903', base: 3, bytes: 8 },
  // REX followed by another prefix is ignored; the last of several REX counts.
  ...['486601C8', '4401C8', '484401C8', '404801C8', '4F4001C8', '484066F7D8', '41F348F7D8'].map((code) => ({ code })),
  // Operand size twice, REX.W over operand size, address size without an address.
  ...['666601C8', '664801C8', '66480FAFC1', '6701C8', '67F7D8', '66666689C8', '664898', '664899'].map((code) => ({
    code,
  })),
  { code: '67670103', base: 3, bytes: 4, addressBits: 32 },
  // ES, CS, SS and DS overrides do nothing in 64-bit mode.
  ...['26', '2E', '36', '3E'].flatMap((prefix) => [
    { code: `${prefix}01C8` },
    { code: `${prefix}0103`, base: 3, bytes: 4 },
    { code: `${prefix}480B03`, base: 3, bytes: 8 },
    { code: `${prefix}014500`, base: 5, bytes: 4 },
    { code: `${prefix}660F6F03`, base: 3, bytes: 16 },
  ]),
  // Near branches keep 64 bits with an operand-size prefix.
  { code: '667010' },
  { code: '667510' },
  { code: '66EB20' },
  { code: '66E910010000' },
  { code: '660F8410010000' },
  { code: '66E820010000', setup: 'push' },
  { code: '66C3', setup: 'ret' },
  { code: '66C21000', setup: 'ret' },
  { code: 'F3C3', setup: 'ret' },
  { code: 'F2C3', setup: 'ret' },
  { code: '66E210', setup: 'counter' },
  { code: '66E310', setup: 'counter' },
  { code: '2E7510' },
  { code: '3E7510' },
  { code: 'F2EB20' },
  { code: '48E910010000' },
  { code: '48C3', setup: 'ret' },
  // Fifteen bytes are allowed.
  ...[`${'66'.repeat(14)}90`, `${'2E'.repeat(13)}01C8`, `${'66'.repeat(12)}4801C8`].map((code) => ({ code })),
  // Operand-size prefixes where they have no meaning, stack instructions with REX.W, 8-bit registers with REX.
  ...['4050', '4850', '664850', '48FFF0', '4868FFFFFF7F', '486A85'].map((code) => ({ code, setup: 'push' })),
  ...['4858', '664858', '488FC0'].map((code) => ({ code, setup: 'pop' })),
  { code: '48C9', setup: 'leave' },
  ...['400FB6C4', '0FB6C4', '4088E0', '88E0', '4000F4', '00F4', '86E0', '4086E0'].map((code) => ({ code })),
  // Shift counts and immediates at their limits, /6 as an alias of /4.
  ...[
    'C0F009',
    'C1F021',
    '48C1F041',
    'D0F0',
    'D3F0',
    'C0D809',
    'C0D012',
    '66C1D811',
    '66C1D022',
    '480FBAE0FF',
    '0FBAF8E1',
    '660FBAE9F3',
  ].map((code) => ({ code })),
  // XCHG of a register with itself clears bits 63:32; MOVSXD without REX.W.
  ...['87C0', '4887C0', '4187C0', '63C1', '6663C1', '4863C1', '0FC8', '480FC8', 'F6C880', 'F7C811223344'].map(
    (code) => ({ code }),
  ),
  // Hints.
  ...['F30F1EFA', 'F30F1EFB', 'F3480F1EC8', '0F1FC0', '660F1FC0', '0F18E0', '0F0DC0', 'F30F1EC8'].map((code) => ({
    code,
  })),
];

/** Longer than 15 bytes: #GP(0) (SDM Vol. 3A §6.15, interrupt 13). */
export const TOO_LONG = [
  `${'66'.repeat(15)}90`,
  `${'2E'.repeat(14)}01C8`,
  `${'64'.repeat(15)}90`,
  `${'F3'.repeat(15)}A4`,
];

export const INTERRUPTS = [0, 1, 2, 3, 5, 6, 8, 13, 14, 16, 17, 18, 20, 32, 33, 64, 127, 129, 200, 239, 255];

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

function encodingOf(hex: string, base?: number, addressBits = 64): Encoding {
  const code = bytesOf(hex);
  const shape = { index: NO_REGISTER, scale: 1, displacement: 0n, addressBits, segment: 'none' } as const;
  return { code, registers: [], memory: base === undefined ? undefined : { base, ...shape } };
}

interface Description {
  readonly name: string;
  readonly mnemonic: string;
  readonly repeat: number;
  readonly accepted?: Accepted;
}

function form(hex: string, { name, mnemonic, repeat, accepted }: Description): GroupedForm {
  const vector = hex.includes('0F6F');
  const made: Form = {
    name: `${name} [${hex}]`,
    mnemonic,
    feature: vector ? 'sse2' : 'base',
    unit: vector ? 'sse' : 'gpr',
    data: 'int',
    setup: accepted?.setup ?? 'plain',
    memoryBytes: accepted?.bytes ?? 0,
    flags: 0,
    repeat,
    encodings: [encodingOf(hex, accepted?.base, accepted?.addressBits)],
  };
  return { group: 'system', form: made };
}

/** The instruction that the bytes stand for, by the disassembler. */
function acceptedForm(accepted: Accepted): GroupedForm {
  const decoder = new Decoder(64, encodingOf(accepted.code).code, DecoderOptions.None);
  const name = CodeExt.opCode(decoder.decode().code).instructionString;
  decoder.free();
  const repeat = accepted.base === undefined ? 10 : 30;
  return form(accepted.code, { name, mnemonic: name.split(' ')[0], repeat, accepted });
}

/** What is invalid in all modes, but for the bytes that are REX prefixes in 64-bit mode. */
export const INVALID_EVERYWHERE = [EMPTY_CELLS, WRONG_OPERAND, VEX_INVALID, LOCK_INVALID, ALWAYS_INVALID].join(' ');

export function listRawForms(): GroupedForm[] {
  const invalid = `${NOT_IN_64_BIT_MODE} ${INVALID_EVERYWHERE}`;
  return [
    ...[...new Set(invalid.split(' '))].map((hex) => form(hex, { name: INVALID, mnemonic: INVALID, repeat: 3 })),
    ...TOO_LONG.map((hex) => form(hex, { name: INVALID, mnemonic: INVALID, repeat: 6 })),
    ...ACCEPTED.map(acceptedForm),
    ...INTERRUPTS.map((vector) => {
      return form(`CD${vector.toString(16).padStart(2, '0')}`, { name: 'INT imm8', mnemonic: 'INT', repeat: 3 });
    }),
  ];
}
