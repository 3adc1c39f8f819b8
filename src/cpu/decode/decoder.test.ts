import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CS, DS, FS, SS } from '../algebra.ts';
import { defineInstruction } from '../isa/instruction.ts';
import { RAX, RBP, RBX, RSI, RSP } from '../state.ts';
import { type CodeMode, Decoded, type DecodeFailure } from './decoded.ts';
import { Decoder } from './decoder.ts';

const instruction = (name: string, ...forms: string[]) =>
  defineInstruction({ name, sdm: 'none', forms, semantics() {} });

const decoder = new Decoder([
  instruction('ADD', '00 /r Eb,Gb lock', '01 /r Ev,Gv lock', '03 /r Gv,Ev', '05 rAX,Iz', '83 /0 Ev,Ibs lock'),
  instruction(
    'MOV',
    '88 /r Eb,Gb',
    '8B /r Gv,Ev',
    'B8+r Zv,Iv',
    'A1 rAX,Ov',
    'A3 Ov,rAX',
    '8C /r Ev,Sw',
    '8E /r Sw,Ew',
  ),
  instruction('MOVCR', '0F 22 /r C,Ry f64 cpl0 ends'),
  instruction('MOVDR', '0F 23 /r D,Ry f64 cpl0 ends'),
  instruction('PUSH', '50+r Zv d64', '6A Ibs d64'),
  instruction('CALL', 'E8 Jz f64 ends', '9A A i64 ends'),
  instruction('MOVS', 'A4 rep', 'A5 rep'),
  instruction('LES', 'C4 /r Gv,M i64'),
  instruction('LDS', 'C5 /r Gv,M i64'),
  instruction('ANDN', 'VEX.L0.NP.0F38.W0 F2 /r Gy,By,Ey', 'VEX.L0.NP.0F38.W1 F2 /r Gy,By,Ey'),
  instruction('BLSR', 'VEX.L0.NP.0F38.WIG F3 /1 By,Ey'),
  instruction('SHLX', 'VEX.L0.66.0F38.WIG F7 /r Gy,Ey,By'),
  instruction('MOVD', '66 0F 6E /r Vdq,Ey'),
  instruction('CRC32', 'F2 0F 38 F1 /r Gy,Ev'),
  instruction('LAR', '0F 02 /r Gv,Ew prot'),
  instruction('ENTER', 'C8 Iw,Ib d64'),
]);

function decode(mode: CodeMode, ...bytes: number[]): Decoded {
  const result = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, mode, true);
  assert.ok(result instanceof Decoded, String(result));
  assert.equal(result.length, bytes.length);
  return result;
}

function failure(mode: CodeMode, bytes: number[], isProtected = true): DecodeFailure | 'decoded' {
  const result = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, mode, isProtected);
  return result instanceof Decoded ? 'decoded' : result;
}

test('operand, address and stack sizes follow the mode and the prefixes', () => {
  const sizes = (d: Decoded) => [d.operandSize, d.addressSize, d.stackSize];
  assert.deepEqual(sizes(decode(64, 0x01, 0x00)), [32, 64, 64]);
  assert.deepEqual(sizes(decode(64, 0x66, 0x01, 0x00)), [16, 64, 16]);
  assert.deepEqual(sizes(decode(64, 0x66, 0x67, 0x48, 0x01, 0x00)), [64, 32, 64]);
  assert.deepEqual(sizes(decode(64, 0x50)), [64, 64, 64]);
  assert.deepEqual(sizes(decode(64, 0x66, 0x50)), [16, 64, 16]);
  assert.deepEqual(sizes(decode(64, 0x66, 0xe8, 0, 0, 0, 0)), [64, 64, 64]);
  assert.deepEqual(sizes(decode(32, 0x01, 0x00)), [32, 32, 32]);
  assert.deepEqual(sizes(decode(32, 0x66, 0x67, 0x01, 0x00)), [16, 16, 16]);
  assert.deepEqual(sizes(decode(16, 0x01, 0x00)), [16, 16, 16]);
  assert.deepEqual(sizes(decode(16, 0x66, 0x67, 0x01, 0x00)), [32, 32, 32]);
});

