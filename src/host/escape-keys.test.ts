import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EscapeKeys } from './escape-keys.ts';

/** Feeds the chunks and writes what comes out as text, commands in brackets. */
function typed(...chunks: string[]): string {
  const keys = new EscapeKeys();
  return chunks
    .flatMap((chunk) => keys.feed(Buffer.from(chunk, 'latin1')))
    .map((part) => (typeof part === 'string' ? `[${part}]` : Buffer.from(part).toString('latin1')))
    .join('');
}

test('ordinary bytes pass unchanged', () => {
  const all = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).filter((c) => c !== '\x01');
  assert.equal(typed(all.join('')), all.join(''));
});

test('Ctrl-A and a letter are a command, and the bytes around them keep their order', () => {
  assert.equal(typed('ab\x01xcd'), 'ab[leave]cd');
  assert.equal(typed('\x01h\x01?\x01s'), '[help][help][statistics]');
});

test('a command may be split over two reads', () => {
  assert.equal(typed('a\x01', 'xb'), 'a[leave]b');
});

test('Ctrl-A twice, or Ctrl-A a, sends one Ctrl-A', () => {
  assert.equal(typed('\x01\x01'), '\x01');
  assert.equal(typed('\x01aX'), '\x01X');
  assert.equal(typed('\x01\x01x'), '\x01x');
});

test('an unknown key after Ctrl-A vanishes', () => {
  assert.equal(typed('a\x01qb'), 'ab');
});
