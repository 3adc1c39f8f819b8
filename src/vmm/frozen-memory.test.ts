import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_DIRTY } from '../cpu/layout.ts';
import { MachineMemory } from '../cpu/machine-memory.ts';
import type { FrozenMemory } from './frozen-memory.ts';
import { FrameTable } from './guest-memory.ts';

const MIB = 2 ** 20;
const PAGE = 4096;

function setup() {
  const memory = new FrameTable(new MachineMemory(1 << 20), 16 * MIB, true);
  const put = (page: number, value: number): boolean => memory.write(page * PAGE + 5, Uint8Array.of(value));
  const now = (page: number): number | undefined => {
    const into = new Uint8Array(1);
    return memory.read(page * PAGE + 5, into) ? into[0] : undefined;
  };
  return { memory, put, now };
}

/** By page, what is at its sixth byte. */
function taken(frozen: FrozenMemory): Map<number, number> {
  const bytes = new Uint8Array(PAGE);
  const found = new Map<number, number>();
  for (const page of frozen.pages) if (frozen.take(page, bytes, 0)) found.set(page, bytes[5] as number);
  return found;
}

test('what is written after the moment is not in it, and is in the guest', () => {
  const { memory, put, now } = setup();
  for (const page of [3, 300, 301, 302]) put(page, page & 0xff);
  const frozen = memory.freeze();
  put(300, 1);
  put(400, 2);
  put(3, 3);
  put(302, 0);
  assert.deepEqual(
    [...taken(frozen)],
    [
      [3, 3],
      [300, 300 & 0xff],
      [301, 301 & 0xff],
      [302, 302 & 0xff],
    ],
  );
  assert.deepEqual([300, 400, 302].map(now), [1, 2, 0]);
  assert.ok(frozen.isDone);
});

test('pages of zeros are not given, before and after they are written', () => {
  const { memory, put } = setup();
  for (const page of [300, 301]) put(page, 0);
  const frozen = memory.freeze();
  put(300, 9);
  assert.deepEqual([...frozen.pages], [300, 301]);
  assert.deepEqual([...taken(frozen)], []);
});

test('a second moment leaves the first as it was', () => {
  const { memory, put } = setup();
  put(300, 1);
  put(301, 1);
  const first = memory.freeze();
  put(300, 2);
  const second = memory.freeze();
  put(301, 3);
  assert.deepEqual([...taken(first).values()], [1, 1]);
  assert.deepEqual([...taken(second).values()], [2, 1]);
});

test('RAM behind ROM is in it, and the ROM stays what cannot be written', () => {
  const { memory, put, now } = setup();
  const BIOS = 0xf0;
  put(BIOS, 0x11);
  const rom = memory.block(0x1_0000);
  rom.bytes.fill(0x99);
  memory.mapRom(rom, 0, BIOS * PAGE, 0x1_0000);
  const frozen = memory.freeze();
  put(BIOS, 0x22);
  assert.equal(now(BIOS), 0x99);
  assert.equal(taken(frozen).get(BIOS), 0x11);
});

test('nothing is copied any more once nobody wants it', () => {
  const { memory, put } = setup();
  put(300, 1);
  const frozen = memory.freeze();
  frozen.release();
  put(300, 2);
  assert.ok(frozen.isDone);
  assert.deepEqual([...taken(frozen)], []);
});

test('a guest whose memory was copied at once has no page marked as written, like one that is restored', () => {
  const { memory, put } = setup();
  for (const page of [300, 301]) put(page, page - 300);
  memory.freeze().finish();
  memory.settle();
  const entries = [300, 301].map((page) => memory.assign(page * PAGE, false) & FRAME_DIRTY);
  assert.deepEqual(entries, [0, 0]);
});
