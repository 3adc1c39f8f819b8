import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from '../../src/base/crc-32.ts';
import { nodePacking } from '../../src/host/node/platform.ts';
import { SnapshotError } from '../../src/vmm/snapshot/error.ts';
import { packSnapshot, SnapshotFile } from '../../src/vmm/snapshot/format.ts';

const TEXT = new TextEncoder().encode('a section '.repeat(100));
const SHORT = Uint8Array.of(1, 2, 3);
const sections = [
  { name: 'long', bytes: TEXT },
  { name: 'short/0', bytes: SHORT },
];
const manifest = { about: 'a test' };

const packed = (): Promise<Uint8Array> => packSnapshot(manifest, sections, nodePacking);

/** Every section, or the error that one gives. */
async function readAll(bytes: Uint8Array): Promise<void> {
  const file = new SnapshotFile(bytes, nodePacking);
  for (const name of file.names) await file.read(name);
}

/** With its table changed, and the check of the table made good. */
function withTable(bytes: Uint8Array, change: (text: string) => string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(12, true);
  const table = new TextEncoder().encode(change(new TextDecoder().decode(bytes.subarray(20, 20 + length))));
  const changed = new Uint8Array(20 + table.length + bytes.length - 20 - length);
  changed.set(bytes.subarray(0, 12));
  changed.set(table, 20);
  changed.set(bytes.subarray(20 + length), 20 + table.length);
  new DataView(changed.buffer).setUint32(12, table.length, true);
  new DataView(changed.buffer).setUint32(16, crc32(table), true);
  return changed;
}

test('sections come back, packed and not', async () => {
  for (const bytes of [await packed(), await packSnapshot(manifest, sections)]) {
    const file = new SnapshotFile(bytes, nodePacking);
    assert.deepEqual(file.manifest, manifest);
    assert.deepEqual([...file.names], ['long', 'short/0']);
    assert.deepEqual(new Uint8Array(await file.read('long')), TEXT);
    assert.deepEqual(new Uint8Array(await file.read('short/0')), SHORT);
  }
  assert.ok((await packed()).length < TEXT.length);
});

test('the same machine gives the same file', async () => {
  assert.deepEqual(await packed(), await packed());
});

test('wherever it is cut off, that is told in one sentence', async () => {
  const bytes = await packed();
  for (let length = 0; length < bytes.length; length++) {
    await assert.rejects(
      readAll(bytes.subarray(0, length)),
      /^SnapshotError: The snapshot cannot be restored: [^\n]*\.$/,
    );
  }
});

test('a section that is cut off is named', async () => {
  const bytes = await packed();
  assert.throws(() => new SnapshotFile(bytes.subarray(0, -1), nodePacking), {
    message: 'The snapshot cannot be restored: its section "short/0" is cut off.',
    fault: { kind: 'bad-snapshot', section: 'short/0' },
  });
});

test('whichever byte is damaged, the snapshot is refused', async () => {
  const bytes = await packed();
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] as number) ^ 0x10;
    await assert.rejects(readAll(damaged), SnapshotError, `byte ${at}`);
  }
});

test('a newer format is named', async () => {
  const bytes = await packed();
  bytes[8] = 2;
  const message = 'The snapshot cannot be restored: it has format 2, and this program knows 1.';
  assert.throws(() => new SnapshotFile(bytes), { message });
});

const FORGED: readonly (readonly [what: string, from: string | RegExp, to: string])[] = [
  ['a size beyond all bounds', '"size":1000', '"size":1000000000000'],
  ['a size that is none', '"size":1000', '"size":-1'],
  ['more than unpacks', '"size":1000', '"size":1001'],
  ['less than unpacks', '"size":1000', '"size":999'],
  ['more bytes than there are', /"stored":3/, '"stored":4'],
  ['a section twice', '"short/0"', '"long"'],
  ['a name that is none', '"short/0"', '"../short"'],
  ['an unknown packing', '"deflate"', '"magic"'],
  ['no list', '"sections":[', '"sections":{"0":['],
  ['no JSON', '{"manifest"', '{manifest'],
  ['null', /^.*$/s, 'null'],
];

for (const [what, from, to] of FORGED) {
  test(`a table of contents with ${what} is refused`, async () => {
    const forged = withTable(await packed(), (text) => {
      assert.notEqual(text.replace(from, to), text);
      return text.replace(from, to);
    });
    await assert.rejects(readAll(forged), SnapshotError);
  });
}
