import assert from 'node:assert/strict';
import { test } from 'node:test';
import { device, eisaId, integer, ioPorts, irq, name, packageOf, resourceTemplate, scope, text } from './aml.ts';

test('integers take the shortest form', () => {
  assert.deepEqual(integer(0), [0x00]);
  assert.deepEqual(integer(1), [0x01]);
  assert.deepEqual(integer(0xff), [0x0a, 0xff]);
  assert.deepEqual(integer(0x100), [0x0b, 0x00, 0x01]);
  assert.deepEqual(integer(0xfee0_0000), [0x0c, 0x00, 0x00, 0xe0, 0xfe]);
});

test('names are filled up to four characters and may start at the root', () => {
  assert.deepEqual(name('RTC', integer(1)), [0x08, 0x52, 0x54, 0x43, 0x5f, 0x01]);
  assert.deepEqual(name('\\_SB', integer(0)), [0x08, 0x5c, 0x5f, 0x53, 0x42, 0x5f, 0x00]);
  assert.deepEqual(name('_SB.COM1', integer(0)).slice(1, 2), [0x2e]);
});

test('package lengths include themselves and grow with the content', () => {
  assert.deepEqual(packageOf(integer(5), integer(0)), [0x12, 5, 2, 0x0a, 5, 0]);
  assert.deepEqual(device('A', []).slice(0, 3), [0x5b, 0x82, 5]);
  const filled = (count: number) => scope('A', new Array(count).fill(0xa3));
  assert.deepEqual(filled(0x3f - 5).slice(0, 2), [0x10, 0x3f]);
  assert.deepEqual(filled(0x3f - 4).slice(0, 3), [0x10, 0x41, 0x04]);
  assert.deepEqual(filled(0xfff - 6).slice(0, 3), [0x10, 0x4f, 0xff]);
  assert.deepEqual(filled(0x1000 - 6).slice(0, 4), [0x10, 0x81, 0x00, 0x01]);
});

test('identifiers, strings and resources are encoded as in the specification', () => {
  assert.deepEqual(eisaId('PNP0501'), [0x0c, 0x41, 0xd0, 0x05, 0x01]);
  assert.deepEqual(text('AB'), [0x0d, 0x41, 0x42, 0]);
  assert.deepEqual(irq(4), [0x22, 0x10, 0x00]);
  assert.deepEqual(ioPorts(0x3f8, 8), [0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 0, 8]);
  assert.deepEqual(resourceTemplate(irq(1)), [0x11, 8, 0x0a, 5, 0x22, 2, 0, 0x79, 0]);
});
