/** Repeated INS and OUTS: a device that takes many elements at once and one that does not leave the same behind. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DS, ES, GP } from '../../algebra.ts';
import { RCX, RDI, RDX, RSI } from '../../state.ts';
import { type Mode, TestMachine } from './test-machine.ts';

const PORT = 0x1f0;
/** Of both ends of the transfer, all lies in these 32 KiB. */
const PLACE = 0x40000;
const PLACE_BYTES = 0x8000;

interface Transfer {
  readonly mode: Mode;
  readonly code: string;
  readonly count: number;
  /** From PLACE on. */
  readonly offset: number;
  readonly limit?: number;
  readonly backwards?: boolean;
}

/** What a transfer leaves behind, and how much of it was done at once. */
function run({ mode, code, count, offset, limit, backwards }: Transfer, isQuick: boolean) {
  const machine = new TestMachine(mode);
  const sent: number[] = [];
  let [next, atOnce] = [1, 0];
  const byte = (): number => (next = (next * 5 + 1) & 0xff);
  const note = (bytes: Iterable<number>): void => void sent.push(...bytes);
  machine.ports = {
    portRead: (_, bytes) => Array.from({ length: bytes }, byte).reduceRight((value, part) => value * 256 + part, 0),
    portReadMany: (_, bytes, into) => {
      if (!isQuick) return false;
      assert.equal(into.length % bytes, 0);
      into.set(Array.from(into, byte));
      atOnce += into.length / bytes;
      return true;
    },
    portWriteMany: (_, bytes, from) => {
      if (!isQuick) return false;
      flush();
      note(from);
      atOnce += from.length / bytes;
      return true;
    },
  };
  const flush = (): void => {
    for (const { value, bytes } of machine.portWrites.splice(0)) {
      note(Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff));
    }
  };
  for (let i = 0; i < PLACE_BYTES; i++) machine.write(PLACE + i, [(i * 3) & 0xff]);
  if (mode === 'real') {
    for (const segment of [DS, ES]) machine.setSegment(segment, PLACE >> 4, PLACE, limit ?? 0xffff, 0x93);
  }
  const base = mode === 'real' ? 0 : PLACE;
  machine.setGpr(RDX, PORT);
  machine.setGpr(RCX, count);
  for (const pointer of [RSI, RDI]) machine.setGpr(pointer, base + offset);
  const { vector } = machine.run(`${backwards ? 'fd' : 'fc'} ${code} f4`);
  flush();
  const memory = Array.from({ length: PLACE_BYTES }, (_, i) => machine.read(PLACE + i, 1));
  const left = [RCX, RSI, RDI].map((register) => machine.gpr(register));
  return { vector, left, memory, sent, instructions: machine.cpu.instructions, next, atOnce };
}

const INSB = 'f36c';
const INSD: Readonly<Record<Mode, string>> = { real: '66f36d', protected: 'f36d', long: 'f36d' };
const OUTSB = 'f36e';
const OUTSW: Readonly<Record<Mode, string>> = { real: 'f36f', protected: '66f36f', long: '66f36f' };

const cases: [name: string, transfer: Transfer, isQuick: boolean][] = (['real', 'protected', 'long'] as const).flatMap(
  (mode): [string, Transfer, boolean][] => [
    [`${mode}: INSB over three pages`, { mode, code: INSB, count: 9000, offset: 5 }, true],
    [`${mode}: INSD, elements across pages`, { mode, code: INSD[mode], count: 3000, offset: 0xf03 }, true],
    [`${mode}: OUTSB`, { mode, code: OUTSB, count: 5000, offset: 0xfff }, true],
    [`${mode}: OUTSW, elements across pages`, { mode, code: OUTSW[mode], count: 4000, offset: 1 }, true],
    [`${mode}: INSB downwards`, { mode, code: INSB, count: 5000, offset: 0x2100, backwards: true }, false],
    [`${mode}: OUTSW downwards`, { mode, code: OUTSW[mode], count: 3000, offset: 0x2100, backwards: true }, false],
    [`${mode}: none`, { mode, code: INSB, count: 0, offset: 0 }, false],
    [`${mode}: one`, { mode, code: OUTSB, count: 1, offset: 0 }, false],
  ],
);

for (const [name, transfer, isQuick] of cases) {
  test(`${name}: at once or one by one`, () => {
    const { atOnce, ...quick } = run(transfer, true);
    const { atOnce: none, ...slow } = run(transfer, false);
    assert.deepEqual(quick, slow);
    assert.equal(none, 0);
    assert.equal(atOnce > transfer.count / 2, isQuick);
    assert.equal(quick.vector, undefined);
    assert.equal(quick.left[0], 0);
  });
}

test("a segment's end is met at the element that is beyond it", () => {
  for (const code of [INSB, OUTSB]) {
    const transfer: Transfer = { mode: 'real', code, count: 4000, offset: 0x100, limit: 0x7ff };
    const { atOnce, ...quick } = run(transfer, true);
    const { atOnce: none, ...slow } = run(transfer, false);
    assert.deepEqual(quick, slow);
    assert.deepEqual([atOnce, none], [0, 0]);
    assert.equal(quick.vector, GP);
    assert.equal(quick.left[0], 4000 - 0x700);
  }
});

test('a chunk counts as one instruction', () => {
  const transfer: Transfer = { mode: 'protected', code: INSB, count: 0x3000, offset: 0 };
  // CLD, three pages, HLT.
  assert.equal(run(transfer, true).instructions, 5);
});
