import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineInstruction } from '../isa/instruction.ts';
import {
  ANY,
  FormError,
  MAP_0F,
  MAP_0F38,
  MAP_VEX,
  PREFIX_66,
  PREFIX_F2,
  PREFIX_F3,
  PREFIX_NONE,
  parseForm,
} from './forms.ts';

const NAMELESS = defineInstruction({ name: 'TEST', sdm: 'none', forms: [], semantics() {} });
const parse = (text: string) => parseForm(NAMELESS, text);

test('an opcode with a register and an immediate of its own size', () => {
  const form = parse('50+r Zv d64');
  assert.deepEqual([form.map, form.opcode, form.opcodeRegister, form.hasModrm], [0, 0x50, true, false]);
  assert.equal(form.d64, true);
  const group = parse('81 /0 Ev,Iz lock');
  assert.deepEqual([group.digit, group.hasModrm, group.lock, group.mod], [0, true, true, 'any']);
  assert.deepEqual(group.operands[1].types, [16, 32, 64]);
  assert.deepEqual(group.operands[1].bytes, [2, 4, 4]);
});

test('mandatory prefixes and opcode maps', () => {
  assert.equal(parse('NP 0F 58 /r Vps,Wps').prefix, PREFIX_NONE);
  const popcnt = parse('F3 0F B8 /r Gv,Ev');
  assert.deepEqual([popcnt.prefix, popcnt.map, popcnt.opcode], [PREFIX_F3, MAP_0F, 0xb8]);
  const ptest = parse('66 0F 38 17 /r Vx,Wx');
  assert.deepEqual([ptest.prefix, ptest.map, ptest.opcode, ptest.aligned], [PREFIX_66, MAP_0F38, 0x17, true]);
  assert.equal(parse('66 0F 6F /r Vx,Wx unaligned').aligned, false);
  assert.equal(parse('F3 90').prefix, PREFIX_F3);
  assert.equal(parse('40+r Zv i64').prefix, ANY);
});

test('a ModRM byte given whole', () => {
  assert.equal(parse('0F 01 D0').modrm, 0xd0);
  const fadd = parse('D8 C0+r ST0,STi');
  assert.deepEqual([fadd.modrm, fadd.modrmRegister, fadd.opcodeRegister], [0xc0, true, false]);
});

test('VEX', () => {
  const mulx = parse('VEX.L0.F2.0F38.W0 F6 /r Gy,By,Ey');
  assert.deepEqual([mulx.isVex, mulx.map, mulx.prefix], [true, MAP_VEX + MAP_0F38, PREFIX_F2]);
  assert.deepEqual([mulx.vectorLength, mulx.w, mulx.usesVvvv], [0, 0, true]);
  const wig = parse('VEX.LIG.NP.0F.WIG 77');
  assert.deepEqual([wig.vectorLength, wig.w, wig.usesVvvv], [ANY, ANY, false]);
});

test('malformed forms are errors that name the form', () => {
  for (const text of [
    '',
    'NP',
    '0F',
    '0F 38',
    '8',
    '80 /8 Eb,Ib',
    '80 /x Eb,Ib',
    '00 Eb,Gb',
    '00 /r Eb,Qb',
    '00 /r Eb,Gb locked',
    '00 /r Eb,Eb',
    '00 /0 Eb,Gb',
    '00 /r Gb,Eb lock',
    '04 Ib,AL',
    '50+r d64',
    '51+r Zv',
    '50 Zv',
    '70 Jb',
    '00  /r Eb,Gb',
    '0F F2 /r Gy,By,Ey',
    'VEX.L2.NP.0F38.W0 F2 /r Gy,By,Ey',
    'VEX.L0.NP.0F38 F2 /r Gy,By,Ey',
    '66 VEX.L0.NP.0F38.W0 F2 /r Gy,By,Ey',
    'E8 Jz ends f64 d64',
    '06 i64 o64',
    '0F 01 10',
    'D8 C0 ST0,STi',
  ]) {
    assert.throws(
      () => parse(text),
      (error) => error instanceof FormError && error.message.includes(`'${text}'`),
      text,
    );
  }
});
