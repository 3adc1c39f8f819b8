import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POINTER_LEFT, POINTER_MIDDLE, POINTER_RIGHT } from '../../base/input.ts';
import { Ps2Mouse } from './mouse.ts';

function sent(mouse: Ps2Mouse): number[] {
  const all: number[] = [];
  for (let byte = mouse.take(); byte !== undefined; byte = mouse.take()) all.push(byte);
  return all;
}

function told(mouse: Ps2Mouse, ...values: number[]): number[] {
  for (const value of values) mouse.receive(value);
  return sent(mouse);
}

test('movement is reported once reporting is on, up counted as positive', () => {
  const mouse = new Ps2Mouse();
  mouse.move(9, 9, 0);
  assert.deepEqual(sent(mouse), []);
  assert.deepEqual(told(mouse, 0xf4), [0xfa]);
  mouse.move(3, 5, 0);
  assert.deepEqual(sent(mouse), [0x28, 3, 0xfb]);
  mouse.buttons(POINTER_LEFT | POINTER_MIDDLE);
  assert.deepEqual(sent(mouse), [0x0d, 0, 0]);
});

test('movement beyond a packet goes on in those that follow', () => {
  const mouse = new Ps2Mouse();
  told(mouse, 0xf4);
  mouse.move(300, 0, 0);
  assert.deepEqual(sent(mouse), [0x08, 255, 0, 0x08, 45, 0]);
});

test('the knock of three rates turns the wheel on, and a reset off', () => {
  const mouse = new Ps2Mouse();
  assert.deepEqual(told(mouse, 0xf2), [0xfa, 0]);
  told(mouse, 0xf3, 200, 0xf3, 100, 0xf3, 60);
  assert.deepEqual(told(mouse, 0xf2), [0xfa, 0]);
  told(mouse, 0xf3, 200);
  told(mouse, 0xf3, 100);
  told(mouse, 0xf3, 80);
  assert.deepEqual(told(mouse, 0xf2), [0xfa, 3]);
  told(mouse, 0xf4);
  mouse.move(0, 0, -1);
  assert.deepEqual(sent(mouse), [0x08, 0, 0, 0xff]);
  assert.deepEqual(told(mouse, 0xff), [0xfa, 0xaa, 0]);
  assert.deepEqual(told(mouse, 0xf2), [0xfa, 0]);
});

test('a wheel that is off leaves nothing to report', () => {
  const mouse = new Ps2Mouse();
  told(mouse, 0xf4);
  mouse.move(0, 0, 1);
  assert.deepEqual(sent(mouse), []);
});

test('status, remote and wrap mode are as the manual has them', () => {
  const mouse = new Ps2Mouse();
  mouse.buttons(POINTER_RIGHT);
  told(mouse, 0xe8, 3);
  assert.deepEqual(told(mouse, 0xe7, 0xe9).slice(-4), [0xfa, 0x11, 3, 100]);
  told(mouse, 0xf4);
  assert.deepEqual(told(mouse, 0xf0), [0xfa]);
  mouse.move(2, 0, 0);
  assert.deepEqual(sent(mouse), []);
  assert.deepEqual(told(mouse, 0xeb), [0xfa, 0x0a, 2, 0]);
  told(mouse, 0xee);
  assert.deepEqual(told(mouse, 0xf4, 0x12), [0xf4, 0x12]);
  assert.deepEqual(told(mouse, 0xec), [0xfa]);
});

test('nonsense is asked for again', () => {
  assert.deepEqual(told(new Ps2Mouse(), 0x12), [0xfe]);
});
