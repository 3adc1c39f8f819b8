import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ps2Keyboard } from './keyboard.ts';
import { scanCodes, translate } from './scan-codes.ts';

function sent(keyboard: Ps2Keyboard): number[] {
  const all: number[] = [];
  for (let byte = keyboard.take(); byte !== undefined; byte = keyboard.take()) all.push(byte);
  return all;
}

function told(keyboard: Ps2Keyboard, ...values: number[]): number[] {
  for (const value of values) keyboard.receive(value);
  return sent(keyboard);
}

test('keys send their codes in each of the three sets', () => {
  for (const [code, set1, set2, set3] of [
    ['KeyA', [0x1e], [0x1c], [0x1c]],
    ['F7', [0x41], [0x83], [0x37]],
    ['F12', [0x58], [0x07], [0x5e]],
    ['Space', [0x39], [0x29], [0x29]],
    ['Numpad0', [0x52], [0x70], [0x70]],
    ['NumpadEnter', [0xe0, 0x1c], [0xe0, 0x5a], [0x79]],
    ['Delete', [0xe0, 0x53], [0xe0, 0x71], [0x64]],
    ['MetaLeft', [0xe0, 0x5b], [0xe0, 0x1f], [0x8b]],
    ['Pause', [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5], [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77], [0x62]],
  ] as const) {
    assert.deepEqual(
      [1, 2, 3].map((set) => scanCodes(code, true, set)),
      [set1, set2, set3],
      code,
    );
  }
  assert.deepEqual(scanCodes('KeyA', false, 1), [0x9e]);
  assert.deepEqual(scanCodes('Delete', false, 2), [0xe0, 0xf0, 0x71]);
  assert.deepEqual(scanCodes('Delete', false, 3), [0xf0, 0x64]);
  assert.deepEqual(translate(scanCodes('PrintScreen', false, 2)), [0xe0, 0xb7, 0xe0, 0xaa]);
});

test('codes that no key has send nothing', () => {
  const keyboard = new Ps2Keyboard();
  for (const code of ['', 'KeyÄ', 'constructor', '__proto__']) keyboard.key(code, true);
  assert.deepEqual(sent(keyboard), []);
});

test('set, indicators and identity are as they were asked for', () => {
  const keyboard = new Ps2Keyboard();
  assert.deepEqual(told(keyboard, 0xf0, 3), [0xfa, 0xfa]);
  assert.deepEqual(told(keyboard, 0xf0, 0), [0xfa, 0xfa, 3]);
  assert.deepEqual(told(keyboard, 0xf0, 4), [0xfa, 0xfe]);
  assert.deepEqual(told(keyboard, 0xed, 5), [0xfa, 0xfa]);
  assert.equal(keyboard.state.indicators, 5);
  assert.deepEqual(told(keyboard, 0xf2), [0xfa, 0xab, 0x83]);
  assert.deepEqual(told(keyboard, 0xff), [0xfa, 0xaa]);
  assert.deepEqual(told(keyboard, 0xf0, 0), [0xfa, 0xfa, 2]);
});

test('a keyboard that does not scan sends no keys', () => {
  const keyboard = new Ps2Keyboard();
  told(keyboard, 0xf5);
  keyboard.key('KeyA', true);
  assert.deepEqual(sent(keyboard), []);
  told(keyboard, 0xf4);
  keyboard.key('KeyA', true);
  assert.deepEqual(sent(keyboard), [0x1c]);
});

test('replies overtake keys, and the last byte is sent again when asked for', () => {
  const keyboard = new Ps2Keyboard();
  keyboard.key('KeyA', true);
  assert.deepEqual(told(keyboard, 0xee), [0xee, 0x1c]);
  assert.deepEqual(told(keyboard, 0xfe), [0x1c]);
});

test('of more keys than fit, whole ones are lost', () => {
  const keyboard = new Ps2Keyboard();
  for (let i = 0; i < 1000; i++) keyboard.key('Delete', false);
  const all = sent(keyboard);
  assert.equal(all.length, 255);
  assert.deepEqual(all.slice(-3), [0xe0, 0xf0, 0x71]);
});
