/** What is in front of RAM: ROM, shadowing, video memory. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineMemory } from '../cpu/machine-memory.ts';
import { FrameTable } from './guest-memory.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const BIOS = 0xf_0000;

function setup() {
  const memory = new FrameTable(new MachineMemory(1 << 20), 16 * MIB, true);
  let remaps = 0;
  memory.remapped = () => {
    remaps++;
  };
  const byte = (address: number): number | undefined => {
    const into = new Uint8Array(1);
    return memory.read(address, into) ? into[0] : undefined;
  };
  const put = (address: number, value: number): boolean => memory.write(address, Uint8Array.of(value));
  return { memory, byte, put, remaps: () => remaps };
}

function withRom() {
  const parts = setup();
  parts.put(BIOS, 0x11);
  const rom = parts.memory.block(0x1_0000);
  rom.bytes.fill(0x99);
  parts.memory.mapRom(rom, 0, BIOS, 0x1_0000);
  return parts;
}

test('ROM hides RAM, and cannot be written', () => {
  const { byte, put } = withRom();
  assert.equal(byte(BIOS), 0x99);
  put(BIOS, 0x22);
  assert.equal(byte(BIOS), 0x99);
});

test('shadowing: RAM written behind the ROM is there when it is shown, and is protected when writes are off', () => {
  const { memory, byte, put } = withRom();
  const shadow = (readsMemory: boolean, writesMemory: boolean): void =>
    memory.shadow(BIOS, 0x1_0000, { readsMemory, writesMemory });
  shadow(false, true);
  put(BIOS + 1, 0x33);
  assert.equal(byte(BIOS + 1), 0x99);
  shadow(true, true);
  assert.deepEqual([byte(BIOS), byte(BIOS + 1)], [0x11, 0x33]);
  shadow(true, false);
  put(BIOS + 1, 0x44);
  assert.equal(byte(BIOS + 1), 0x33);
  shadow(false, false);
  assert.equal(byte(BIOS + 1), 0x99);
  shadow(true, true);
  assert.equal(byte(BIOS + 1), 0x33);
});

test('pages that are neither RAM nor ROM are no memory to devices', () => {
  const { memory, byte, put } = setup();
  memory.shadow(0xa_0000, 0x2_0000, { readsMemory: false, writesMemory: false });
  assert.deepEqual([byte(0xa_0000), put(0xb_8000, 1)], [undefined, false]);
  assert.equal(byte(0x9_f000), 0);
  assert.equal(byte(0xc_0000), 0);
});

test('video memory is where it is mapped, and nowhere over RAM', () => {
  const { memory, byte, put } = setup();
  const video = memory.block(4 * PAGE);
  memory.mapBlock(video, 0xe000_0000);
  assert.ok(put(0xe000_1005, 0x77));
  assert.equal(video.bytes[0x1005], 0x77);
  memory.mapBlock(video, 0xe100_0000);
  assert.deepEqual([byte(0xe000_1005), byte(0xe100_1005)], [undefined, 0x77]);
  memory.mapBlock(video, 8 * MIB);
  put(8 * MIB, 0x55);
  assert.equal(video.bytes[0], 0);
  memory.mapBlock(video, undefined);
  assert.equal(byte(8 * MIB), 0x55);
});

test('pages of video memory that were written are told once, and translations are forgotten for it', () => {
  const { memory, put, remaps } = setup();
  const video = memory.block(4 * PAGE);
  memory.mapBlock(video, 0xe000_0000);
  assert.deepEqual([...video.takeDirtyPages()], []);
  put(0xe000_0000 + 2 * PAGE, 1);
  const before = remaps();
  assert.deepEqual([...video.takeDirtyPages()], [2]);
  assert.equal(remaps(), before + 1);
  assert.deepEqual([...video.takeDirtyPages()], []);
});
