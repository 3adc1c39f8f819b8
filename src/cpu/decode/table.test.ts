import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instructions } from '../isa/index.ts';
import { defineInstruction, type Feature } from '../isa/instruction.ts';
import { Decoded } from './decoded.ts';
import { Decoder } from './decoder.ts';
import { FormError } from './forms.ts';
import { DecodeTable } from './table.ts';

const instruction = (name: string, ...forms: string[]) =>
  defineInstruction({ name, sdm: 'none', forms, semantics() {} });

/** Name of what `bytes` decode to, or why they do not. */
function nameOf(decoder: Decoder, bytes: number[], mode: 16 | 32 | 64 = 64): string {
  const result = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, mode, true);
  return result instanceof Decoded ? result.instruction.name : result;
}

test('two forms for the same bytes are an error', () => {
  const pairs = [
    ['00 /r Eb,Gb', '00 /r Eb,Gb'],
    ['80 /0 Eb,Ib', '80 /r Eb,Gb'],
    ['0F AE /0 M', '0F AE /0 Ev'],
    ['50+r Zv', '50+r Zd'],
    ['NP 0F 10 /r Vps,Wps', 'NP 0F 10 /r Vps,Mps'],
    ['D8 C0+r ST0,STi', 'D8 C3'],
    ['VEX.L0.NP.0F38.W0 F2 /r Gy,By,Ey', 'VEX.LIG.NP.0F38.W0 F2 /r Gy,By,Ey'],
  ];
  for (const [a, b] of pairs) {
    assert.throws(() => new DecodeTable([instruction('A', a), instruction('B', b)]).check(), FormError, `${a} | ${b}`);
  }
});

test('an opcode cannot have a ModRM byte in one form and none in another', () => {
  assert.throws(() => new DecodeTable([instruction('A', 'D8 /0 Ed'), instruction('B', 'D8')]).check(), /ModRM/);
});

test('forms of different modes, digits or operand places do not conflict', () => {
  const decoder = new Decoder([
    instruction('ARPL', '63 /r Ew,Gw i64'),
    instruction('MOVSXD', '63 /r Gv,Ed o64'),
    instruction('MOVLPS', 'NP 0F 12 /r Vq,Mq'),
    instruction('MOVHLPS', 'NP 0F 12 /r Vq,Uq'),
    instruction('MOVLPD', '66 0F 12 /r Vq,Mq'),
  ]);
  assert.equal(nameOf(decoder, [0x63, 0xc0]), 'MOVSXD');
  assert.equal(nameOf(decoder, [0x63, 0xc0], 32), 'ARPL');
  assert.equal(nameOf(decoder, [0x0f, 0x12, 0x00]), 'MOVLPS');
  assert.equal(nameOf(decoder, [0x0f, 0x12, 0xc0]), 'MOVHLPS');
  assert.equal(nameOf(decoder, [0x66, 0x0f, 0x12, 0x00]), 'MOVLPD');
  assert.equal(nameOf(decoder, [0x66, 0x0f, 0x12, 0xc0]), 'undefined');
  assert.equal(nameOf(decoder, [0xf3, 0x0f, 0x12, 0xc0]), 'undefined');
});

test('the more specific form wins', () => {
  const decoder = new Decoder([
    instruction('BSF', '0F BC /r Gv,Ev'),
    instruction('TZCNT', 'F3 0F BC /r Gv,Ev'),
    instruction('MOVBE', 'NFx 0F 38 F0 /r Gv,Mv'),
    instruction('INVLPG', '0F 01 /7 M'),
    instruction('LMSW', '0F 01 /6 Ew'),
    instruction('SWAPGS', '0F 01 F8'),
    instruction('CMPXCHG8B', '0F C7 /1 Mq lock'),
    instruction('CMPXCHG16B', 'W1 0F C7 /1 Mdq lock'),
    instruction('XCHG', '90+r Zv,rAX'),
    instruction('NOP', '90'),
    instruction('PAUSE', 'F3 90'),
  ]);
  assert.equal(nameOf(decoder, [0x0f, 0xbc, 0xc0]), 'BSF');
  assert.equal(nameOf(decoder, [0x66, 0x0f, 0xbc, 0xc0]), 'BSF');
  assert.equal(nameOf(decoder, [0xf2, 0x0f, 0xbc, 0xc0]), 'BSF');
  assert.equal(nameOf(decoder, [0x66, 0xf3, 0x0f, 0xbc, 0xc0]), 'TZCNT');
  assert.equal(nameOf(decoder, [0xf2, 0xf3, 0x0f, 0xbc, 0xc0]), 'TZCNT');
  assert.equal(nameOf(decoder, [0xf3, 0xf2, 0x0f, 0xbc, 0xc0]), 'BSF');
  assert.equal(nameOf(decoder, [0x66, 0x0f, 0x38, 0xf0, 0]), 'MOVBE');
  assert.equal(nameOf(decoder, [0x66, 0xf3, 0x0f, 0x38, 0xf0, 0]), 'undefined');
  assert.equal(nameOf(decoder, [0x0f, 0x01, 0x38]), 'INVLPG');
  assert.equal(nameOf(decoder, [0x0f, 0x01, 0xf8]), 'SWAPGS');
  assert.equal(nameOf(decoder, [0x0f, 0x01, 0xf9]), 'undefined');
  assert.equal(nameOf(decoder, [0x0f, 0x01, 0xf0]), 'LMSW');
  assert.equal(nameOf(decoder, [0x0f, 0xc7, 0x08]), 'CMPXCHG8B');
  assert.equal(nameOf(decoder, [0x48, 0x0f, 0xc7, 0x08]), 'CMPXCHG16B');
  assert.equal(nameOf(decoder, [0x90]), 'NOP');
  assert.equal(nameOf(decoder, [0x48, 0x90]), 'NOP');
  assert.equal(nameOf(decoder, [0x41, 0x90]), 'XCHG');
  assert.equal(nameOf(decoder, [0x97]), 'XCHG');
  assert.equal(nameOf(decoder, [0xf3, 0x90]), 'PAUSE');
  assert.equal(nameOf(decoder, [0xf3, 0x41, 0x90]), 'PAUSE');
});

test('instructions of features that are not given do not exist', () => {
  const tzcnt = { ...instruction('TZCNT', 'F3 0F BC /r Gv,Ev'), feature: 'bmi1' as Feature };
  const all = [instruction('BSF', '0F BC /r Gv,Ev'), tzcnt];
  assert.equal(nameOf(new Decoder(all, new Set()), [0xf3, 0x0f, 0xbc, 0xc0]), 'BSF');
  assert.equal(nameOf(new Decoder(all, new Set<Feature>(['bmi1'])), [0xf3, 0x0f, 0xbc, 0xc0]), 'TZCNT');
});

test('the forms of all instructions are well-formed and none conflict', () => {
  const used = new DecodeTable(instructions).check();
  const written = instructions.flatMap((instruction) => instruction.forms);
  const texts = new Set(used.map((form) => form.text));
  // A form that other, more specific ones hide entirely could never be decoded.
  assert.deepEqual(
    written.filter((text) => !texts.has(text)),
    [],
  );
});
