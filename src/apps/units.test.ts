import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatCount, formatSeconds, parseDurationMs, parseSize } from './units.ts';

test('sizes take a suffix in either case, and fractions that come to whole bytes', () => {
  assert.equal(parseSize('512M'), 512 * 1024 * 1024);
  assert.equal(parseSize('512m'), 512 * 1024 * 1024);
  assert.equal(parseSize('1.5G'), 1.5 * 2 ** 30);
  assert.equal(parseSize('4096'), 4096);
  assert.equal(parseSize('64K'), 65536);
  assert.equal(parseSize('1T'), 2 ** 40);
});

test('what is not a size is refused', () => {
  for (const text of ['', 'M', '-1M', '512MB', '1e9', '0x100', '1.0001', '99999999999999T', ' 1M', 'NaN']) {
    assert.equal(parseSize(text), undefined, text);
  }
});

test('durations take a unit, and seconds without one', () => {
  assert.equal(parseDurationMs('250ms'), 250);
  assert.equal(parseDurationMs('60s'), 60_000);
  assert.equal(parseDurationMs('60'), 60_000);
  assert.equal(parseDurationMs('1.5m'), 90_000);
  assert.equal(parseDurationMs('2h'), 7_200_000);
});

test('what is not a duration is refused', () => {
  for (const text of ['', 's', '-1s', '1 s', '1d', '1S', 'soon', `${'9'.repeat(400)}h`]) {
    assert.equal(parseDurationMs(text), undefined, text);
  }
});

test('numbers are written for people', () => {
  assert.equal(formatBytes(0), '0 bytes');
  assert.equal(formatBytes(1536), '1.5 KiB');
  assert.equal(formatBytes(512 * 2 ** 20), '512 MiB');
  assert.equal(formatCount(0), '0');
  assert.equal(formatCount(999), '999');
  assert.equal(formatCount(1234567n), '1,234,567');
  assert.equal(formatSeconds(2196.4), '2.196 s');
});
