import assert from 'node:assert/strict';
import { test } from 'node:test';
import { strokeOfCharacter, type } from './strokes.ts';

test('characters have the key they are printed on', () => {
  for (const [character, stroke] of [
    ['a', { code: 'KeyA' }],
    ['Z', { code: 'KeyZ', shift: true }],
    ['1', { code: 'Digit1' }],
    ['!', { code: 'Digit1', shift: true }],
    [' ', { code: 'Space' }],
    ['~', { code: 'Backquote', shift: true }],
    ['\\', { code: 'Backslash' }],
    ['é', undefined],
    ['\n', undefined],
    ['\uff0d', undefined],
  ] as const) {
    assert.deepEqual(strokeOfCharacter(character.codePointAt(0) as number), stroke, character);
  }
});

test('every printable ASCII character has a stroke of its own', () => {
  const strokes = Array.from({ length: 95 }, (_, i) => JSON.stringify(strokeOfCharacter(0x20 + i)));
  assert.equal(new Set(strokes).size, 95);
  assert.ok(!strokes.includes(undefined as never));
});

test('what is held goes down before the key and comes up after it', () => {
  const keys: string[] = [];
  type(
    { key: (code, pressed) => keys.push(`${pressed ? '+' : '-'}${code}`) },
    {
      code: 'Delete',
      control: true,
      alt: true,
    },
  );
  assert.deepEqual(keys, ['+ControlLeft', '+AltLeft', '+Delete', '-Delete', '-AltLeft', '-ControlLeft']);
});
