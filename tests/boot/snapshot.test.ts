/** Guests that are saved in the middle of what they do, and go on elsewhere as if nothing had been. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestOptions, RestoreOptions } from '../../src/vmm/guest-options.ts';
import { builtIn, runScript } from './booted.ts';

const SCRIPT = `
seq 1 3000 | sort | md5sum
sleep 0.3; date; od -An -N8 -tx1 /dev/urandom
(sleep 0.05; echo in the background) & wait
poweroff`;

/** Has snapshots taken when the guest has run so many instructions. */
function snapshotsAt(guest: Guest, marks: readonly number[]): Promise<Uint8Array>[] {
  const { cpu } = guest.debug;
  const run = cpu.run.bind(cpu);
  let next = 0;
  const asked: ((snapshot: Promise<Uint8Array>) => void)[] = [];
  const taken = marks.map(() => new Promise<Uint8Array>((resolve) => asked.push(resolve)));
  cpu.run = (budget) => {
    const mark = marks[next];
    const reason = run(mark === undefined ? budget : Math.min(budget, Math.max(1, mark - cpu.instructions)));
    if (mark !== undefined && cpu.instructions >= mark) asked[next++]?.(guest.snapshot());
    return reason;
  };
  return taken;
}

/** Made anew; its init is given the script unless it has it. */
async function restored(snapshot: Uint8Array, hasScript: boolean, options: Partial<RestoreOptions> = {}) {
  let console = '';
  let sent = hasScript;
  const guest: Guest = await Guest.restore(snapshot, {
    onConsole: (bytes) => {
      console += Buffer.from(bytes).toString('latin1').replaceAll('\r', '');
    },
    onSecondSerial: () => {
      if (!sent) guest.sendSecondSerial(new TextEncoder().encode(`${SCRIPT}\n\x04`));
      sent = true;
    },
    packing: nodePacking,
    host: nodePlatform,
    ...options,
  });
  return { guest, console: () => console };
}

const DETERMINISTIC: Partial<GuestOptions> = { time: 'deterministic', packing: nodePacking };

const uninterrupted = runScript(builtIn(), SCRIPT, DETERMINISTIC).then(({ guest, console, end }) => {
  assert.deepEqual(end, { kind: 'powered-off' }, console);
  return { hash: guest.stateHash(), console, instructions: guest.stats().instructions };
});

/** In the kernel's start, in its midst, and while the script's commands run. */
const PARTS = [
  { part: 0.05, hasScript: false },
  { part: 0.5, hasScript: false },
  { part: 0.97, hasScript: true },
];

test('a deterministic boot that is saved on its way ends the same, there and wherever it is restored', async () => {
  const whole = await uninterrupted;
  const snapshots: Promise<Uint8Array>[] = [];
  const original = await runScript(builtIn(), SCRIPT, DETERMINISTIC, (guest) => {
    const marks = PARTS.map(({ part }) => Math.floor(whole.instructions * part));
    snapshots.push(...snapshotsAt(guest, marks));
  });
  assert.equal(original.console, whole.console);
  assert.equal(original.guest.stateHash(), whole.hash, 'the guest that was saved');
  for (const [i, { hasScript }] of PARTS.entries()) {
    const { guest, console } = await restored(await (snapshots[i] as Promise<Uint8Array>), hasScript);
    assert.deepEqual(await guest.run(), { kind: 'powered-off' });
    assert.ok(whole.console.endsWith(console()), console());
    assert.equal(guest.stats().instructions, whole.instructions);
    assert.equal(guest.stateHash(), whole.hash);
  }
});
