import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, inflateSync } from 'node:zlib';
import { type Packing, packSnapshot, type Section, SnapshotFile } from './format.ts';
import { type FillPages, PAGE_BYTES, pageSections } from './pages.ts';
import { StoredMemory } from './stored-memory.ts';

const PAGES = 2048;
const SIZE_BYTES = PAGES * PAGE_BYTES;
/** Of the 700 pages that are saved, the numbers: three sections. */
const SAVED = Array.from({ length: 700 }, (_, i) => 2 * i + 5);

const packing: Packing = {
  deflate: async (bytes) => deflateSync(bytes),
  inflate: async (packed) => inflateSync(packed),
  inflateNow: (packed) => inflateSync(packed),
};

const contentsOf = (page: number): Uint8Array => new Uint8Array(PAGE_BYTES).fill((page % 255) + 1);

function sections(): Section[] {
  const source = {
    pages: Uint32Array.from(SAVED),
    take(page: number, into: Uint8Array, at: number): boolean {
      into.set(contentsOf(page), at);
      return true;
    },
  };
  return [...pageSections('memory', source)].filter((section) => section !== undefined);
}

async function fileOf(saved = sections(), unpacking: Packing = packing) {
  return new SnapshotFile(await packSnapshot({}, saved, packing), unpacking);
}

/** What was filled, by page. */
function filled(): { readonly pages: Map<number, number>; readonly fill: FillPages } {
  const pages = new Map<number, number>();
  return {
    pages,
    fill(first, count, bytes) {
      for (let i = 0; i < count; i++) {
        assert.ok(!pages.has(first + i), `page ${first + i} is filled once`);
        pages.set(first + i, bytes?.[i * PAGE_BYTES] ?? 0);
      }
      return first + count <= PAGES;
    },
  };
}

function opened(file: SnapshotFile) {
  const stored = StoredMemory.of(file, 'memory', SIZE_BYTES);
  assert.ok(stored !== undefined);
  const { pages, fill } = filled();
  return { stored, pages, fill };
}

test('a page comes with those of its section when it is wanted, and once', async () => {
  const { stored, pages, fill } = opened(await fileOf());
  stored.fillInto(fill);
  assert.equal(stored.bring(4), false, 'before the first');
  assert.equal(stored.bring(5), true);
  assert.deepEqual([...pages.keys()], SAVED.slice(0, 256));
  assert.equal(stored.bring(5), false);
  assert.equal(stored.bring(2 * 256 + 4), false, 'not saved, and in a section that is here');
  assert.equal(stored.bring(PAGES - 1), true, 'behind the last: in the last section, if it is anywhere');
  assert.deepEqual([...pages.keys()], [...SAVED.slice(0, 256), ...SAVED.slice(512)]);
  stored.bringAll();
  assert.equal(pages.size, SAVED.length);
  for (const [page, byte] of pages) assert.equal(byte, contentsOf(page)[0]);
});

test('beside other work all comes, once', async () => {
  const { stored, pages, fill } = opened(await fileOf());
  stored.fillInto(fill);
  stored.bring(5);
  const aside = stored.bringAllAside(() => true);
  stored.bring(5 + 2 * 256);
  await Promise.all([aside, stored.bringAllAside(() => true)]);
  assert.deepEqual(
    [...pages.keys()].sort((a, b) => a - b),
    SAVED,
  );
});

test('nothing comes aside that is not wanted any more', async () => {
  const { stored, pages, fill } = opened(await fileOf());
  stored.fillInto(fill);
  await stored.bringAllAside(() => pages.size === 0);
  assert.equal(pages.size, 512, 'two at a time');
});

test('a page that could not be filled is asked for again', async () => {
  const { stored, pages, fill } = opened(await fileOf());
  let isFull = true;
  stored.fillInto((...run) => {
    if (isFull) throw new Error('There is no memory.');
    return fill(...run);
  });
  assert.throws(() => stored.bring(5), /There is no memory/);
  await assert.rejects(
    stored.bringAllAside(() => true),
    /There is no memory/,
  );
  isFull = false;
  assert.equal(stored.bring(5), true);
  assert.equal(pages.get(5), contentsOf(5)[0]);
});

test('there is none where sections do not say what they begin with, or cannot be unpacked at once', async () => {
  const silent = sections().map(({ name, bytes }) => ({ name, bytes }));
  assert.equal(StoredMemory.of(await fileOf(silent), 'memory', SIZE_BYTES), undefined);
  const { inflateNow: _, ...slow } = packing;
  assert.equal(StoredMemory.of(await fileOf(sections(), slow), 'memory', SIZE_BYTES), undefined);
});

test('a damaged section is refused before anything is filled', async () => {
  const bytes = await packSnapshot({}, sections(), packing);
  bytes[bytes.length - 9] = (bytes[bytes.length - 9] as number) ^ 1;
  const { stored, pages, fill } = opened(new SnapshotFile(bytes, packing));
  assert.throws(() => stored.fillInto(fill), /its section "memory\/2" is damaged\.$/);
  assert.equal(pages.size, 0);
});

test('sections that do not begin where they say, end in the next one, or are out of order, are refused', async () => {
  const [first, second, third] = sections() as [Section, Section, Section];
  const bringing = async (saved: Section[], page: number): Promise<void> => {
    const { stored, fill } = opened(await fileOf(saved));
    stored.fillInto(fill);
    stored.bring(page);
  };
  await assert.rejects(bringing([first, { ...second, first: 800 }, third], 800), /"memory\/1" makes no sense\.$/);
  await assert.rejects(
    bringing([first, { ...second, first: 100 }, third], 5),
    /"memory\/0" has pages from 101 on, which are not its own\.$/,
  );
  await assert.rejects(bringing([first, { ...second, first: 5 }, third], 5), /"memory\/0" makes no sense\.$/);
  const far = { ...third, first: PAGES + 7 };
  await assert.rejects(bringing([first, second, far], PAGES + 7), /"memory\/2" makes no sense\.$/);
  await assert.rejects(bringing([first, second, { ...third, bytes: third.bytes.slice(0, 99) }], PAGES - 1), {
    message: /"memory\/2" makes no sense\.$/,
  });
});

test('more pages than the machine has are refused', async () => {
  const file = await fileOf();
  assert.throws(() => StoredMemory.of(file, 'memory', 600 * PAGE_BYTES), /has more pages than the machine\.$/);
});
