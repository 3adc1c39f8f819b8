import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotError } from './error.ts';
import { packSnapshot, type Section, SnapshotFile } from './format.ts';
import { type BasePages, copiedPages, PAGE_BYTES, pageSections, readPages } from './pages.ts';

/** Memory whose pages are filled with these numbers. */
const memory = (fills: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(fills.length * PAGE_BYTES);
  for (const [page, fill] of fills.entries()) bytes.fill(fill, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  return bytes;
};

const sectionsOf = (bytes: Uint8Array, base?: BasePages): Section[] =>
  [...pageSections('memory', copiedPages(bytes), base)].filter((one) => one !== undefined);

/** What `readPages` gives of these sections: the first byte of each page, -1 for zeros. */
async function read(sections: readonly Section[], most = 100_000): Promise<[number, number][]> {
  const file = new SnapshotFile(await packSnapshot({}, sections));
  const found: [number, number][] = [];
  await readPages(file, 'memory', most, (first, pages, bytes) => {
    if (first + pages > most) return false;
    for (let i = 0; i < pages; i++) found.push([first + i, bytes?.[i * PAGE_BYTES] ?? -1]);
    return true;
  });
  return found;
}

test('pages come back, and those of zeros are left out', async () => {
  assert.deepEqual(await read(sectionsOf(memory([0, 0, 0, 1, 2, 0, 0, 0, 0, 3]))), [
    [3, 1],
    [4, 2],
    [9, 3],
  ]);
});

test('many pages fall into several sections, in whatever runs they lie', async () => {
  const fills = Array.from({ length: 960 }, (_, i) => (i < 320 || i % 2 === 0 ? 1 + (i % 200) : 0));
  const sections = sectionsOf(memory(fills));
  assert.deepEqual(
    sections.map(({ name }) => name),
    ['memory/0', 'memory/1', 'memory/2'],
  );
  assert.deepEqual(
    await read(sections),
    [...fills.entries()].filter(([, fill]) => fill !== 0),
  );
});

test('against a base there is what has changed, come, or become zeros', async () => {
  const fill = (value: number): Uint8Array => new Uint8Array(PAGE_BYTES).fill(value);
  const base = new Map([1, 2, 3, 8, 9].map((page) => [page, fill(page)]));
  assert.deepEqual(await read(sectionsOf(memory([0, 1, 7, 0, 0, 5]), base)), [
    [2, 7],
    [3, -1],
    [5, 5],
    [8, -1],
    [9, -1],
  ]);
  assert.deepEqual(sectionsOf(memory([0, 1]), new Map([[1, fill(1)]])), []);
});

test('more pages that have become zeros than a section has room for fall into several', async () => {
  const page = new Uint8Array(PAGE_BYTES).fill(1);
  const base = new Map(Array.from({ length: 400 }, (_, i) => [2 * i, page]));
  const sections = sectionsOf(memory([]), base);
  assert.equal(sections.length, 2);
  assert.deepEqual(
    await read(sections),
    [...base.keys()].map((number) => [number, -1]),
  );
});

/** A section of these words, and of whole pages. */
function forged(words: readonly number[], pages = 0): Section {
  const bytes = new Uint8Array(4 * words.length + pages * PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  return { name: 'memory/0', bytes };
}

const FORGED: readonly (readonly [what: string, section: Section])[] = [
  ['nothing', forged([])],
  ['more runs than bytes', forged([1000])],
  ['more runs than there can be bytes', forged([0xffff_ffff])],
  ['fewer pages than its runs', forged([1, 0, 2], 1)],
  ['more pages than its runs', forged([1, 0, 1], 2)],
  ['an empty run', forged([1, 0, 0])],
  ['runs that overlap', forged([2, 4, 2, 5, 1], 3)],
  ['runs that descend', forged([2, 4, 1, 3, 1], 2)],
  ['pages beyond the machine', forged([1, 99_999, 2], 2)],
  ['zeros beyond the machine', forged([1, 0, 0xffff_ffff])],
];

for (const [what, section] of FORGED) {
  test(`a section with ${what} is refused`, async () => {
    await assert.rejects(read([section]), (error: Error) => {
      assert.ok(error instanceof SnapshotError);
      assert.match(error.message, /its section "memory\/0"/);
      return true;
    });
  });
}

test('more pages than the machine has are refused before they are unpacked', async () => {
  const sections = sectionsOf(memory([1, 1, 1]));
  await assert.rejects(read(sections, 2), /its section "memory\/0" has more pages than the machine\.$/);
});
