import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Eeprom93c46, eepromState } from './eeprom-93c46.ts';

const READ = 0b110;
const WRITE = 0b101;
const ERASE = 0b111;
const GROUP = 0b100;
const ENABLE = 0b110000;
const WRITE_ALL = 0b010000;
const ERASE_ALL = 0b100000;

function bench() {
  const state = eepromState.create();
  const eeprom = new Eeprom93c46(state);
  const clock = (bit: number): number => {
    eeprom.drive(true, false, bit === 1);
    eeprom.drive(true, true, bit === 1);
    return eeprom.dataOut ? 1 : 0;
  };
  const shift = (value: number, bits: number): void => {
    for (let i = bits - 1; i >= 0; i--) clock((value >> i) & 1);
  };
  const shiftOut = (bits: number): number =>
    Array.from({ length: bits }, () => clock(0)).reduce((n, b) => n * 2 + b, 0);
  const select = (): void => {
    eeprom.drive(false, false, false);
    eeprom.drive(true, false, false);
  };
  const command = (operation: number, address: number, data?: number): void => {
    select();
    shift(operation, 3);
    shift(address, 6);
    if (data !== undefined) shift(data, 16);
  };
  return { state, eeprom, shift, shiftOut, select, command };
}

test('a word is read after a dummy zero, and the next one follows', () => {
  const { state, eeprom, command, shiftOut } = bench();
  state.words.set([0x1234, 0x8765], 62);
  command(READ, 62);
  assert.equal(eeprom.dataOut, false);
  assert.equal(shiftOut(32), 0x1234_8765);
  state.words[0] = 0xabcd;
  assert.equal(shiftOut(16), 0xabcd, 'and behind the last comes the first');
});

test('zeros in front of the start bit are nothing', () => {
  const { state, select, shift, shiftOut } = bench();
  state.words[7] = 0x5678;
  select();
  shift(READ, 5);
  shift(7, 6);
  assert.equal(shiftOut(16), 0x5678);
});

test('words are written, erased, and all at once, once that is enabled', () => {
  const { state, command } = bench();
  command(WRITE, 3, 0x1111);
  assert.equal(state.words[3], 0);
  command(GROUP, ENABLE);
  command(WRITE, 3, 0x1111);
  assert.equal(state.words[3], 0x1111);
  command(ERASE, 3);
  assert.equal(state.words[3], 0xffff);
  command(GROUP, WRITE_ALL, 0x2222);
  assert(state.words.every((word) => word === 0x2222));
  command(GROUP, ERASE_ALL);
  assert(state.words.every((word) => word === 0xffff));
  command(GROUP, 0);
  command(WRITE, 3, 0x1111);
  assert.equal(state.words[3], 0xffff, 'disabled again');
});

test('a write is over when the chip is selected anew', () => {
  const { eeprom, command, select } = bench();
  command(GROUP, ENABLE);
  command(WRITE, 0, 1);
  select();
  assert.equal(eeprom.dataOut, true);
});
