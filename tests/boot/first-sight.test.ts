/** A whole boot with all its code translated, and most of it given up again: in a process of its own, for its size. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nightly } from '../nightly.ts';
import { builtIn, runScript } from './booted.ts';

const SCRIPT = 'seq 1 5000 | sort | md5sum; poweroff';
/** A region has a module of its own then, and Linux lets a process have some 38,000 of them at a time. */
const CODE_LIMIT = 12 << 20;
const LEAST_REGIONS = 50_000;

const skip = !nightly && 'some minutes: npm run nightly';

test('a boot translated at first sight ends with the same state as the interpreter', { skip }, async () => {
  const hashes: string[] = [];
  for (const engine of ['interpreter', 'translator'] as const) {
    const { console, end, guest } = await runScript(
      builtIn(),
      SCRIPT,
      { time: 'deterministic', engine },
      ({ debug }) => {
        if (debug.engine.translator !== undefined) debug.engine.translator.codeLimit = CODE_LIMIT;
      },
    );
    assert.deepEqual(end, { kind: 'powered-off' }, console);
    const { translations, evictions } = guest.stats().translator;
    if (engine === 'translator') assert(translations > LEAST_REGIONS && evictions > 0, `${translations} regions`);
    hashes.push(guest.stateHash());
  }
  assert.equal(hashes[0], hashes[1]);
});
