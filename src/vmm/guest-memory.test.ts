import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_CODE, FRAME_DIRTY, FRAME_MASK, FRAME_RAM } from '../cpu/layout.ts';
import { MachineMemory } from '../cpu/machine-memory.ts';
import { HIGH_RAM_START, LOW_RAM_LIMIT } from '../machine/memory-map.ts';
import { FrameTable } from './guest-memory.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
/** What is below goes to 3 GiB, this much to 4 GiB. */
const HIGH_BYTES = 4 * MIB;

function setup(sizeBytes = 16 * MIB, machine = new MachineMemory(1 << 20)) {
  return { machine, memory: new FrameTable(machine, sizeBytes) };
}

const ascending = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + 1) & 0xff);

function read(memory: FrameTable, address: number, length: number): Uint8Array | undefined {
  const into = new Uint8Array(length);
  return memory.read(address, into) ? into : undefined;
}

test('what is written is read back, across pages and frames that are not neighbours', () => {
  const { memory } = setup();
  memory.write(5 * PAGE, Uint8Array.of(1));
  memory.write(3 * PAGE, Uint8Array.of(1));
  const bytes = ascending(3 * PAGE);
  assert.ok(memory.write(3 * PAGE - 100, bytes));
  assert.deepEqual(read(memory, 3 * PAGE - 100, bytes.length), bytes);
  assert.deepEqual(read(memory, 3 * PAGE - 101, 2), Uint8Array.of(0, 1));
});

test('memory is zero until written, and reading assigns no frame', () => {
  const { memory, machine } = setup();
  const dirty = new Uint8Array(2 * PAGE).fill(0xff);
  assert.ok(memory.read(MIB - PAGE, dirty));
  assert.ok(dirty.every((byte) => byte === 0));
  assert.equal(memory.touchedBytes, 0);
  assert.equal(machine.framesInUse, 0);
});

test('a page gets its frame when first written, once', () => {
  const { memory, machine } = setup();
  memory.write(MIB + 10, Uint8Array.of(1, 2));
  memory.write(MIB + 100, Uint8Array.of(3));
  assert.equal(memory.touchedBytes, PAGE);
  const entry = memory.assign(MIB + 4000, false);
  assert.equal(memory.assign(MIB, false), entry);
  assert.equal(machine.framesInUse, 1);
  assert.equal(machine.u8[((entry & FRAME_MASK) >>> 0) + 100], 3);
  assert.equal(entry & FRAME_RAM, FRAME_RAM);
});

test('only writes make a page dirty', () => {
  const { memory } = setup();
  assert.equal(memory.assign(MIB, false) & FRAME_DIRTY, 0);
  assert.equal(memory.assign(MIB, true) & FRAME_DIRTY, FRAME_DIRTY);
});

test('what is not RAM answers false and stays as it is', () => {
  const { memory } = setup();
  const end = 16 * MIB;
  const one = Uint8Array.of(1);
  for (const address of [end, end + PAGE, -1, -PAGE, 2 ** 40, 2 ** 63, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.equal(memory.read(address, new Uint8Array(1)), false, `read ${address}`);
    assert.equal(memory.write(address, one), false, `write ${address}`);
  }
  assert.equal(memory.write(end - 1, Uint8Array.of(1, 2)), false);
  assert.deepEqual(read(memory, end - 1, 1), Uint8Array.of(0));
  assert.ok(memory.write(end - 1, one));
  assert.equal(memory.assign(end, true), 0);
  assert.equal(memory.touchedBytes, PAGE);
});

test('between low RAM and 4 GiB there is none, and nothing reaches over the gap', () => {
  const { memory } = setup(LOW_RAM_LIMIT + HIGH_BYTES);
  const two = Uint8Array.of(8, 9);
  assert.equal(memory.write(LOW_RAM_LIMIT - 1, two), false);
  assert.equal(memory.write(LOW_RAM_LIMIT, two), false);
  assert.equal(memory.write(HIGH_RAM_START - 1, two), false);
  assert.equal(memory.assign(HIGH_RAM_START - PAGE, true), 0);
  assert.ok(memory.write(LOW_RAM_LIMIT - 2, two));
  assert.ok(memory.write(HIGH_RAM_START, two));
  assert.ok(memory.write(HIGH_RAM_START + HIGH_BYTES - 2, two));
  assert.equal(memory.write(HIGH_RAM_START + HIGH_BYTES - 1, two), false);
  assert.deepEqual(read(memory, HIGH_RAM_START, 3), Uint8Array.of(8, 9, 0));
  assert.equal(memory.touchedBytes, 3 * PAGE);
  assert.deepEqual(read(memory, HIGH_RAM_START - 1, 1), undefined);
  const whole = new Uint8Array(LOW_RAM_LIMIT + PAGE - (LOW_RAM_LIMIT - PAGE));
  assert.equal(memory.read(LOW_RAM_LIMIT - PAGE, whole), false);
});

test('writes over a frame with code tell of the bytes written, others do not', () => {
  const { memory } = setup();
  const told: [number, number][] = [];
  memory.codeWritten = (machine, bytes) => told.push([machine, bytes]);
  memory.write(MIB, new Uint8Array(3 * PAGE).fill(1));
  const frame = (memory.assign(MIB + PAGE, false) & FRAME_MASK) >>> 0;
  memory.setCode(frame, true);
  assert.equal(memory.assign(MIB + PAGE, false) & FRAME_CODE, FRAME_CODE);
  memory.write(MIB + PAGE - 4, new Uint8Array(10));
  memory.write(MIB + PAGE + 50, new Uint8Array(2));
  memory.write(MIB + 2 * PAGE, new Uint8Array(8));
  assert.deepEqual(told, [
    [frame, 6],
    [frame + 50, 2],
  ]);
  memory.setCode(frame, false);
  memory.write(MIB + PAGE, new Uint8Array(8));
  assert.equal(told.length, 2);
});

test('a frame that is none of this guest has no code to mark', () => {
  const { memory, machine } = setup();
  const entry = memory.assign(0, true);
  memory.setCode(machine.frame(), true);
  assert.equal(memory.assign(0, true), entry);
});

test('the contents are the pages that are not all zeros, lowest first', () => {
  const { memory } = setup(LOW_RAM_LIMIT + HIGH_BYTES);
  for (const page of [700, 3, 0x100001, 50]) memory.write(page * PAGE + 9, Uint8Array.of(page & 0xff));
  memory.write(60 * PAGE, new Uint8Array(PAGE));
  memory.assign(70 * PAGE, false);
  const pages = [...memory.contents()].map(({ page, bytes }) => [page, bytes[9]]);
  assert.deepEqual(pages, [
    [3, 3],
    [50, 50],
    [700, 700 & 0xff],
    [0x100001, 1],
  ]);
});

test('table and frames may lie above 2 GiB of machine memory', () => {
  const machine = new MachineMemory(1 << 20);
  machine.region(2 ** 31);
  const { memory } = setup(16 * MIB, machine);
  const bytes = ascending(2 * PAGE);
  assert.ok(memory.write(MIB + 1, bytes));
  assert.deepEqual(read(memory, MIB + 1, bytes.length), bytes);
  const frame = (memory.assign(MIB, false) & FRAME_MASK) >>> 0;
  assert.ok(frame > 2 ** 31);
  assert.equal(machine.u8[frame + 1], 1);
  let told = 0;
  memory.codeWritten = (at) => {
    told = at;
  };
  memory.setCode(frame, true);
  memory.write(MIB + 8, Uint8Array.of(1));
  assert.equal(told, frame + 8);
  assert.equal([...memory.contents()].length, 3);
});
