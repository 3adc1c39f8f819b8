/**
 * `npm run nightly`: what `npm test` only samples, in full. All hardware vectors in translated code; whole boots with
 * nearly all code translated, compared by their hash, and those with firmware; guests of noise; a million random
 * programs and sequences. Takes some hours; `npm run nightly -- --cases 10000` fewer.
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { cases: { type: 'string', default: '1000000' } } });
const seed = String(Math.floor(Date.now() / 86_400_000));
const each = String(Math.ceil(Number(values.cases) / 2));

const COMMANDS: readonly (readonly string[])[] = [
  ['scripts/test.ts', 'tests/hardware', 'tests/hostile', 'tests/boot', 'tests/firmware'],
  ['tests/differential/run.ts', '--kind', 'program', '--cases', each, '--seed', seed],
  ['tests/differential/run.ts', '--kind', 'sequence', '--cases', each, '--seed', seed],
];

const cwd = fileURLToPath(new URL('..', import.meta.url));
for (const command of COMMANDS) {
  console.log(`nightly: ${command.join(' ')}`);
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', ...command], {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, VIVARIUM_NIGHTLY: '1' },
  });
  if (status !== 0) process.exitCode = 1;
}
