import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VivariumError } from '../../base/errors.ts';
import { TraceFile } from './trace-file.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vivarium-trace-'));
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

test('lines arrive in order and complete, small and large', async () => {
  const path = join(folder, 'order');
  const events = recorder();
  const trace = await TraceFile.create(path, events);
  const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(i % 50)}`);
  for (const line of lines) trace.line(line);
  await trace.close();
  assert.equal(await readFile(path, 'utf8'), `${lines.join('\n')}\n`);
  assert.deepEqual(events.seen, []);
});

test('a guest far ahead of the disk is told to pause, then to go on', async () => {
  const path = join(folder, 'ahead');
  const events = recorder();
  const trace = await TraceFile.create(path, events);
  const line = 'y'.repeat(999);
  for (let i = 0; i < 20_000; i++) trace.line(line);
  assert.deepEqual(events.seen, ['full']);
  await trace.close();
  assert.deepEqual(events.seen, ['full', 'drained']);
  assert.equal((await readFile(path)).length, 20_000_000);
});

test('a file that exists is refused and keeps its contents', async () => {
  const path = join(folder, 'precious');
  await writeFile(path, 'precious');
  await assert.rejects(TraceFile.create(path, recorder()), (error) => {
    assert(error instanceof VivariumError);
    assert.equal(error.message, `The trace ${path} cannot be written: it exists already.`);
    return true;
  });
  assert.equal(await readFile(path, 'utf8'), 'precious');
});

test('a folder, and a file in a folder that is not there, are refused', async () => {
  await assert.rejects(TraceFile.create(folder, recorder()), /it is a directory|it exists already/);
  await assert.rejects(TraceFile.create(join(folder, 'no', 'where'), recorder()), /there is no such file/);
});

test('a full disk is told once, in one sentence', { skip: !existsSync('/dev/full') }, async () => {
  const events = recorder();
  const trace = await TraceFile.create('/dev/full', events);
  for (let i = 0; i < 3000; i++) trace.line('z'.repeat(100));
  await trace.close();
  trace.line('more');
  assert.deepEqual(events.seen, ['The trace /dev/full cannot be written any further: the disk is full.']);
});
