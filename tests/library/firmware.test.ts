/** Whole PCs of the library: disks of the caller's, keys, the screen. */

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type BlockBackend, BlockError, boot, VivariumError, type Vm } from '../../src/library/node/index.ts';
import { copyingDisk, echoingFloppy, pictureFloppy } from '../web/boot-sectors.ts';

/** Reads the first serial port until it has said `wanted`. */
async function says(vm: Vm, wanted: string): Promise<void> {
  const decoder = new TextDecoder();
  let said = '';
  for await (const chunk of vm.console.readable) {
    said += decoder.decode(chunk);
    if (said.includes(wanted)) return;
  }
  assert.fail(`the console ended with ${said}`);
}

class OwnDisk implements BlockBackend {
  readonly readOnly = false;
  readonly bytes: Uint8Array;
  isClosed = false;
  isBroken = false;

  constructor(bytes: Uint8Array) {
    this.bytes = Uint8Array.from(bytes);
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.isBroken) throw new BlockError('io', 'It is broken.');
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  async write(offset: number, from: Uint8Array): Promise<void> {
    this.bytes.set(from, offset);
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

test("a PC reads and writes a disk of the caller's, which is closed with it", async () => {
  const disk = new OwnDisk(copyingDisk);
  const vm = await boot({ disk });
  await says(vm, 'K');
  const { drives } = await vm.stats();
  assert.ok((drives[0]?.readBytes ?? 0) >= 512);
  assert.equal(drives[0]?.writtenBytes, 512);
  await vm.close();
  assert.ok(disk.isClosed);
  assert.deepEqual(disk.bytes.subarray(512, 1024), disk.bytes.subarray(0, 512));
});

test('a disk that fails is an error of the guest, not of ours', async () => {
  const disk = new OwnDisk(copyingDisk);
  disk.isBroken = true;
  await using vm = await boot({ disk });
  assert.ok(vm.screen);
  for await (const _ of vm.screen.frames()) {
    if ((await vm.screen.text())?.includes('could not read the boot disk')) return;
  }
});

test('writes reach a file, unless they are to be forgotten', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vivarium-library-'));
  try {
    const path = join(folder, 'disk.img');
    await writeFile(path, copyingDisk);
    for (const forget of [true, false]) {
      const vm = await boot({ disk: { source: path, forget, bus: 'ahci' }, bootOrder: 'c' });
      await says(vm, 'K');
      await vm.close();
      const [first, second] = [0, 512].map((at) => readFile(path).then((bytes) => bytes.subarray(at, at + 512)));
      assert.equal((await first)?.equals((await second) as Uint8Array), !forget);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('keys that are typed reach the guest', async () => {
  await using vm = await boot({ floppy: echoingFloppy });
  // Keys that come while firmware starts wait in its buffer.
  const typing = setInterval(() => vm.keyboard.type('Vm!'), 1000);
  try {
    await says(vm, 'Vm!');
  } finally {
    clearInterval(typing);
  }
});

test('the screen is a picture, each time it changes, and a PNG file', async () => {
  await using vm = await boot({ floppy: new Blob([Uint8Array.from(pictureFloppy)]) });
  assert.ok(vm.screen);
  for await (const { mode, width, height, pixels } of vm.screen.frames({ perSecond: 10 })) {
    const colours = new Set(new Uint32Array(pixels.buffer, pixels.byteOffset, width * height));
    if (mode === 'graphics' && colours.size > 100) break;
  }
  const png = await vm.screen.png();
  assert.deepEqual([...png.subarray(1, 4)], [...new TextEncoder().encode('PNG')]);
  assert.equal(await vm.screen.text(), undefined);
});

test('bytes that cannot be a disk are refused', async () => {
  await assert.rejects(boot({ disk: new Uint8Array(1000) }), (error: Error) => {
    assert.ok(error instanceof VivariumError);
    assert.match(error.message, /^The disk image cannot be used: its 1000 bytes are not a whole number of sectors/);
    return true;
  });
  const many = Array.from({ length: 5 }, () => new Uint8Array(512));
  await assert.rejects(boot({ disks: many }), { message: 'There is no room for so many ide disks.' });
});
