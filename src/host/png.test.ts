import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import type { ScreenImage } from '../base/screen.ts';
import { encodePng } from './png.ts';

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** A reader written apart from the writer; checks what every PNG must have. */
function chunks(file: Uint8Array): Chunk[] {
  assert.deepEqual([...file.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const found: Chunk[] = [];
  for (let at = 8; at < file.length; ) {
    const length = view.getUint32(at);
    const checked = file.subarray(at + 4, at + 8 + length);
    found.push({ type: new TextDecoder().decode(checked.subarray(0, 4)), data: checked.subarray(4) });
    assert.equal(view.getUint32(at + 8 + length), crc32(checked));
    at += 12 + length;
  }
  return found;
}

const image: ScreenImage = {
  width: 3,
  height: 2,
  pixels: Uint8ClampedArray.from(
    [
      [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255],
      [1, 2, 3, 255, 4, 255, 6, 255, 7, 8, 9, 255],
    ].flat(),
  ),
};

test('a file has the chunks of PNG with valid checks, and says its size', () => {
  const [header, data, end] = chunks(encodePng(image, deflateSync));
  assert.deepEqual([header.type, data.type, end.type], ['IHDR', 'IDAT', 'IEND']);
  assert.deepEqual([...header.data], [0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
  assert.equal(end.data.length, 0);
});

test('a file holds the pixels of its picture', () => {
  const lines = inflateSync(chunks(encodePng(image, deflateSync))[1].data);
  const rows: number[][] = [];
  for (let y = 0; y < 2; y++) {
    const line = lines.subarray(y * 10, y * 10 + 10);
    assert.equal(line[0], 2);
    rows.push(Array.from(line.subarray(1), (byte, i) => (byte + (rows[y - 1]?.[i] ?? 0)) & 0xff));
  }
  assert.deepEqual(rows, [
    [255, 0, 0, 0, 255, 0, 0, 0, 255],
    [1, 2, 3, 4, 255, 6, 7, 8, 9],
  ]);
});
