import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanCodes } from '../../devices/ps2/scan-codes.ts';
import { keyOfKeysym } from './keysyms.ts';

test('every character of ASCII is a key of the US layout, with Shift where that takes it', () => {
  const plain = new Set("`1234567890-=[]\\;',./abcdefghijklmnopqrstuvwxyz");
  for (let character = 0x21; character < 0x7f; character++) {
    const shift = !plain.has(String.fromCharCode(character));
    assert.equal(keyOfKeysym(character)?.shift, shift, String.fromCharCode(character));
  }
  assert.deepEqual(keyOfKeysym(0x20), { code: 'Space' });
});

test('symbols of a key are that key', () => {
  const pairs = ['1!', '2@', '3#', '4$', '5%', '6^', '7&', '8*', '9(', '0)', '-_', '=+', '[{', ']}', '\\|', ';:'];
  for (const [plain = '', shifted = ''] of [...pairs, '\'"', ',<', '.>', '/?', '`~', 'zZ'].map((pair) => [...pair])) {
    const [one, other] = [keyOfKeysym(plain.charCodeAt(0)), keyOfKeysym(shifted.charCodeAt(0))];
    assert.ok(one && other);
    assert.equal(one.code, other.code, plain);
  }
  assert.equal(keyOfKeysym(0x21)?.code, 'Digit1');
  assert.equal(keyOfKeysym(0x7c)?.code, 'Backslash');
  assert.equal(keyOfKeysym(0x51)?.code, 'KeyQ');
});

test('keys without characters have their places', () => {
  const places: Readonly<Record<number, string>> = {
    65288: 'Backspace',
    65289: 'Tab',
    65293: 'Enter',
    65307: 'Escape',
    65360: 'Home',
    65362: 'ArrowUp',
    65367: 'End',
    65377: 'PrintScreen',
    65379: 'Insert',
    65383: 'ContextMenu',
    65421: 'NumpadEnter',
    65429: 'Numpad7',
    65439: 'NumpadDecimal',
    65455: 'NumpadDivide',
    65461: 'Numpad5',
    65470: 'F1',
    65481: 'F12',
    65506: 'ShiftRight',
    65507: 'ControlLeft',
    65509: 'CapsLock',
    65514: 'AltRight',
    65515: 'MetaLeft',
    65535: 'Delete',
  };
  for (const [keysym, code] of Object.entries(places)) assert.equal(keyOfKeysym(Number(keysym))?.code, code);
});

test('every key that is named is one of the keyboard', () => {
  for (let keysym = 0; keysym <= 0xffff; keysym++) {
    const key = keyOfKeysym(keysym);
    if (key) assert.notEqual(scanCodes(key.code, true, 2).length, 0, key.code);
  }
});

test('Unicode characters of ASCII are theirs; others, and keys of other layouts, are none', () => {
  assert.deepEqual(keyOfKeysym(0x0100_0041), keyOfKeysym(0x41));
  for (const keysym of [0, 0x1f, 0x7f, 0xe4, 0x0100_20ac, 0xfe03, 0xff7e, 0x1_0041, 0xffff_ffff, -1, Number.NaN]) {
    assert.equal(keyOfKeysym(keysym), undefined);
  }
});
