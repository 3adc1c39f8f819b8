import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingFeatures } from './requirements.ts';

test('a platform that has all is told nothing', () => {
  assert.equal(missingFeatures(), undefined);
});

test('what is missing is named', (t) => {
  t.mock.method(WebAssembly, 'validate', () => false);
  assert.match(missingFeatures() ?? '', /lacks tail calls in WebAssembly and vectors in WebAssembly\./);
});
