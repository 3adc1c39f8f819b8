import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, TestGuest } from './test-session.ts';

const SHIFT = 0xffe1;
const CONTROL = 0xffe3;
const CAPS_LOCK = 0xffe5;
const ALT_GR = 0xfe03;

/** Presses and releases keys, given as keysyms or as characters. */
function type(guest: TestGuest, ...keys: readonly [key: number | string, ...how: ('down' | 'up')[]][]): string {
  const { client } = connect(guest);
  for (const [key, ...how] of keys) {
    const keysym = typeof key === 'number' ? key : key.charCodeAt(0);
    for (const each of how.length > 0 ? how : ['down', 'up']) client.key(keysym, each === 'down');
  }
  return guest.keys.join(' ');
}

test('keys go down and come up in the guest', () => {
  assert.equal(type(new TestGuest(), ['a'], [0xff1b]), '+KeyA -KeyA +Escape -Escape');
});

test('a symbol that Shift is pressed for is the key it is on', () => {
  const typed = type(new TestGuest(), [SHIFT, 'down'], ['!'], ['A'], [SHIFT, 'up']);
  assert.equal(typed, '+ShiftLeft +Digit1 -Digit1 +KeyA -KeyA -ShiftLeft');
});

test('Shift is pressed for symbols that the client did not need it for', () => {
  assert.equal(type(new TestGuest(), ['#']), '+ShiftLeft +Digit3 -ShiftLeft -Digit3');
  assert.equal(type(new TestGuest(), ['A']), '+ShiftLeft +KeyA -ShiftLeft -KeyA');
});

test('Shift is released for symbols that only the client needed it for', () => {
  const typed = type(new TestGuest(), [SHIFT, 'down'], ['7'], ['/'], [SHIFT, 'up']);
  const between = '-ShiftLeft +Digit7 +ShiftLeft -Digit7 -ShiftLeft +Slash +ShiftLeft -Slash';
  assert.equal(typed, `+ShiftLeft ${between} -ShiftLeft`);
});

test('with Caps Lock, capitals need no Shift; digits are as ever', () => {
  const typed = type(new TestGuest(), [CAPS_LOCK], ['A'], ['1'], ['a']);
  const letter = '+ShiftLeft +KeyA -ShiftLeft -KeyA';
  assert.equal(typed, `+CapsLock -CapsLock +KeyA -KeyA +Digit1 -Digit1 ${letter}`);
});

test('a Caps Lock that is held, and told again and again, was pressed once', () => {
  const held = [[CAPS_LOCK, 'down', 'down', 'up'] as const, ['A'] as const];
  assert.match(type(new TestGuest(), [...held[0]], [...held[1]]), /-CapsLock \+KeyA -KeyA$/);
});

test('with Ctrl the key counts, not the symbol', () => {
  const typed = type(new TestGuest(), [CONTROL, 'down'], ['C'], [CONTROL, 'up']);
  assert.equal(typed, '+ControlLeft +KeyC -KeyC -ControlLeft');
});

test('keys that only choose symbols are not sent, nor are symbols without a key', () => {
  const typed = type(new TestGuest(), [ALT_GR, 'down'], ['@'], [ALT_GR, 'up'], ['ä'], [0x0100_20ac]);
  assert.equal(typed, '+ShiftLeft +Digit2 -ShiftLeft -Digit2');
});

test('scan codes are keys by their place, whatever Shift and symbols say', () => {
  const guest = new TestGuest();
  const { client, exchange } = connect(guest, { encodings: [0, -258] });
  client.request(true);
  exchange();
  assert.deepEqual(client.updates[0]?.rectangles[0], { x: 0, y: 0, width: 0, height: 0, encoding: -258 });
  for (const code of [0x1e, 0x9d, 0xc8, 0xb7, 0xc6, 0x54, 0x7f, 0x80, 0xff, 0x100, 0xffff_ffff]) {
    client.scanCode(code, true);
    client.scanCode(code, false);
  }
  const keys = ['KeyA', 'ControlRight', 'ArrowUp', 'PrintScreen', 'Pause', 'PrintScreen'];
  assert.deepEqual(
    guest.keys,
    keys.flatMap((code) => [`+${code}`, `-${code}`]),
  );
});

test('a key by keysym can come where scan codes are agreed upon', () => {
  const guest = new TestGuest();
  const { session } = connect(guest);
  session.receive(Uint8Array.of(255, 0, 0, 1, 0, 0, 0xff, 0x0d, 0, 0, 0, 0));
  assert.deepEqual(guest.keys, ['+Enter']);
});

test('what a client held is released when it goes, and nothing else', () => {
  const guest = new TestGuest();
  const one = connect(guest);
  const other = connect(guest);
  one.client.key(CONTROL, true);
  one.client.key(0x78, true);
  one.client.pointer(5, 5, 1);
  other.client.key(0x79, true);
  one.session.close();
  one.session.close();
  assert.deepEqual(guest.keys, ['+ControlLeft', '+KeyX', '+KeyY', '-KeyX', '-ControlLeft']);
  assert.deepEqual(guest.movements, ['buttons 1', 'buttons 0']);
});

test('positions become movements, whichever client they come from', () => {
  const guest = new TestGuest(100, 60);
  const [one, other] = [connect(guest), connect(guest)];
  one.client.pointer(50, 30, 0);
  one.client.pointer(53, 28, 0);
  one.client.pointer(53, 28, 0);
  other.client.pointer(50, 30, 0);
  assert.deepEqual(guest.movements, ['move 3,-2,0', 'move -3,2,0']);
});

test('at an edge the mouse goes as far as there is screen', () => {
  const guest = new TestGuest(100, 60);
  const { client } = connect(guest);
  client.pointer(2, 30, 0);
  client.pointer(0, 30, 0);
  client.pointer(99, 59, 0);
  assert.deepEqual(guest.movements, ['move -102,0,0', 'move 199,89,0']);
});

test('buttons are those of the guest, and the wheel turns once for each press', () => {
  const guest = new TestGuest();
  const { client } = connect(guest);
  for (const mask of [1, 3, 2, 4, 0, 8, 8, 0, 16, 0, 0xe0]) client.pointer(10, 10, mask);
  assert.deepEqual(guest.movements, [
    'buttons 1',
    'buttons 5',
    'buttons 4',
    'buttons 2',
    'buttons 0',
    'move 0,0,-1',
    'move 0,0,1',
  ]);
});
