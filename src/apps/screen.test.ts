import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Parsed, parseCommandLine } from './options.ts';

function parse(...words: string[]): { parsed: Parsed; out: string; err: string } {
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

test('a picture needs a file, text needs none; the guest may be named', () => {
  for (const [words, options] of [
    [['a.png'], { file: 'a.png' }],
    [['4711', 'a.PNG'], { guest: '4711', file: 'a.PNG' }],
    [['disk.img', 'b/a.png'], { guest: 'disk.img', file: 'b/a.png' }],
    [['--text'], {}],
    [['--text', 'a.png'], { guest: 'a.png' }],
    [['web', '--text'], { guest: 'web' }],
  ] as const) {
    assert.deepEqual(parse('screen', ...words), { parsed: { command: 'screen', options }, out: '', err: '' });
  }
});

test('what is missing or too much is told in a sentence', () => {
  const needsFile = 'vivarium: Write the name of a file that ends in .png, or --text.\n';
  for (const [words, says] of [
    [[], needsFile],
    [['4711'], needsFile],
    [['a.png', '4711'], needsFile],
    [['a.jpg'], needsFile],
    [['1', '2', 'a.png'], 'vivarium: Name one guest at most.\n'],
    [['--text', '1', '2'], 'vivarium: Name one guest at most.\n'],
    [['--picture'], "vivarium: unknown option '--picture'\n"],
  ] as const) {
    assert.deepEqual(parse('screen', ...words), { parsed: { command: 'none', status: 2 }, out: '', err: says });
  }
});

test('its help shows both ways', () => {
  const { out, parsed } = parse('screen', '--help');
  assert.deepEqual(parsed, { command: 'none', status: 0 });
  assert.match(out, /vivarium screen \[guest\] <file\.png>\n {7}vivarium screen --text \[guest\]\n.*Examples:/s);
});

test('names of guests are words, and no numbers', () => {
  const { parsed } = parse('run', '--name', 'web-1.test');
  assert.equal(parsed.command === 'run' && parsed.options.name, 'web-1.test');
  for (const name of ['1', '', 'a b', '-x', 'a\u0007', 'x'.repeat(65)]) {
    const { err, parsed } = parse('run', `--name=${name}`);
    assert.deepEqual(parsed, { command: 'none', status: 2 });
    assert.match(
      err,
      /^vivarium: .* Write a letter, then letters, digits, dots, dashes or underscores: 64 at most\.\n$/s,
    );
  }
});
