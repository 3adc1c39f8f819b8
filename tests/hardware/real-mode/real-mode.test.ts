import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import { CS } from '../../../src/cpu/algebra.ts';
import { TestMachine } from '../../../src/cpu/interpreter/test-machine.ts';
import { vcpu } from '../../../src/cpu/state.ts';
import { nightly } from '../../nightly.ts';
import { ANSWER_BYTES, buildRom, CASES, codeOf } from './cases.ts';
import { runOnQemu, skipWithoutQemu } from './qemu.ts';

const DRIVER_BYTES = 0x8000;
const MEMORY_PAGES = 256;
const ROM_AT = 0xe_0000;
const ANSWER_PORT = 0xe9;
const END_PORT = 0xf4;
const SLICE = 1_000_000;
const MOST_INSTRUCTIONS = 200_000_000;
/** Writable data and readable code, accessed, present, of 64 KiB. */
const [DATA_ACCESS, CODE_ACCESS] = [0x93n, 0x9bn];
const LAST_16 = 0xffffn;
const CR0_ET = 0x10n;
const SHOWN = 5;
const MORE_ROMS = 20;

/** Runs a ROM from its reset vector; what it writes to the answer port. */
function run(rom: Uint8Array): Uint8Array {
  const machine = new TestMachine(MEMORY_PAGES);
  const { cpu } = machine;
  machine.write(ROM_AT, rom);
  const answers: number[] = [];
  let ended = false;
  machine.devices.portWrite = (port, _bytes, value) => {
    if (port === ANSWER_PORT) answers.push(value & 0xff);
    if (port === END_PORT) {
      ended = true;
      cpu.attention = true;
    }
  };
  cpu.set(vcpu.cr0, CR0_ET);
  for (let segment = 0; segment < 6; segment++) {
    cpu.set(vcpu.segmentBase, segment === CS ? 0xf_0000n : 0n, segment);
    cpu.set(vcpu.segmentSelector, segment === CS ? 0xf000n : 0n, segment);
    cpu.set(vcpu.segmentLimit, LAST_16, segment);
    cpu.set(vcpu.segmentAccess, segment === CS ? CODE_ACCESS : DATA_ACCESS, segment);
  }
  cpu.set(vcpu.idtrLimit, 0x3ffn);
  cpu.set(vcpu.rflags, 2n);
  cpu.set(vcpu.rip, 0xfff0n);
  cpu.contextChanged();
  while (cpu.instructions < MOST_INSTRUCTIONS && !ended) {
    cpu.run(SLICE);
    // Code that was written over asks for it, too.
    cpu.attention = false;
  }
  assert.ok(ended, `the ROM did not end; ${answers.length / ANSWER_BYTES} cases did`);
  return Uint8Array.from(answers);
}

const NAMES = 'GS FS ES DS EDI ESI EBP ESP EBX EDX ECX EAX vector IP CS FLAGS SS checksum'.split(' ');

/** The fields of an answer that differ. */
function differences(expected: Uint8Array, actual: Uint8Array): string[] {
  const [e, a] = [expected, actual].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  let at = 0;
  return NAMES.flatMap((name) => {
    const wide = name.startsWith('E') && name !== 'ES' ? true : name === 'checksum';
    const [x, y] = [e, a].map((view) => (wide ? view?.getUint32(at, true) : view?.getUint16(at, true)) as number);
    at += wide ? 4 : 2;
    return x === y ? [] : [`${name}: ${y?.toString(16)}, should be ${x?.toString(16)}`];
  });
}

/** Runs a ROM and says where it ends otherwise than expected. */
function compareRom(driver: Uint8Array, number: number, answersOf: (rom: Uint8Array) => Uint8Array): void {
  const rom = buildRom(driver, number);
  const expected = answersOf(rom);
  assert.equal(expected.length, CASES * ANSWER_BYTES);
  const actual = run(rom);
  assert.equal(actual.length, expected.length);
  const wrong: string[] = [];
  for (let index = 0; index < CASES; index++) {
    const [from, to] = [index * ANSWER_BYTES, (index + 1) * ANSWER_BYTES];
    const found = differences(expected.subarray(from, to), actual.subarray(from, to));
    if (found.length === 0) continue;
    const code = codeOf(number * CASES + index).map((byte) => byte.toString(16).padStart(2, '0'));
    wrong.push(`case ${index} [${code.join(' ')}]: ${found.join('; ')}`);
  }
  assert.deepEqual(wrong.slice(0, SHOWN), [], `${wrong.length} cases differ`);
}

const recorded = brotliDecompressSync(readFileSync(new URL('./answers.bin.br', import.meta.url)));
const driver = recorded.subarray(0, DRIVER_BYTES);

it(`${CASES} sequences of real-address mode end as on QEMU`, () => {
  compareRom(driver, 0, () => recorded.subarray(DRIVER_BYTES));
});

const skip = nightly ? skipWithoutQemu : 'only at night';
it(`${MORE_ROMS * CASES} more sequences end as on QEMU`, { skip }, () => {
  for (let number = 1; number <= MORE_ROMS; number++) compareRom(driver, number, runOnQemu);
});