test('a mandatory 66 is no operand size, one beside a mandatory F2 is', () => {
  assert.equal(decode(64, 0x66, 0x0f, 0x6e, 0xc0).operands[1].type, 32);
  assert.equal(decode(64, 0x66, 0x48, 0x0f, 0x6e, 0xc0).operands[1].type, 64);
  const crc = decode(64, 0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xc0);
  assert.deepEqual([crc.operands[0].type, crc.operands[1].type], [32, 16]);
});

test('REX reaches the upper registers, counts only right before the opcode, and hides AH', () => {
  const registers = (d: Decoded) => d.operands.map((o) => [o.register, o.high]);
  assert.deepEqual(registers(decode(64, 0x00, 0xe5)), [
    [1, true],
    [0, true],
  ]);
  assert.deepEqual(registers(decode(64, 0x40, 0x00, 0xe5)), [
    [5, false],
    [4, false],
  ]);
  assert.deepEqual(registers(decode(64, 0x45, 0x00, 0xe5)), [
    [13, false],
    [12, false],
  ]);
  assert.deepEqual(registers(decode(64, 0x45, 0x3e, 0x00, 0xe5)), [
    [1, true],
    [0, true],
  ]);
  assert.equal(decode(64, 0x48, 0x66, 0x01, 0xc0).operandSize, 16);
  assert.equal(decode(64, 0x41, 0x50).operands[0].register, 8);
});

test('addressing of 32 and 64 bits', () => {
  const memory = (mode: CodeMode, ...bytes: number[]) => {
    const { base, index, scale, displacement, ripRelative } = decode(mode, 0x03, ...bytes).memory!;
    return [base, index, scale, displacement, ripRelative];
  };
  assert.deepEqual(memory(64, 0x00), [RAX, -1, 0, 0, false]);
  assert.deepEqual(memory(64, 0x40, 0x80), [RAX, -1, 0, -128, false]);
  assert.deepEqual(memory(64, 0x80, 0, 0, 0, 0x80), [RAX, -1, 0, -0x8000_0000, false]);
  assert.deepEqual(memory(64, 0x05, 1, 0, 0, 0), [-1, -1, 0, 1, true]);
  assert.deepEqual(memory(32, 0x05, 1, 0, 0, 0), [-1, -1, 0, 1, false]);
  assert.deepEqual(memory(64, 0x04, 0xb3), [RBX, RSI, 2, 0, false]);
  assert.deepEqual(memory(64, 0x04, 0x24), [RSP, -1, 0, 0, false]);
  assert.deepEqual(memory(64, 0x04, 0x25, 4, 0, 0, 0), [-1, -1, 0, 4, false]);
  assert.deepEqual(memory(64, 0x44, 0x75, 4), [RBP, RSI, 1, 4, false]);
  const extended = decode(64, 0x43, 0x03, 0x04, 0x24).memory!;
  assert.deepEqual([extended.base, extended.index], [12, 12]);
});

test('addressing of 16 bits', () => {
  const memory = (...bytes: number[]) => {
    const { base, index, displacement, segment } = decode(16, 0x03, ...bytes).memory!;
    return [base, index, displacement, segment];
  };
  assert.deepEqual(memory(0x00), [RBX, RSI, 0, DS]);
  assert.deepEqual(memory(0x02), [RBP, RSI, 0, SS]);
  assert.deepEqual(memory(0x06, 0x34, 0x92), [-1, -1, 0x9234 - 0x10000, DS]);
  assert.deepEqual(memory(0x46, 0xff), [RBP, -1, -1, SS]);
  assert.deepEqual(memory(0x87, 0x34, 0x12), [RBX, -1, 0x1234, DS]);
});

