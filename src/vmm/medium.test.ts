import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BlockBackend, BlockError } from '../base/block.ts';
import { generator } from '../base/test-random.ts';
import { MemoryDisk } from '../block/memory-disk.ts';
import { Overlay } from '../block/overlay.ts';
import { SparseMemory } from '../block/sparse-memory.ts';
import { type FrozenDisk, Medium } from './medium.ts';

const PAGE = 4096;
const PAGES = 50;
/** The last page is cut off. */
const BYTES = PAGES * PAGE - 1536;

const contents = (): Uint8Array => Uint8Array.from({ length: BYTES }, (_, i) => 1 + ((i >> 9) % 250));

async function everything(frozen: FrozenDisk): Promise<Uint8Array> {
  const all = new Uint8Array(PAGES * PAGE);
  for (let page = 0; page < frozen.pages; page += 10) all.set(await frozen.take(page, 10), page * PAGE);
  return all.subarray(0, BYTES);
}

test('whatever is written while it is taken, a frozen disk is as it was', async () => {
  const random = generator(7);
  for (const backend of [
    new MemoryDisk(contents()),
    new Overlay(new MemoryDisk(contents(), true), new SparseMemory()),
  ]) {
    const medium = new Medium(backend, false);
    await medium.write(PAGE, new Uint8Array(PAGE).fill(0xee));
    const before = contents().fill(0xee, PAGE, 2 * PAGE);
    const frozen = medium.freeze(true);
    const now = before.slice();
    const writes: Promise<void>[] = [];
    const taken = everything(frozen);
    for (let i = 0; i < 200; i++) {
      const at = random(BYTES / 512 - 20) * 512;
      const bytes = new Uint8Array((1 + random(20)) * 512).fill(random(256));
      now.set(bytes, at);
      writes.push(medium.write(at, bytes));
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(Buffer.compare(await taken, before) === 0);
    await Promise.all(writes);
    const into = new Uint8Array(BYTES);
    await medium.read(0, into);
    assert.ok(Buffer.compare(into, now) === 0);
    frozen.release();
  }
});

test('of a layer, what had been written is frozen, and what is below is read where nothing was', async () => {
  const overlay = new Overlay(new MemoryDisk(contents(), true), new SparseMemory());
  const medium = new Medium(overlay, false);
  await medium.write(3 * PAGE + 512, new Uint8Array(512).fill(0xaa));
  const frozen = medium.freeze(false);
  await medium.write(3 * PAGE, new Uint8Array(PAGE).fill(0xbb));
  await medium.write(5 * PAGE, new Uint8Array(PAGE).fill(0xbb));
  assert.deepEqual([...(frozen.written ?? [])], [3]);
  const expected = contents().fill(0xaa, 3 * PAGE + 512, 3 * PAGE + 1024);
  assert.deepEqual(await frozen.take(3, 1), expected.slice(3 * PAGE, 4 * PAGE));
  assert.deepEqual(await frozen.take(5, 1), expected.slice(5 * PAGE, 6 * PAGE));
  frozen.release();
});

test('nothing is done at once while a disk is frozen, and then again', async () => {
  class Quick extends MemoryDisk {
    readNow(offset: number, into: Uint8Array): void {
      into.set(this.bytes.subarray(offset, offset + into.length));
    }
  }
  const medium: BlockBackend & Medium = new Medium(new Quick(contents()), false);
  assert.ok(medium.readNow);
  const frozen = medium.freeze(true);
  assert.equal(medium.readNow, undefined);
  frozen.release();
  frozen.release();
  await medium.flush();
  assert.ok(medium.readNow);
});

test('a page that cannot be read fails who saves, not the guest that writes', async () => {
  class Bad extends MemoryDisk {
    override async read(): Promise<void> {
      throw new BlockError('io', 'Broken.');
    }
  }
  const medium = new Medium(new Bad(contents()), false);
  const frozen = medium.freeze(true);
  await medium.write(0, new Uint8Array(512));
  await assert.rejects(frozen.take(0, 1), { message: 'Broken.' });
  frozen.release();
});
