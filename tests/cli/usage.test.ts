import assert from 'node:assert/strict';
import { test } from 'node:test';
import packageJson from '../../package.json' with { type: 'json' };
import { runWith, VIVARIUM } from './spawn.ts';

/** One sentence on standard error, nothing else, and status 2. */
async function assertMistake(words: string[], says: RegExp): Promise<void> {
  const { status, stdout, stderr } = await runWith('', VIVARIUM, ...words);
  assert.equal(stdout, '');
  assert.match(stderr, /^vivarium: [^\n]+\n$/);
  assert.match(stderr, says);
  assert.equal(status, 2);
}

test('--version is that of the package', async () => {
  const { status, stdout } = await runWith('', VIVARIUM, '--version');
  assert.equal(stdout, `${packageJson.version}\n`);
  assert.equal(status, 0);
});

test('--help and help run are complete', async () => {
  const general = await runWith('', VIVARIUM, '--help');
  assert.match(general.stdout, /run \[options\]/);
  assert.match(general.stdout, /Exit status:/);
  assert.equal(general.status, 0);
  const run = await runWith('', VIVARIUM, 'help', 'run');
  assert.match(run.stdout, /--kernel <file>.*--trace <kinds=file>.*Exit status:.*Examples:/s);
  assert.equal(run.status, 0);
});

test('no command at all shows the help as a mistake', async () => {
  const { status, stdout, stderr } = await runWith('', VIVARIUM);
  assert.equal(stdout, '');
  assert.match(stderr, /^Usage: vivarium/);
  assert.equal(status, 2);
});

test('an unknown command is refused', () => assertMistake(['fly'], /unknown command 'fly'/));
test('an unknown option is refused, with a guess', () => assertMistake(['run', '--memry', '1G'], /mean --memory/));
test('an absurd memory size is refused', () => assertMistake(['run', '--memory', '12 bananas'], /12 bananas/));
test('an unknown engine is refused', () => assertMistake(['run', '--engine', 'warp'], /interpreter, translator/));
test('an unknown device is refused', () => assertMistake(['run', '--device', 'toaster'], /toaster/));
test('an unknown kind of trace is refused', () => assertMistake(['run', '--trace', 'all=x'], /exits,irq/));
test('a trace to standard output is refused', () => assertMistake(['run', '--trace', 'exits=-'], /needs a file/));