test('segments: by the base register, or by a prefix', () => {
  const segment = (mode: CodeMode, ...bytes: number[]) => {
    const memory = decode(mode, ...bytes).memory!;
    return [memory.segment, memory.segmentOverride];
  };
  assert.deepEqual(segment(64, 0x03, 0x45, 0), [SS, false]);
  assert.deepEqual(segment(64, 0x41, 0x03, 0x45, 0), [DS, false]);
  assert.deepEqual(segment(32, 0x03, 0x04, 0x24), [SS, false]);
  assert.deepEqual(segment(32, 0x2e, 0x03, 0x04, 0x24), [CS, true]);
  assert.deepEqual(segment(64, 0x2e, 0x03, 0x04, 0x24), [SS, false]);
  assert.deepEqual(segment(64, 0x64, 0x2e, 0x03, 0x04, 0x24), [FS, true]);
  assert.equal(decode(64, 0x64, 0xa4).dataSegment, FS);
  assert.equal(decode(64, 0xa4).dataSegment, DS);
});

test('immediates are extended as the form says', () => {
  const immediate = (d: Decoded) => [
    d.operands.at(-1)!.type,
    d.operands.at(-1)!.immediate,
    d.operands.at(-1)!.immediateHigh,
  ];
  assert.deepEqual(immediate(decode(64, 0x83, 0xc0, 0xff)), [32, -1, 0]);
  assert.deepEqual(immediate(decode(64, 0x66, 0x83, 0xc0, 0xff)), [16, 0xffff, 0]);
  assert.deepEqual(immediate(decode(64, 0x48, 0x83, 0xc0, 0xff)), [64, -1, -1]);
  assert.deepEqual(immediate(decode(64, 0x48, 0x05, 0, 0, 0, 0x80)), [64, -0x8000_0000, -1]);
  assert.deepEqual(immediate(decode(64, 0x48, 0xb8, 1, 0, 0, 0, 2, 0, 0, 0x80)), [64, 1, 2 - 0x8000_0000]);
  assert.deepEqual(immediate(decode(64, 0x6a, 0xfe)), [64, -2, -1]);
  assert.deepEqual(immediate(decode(64, 0xe8, 0xfb, 0xff, 0xff, 0xff)), [64, -5, -1]);
  assert.deepEqual(immediate(decode(16, 0xe8, 0xfb, 0xff)), [16, -5, -1]);
  assert.deepEqual(immediate(decode(32, 0x9a, 1, 0, 0, 0x80, 0x34, 0x12)), [64, 1 - 0x8000_0000, 0x1234]);
  assert.deepEqual(immediate(decode(16, 0x9a, 1, 0x80, 0x34, 0x12)), [64, 0x8001, 0x1234]);
  assert.deepEqual(
    decode(64, 0xc8, 0x10, 0xff, 2).operands.map((o) => o.immediate),
    [0xff10, 2],
  );
});

test('memory offsets are as long as an address', () => {
  const memory = (d: Decoded) => [d.memory!.displacement, d.memory!.displacementHigh];
  assert.deepEqual(memory(decode(64, 0xa1, 1, 0, 0, 0, 2, 0, 0, 0)), [1, 2]);
  assert.deepEqual(memory(decode(64, 0x67, 0xa3, 1, 0, 0, 0)), [1, 0]);
  assert.deepEqual(memory(decode(16, 0xa1, 1, 0)), [1, 0]);
});

test('repeat prefixes count where the form says so, the last one wins', () => {
  assert.equal(decode(64, 0xf3, 0xa4).repeat, 'rep');
  assert.equal(decode(64, 0xf3, 0xf2, 0xa4).repeat, 'repne');
  assert.equal(decode(64, 0xf3, 0x01, 0xc0).repeat, 'none');
});

test('LOCK needs a memory destination', () => {
  assert.equal(decode(64, 0xf0, 0x01, 0x00).lock, true);
  assert.equal(failure(64, [0xf0, 0x01, 0xc0]), 'undefined');
  assert.equal(failure(64, [0xf0, 0x03, 0x00]), 'undefined');
});

