import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './options.ts';
import { shareWords } from './shares.ts';

function parsed(...words: string[]) {
  let said = '';
  const output = { out: () => {}, err: (text: string) => (said += text) };
  const result = parseCommandLine(['run', ...words], output);
  return result.command === 'run' ? result.options.shares : said;
}

test('a folder has a tag, a place in the guest, or neither, and may be read-only', () => {
  assert.deepEqual(parsed('--share', 'a', '--share', '/b:data,ro', '--share', 'c:d:/srv/c'), [
    { folder: 'a', readOnly: false },
    { folder: '/b', tag: 'data', readOnly: true },
    { folder: 'c:d', guestPath: '/srv/c', readOnly: false },
  ]);
  assert.deepEqual(parsed(), []);
});

test('the built-in guest is told what to mount where', () => {
  const shares = parsed(
    '--share',
    '/home/me/work',
    '--share',
    '/b:data',
    '--share',
    'c:/srv/c',
    '--share',
    '/with space',
  );
  assert.ok(Array.isArray(shares));
  assert.equal(
    shareWords(shares),
    'vivarium.share=share0:/mnt/work vivarium.share=data:/mnt/data vivarium.share=share2:/srv/c vivarium.share=share3:/mnt/share3',
  );
});

test('says what is wrong', () => {
  for (const share of ['', 'a:', ':tag', 'a:/b/../c', 'a:/b c', 'a:t t', 'a:/', `a:${'t'.repeat(40)}`]) {
    assert.match(String(parsed('--share', share)), /Write FOLDER/, share);
  }
  assert.match(String(parsed('--share', 'a:t', '--share', 'b:t')), /The tag t is another's/);
  assert.match(String(parsed('--share', 'a', '--deterministic')), /no shared folders/);
  assert.match(String(parsed('--share', 'a:/b', '--kernel', 'vmlinuz')), /name a tag/);
  assert.match(String(parsed(...Array.from({ length: 9 }, () => ['--share', 'a']).flat())), /There can be 8/);
});
