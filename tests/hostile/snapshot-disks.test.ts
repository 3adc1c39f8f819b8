/** Snapshots whose disks were tampered with: they are refused in a sentence, or the disk is as they say, and nothing else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { Overlay } from '../../src/block/overlay.ts';
import { SparseMemory } from '../../src/block/sparse-memory.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { StructWriter } from '../../src/machine/struct-writer.ts';
import { Guest } from '../../src/vmm/guest.ts';
import { packSnapshot, type Section, SnapshotFile } from '../../src/vmm/snapshot/format.ts';
import { tinyKernel } from '../tiny-kernel.ts';

const PAGE = 4096;
const PAGES = 300;
/** The last page is cut off. */
const BYTES = PAGES * PAGE - 512;
const COMMON = { onConsole() {}, host: nodePlatform, packing: nodePacking };

const image = (): Uint8Array => new Uint8Array(BYTES).fill(0x11);
const disk = (): Overlay => new Overlay(new MemoryDisk(image(), true), new SparseMemory());

/** Of a guest that has not run, with a disk on which pages 3, 4 and the last are written, and zeros in 7. */
async function saved(base?: Uint8Array, backend = disk()): Promise<Uint8Array> {
  await backend.write(3 * PAGE, new Uint8Array(2 * PAGE).fill(0xaa));
  await backend.write(7 * PAGE, new Uint8Array(PAGE));
  await backend.write(BYTES - 512, new Uint8Array(512).fill(0xbb));
  const guest = await Guest.create({
    ...COMMON,
    memoryBytes: 4 << 20,
    kernel: { image: tinyKernel([0xf4]), commandLine: '' },
    time: 'deterministic',
    seed: 1,
    optionalDevices: [],
    virtio: [{ kind: 'block', backend }],
  });
  return guest.snapshot(base && { base });
}

async function restored(snapshot: Uint8Array, backend = disk(), base?: Uint8Array): Promise<Uint8Array> {
  await Guest.restore(snapshot, { ...COMMON, virtio: [{ kind: 'block', backend }], ...(base && { base }) });
  const all = new Uint8Array(BYTES);
  await backend.read(0, all);
  return all;
}

function expected(): Uint8Array {
  return image()
    .fill(0xaa, 3 * PAGE, 5 * PAGE)
    .fill(0, 7 * PAGE, 8 * PAGE)
    .fill(0xbb, BYTES - 512);
}

interface Change {
  readonly manifest?: (manifest: Record<string, unknown>) => void;
  readonly sections?: (sections: Section[]) => Section[];
}

/** With its checks made good. */
async function forged({ manifest, sections }: Change): Promise<Uint8Array> {
  const file = new SnapshotFile(await saved(), nodePacking);
  const about = structuredClone(file.manifest) as Record<string, unknown>;
  manifest?.(about);
  const all: Section[] = [];
  for (const name of file.names) all.push({ name, bytes: new Uint8Array(await file.read(name)) });
  return packSnapshot(about, sections?.(all) ?? all, nodePacking);
}

const ZEROS = 0x8000_0000;

/** Of runs of pages; data of the right length, unless said otherwise. */
function pages(runs: readonly (readonly [first: number, length: number])[], bytes?: number): Uint8Array {
  const data = runs.reduce((sum, [, length]) => sum + (length >= ZEROS ? 0 : length * PAGE), 0);
  return new StructWriter()
    .u32(runs.length, ...runs.flat())
    .bytes(new Uint8Array(Math.min(bytes ?? data, 4 << 20)).fill(0x77))
    .finish();
}

const withDisk = (bytes: Uint8Array): Change => ({
  sections: (all) => all.map((one) => (one.name === 'disk/0/0' ? { ...one, bytes } : one)),
});

test('a disk comes back as it was, alone and against a base', async () => {
  const whole = await saved();
  assert.ok(Buffer.compare(await restored(whole), expected()) === 0);
  const backend = disk();
  await backend.write(9 * PAGE, new Uint8Array(PAGE).fill(0xcc));
  const difference = await saved(whole, backend);
  const file = new SnapshotFile(difference, nodePacking);
  assert.equal(file.sizeOf('disk/0/0'), 4 + 8 + PAGE);
  const both = await restored(difference, disk(), whole);
  assert.ok(Buffer.compare(both, expected().fill(0xcc, 9 * PAGE, 10 * PAGE)) === 0);
});

test('a base that had more on its disk leaves nothing behind', async () => {
  const fuller = disk();
  await fuller.write(20 * PAGE, new Uint8Array(PAGE).fill(0xdd));
  await fuller.write(21 * PAGE, new Uint8Array(PAGE));
  const base = await saved(undefined, fuller);
  const difference = await saved(base);
  assert.ok(Buffer.compare(await restored(difference, disk(), base), expected()) === 0);
});

test('a disk that is not empty when it is restored to becomes what was saved', async () => {
  const snapshot = await saved();
  const used = disk();
  await used.write(0, new Uint8Array(50 * PAGE).fill(0xee));
  assert.ok(Buffer.compare(await restored(snapshot, used), expected()) === 0);
});

const media = (manifest: Record<string, unknown>): Record<string, unknown> =>
  (manifest.media as Record<string, unknown>[])[0] as Record<string, unknown>;
const image0 = (manifest: Record<string, unknown>): Record<string, unknown> =>
  media(manifest).image as Record<string, unknown>;
const setMedium = (fields: Record<string, unknown>): Change => ({
  manifest: (manifest) => Object.assign(media(manifest), fields),
});
const setImage = (fields: Record<string, unknown>): Change => ({
  manifest: (manifest) => Object.assign(image0(manifest), fields),
});