test('registers that do not exist are undefined', () => {
  assert.equal(failure(64, [0x8e, 0xc8]), 'undefined'); // MOV CS
  assert.equal(decode(64, 0x8c, 0xc8).operands[1].register, CS);
  assert.equal(failure(64, [0x8c, 0xf0]), 'undefined');
  assert.equal(failure(64, [0x0f, 0x22, 0xc8]), 'undefined'); // CR1
  assert.equal(failure(64, [0x44, 0x0f, 0x22, 0xc8]), 'undefined'); // CR9
  assert.equal(decode(64, 0x44, 0x0f, 0x22, 0xc0).operands[0].register, 8);
  assert.equal(failure(64, [0x44, 0x0f, 0x23, 0xc0]), 'undefined'); // DR8
});

test('MOV to a control register ignores mod and is 64 bits wide in 64-bit mode', () => {
  const move = decode(64, 0x66, 0x0f, 0x22, 0x03);
  assert.deepEqual([move.operands[0].kind, move.operands[0].register], ['control', 0]);
  assert.deepEqual([move.operands[1].kind, move.operands[1].register, move.operands[1].type], ['gpr', RBX, 64]);
  assert.equal(decode(32, 0x0f, 0x22, 0xc0).operands[1].type, 32);
  assert.equal(move.memory, undefined);
});

test('VEX', () => {
  const andn = decode(64, 0xc4, 0x42, 0x38, 0xf2, 0xc1); // andn r8d, r8d, r9d
  assert.deepEqual(
    andn.operands.map((o) => [o.register, o.type]),
    [
      [8, 32],
      [8, 32],
      [9, 32],
    ],
  );
  assert.equal(decode(64, 0xc4, 0xe2, 0xf8, 0xf2, 0x00).operands[0].type, 64);
  assert.equal(decode(32, 0xc4, 0xe2, 0xf8, 0xf2, 0x00).operands[0].type, 32); // W is ignored
  assert.equal(failure(64, [0xc4, 0xe2, 0x7c, 0xf2, 0xc0]), 'undefined'); // L1
  for (const prefix of [0x66, 0xf2, 0xf3, 0xf0, 0x40]) {
    assert.equal(failure(64, [prefix, 0xc4, 0xe2, 0x78, 0xf2, 0xc0]), 'undefined');
  }
  assert.equal(decode(64, 0x64, 0xc4, 0xe2, 0x78, 0xf2, 0x00).memory!.segment, FS);
  assert.equal(failure(64, [0xc4, 0xe0, 0x78, 0xf2, 0xc0]), 'undefined'); // map 0
  assert.equal(failure(16, [0xc4, 0xe2, 0x78, 0xf2, 0xc0], false), 'undefined'); // real mode
  assert.equal(decode(32, 0xc4, 0x00).instruction.name, 'LES');
  assert.equal(decode(16, 0xc5, 0x00).instruction.name, 'LDS');
});

test('some instructions exist in protected mode only', () => {
  assert.equal(failure(32, [0x0f, 0x02, 0xc0]), 'decoded');
  assert.equal(failure(16, [0x0f, 0x02, 0xc0], false), 'undefined');
});

test('every cut of an instruction asks for more bytes', () => {
  const whole = [0x66, 0x64, 0x41, 0x83, 0x84, 0x75, 1, 2, 3, 4, 5];
  assert.equal(failure(64, whole), 'decoded');
  for (let length = 0; length < whole.length; length++) assert.equal(failure(64, whole.slice(0, length)), 'incomplete');
  const bytes = Uint8Array.from([...whole, 0x90, 0x90]);
  assert.equal(decoder.decode(bytes, 0, 10, 64, true), 'incomplete');
  assert.ok(decoder.decode(bytes, 0, 13, 64, true) instanceof Decoded);
});

test('more than 15 bytes are too long', () => {
  assert.equal(failure(64, [...new Array(13).fill(0x66), 0x01, 0xc0]), 'decoded');
  assert.equal(failure(64, [...new Array(14).fill(0x66), 0x01, 0xc0]), 'too-long');
  assert.equal(failure(64, new Array(15).fill(0x66)), 'too-long');
  assert.equal(failure(64, new Array(14).fill(0x66)), 'incomplete');
  assert.equal(failure(64, [...new Array(11).fill(0x66), 0x83, 0x80, 1, 2, 3, 4, 5]), 'too-long');
});
