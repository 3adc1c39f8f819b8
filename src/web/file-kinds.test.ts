import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenOf, HEAD_BYTES, kindOf } from './file-kinds.ts';

/** A head with bytes at a place. */
function head(at: number, text: string): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES);
  bytes.set(
    [...text].map((c) => c.charCodeAt(0)),
    at,
  );
  return bytes;
}

test('what machines start from is told by its first bytes', () => {
  assert.equal(kindOf('a', 5_000_001, head(0, '\x89VIV\r\n\x1a\n')), 'snapshot');
  assert.equal(kindOf('a', 5_000_001, head(0x202, 'HdrS')), 'kernel');
  assert.equal(kindOf('a', 5_000_001, head(0, '\x7fELF')), 'kernel');
  assert.equal(kindOf('a', 5_000_001, head(0, '070701')), 'initrd');
  assert.equal(kindOf('a', 5_000_000, head(0x8001, 'CD001')), 'cdrom');
  assert.equal(kindOf('a', 10 << 20, head(510, '\x55\xaa')), 'disk');
  assert.equal(kindOf('a', 1440 * 1024, head(0, '')), 'floppy');
});

test('anything else is refused in a sentence with its name', () => {
  assert.throws(() => kindOf('cat.jpg', 5000, head(0, '\xff\xd8')), {
    message: /^cat\.jpg \(4\.9 KB\) is no ISO, .*\.$/,
  });
  assert.throws(() => kindOf('nothing', 0, new Uint8Array(0)), { message: /^nothing is empty/ });
  assert.throws(() => kindOf('d.qcow2', 512, head(0, 'QFI\xfb')), { message: /is a QCOW2 image/ });
  assert.throws(() => kindOf('zeros.img', 1 << 20, head(0, '')), { message: /is no ISO/ });
});

const file = (name: string, bytes: Uint8Array): File => new File([bytes as Uint8Array<ArrayBuffer>], name);

test('files that are chosen together make one machine', async () => {
  const chosen = await chosenOf([file('linux', head(0x202, 'HdrS')), file('initrd', head(0, '\x1f\x8b'))]);
  assert.deepEqual([chosen.kernel?.name, chosen.initrd?.name], ['linux', 'initrd']);
});

test('files that make no machine together are refused', async () => {
  const kernel = (name: string): File => file(name, head(0x202, 'HdrS'));
  await assert.rejects(chosenOf([kernel('a'), kernel('b')]), { message: /^a and b are both kernels: choose one\.$/ });
  await assert.rejects(chosenOf([file('x.gz', head(0, '\x1f\x8b'))]), { message: /^x\.gz is packed/ });
  await assert.rejects(chosenOf([kernel('a'), file('s', head(0, '\x89VIV\r\n\x1a\n'))]), { message: /its own kernel/ });
});