const REFUSED: readonly (readonly [what: string, change: Change, says: RegExp])[] = [
  [
    'pages beyond the end',
    withDisk(pages([[PAGES - 1, 2]])),
    /"disk\/0\/0" has pages from 299 on, which the disk has not/,
  ],
  ['zeros beyond the end', withDisk(pages([[PAGES, ZEROS + 1]])), /which the disk has not/],
  ['pages of the largest number', withDisk(pages([[0xffff_ffff, 1]])), /which the disk has not/],
  ['a run of the largest length', withDisk(pages([[0, 0x7fff_ffff]], PAGE)), /makes no sense/],
  ['zeros of the largest length', withDisk(pages([[0, 0xffff_ffff]])), /makes no sense/],
  [
    'runs that go back',
    withDisk(
      pages([
        [5, 2],
        [4, 1],
      ]),
    ),
    /makes no sense/,
  ],
  [
    'runs that overlap',
    withDisk(
      pages([
        [5, 2],
        [6, 1],
      ]),
    ),
    /makes no sense/,
  ],
  ['an empty run', withDisk(pages([[5, 0]])), /makes no sense/],
  ['less than its runs', withDisk(pages([[5, 2]], PAGE)), /makes no sense/],
  ['more than its runs', withDisk(pages([[5, 1]], 2 * PAGE)), /makes no sense/],
  ['nothing at all', withDisk(new Uint8Array(0)), /makes no sense/],
  ['more runs than bytes', withDisk(new StructWriter().u32(0xffff_ffff, 1, 1).finish()), /makes no sense/],
  ['more pages than the disk', withDisk(pages([[0, 400]])), /has more pages than the machine|which the disk has not/],
  [
    'pages of a disk that is not there',
    { sections: (all) => [...all, { name: 'disk/1/0', bytes: pages([[0, 1]]) }] },
    /"disk\/1\/0" is of a part that this program does not know/,
  ],
  [
    'pages that follow none',
    { sections: (all) => [...all, { name: 'disk/0/9', bytes: pages([[0, 1]]) }] },
    /"disk\/0\/9" is of a part that this program does not know/,
  ],
  ['pages of a disk that is written in place', setMedium({ writes: 'image' }), /"disk\/0\/0" is of a part/],
  ['pages of one that is not written', setMedium({ writes: 'none' }), /wants virtio disk 0 to be read-only/],
  ['writes that go nowhere', setMedium({ writes: 'away' }), /"media" that makes no sense/],
  ['a size that is none', setMedium({ sizeBytes: -512 }), /"media" that makes no sense/],
  ['a size that is not of sectors', setMedium({ sizeBytes: 700 }), /"media" that makes no sense/],
  ['a size beyond all bounds', setMedium({ sizeBytes: 2 ** 52 }), /"media" that makes no sense/],
  ['another size', setMedium({ sizeBytes: BYTES + 512 }), /that has 1228800 bytes in it/],
  ['a digest that is none', setImage({ sha256: 'x' }), /"media" that makes no sense/],
  ['the digest of another image', setImage({ sha256: 'ab'.repeat(32) }), /the image that is given has other contents/],
  ['a digest of something else', setImage({ of: 'hearsay' }), /"media" that makes no sense/],
  ['a name that moves the cursor', setImage({ name: 'a\u001b[2J' }), /"media" that makes no sense/],
  [
    'fewer media than disks',
    {
      manifest: (manifest) => {
        manifest.media = [];
      },
    },
    /"media" that makes no sense/,
  ],
  [
    'more media than disks',
    {
      manifest: (manifest) => {
        manifest.media = [media(manifest), media(manifest)];
      },
    },
    /"media" that makes no sense/,
  ],
];

for (const [what, change, says] of REFUSED) {
  test(`${what}: refused in one sentence`, async () => {
    await assert.rejects(restored(await forged(change)), (error: Error) => {
      assert.equal(error.name, 'SnapshotError');
      assert.match(error.message, /^The snapshot cannot be restored: [^\n]*\.$/);
      assert.match(error.message, says);
      return true;
    });
  });
}

test('wherever it is cut off, and whichever bit of its disk is damaged, it is refused', async () => {
  const whole = await saved();
  for (let length = 0; length < whole.length; length += 97) {
    await assert.rejects(restored(whole.subarray(0, length)), { name: 'SnapshotError' });
  }
  for (let at = whole.length - 60; at < whole.length; at++) {
    const damaged = whole.slice();
    damaged[at] = (damaged[at] as number) ^ 4;
    await assert.rejects(restored(damaged), { name: 'SnapshotError' });
  }
});

test('a small snapshot that says that a disk of 16 TiB is all zeros takes little time and memory', async () => {
  const sizeBytes = 2 ** 44;
  const runs = Array.from({ length: 4096 }, (_, i) => [i * 2 ** 20, ZEROS + 2 ** 20] as const);
  const snapshot = await forged({
    manifest: (manifest) => {
      manifest.media = [{ sizeBytes, writes: 'snapshot' }];
      manifest.virtio = [`block of ${sizeBytes} bytes`];
    },
    sections: (all) => all.map((one) => (one.name === 'disk/0/0' ? { ...one, bytes: pages(runs) } : one)),
  });
  class Huge extends MemoryDisk {
    override get sizeBytes(): number {
      return sizeBytes;
    }
  }
  const backend = new Overlay(new Huge(new Uint8Array(0), true), new SparseMemory());
  await Guest.restore(snapshot, { ...COMMON, virtio: [{ kind: 'block', backend }] });
  const into = new Uint8Array(512).fill(1);
  await backend.read(sizeBytes - 512, into);
  assert.deepEqual(into, new Uint8Array(512));
});
