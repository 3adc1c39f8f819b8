import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bus } from '../base/bus.ts';
import { DebugConsole } from './debug-console.ts';
import { DebugExit } from './debug-exit.ts';
import { Pvpanic } from './pvpanic.ts';

test('the exit port hands over what was written, at any width', () => {
  const values: number[] = [];
  const bus = new Bus();
  bus.map(0xf4, 4, new DebugExit({ exit: (value) => values.push(value) }));
  bus.write(0xf4, 0x10, 1);
  bus.write(0xf4, 0x1234, 2);
  bus.write(0xf4, 0x8000_0001, 4);
  assert.deepEqual(values, [0x10, 0x1234, 0x8000_0001]);
  assert.equal(bus.read(0xf4, 1), 0);
});

test('the debug console prints bytes and tells that it is there', () => {
  let text = '';
  const bus = new Bus();
  bus.map(0xe9, 1, new DebugConsole({ output: (byte) => (text += String.fromCharCode(byte)) }));
  for (const c of 'hi') bus.write(0xe9, c.charCodeAt(0), 1);
  assert.equal(text, 'hi');
  assert.equal(bus.read(0xe9, 1), 0xe9);
});

test('pvpanic tells a panic, not the loading of a crash kernel', () => {
  let panics = 0;
  const device = new Pvpanic({ panicked: () => panics++ });
  assert.equal(device.read(), 3);
  device.write(0, 2);
  assert.equal(panics, 0);
  device.write(0, 1);
  assert.equal(panics, 1);
});
