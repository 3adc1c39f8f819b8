import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryMap } from './memory-map.ts';
import { smbiosFiles } from './smbios.ts';

const GIB = 2 ** 30;

function structures(sizeBytes: number) {
  const [anchorFile, tableFile] = smbiosFiles(memoryMap(sizeBytes));
  const anchor = anchorFile!.bytes;
  const table = tableFile!.bytes;
  const found: { type: number; bytes: Uint8Array }[] = [];
  for (let at = 0; at < table.length; ) {
    let end = at + table[at + 1]!;
    const bytes = table.subarray(at, end);
    while (table[end] !== 0 || table[end + 1] !== 0) end++;
    found.push({ type: table[at]!, bytes });
    at = end + 2;
  }
  return { anchor, table, found };
}

test('the anchor agrees with the structures, and its checksums are right', () => {
  const { anchor, table, found } = structures(GIB);
  const view = new DataView(anchor.buffer);
  const sum = (bytes: Uint8Array) => bytes.reduce((a, b) => a + b, 0) & 0xff;
  assert.deepEqual([anchor.length, sum(anchor), sum(anchor.subarray(16))], [31, 0, 0]);
  assert.equal(view.getUint16(0x16, true), table.length);
  assert.equal(view.getUint16(0x1c, true), found.length);
  assert.equal(found.at(-1)!.type, 127);
});

test('each structure has the length that version 2.8 gives it', () => {
  const { found } = structures(GIB);
  assert.deepEqual(
    found.map(({ type, bytes }) => [type, bytes.length]),
    [
      [0, 24],
      [1, 27],
      [3, 21],
      [4, 42],
      [16, 23],
      [17, 40],
      [19, 31],
      [32, 11],
      [127, 4],
    ],
  );
});

test('memory above 4 GiB has a range of its own', () => {
  const { found } = structures(5 * GIB);
  const ranges = found.filter(({ type }) => type === 19).map(({ bytes }) => new DataView(bytes.slice().buffer));
  assert.deepEqual(
    ranges.map((range) => [Number(range.getBigUint64(15, true)), Number(range.getBigUint64(23, true))]),
    [
      [0, 3 * GIB - 1],
      [4 * GIB, 6 * GIB - 1],
    ],
  );
});
