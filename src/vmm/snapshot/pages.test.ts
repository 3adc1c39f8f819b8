import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotError } from './error.ts';
import { packSnapshot, type Section, SnapshotFile } from './format.ts';
import { PAGE_BYTES, type Page, PageList, readPages } from './pages.ts';

const page = (number: number, fill: number): Page => ({ page: number, bytes: new Uint8Array(PAGE_BYTES).fill(fill) });

/** What `readPages` gives of these sections: the first byte of each page, -1 for zeros. */
async function read(sections: readonly Section[], most = 100_000): Promise<[number, number][]> {
  const file = new SnapshotFile(await packSnapshot({}, sections));
  const pages: [number, number][] = [];
  await readPages(file, 'memory', most, (number, bytes) => {
    if (number >= most) return false;
    pages.push([number, bytes === undefined ? -1 : (bytes[0] as number)]);
    return true;
  });
  return pages;
}

test('pages come back, and those of zeros are left out', async () => {
  const list = PageList.of([page(3, 1), page(4, 2), page(5, 0), page(9, 3)]);
  assert.deepEqual(await read(list.sections('memory')), [
    [3, 1],
    [4, 2],
    [9, 3],
  ]);
});

test('many pages fall into several sections, in whatever runs they lie', async () => {
  const pages = Array.from({ length: 2500 }, (_, i) => page(i < 1200 ? i : 2 * i, 1 + (i % 200)));
  const sections = PageList.of(pages).sections('memory');
  assert.deepEqual(
    sections.map(({ name }) => name),
    ['memory/0', 'memory/1', 'memory/2'],
  );
  assert.deepEqual(
    await read(sections),
    pages.map(({ page, bytes }) => [page, bytes[0]]),
  );
});

test('against a base there is what has changed, come, or become zeros', async () => {
  const base = new Map(
    [page(1, 1), page(2, 2), page(3, 3), page(8, 8), page(9, 9)].map((one) => [one.page, one.bytes]),
  );
  const list = PageList.of([page(1, 1), page(2, 7), page(5, 5), page(8, 0)]);
  assert.deepEqual(await read(list.sections('memory', base)), [
    [2, 7],
    [3, -1],
    [5, 5],
    [8, -1],
    [9, -1],
  ]);
  assert.deepEqual(PageList.of([page(1, 1)]).sections('memory', new Map([[1, page(1, 1).bytes]])), []);
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
  const sections = PageList.of([page(0, 1), page(1, 1), page(2, 1)]).sections('memory');
  await assert.rejects(read(sections, 2), /its section "memory\/0" has more pages than the machine\.$/);
});
