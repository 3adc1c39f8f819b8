import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const MODULE = new URL('./compiler-threads.ts', import.meta.url).href;
const PROGRAM = `
  const { readdirSync } = await import('node:fs');
  const { getPriority } = await import('node:os');
  const { preferThisThread } = await import('${MODULE}');
  const before = readdirSync('/proc/self/task').map(Number);
  preferThisThread();
  const others = before.filter((thread) => thread !== process.pid).map((thread) => getPriority(thread));
  console.log(JSON.stringify({ own: getPriority(), others: others.length, nice: others.every((n) => n >= 10) }));
`;

test('the main thread goes before the others', { skip: process.platform !== 'linux' }, () => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROGRAM], {
    encoding: 'utf8',
  });
  const { own, others, nice } = JSON.parse(run.stdout);
  assert.equal(own, Number(spawnSync(process.execPath, ['-p', 'os.getPriority()'], { encoding: 'utf8' }).stdout));
  assert.ok(others > 0);
  assert.ok(nice);
});
