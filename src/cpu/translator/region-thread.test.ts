/**
 * Regions that another thread makes. The threads are channels here, served by this one; host/node/region-thread.test.ts
 * has real ones.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { endOf, type PostsMessages, type WorkerEnd } from '../../base/message-end.ts';
import { CODE, LongModeMachine } from '../interpreter/test-long-mode.ts';
import { type MadeRegions, type MakerOptions, RegionMaker } from './region-maker.ts';
import type { PackedRegion } from './region-request.ts';
import { serveRegions } from './region-thread.ts';

const RAX = 0;
const RCX = 1;
const TURNS = 5000;
/** add eax, ecx; crc32 eax, ecx, which is a routine; dec ecx; jnz; then HLT. */
const LOOP = '01 c8  f2 0f 38 f1 c1  ff c9  75 f5  f4';

interface Watched {
  readonly thread: WorkerEnd;
  /** What has come from the thread. */
  readonly made: MadeRegions[];
  isTerminated: boolean;
  fail(): void;
}

/** A thread; one that is lost answers nothing. */
function startThread(isLost = false): Watched {
  const { port1, port2 } = new MessageChannel();
  if (!isLost) serveRegions(endOf(port2 as unknown as PostsMessages));
  const near = endOf(port1 as unknown as PostsMessages);
  let failed: (error: Error) => void = () => {};
  const watched: Watched = {
    made: [],
    isTerminated: false,
    fail: () => failed(new Error('The thread is lost.')),
    thread: {
      post: near.post,
      listen: (received) =>
        near.listen((message) => {
          watched.made.push(message as MadeRegions);
          received(message);
        }),
      failed(listener) {
        failed = listener;
      },
      async terminate() {
        watched.isTerminated = true;
        port1.close();
      },
    },
  };
  return watched;
}

function loopingMachine(thread: WorkerEnd): LongModeMachine {
  const machine = new LongModeMachine(undefined, { tiers: 'auto', compileAside: true, regionThread: () => thread });
  machine.engine.blocks.countdown = 50;
  machine.code(LOOP);
  return machine;
}

/** Runs the loop from its start; gives EAX. */
function turn(machine: LongModeMachine): number {
  machine.rip = CODE;
  machine.setGpr(RAX, 0);
  machine.setGpr(RCX, TURNS);
  machine.run(4 * TURNS);
  return machine.gpr(RAX);
}

/** Runs the loop until it has been translated, or patience ends. */
async function untilTranslated(machine: LongModeMachine): Promise<number> {
  let result = turn(machine);
  for (let i = 0; i < 200 && machine.engine.translatorStats.codeBytes === 0; i++) {
    await wait(5);
    result = turn(machine);
  }
  await wait(5);
  return result;
}

test('a region that another thread makes computes what the interpreter does', async () => {
  const { thread, made } = startThread();
  const machine = loopingMachine(thread);
  const interpreted = turn(machine);
  await untilTranslated(machine);
  assert.equal(made.length > 0, true, 'nothing came from the thread');
  assert(machine.engine.translatorStats.codeBytes > 0, 'no region was made');
  assert.equal(turn(machine), interpreted);
  machine.engine.translator?.close();
});

test('another thread makes the same bytes as this one', async (t) => {
  const asked: PackedRegion[] = [];
  const { thread, made } = startThread();
  let options: MakerOptions | undefined;
  const watching: WorkerEnd = {
    ...thread,
    post(message, transfer) {
      const { kind } = message as { kind: string };
      if (kind === 'begin') options = (message as { options: MakerOptions }).options;
      if (kind === 'region') asked.push((structuredClone(message) as { request: PackedRegion }).request);
      thread.post(message, transfer);
    },
  };
  const machine = loopingMachine(watching);
  await untilTranslated(machine);
  t.after(() => machine.engine.translator?.close());
  const [first] = made;
  assert(first !== undefined && options !== undefined);
  const here = new RegionMaker(options);
  for (const request of asked.slice(0, first.outcomes.length)) here.region(request);
  assert.deepEqual(here.finish(), first);
  assert.deepEqual(
    first.imports.filter((name) => !/^\d+$/.test(name)),
    ['crc32c'],
    'routines go by their names',
  );
});

test('where the thread is lost, regions are made on this one', async () => {
  const { thread, made, fail } = startThread(true);
  const machine = loopingMachine(thread);
  const interpreted = turn(machine);
  for (let i = 0; i < 5; i++) turn(machine);
  assert.equal(machine.engine.translatorStats.codeBytes, 0);
  fail();
  await untilTranslated(machine);
  assert(machine.engine.translatorStats.codeBytes > 0, 'no region was made');
  assert.equal(made.length, 0);
  assert.equal(turn(machine), interpreted);
  thread.terminate();
});

test('where no thread can be started, regions are made on this one', async () => {
  const refused = (): never => {
    throw new Error('Workers are not allowed here.');
  };
  const machine = new LongModeMachine(undefined, { tiers: 'auto', compileAside: true, regionThread: refused });
  machine.engine.blocks.countdown = 50;
  machine.code(LOOP);
  await untilTranslated(machine);
  assert(machine.engine.translatorStats.codeBytes > 0, 'no region was made');
});

test('the thread ends with the translator', async () => {
  const watched = startThread();
  const machine = loopingMachine(watched.thread);
  await untilTranslated(machine);
  machine.engine.translator?.close();
  assert.equal(watched.isTerminated, true);
});
