/**
 * What is on the screen of a PC with firmware: what POST writes, and the pictures that draw.asm makes in each mode of the
 * video BIOS, against those that it makes on QEMU (record-screens.ts).
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Screen } from '../../src/base/screen.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { parametrised, pictureHash, type ScreenRecord, textColumns } from '../../src/devices/vga/test-screens.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestDrive } from '../../src/vmm/guest-options.ts';
import { skipWithoutNasm } from './boot-images.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const firmware = fileURLToPath(new URL('../../firmware/', import.meta.url));
const recorded = fileURLToPath(new URL('../../src/devices/vga/qemu-screens.json', import.meta.url));
const { modes }: ScreenRecord = JSON.parse(readFileSync(recorded, 'utf8'));
const FLOPPY_BYTES = 1440 * 1024;
/** For a guest that hangs; they take a second or two. */
const GIVE_UP_MS = 5 * 60_000;
const POLL_MS = 50;

async function pc(drives: readonly GuestDrive[]): Promise<Guest> {
  return await Guest.create({
    memoryBytes: 32 << 20,
    firmware: {
      bios: readFileSync(`${firmware}bios-256k.bin`),
      vgaBios: readFileSync(`${firmware}vgabios-stdvga.bin`),
      drives,
      nics: [],
      bootOrder: 'a',
      resetEnds: true,
    },
    time: 'real',
    seed: 1,
    optionalDevices: ['isa-debug-exit'],
    onConsole: () => {},
    host: nodePlatform,
  });
}

function screenOf(guest: Guest): Screen {
  assert.ok(guest.screen);
  return guest.screen;
}

/** Runs until `done` says so, or the guest ends. */
async function runUntil(guest: Guest, done: () => boolean): Promise<void> {
  const poll = setInterval(() => {
    if (done()) guest.stop();
  }, POLL_MS);
  const giveUp = setTimeout(() => guest.stop(), GIVE_UP_MS);
  try {
    await guest.run();
  } finally {
    clearInterval(poll);
    clearTimeout(giveUp);
  }
}

function lines(screen: Screen): string[] {
  const text = screen.text();
  if (!text) return [];
  return Array.from({ length: text.rows }, (_, row) =>
    String.fromCharCode(
      ...text.cells.subarray(row * text.columns, (row + 1) * text.columns).map((cell) => cell & 0xff),
    ).trimEnd(),
  );
}

test('what POST writes is on the screen, as text and as a picture', async () => {
  const guest = await pc([]);
  const screen = screenOf(guest);
  await runUntil(guest, () => lines(screen).some((line) => line.startsWith('No bootable device')));
  assert.match(lines(screen)[0] as string, /^SeaBIOS \(version .*\)$/);
  assert.equal(screen.mode, 'text');
  assert.equal(screen.text()?.palette[7], 0xaaaaaa);
  const { width, height, pixels } = screen.image();
  assert.deepEqual([width, height], [720, 400]);
  const lit = new Uint32Array(pixels.buffer).filter((pixel) => pixel === 0xffaa_aaaa).length;
  assert.ok(lit > 500 && lit < 20_000, `${lit} dots are lit`);
});

function assembled(name: string): Uint8Array {
  const output = mkdtempSync(join(tmpdir(), 'vivarium-screens-'));
  try {
    const binary = join(output, `${name}.bin`);
    const nasm = spawnSync('nasm', ['-f', 'bin', '-Werror', '-o', binary, join(folder, `${name}.asm`)]);
    assert.equal(nasm.status, 0, nasm.stderr.toString());
    return readFileSync(binary);
  } finally {
    rmSync(output, { recursive: true });
  }
}

function floppyOf(bootSector: Uint8Array): GuestDrive {
  const floppy = new Uint8Array(FLOPPY_BYTES);
  floppy.set(bootSector);
  return { bus: 'floppy', unit: 0, kind: 'floppy', backend: new MemoryDisk(floppy) };
}

test('what a guest writes into the linear frame buffer is seen while it goes on', {
  skip: skipWithoutNasm,
}, async () => {
  const guest = await pc([floppyOf(assembled('linear'))]);
  const screen = screenOf(guest);
  const seen = new Map<number, number>();
  await runUntil(guest, () => {
    if (screen.mode !== 'graphics') return false;
    const { width, pixels } = screen.image();
    if (width !== 640) return false;
    const at = (100 * 640 + 100) * 4;
    const colour = ((pixels[at] as number) << 16) | ((pixels[at + 1] as number) << 8) | (pixels[at + 2] as number);
    seen.set(colour, screen.generation);
    return seen.size === 6;
  });
  const colours = [...seen.keys()];
  assert.equal(colours.length, 6);
  assert.deepEqual(
    colours,
    colours.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(seen.values()).size, 6);
});

const bootSector = skipWithoutNasm ? new Uint8Array(0) : assembled('draw');

for (const mode of modes) {
  test(`${mode.name}: what is drawn looks as it does on QEMU`, { skip: skipWithoutNasm }, async () => {
    const guest = await pc([floppyOf(parametrised(bootSector, mode))]);
    await runUntil(guest, () => false);
    const screen = screenOf(guest);
    const columns = textColumns(mode.mode);
    assert.equal(screen.mode, columns > 0 ? 'text' : 'graphics');
    const image = screen.image();
    if (columns === 0) assert.deepEqual([image.width, image.height], [mode.width, mode.height]);
    assert.equal(pictureHash(image, columns), mode.hash);
  });
}
