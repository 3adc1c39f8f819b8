import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { VivariumError } from '../../base/errors.ts';
import { CaptureFile } from './capture-file.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-capture-'));
});
after(() => rm(folder, { recursive: true }));

function recorder() {
  const seen: string[] = [];
  return {
    seen,
    full: () => seen.push('full'),
    drained: () => seen.push('drained'),
    failed: (error: VivariumError) => seen.push(error.message),
  };
}

test('bytes arrive in order and complete; a guest far ahead of the disk is told to pause, then to go on', async () => {
  const path = join(folder, 'ahead');
  const events = recorder();
  const file = await CaptureFile.create(path, events);
  const expected: Uint8Array[] = [];
  for (let i = 0; i < 20_000; i++) expected.push(new Uint8Array(1000).fill(i));
  for (const bytes of expected) file.write(bytes);
  assert.deepEqual(events.seen, ['full']);
  await file.close();
  assert.deepEqual(events.seen, ['full', 'drained']);
  assert(Buffer.concat(expected).equals(await readFile(path)));
});

test('a file that exists is refused and keeps its contents', async () => {
  const path = join(folder, 'precious');
  await writeFile(path, 'precious');
  const message = `The capture ${path} cannot be written: it exists already.`;
  await assert.rejects(CaptureFile.create(path, recorder()), { message });
  assert.equal(await readFile(path, 'utf8'), 'precious');
});

test('a full disk is told once, in one sentence', { skip: !existsSync('/dev/full') }, async () => {
  const events = recorder();
  const file = await CaptureFile.create('/dev/full', events);
  file.write(new Uint8Array(100));
  await new Promise((next) => setTimeout(next, 50));
  file.write(new Uint8Array(100));
  await file.close();
  assert.deepEqual(events.seen, ['The capture /dev/full cannot be written any further: the disk is full.']);
});
