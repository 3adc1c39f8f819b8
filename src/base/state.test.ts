import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bool, bytes, defineState, f64, i32, list, StateError, u8, u16, u32, u32s, u64, u64s } from './state.ts';

const channel = defineState('channel', 1, {
  mode: u8({ max: 5 }),
  deadlineNs: f64({ initial: Number.POSITIVE_INFINITY }),
});
const fields = {
  flag: bool(),
  byte: u8({ min: 1, max: 9, initial: 3 }),
  half: u16(),
  word: u32(),
  signed: i32(),
  wide: u64({ max: 1n << 60n }),
  text: bytes(5),
  words: u32s(3),
  registers: u64s(2),
  channels: list(channel, 2),
};
const definition = defineState('sample', 1, fields);

function filled(): ReturnType<typeof definition.create> {
  const state = definition.create();
  Object.assign(state, { flag: true, byte: 9, half: 0xfffe, word: 0xffff_fffd, signed: -7, wide: 1n << 59n });
  state.text.set([1, 2, 3, 4, 255]);
  state.words.set([7, 0xffff_ffff, 9]);
  state.registers.set([0xffff_ffff_ffff_ffffn, 1n]);
  state.channels[0].mode = 5;
  state.channels[1].deadlineNs = 0.5;
  return state;
}

function refusal(saved: Uint8Array, restore = (bytes: Uint8Array): unknown => definition.restore(bytes)): StateError {
  try {
    restore(saved);
  } catch (error) {
    assert.ok(error instanceof StateError, String(error));
    assert.match(error.message, /^Saved state of ".+" cannot be restored: [^\n]+\.$/);
    return error;
  }
  assert.fail('the state was accepted');
}

test('a new state has the declared initial values', () => {
  const state = definition.create();
  assert.equal(state.byte, 3);
  assert.equal(state.flag, false);
  assert.equal(state.channels[1].deadlineNs, Number.POSITIVE_INFINITY);
  assert.notEqual(definition.create().text, state.text);
});

test('what was saved restores as an equal state', () => {
  const state = filled();
  assert.deepEqual(definition.restore(definition.save(state)), state);
});

test('every truncation and every extension of a saved state is refused', () => {
  const saved = definition.save(filled());
  for (let length = 0; length < saved.length; length++) refusal(saved.subarray(0, length));
  refusal(new Uint8Array([...saved, 0]));
});

test('a value out of its range is refused by name', () => {
  const state = filled();
  state.byte = 10;
  assert.equal(
    refusal(definition.save(state)).message,
    'Saved state of "sample" cannot be restored: its field "byte" is 10, which is above 9.',
  );
  state.byte = 0;
  assert.deepEqual(refusal(definition.save(state)).fault, { kind: 'bad-state', part: 'sample', field: 'byte' });
  state.byte = 1;
  state.wide = 1n << 61n;
  assert.deepEqual(refusal(definition.save(state)).fault, { kind: 'bad-state', part: 'sample', field: 'wide' });
  state.wide = 0n;
  state.channels[1].mode = 6;
  assert.deepEqual(refusal(definition.save(state)).fault, { kind: 'bad-state', part: 'channel', field: 'mode' });
  state.channels[1].mode = 0;
  state.channels[1].deadlineNs = Number.NaN;
  assert.match(refusal(definition.save(state)).message, /is not a number/);
});

test('state of another part and of a newer version is refused', () => {
  assert.match(refusal(channel.save(channel.create())).message, /another part/);
  const newer = defineState('sample', 2, { ...fields, more: u8({ since: 2 }) });
  assert.match(refusal(newer.save(newer.create())).message, /version 2, and this program knows 1 to 1/);
});

test('state of an older version gets the initial values of newer fields, nested ones too', () => {
  const newerChannel = defineState('channel', 2, {
    mode: u8(),
    gate: bool({ since: 2, initial: true }),
    deadlineNs: f64(),
  });
  const newer = defineState('sample', 3, {
    ...fields,
    channels: list(newerChannel, 2),
    extra: u32({ since: 3, initial: 42 }),
  });
  const upgraded = newer.restore(definition.save(filled()));
  assert.equal(upgraded.extra, 42);
  assert.deepEqual({ ...upgraded.channels[0] }, { mode: 5, gate: true, deadlineNs: Number.POSITIVE_INFINITY });
  assert.equal(upgraded.half, 0xfffe);
});

test('random bytes and random damage are refused or restore within the declared ranges', () => {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed >>> 8;
  };
  const saved = definition.save(filled());
  for (let round = 0; round < 3000; round++) {
    refusal(Uint8Array.from({ length: random() % 100 }, () => random() & 255));
    const damaged = saved.slice();
    for (let flips = 0; flips < 3; flips++) damaged[random() % damaged.length] = random() & 255;
    try {
      const state = definition.restore(damaged);
      assert.ok(state.byte >= 1 && state.byte <= 9 && state.channels[0].mode <= 5 && state.wide <= 1n << 60n);
    } catch (error) {
      assert.ok(error instanceof StateError, String(error));
    }
  }
});

test('the layout is in order of declaration and naturally aligned', () => {
  const { offsets, sizeBytes, alignment } = definition.layout();
  assert.deepEqual(offsets, {
    flag: 0,
    byte: 1,
    half: 2,
    word: 4,
    signed: 8,
    wide: 16,
    text: 24,
    words: 32,
    registers: 48,
    channels: 64,
  });
  assert.equal(sizeBytes, 96);
  assert.equal(alignment, 8);
  assert.equal(defineState('vector', 1, { a: u8(), xmm: bytes(32, { align: 16 }) }).layout().offsets.xmm, 16);
});

test('a bound state is the memory: same values, same saved bytes', () => {
  const memory = new DataView(new ArrayBuffer(512), 64);
  const bound = definition.bind(memory, 128);
  definition.assign(bound, filled());
  assert.deepEqual(definition.save(bound), definition.save(filled()));
  assert.equal(memory.getUint32(128 + 4, true), 0xffff_fffd);
  memory.setUint16(128 + 2, 0x1234, true);
  assert.equal(bound.half, 0x1234);
  bound.words[1] = 0x55aa;
  assert.equal(memory.getUint32(128 + 32 + 4, true), 0x55aa);
  bound.channels[1].mode = 2;
  assert.equal(memory.getUint8(128 + 64 + 16), 2);
  assert.equal(memory.getUint8(128 + 96), 0);
});

test('assigning keeps arrays and nested objects in place', () => {
  const state = definition.create();
  const { text, channels } = state;
  const second = channels[1];
  definition.assign(state, filled());
  assert.deepEqual(state, filled());
  assert.equal(state.text, text);
  assert.equal(state.channels[1], second);
});
