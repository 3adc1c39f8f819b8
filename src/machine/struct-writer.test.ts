import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StructWriter } from './struct-writer.ts';

test('a structure may grow with any of its fields', () => {
  for (const [bytes, add] of [
    [1, (writer: StructWriter) => writer.u8(7)],
    [2, (writer: StructWriter) => writer.u16(7)],
    [4, (writer: StructWriter) => writer.u32(7)],
    [8, (writer: StructWriter) => writer.u64(7)],
  ] as const) {
    const writer = new StructWriter();
    for (let i = 0; i < 1000; i++) add(writer);
    const expected = Uint8Array.from({ length: 1000 * bytes }, (_, i) => (i % bytes === 0 ? 7 : 0));
    assert.deepEqual(writer.finish(), expected);
  }
});
