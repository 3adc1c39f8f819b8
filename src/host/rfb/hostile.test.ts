/** Clients that send garbage, half of what they should, or far too much. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joined, u16, u32 } from './bytes.ts';
import { RfbSession } from './session.ts';
import { connect, TestGuest } from './test-session.ts';

const HELLO = joined([new TextEncoder().encode('RFB 003.008\n'), Uint8Array.of(1, 1)]);
const UPDATE_REQUEST = joined([Uint8Array.of(3, 0), u16(0, 0, 100, 60)]);
const KEY = joined([Uint8Array.of(4, 1, 0, 0), u32(0x61)]);

interface Bare {
  readonly session: RfbSession;
  sentBytes(): number;
  ended(): readonly string[];
}

/** Without a client that would understand. */
function bare(guest: TestGuest): Bare {
  let sentBytes = 0;
  const ended: string[] = [];
  const session = new RfbSession({
    name: 'a guest',
    framebuffer: guest.framebuffer,
    keyboard: guest.keyboard,
    mouse: guest.mouse,
    send: (bytes) => {
      sentBytes += bytes.length;
    },
    ended: (reason) => ended.push(reason),
  });
  return { session, sentBytes: () => sentBytes, ended: () => ended };
}

/** Of a linear congruential generator (Numerical Recipes), so that what fails fails again. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

test('messages that nobody knows end the session, with a reason and nothing left pressed', () => {
  for (const [bytes, reason] of [
    [Uint8Array.of(7), 'it sent a message of the unknown type 7'],
    [Uint8Array.of(255, 1), 'it sent a message of the unknown type 255.1'],
    [Uint8Array.of(2, 0, 0xff, 0xff), 'it named 65535 encodings'],
    [joined([Uint8Array.of(6, 0, 0, 0), u32(0xffff_fff0)]), 'it sent a text of 4294967280 bytes'],
  ] as const) {
    const guest = new TestGuest();
    const { session, ended } = bare(guest);
    session.receive(joined([HELLO, KEY, bytes, KEY]));
    assert.deepEqual(ended(), [reason]);
    assert.deepEqual(guest.keys, ['+KeyA', '-KeyA']);
    session.receive(KEY);
    session.update();
    session.drained();
    session.close();
    assert.deepEqual(guest.keys, ['+KeyA', '-KeyA']);
    assert.deepEqual(ended(), [reason]);
  }
});

test('a text of a million bytes is skipped, however it is cut', () => {
  for (const piece of [1_000_000, 4096, 1000, 7]) {
    const guest = new TestGuest();
    const { session, ended } = bare(guest);
    session.receive(joined([HELLO, Uint8Array.of(6, 0, 0, 0), u32(1_000_000)]));
    for (let left = 1_000_000; left > 0; left -= piece) session.receive(new Uint8Array(Math.min(piece, left)));
    session.receive(KEY);
    assert.deepEqual(guest.keys, ['+KeyA']);
    assert.deepEqual(ended(), []);
  }
});

test('what comes byte by byte is understood as well', () => {
  const guest = new TestGuest();
  const { session, ended } = bare(guest);
  const encodings = joined([Uint8Array.of(2, 0), u16(2), u32(5), u32(-223)]);
  for (const byte of joined([HELLO, encodings, KEY, UPDATE_REQUEST])) session.receive(Uint8Array.of(byte));
  session.update();
  assert.deepEqual(guest.keys, ['+KeyA']);
  assert.deepEqual(ended(), []);
  assert.equal(session.isWaiting, false);
});

test('a client that goes in the middle of whatever it says leaves nothing behind', () => {
  const format = joined([Uint8Array.of(0, 0, 0, 0, 16, 16, 0, 1), u16(31, 63, 31), Uint8Array.of(11, 5, 0, 0, 0, 0)]);
  const text = joined([Uint8Array.of(6, 0, 0, 0), u32(3), u16(1), Uint8Array.of(1)]);
  const pointer = joined([Uint8Array.of(5, 1), u16(3, 3)]);
  const scanCode = joined([Uint8Array.of(255, 0), u16(1), u32(0x62), u32(0x30)]);
  const all = joined([HELLO, format, KEY, text, pointer, UPDATE_REQUEST, scanCode]);
  for (let length = 0; length <= all.length; length++) {
    const guest = new TestGuest();
    const { session, ended } = bare(guest);
    session.receive(all.subarray(0, length));
    session.update();
    session.close();
    session.receive(all);
    session.update();
    assert.deepEqual(ended(), []);
    assert.equal(guest.keys.filter((key) => key.startsWith('+')).length * 2, guest.keys.length);
    assert.equal(guest.movements.filter((movement) => movement !== 'buttons 0').length * 2, guest.movements.length);
  }
});

test('a client that asks and does not read gets one update, whatever it asks', () => {
  const guest = new TestGuest();
  const { session, sentBytes } = bare(guest);
  session.receive(HELLO);
  const before = sentBytes();
  for (let i = 0; i < 10_000; i++) {
    session.receive(UPDATE_REQUEST);
    session.update();
    guest.screen.fill(i, i % 100, i % 60, 1, 1);
    guest.framebuffer.look();
  }
  assert.equal(sentBytes() - before, 4 + 12 + 100 * 60 * 4);
});

test('colour maps are not sent to who does not read, however often they are asked for', () => {
  const { session, sentBytes } = bare(new TestGuest());
  session.receive(HELLO);
  const before = sentBytes();
  const format = Uint8Array.from([0, 0, 0, 0, 8, 8, 0, 0, ...new Uint8Array(12)]);
  for (let i = 0; i < 10_000; i++) {
    session.receive(format);
    session.update();
  }
  assert.equal(sentBytes(), before);
});

test('a hundred thousand random messages do no harm', () => {
  const next = random(1);
  const guest = new TestGuest();
  const sizes = [4, 20, 4, 10, 8, 6, 8];
  let sessions = 0;
  for (let messages = 0; messages < 100_000; sessions++) {
    const { client, session, ended, exchange } = connect(guest, { encodings: [[0], [5], [5, -223]][next() % 3] ?? [] });
    assert.ok(client.isReady);
    // What the client would make of it, having asked for a format it does not know of, does not matter here.
    client.receive = () => {};
    while (ended() === undefined && messages < 100_000) {
      const type = next() % sizes.length;
      const message = Uint8Array.from({ length: sizes[type] as number }, () => next());
      // Mostly of a known type, and mostly of a length that others can follow.
      message[0] = next() % 50 === 0 ? next() : type;
      if (type === 2) message.set(u16(0), 2);
      if (type === 6) message.set(u32(next() % 100), 4);
      session.receive(message);
      messages++;
      if (next() % 100 === 0) guest.screen.resize(1 + (next() % 80), 1 + (next() % 80));
      else if (next() % 4 === 0) guest.screen.fill(next(), 0, 0, 1, 1);
      exchange();
    }
    session.close();
  }
  assert.ok(sessions > 100, `${sessions}`);
  const held = new Set<string>();
  for (const key of guest.keys) if (key.startsWith('+')) held.add(key.slice(1));
  for (const code of held) assert.equal(guest.keys.lastIndexOf(`-${code}`) > guest.keys.lastIndexOf(`+${code}`), true);
});

test('random bytes, from the first on or after the handshake, end a session or are waited for', () => {
  const next = random(2);
  for (let run = 0; run < 2000; run++) {
    const { session, ended } = bare(new TestGuest(20, 20));
    if (run % 2 === 0) session.receive(HELLO);
    for (let piece = 0; piece < 20; piece++) {
      session.receive(Uint8Array.from({ length: next() % 200 }, () => next()));
      session.update();
      session.drained();
    }
    if (run % 2 === 1) assert.deepEqual(ended(), ['it does not speak RFB']);
    assert.ok(ended().length <= 1);
  }
});
