import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './options.ts';

function parse(...words: string[]) {
  let out = '';
  let err = '';
  const parsed = parseCommandLine(words, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { parsed, out, err };
}

function runOptions(...words: string[]) {
  const { parsed, err } = parse('run', ...words);
  assert.equal(parsed.command, 'run', err);
  return parsed.command === 'run' ? parsed.options : assert.fail();
}

test('run without options has the defaults', () => {
  const options = runOptions();
  assert.equal(options.kernel, undefined);
  assert.equal(options.memoryBytes, 256 * 2 ** 20);
  assert.equal(options.engine, 'auto');
  assert.equal(options.timeoutMs, undefined);
  assert.equal(options.stats, false);
  assert.equal(options.deterministic, false);
  assert.deepEqual(options.devices, []);
  assert.deepEqual(options.modules, []);
  assert.equal(options.profile, undefined);
  assert.deepEqual(options.symbols, []);
});

test('run understands every option', () => {
  const options = runOptions(
    ...['--kernel', 'k', '--initrd', 'i', '--append', '-a b=c', '--memory', '1G', '--timeout', '2m', '--stats'],
    ...['--trace', 'exits,irq=a=b', '--deterministic', '--seed', '7', '--device', 'isa-debug-exit'],
    ...['--engine', 'interpreter', '--device', 'pc-testdev', '--module', 'm1', '--module', 'm2,x, y'],
    ...['--profile', 'p', '--symbols', 's1', '--symbols', 's2'],
  );
  assert.deepEqual(options, {
    kernel: 'k',
    initrd: 'i',
    append: '-a b=c',
    memoryBytes: 2 ** 30,
    engine: 'interpreter',
    timeoutMs: 120_000,
    stats: true,
    profile: 'p',
    symbols: ['s1', 's2'],
    trace: { kinds: new Set(['exits', 'irq']), file: 'a=b' },
    deterministic: true,
    seed: 7,
    devices: ['isa-debug-exit', 'pc-testdev'],
    shares: [],
    modules: [
      { file: 'm1', commandLine: '' },
      { file: 'm2', commandLine: 'x, y' },
    ],
  });
});

test('help and version go to standard output with status 0', () => {
  for (const words of [['--help'], ['help'], ['help', 'run'], ['run', '--help'], ['--version']]) {
    const { parsed, out, err } = parse(...words);
    assert.deepEqual(parsed, { command: 'none', status: 0 }, words.join(' '));
    assert.notEqual(out, '');
    assert.equal(err, '');
  }
  const { out } = parse('help', 'run');
  const names = 'kernel initrd append memory engine timeout stats trace profile symbols deterministic seed';
  for (const option of names.split(' ')) {
    assert.match(out, new RegExp(`--${option}`));
  }
  assert.match(out, /Exit status:/);
});

const MISTAKES: readonly [words: string[], says: RegExp][] = [
  [['run', '--nonsense'], /unknown option '--nonsense'/],
  [['fly'], /unknown command 'fly'/],
  [['help', 'fly'], /./],
  [['run', 'stray'], /too many arguments/],
  [['run', '--kernel'], /argument missing/],
  [['run', '--memory', 'lots'], /'--memory <size>' argument 'lots' is invalid.*512M/],
  [['run', '--memory', '-1M'], /invalid/],
  [['run', '--timeout', 'soon'], /invalid.*60s/],
  [['run', '--timeout', '0'], /invalid/],
  [['run', '--timeout', '1000h'], /invalid/],
  [['run', '--engine', 'warp'], /'--engine <name>' argument 'warp' is invalid.*auto, interpreter, translator/],
  [['run', '--seed', '4294967296'], /invalid/],
  [['run', '--seed', '1.5'], /invalid/],
  [['run', '--trace', 'exits'], /KINDS=FILE/],
  [['run', '--trace', '=file'], /KINDS=FILE/],
  [['run', '--trace', 'exits,everything=file'], /KINDS=FILE/],
  [['run', '--trace', 'exits='], /needs a file/],
  [['run', '--trace', 'exits=-'], /needs a file/],
  [['run', '--profile', '-'], /needs a file/],
  [['run', '--profile', ''], /needs a file/],
  [['run', '--symbols', 'map'], /^vivarium: --symbols needs --profile\.\n$/],
  [['run', '--device', 'toaster'], /isa-debug-exit, isa-debugcon, pc-testdev/],
  [['run', '--module', ',x'], /FILE,ARGUMENTS/],
  [[], /Usage: vivarium/],
];

for (const [words, says] of MISTAKES) {
  test(`"vivarium ${words.join(' ')}" is a mistake told on standard error`, () => {
    const { parsed, out, err } = parse(...words);
    assert.deepEqual(parsed, { command: 'none', status: 2 });
    assert.equal(out, '');
    assert.match(err, says);
  });
}
