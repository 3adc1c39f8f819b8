/** The clock of guests, while they run, while they are paused, and what they cost the host while they wait. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Booted, boot, builtIn } from './booted.ts';

const PROMPT = 'vivarium:~# ';

/** Seconds since boot by the guest's clock, and host times before it was asked and after it answered. */
async function uptime({ console, shows, type }: Booted) {
  const before = performance.now();
  type('cat /proc/uptime\r');
  await shows('cat /proc/uptime\n');
  await shows(PROMPT);
  const after = performance.now();
  const answers = [...console().matchAll(/^(\d+\.\d\d) \d+\.\d\d$/gm)];
  return { seconds: Number(answers.at(-1)?.[1]), before, after };
}

/** Uptime is told in hundredths, and rounded down. */
const RESOLUTION_S = 0.011;

async function poweredOff({ end, type }: Booted): Promise<void> {
  type('poweroff\r');
  assert.deepEqual(await end, { kind: 'powered-off' });
}

test("the guest's clock goes with the host's, and stands still while the guest is paused", async () => {
  const booted = await boot({ kernel: builtIn() });
  const { guest, shows } = booted;
  await shows(PROMPT);
  for (const pauseMs of [0, 1500]) {
    const one = await uptime(booted);
    const pausedAt = performance.now();
    guest.pause();
    await sleep(pauseMs);
    const pausedMs = performance.now() - pausedAt;
    guest.resume();
    await sleep(500);
    const two = await uptime(booted);
    const passed = two.seconds - one.seconds;
    const least = (two.before - one.after - pausedMs) / 1000 - RESOLUTION_S;
    const most = (two.after - one.before - pausedMs) / 1000 + RESOLUTION_S;
    assert(least <= passed && passed <= most, `${least} <= ${passed} <= ${most} with a pause of ${pausedMs} ms`);
  }
  await poweredOff(booted);
});

test('the guest has the date of the host', async () => {
  const before = Math.floor(Date.now() / 1000);
  const booted = await boot({ kernel: builtIn() });
  await booted.shows(PROMPT);
  booted.type('echo @$(date +%s)@\r');
  await booted.shows('\n@');
  await booted.shows(PROMPT);
  const date = Number(/^@(\d+)@$/m.exec(booted.console())?.[1]);
  // The clock chip tells whole seconds.
  assert(before - 1 <= date && date <= Date.now() / 1000 + 1, `${before} <= ${date}`);
  await poweredOff(booted);
});

for (const time of ['real', 'deterministic'] as const) {
  test(`an idle guest in ${time} time leaves the processor of the host alone`, async () => {
    const booted = await boot({ kernel: builtIn(), time, paced: true });
    await booted.shows(PROMPT);
    await sleep(1000);
    const start = process.cpuUsage();
    const instructions = booted.guest.stats().instructions;
    await sleep(3000);
    const { user, system } = process.cpuUsage(start);
    assert((user + system) / 3e6 < 0.3, `${(user + system) / 1000} ms in 3 s`);
    assert(booted.guest.stats().instructions - instructions < 20_000_000);
    await poweredOff(booted);
  });
}

test('a paused guest does nothing at all', async () => {
  const booted = await boot({ kernel: builtIn() });
  await booted.shows(PROMPT);
  booted.type('while :; do :; done\r');
  await booted.shows('done\n');
  booted.guest.pause();
  await sleep(50);
  const { instructions } = booted.guest.stats();
  await sleep(300);
  assert.equal(booted.guest.stats().instructions, instructions);
  booted.guest.resume();
  await sleep(300);
  assert(booted.guest.stats().instructions > instructions);
  booted.guest.stop();
  assert.deepEqual(await booted.end, { kind: 'stopped' });
});
