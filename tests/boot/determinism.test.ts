/** A deterministic guest's state is a function of its input and seed alone: whole boots, compared by their hash. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineChoice } from '../../src/cpu/translator/statistics.ts';
import type { Guest } from '../../src/vmm/guest.ts';
import type { GuestOptions } from '../../src/vmm/guest-options.ts';
import { nightly } from '../nightly.ts';
import { builtIn, runScript } from './booted.ts';

const SCRIPT = `
date; cat /proc/uptime; od -An -N8 -tx1 /dev/urandom
sleep 2; seq 1 5000 | sort | md5sum
(sleep 0.05; echo in the background) & wait
poweroff`;

async function finalState(options: Partial<GuestOptions> = {}, prepare?: (guest: Guest) => void) {
  const { console, end, guest } = await runScript(builtIn(), SCRIPT, { time: 'deterministic', ...options }, prepare);
  assert.deepEqual(end, { kind: 'powered-off' }, console);
  return { hash: guest.stateHash(), console, instructions: guest.stats().instructions };
}

const first = finalState({ engine: 'interpreter' });

test('two boots end with the same state', async () => {
  const { console, hash } = await first;
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.match(console, /^Mon Jan {2}1 00:00:00 UTC 2024\n/);
  assert.match(console, /in the background/);
  assert.deepEqual(await finalState({ engine: 'interpreter' }), await first);
});

interface TierRun {
  readonly engine: EngineChoice;
  /** Entries of a block that the translator waits for. */
  readonly hot?: number;
  readonly leastRegions: number;
  readonly atNight?: string;
}

const RUNS: readonly TierRun[] = [
  { engine: 'auto', leastRegions: 100 },
  { engine: 'translator', hot: 20, leastRegions: 5000 },
  { engine: 'auto', hot: 2, leastRegions: 20_000, atNight: 'half a minute' },
];

for (const { engine, hot, leastRegions, atNight } of RUNS) {
  const name = hot === undefined ? engine : `${engine}, with blocks hot after ${hot} entries,`;
  const skip = atNight !== undefined && !nightly && `${atNight}: npm run nightly`;
  test(`${name} ends with the same state as the interpreter`, { skip }, async () => {
    let translations = (): number => 0;
    const state = await finalState({ engine }, ({ debug }) => {
      if (hot !== undefined) debug.engine.blocks.countdown = hot;
      translations = () => debug.engine.translatorStats.translations;
    });
    assert.deepEqual(state, await first);
    assert(translations() > leastRegions, `${translations()} regions`);
  });
}

test('another seed gives another state', async () => {
  const other = await finalState({ seed: 1 });
  assert.notEqual(other.hash, (await first).hash);
  assert.notEqual(other.console, (await first).console);
});

test('how the run falls into slices makes no difference', async () => {
  let slices = 0;
  const sliced = await finalState({}, (guest) => {
    const { cpu } = guest.debug;
    const run = cpu.run.bind(cpu);
    // Lengths with no pattern that the guest could share.
    cpu.run = (budget) => run(Math.min(budget, 1 + ((slices++ * 7919) % 20_011)));
  });
  assert.deepEqual(sliced, await first);
  assert(slices > 1000);
});

test('pauses make no difference', async () => {
  let guest: Guest | undefined;
  let pauses = 0;
  const timer = setInterval(() => {
    guest?.pause();
    setTimeout(() => guest?.resume(), 20);
    pauses++;
  }, 200);
  const paused = await finalState({}, (created) => {
    guest = created;
  });
  clearInterval(timer);
  assert.deepEqual(paused, await first);
  assert(pauses > 0);
});

test('waiting in real time makes no difference', async () => {
  assert.deepEqual(await finalState({ paced: true }), await first);
});

test('looking makes no difference: statistics and traces', async () => {
  let lines = 0;
  const trace: GuestOptions['trace'] = { kinds: new Set(['exits', 'irq']), line: () => lines++ };
  assert.deepEqual(await finalState({ countHits: true, trace }), await first);
  assert(lines > 1000);
});
