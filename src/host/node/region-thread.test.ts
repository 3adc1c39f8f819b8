/** The worker that makes regions, as it is built. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { CODE, LongModeMachine } from '../../cpu/interpreter/test-long-mode.ts';
import { RegionMaker } from '../../cpu/translator/region-maker.ts';
import { startRegionThread } from './region-thread.ts';

const RCX = 1;
const TURNS = 5000;
const built = new URL('../../../dist/library/node/region-worker.js', import.meta.url);

/** Runs a loop again and again until it has been translated; gives whether it has been. */
async function translates(worker: URL): Promise<boolean> {
  const machine = new LongModeMachine(undefined, {
    tiers: 'auto',
    compileAside: true,
    regionThread: () => startRegionThread(worker),
  });
  machine.engine.blocks.countdown = 50;
  machine.code('01 c8  ff c9  75 fa  f4');
  for (let i = 0; i < 1000 && machine.engine.translatorStats.codeBytes === 0; i++) {
    machine.rip = CODE;
    machine.setGpr(RCX, TURNS);
    machine.run(4 * TURNS);
    await wait(10);
  }
  machine.engine.translator?.close();
  return machine.engine.translatorStats.codeBytes > 0;
}

test('the worker that is built makes regions', async (t) => {
  const here = t.mock.method(RegionMaker.prototype, 'region');
  assert.equal(await translates(built), true);
  assert.equal(here.mock.callCount(), 0, 'this thread made them');
});

test('the worker goes behind all other threads', { skip: process.platform !== 'linux' }, async (t) => {
  const thread = startRegionThread(built);
  assert(thread !== undefined);
  t.after(() => thread.terminate());
  const answered = new Promise((resolve) => thread.listen(resolve));
  thread.post({ kind: 'begin', options: { maximumPages: 1, shared: false, named: false } }, []);
  thread.post({ kind: 'finish' }, []);
  // An unref'd worker does not keep the process.
  const keeping = setInterval(() => {}, 1000);
  await answered;
  clearInterval(keeping);
  const behind = readdirSync('/proc/self/task').filter((id) => getPriority(Number(id)) > getPriority());
  assert.equal(behind.length, 1);
});

test('without a worker regions are made all the same', async () => {
  assert.equal(await translates(new URL('nowhere.js', built)), true);
});
