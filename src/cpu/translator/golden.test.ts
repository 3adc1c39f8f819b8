/**
 * What the translator makes of a few telling regions, held against the texts in `golden/`: an optimisation that is lost
 * shows up in review, and so does one that is won. `npm run golden` writes the texts anew.
 */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { CODE, DATA, LongModeMachine } from '../interpreter/test-long-mode.ts';
import { vcpu } from '../state.ts';
import { disassemble } from './golden/disassembler.ts';
import { RegionMaker } from './region-maker.ts';

const RCX = 1;
const RSI = 6;
const RDI = 7;
const CR4_OSFXSR = 0x200n;
const TURNS = 1000;
/** Entries of a block before it is translated: by then all blocks of these programs are known. */
const HOT = 20;
/** Constants from here on are places in machine memory. */
const MACHINE = 0x4_0000;
const BYTES_WIDTH = 22;

/** Loops that RCX counts, over memory at RSI and RDI. */
const PROGRAMS: Readonly<Record<string, readonly [bytes: string, text: string][]>> = {
  registers: [
    ['01 c8', 'add eax, ecx'],
    ['48 6b d0 03', 'imul rdx, rax, 3'],
    ['31 d3', 'xor ebx, edx'],
    ['ff c9', 'dec ecx'],
    ['75 f4', 'jnz -12'],
  ],
  'load and add': [
    ['48 03 06', 'add rax, [rsi]'],
    ['48 83 c6 08', 'add rsi, 8'],
    ['48 ff c9', 'dec rcx'],
    ['75 f4', 'jnz -12'],
  ],
  'copy quadwords': [
    ['48 8b 06', 'mov rax, [rsi]'],
    ['48 89 07', 'mov [rdi], rax'],
    ['48 83 c6 08', 'add rsi, 8'],
    ['48 83 c7 08', 'add rdi, 8'],
    ['48 83 e9 01', 'sub rcx, 1'],
    ['75 ec', 'jnz -20'],
  ],
  'chain of comparisons': [
    ['8a 06', 'mov al, [rsi]'],
    ['3c 30', 'cmp al, 0x30'],
    ['72 0b', 'jb other'],
    ['3c 39', 'cmp al, 0x39'],
    ['77 07', 'ja other'],
    ['83 e0 0f', 'and eax, 15'],
    ['01 c3', 'add ebx, eax'],
    ['eb 02', 'jmp next'],
    ['ff c2', 'other: inc edx'],
    ['48 ff c6', 'next: inc rsi'],
    ['ff c9', 'dec ecx'],
    ['75 e6', 'jnz -26'],
  ],
  'call of a small function': [
    ['e8 08 00 00 00', 'call function'],
    ['01 c3', 'add ebx, eax'],
    ['ff c9', 'dec ecx'],
    ['75 f5', 'jnz -11'],
    ['f4 90', 'hlt'],
    ['8d 04 49', 'function: lea eax, [rcx + 2 * rcx]'],
    ['83 f0 55', 'xor eax, 0x55'],
    ['c3', 'ret'],
  ],
  'flags of a shift that nobody reads': [
    ['d3 e8', 'shr eax, cl'],
    ['01 c3', 'add ebx, eax'],
    ['ff c9', 'dec ecx'],
    ['75 f8', 'jnz -8'],
  ],
  'flags kept for an add with carry': [
    ['48 8b 06', 'mov rax, [rsi]'],
    ['48 11 07', 'adc [rdi], rax'],
    ['48 8d 76 08', 'lea rsi, [rsi + 8]'],
    ['48 8d 7f 08', 'lea rdi, [rdi + 8]'],
    ['ff c9', 'dec ecx'],
    ['75 ee', 'jnz -18'],
  ],
  'SSE doubles': [
    ['f2 0f 10 06', 'movsd xmm0, [rsi]'],
    ['f2 0f 59 c1', 'mulsd xmm0, xmm1'],
    ['f2 0f 58 d0', 'addsd xmm2, xmm0'],
    ['48 83 c6 08', 'add rsi, 8'],
    ['ff c9', 'dec ecx'],
    ['75 ec', 'jnz -20'],
  ],
};

/** The region that begins at the loop, as text. */
function translate(t: TestContext, code: string): string[] {
  const machine = new LongModeMachine(undefined, { tiers: 'translator' });
  const { blocks, core } = machine.engine;
  const modules: Uint8Array[] = [];
  const { finish } = RegionMaker.prototype;
  t.mock.method(RegionMaker.prototype, 'finish', function (this: RegionMaker) {
    const made = finish.call(this);
    modules.push(made.bytes);
    return made;
  });
  blocks.countdown = HOT;
  machine.code(code);
  // Digits and others, so that the chain of comparisons is gone through in every way.
  for (let at = DATA; at < DATA + 0x1000; at += 8) machine.poke(at, '30 61 35 20 39 3a 2f 37');
  machine.setGpr(RCX, TURNS);
  machine.setGpr(RSI, DATA);
  machine.setGpr(RDI, DATA + 0x1000);
  machine.cpu.set(vcpu.cr4, machine.cpu.get(vcpu.cr4) | CR4_OSFXSR);
  machine.cpu.contextChanged();
  machine.run(TURNS);
  assert(machine.rip >= CODE && machine.rip < CODE + code.length, 'the loop runs');
  const [module] = modules;
  assert(module !== undefined, 'the loop was translated');

  const functions = new Map(
    Object.entries(core).flatMap(([name, ref]) => ('slot' in ref ? [[String(ref.slot), name] as const] : [])),
  );
  for (const type of [8, 16, 32, 64, 128] as const) {
    functions.set(String(core.load(type).slot), `load${type}`);
    functions.set(String(core.store(type).slot), `store${type}`);
  }
  const functionOf = (imported: string): string => functions.get(imported) ?? 'routine';
  let first = Number.POSITIVE_INFINITY;
  const isPlace = (value: number): boolean => value >= MACHINE;
  disassemble(module, 0, {
    functionOf,
    constantOf: (value) => {
      if (isPlace(value)) first = Math.min(first, value);
      return '';
    },
  });
  return disassemble(module, 0, {
    functionOf,
    constantOf: (value) => (isPlace(value) ? `place + ${value - first}` : String(value)),
  });
}

for (const [name, program] of Object.entries(PROGRAMS)) {
  test(`the region of "${name}" is as in golden/`, (t) => {
    const file = new URL(`golden/${name.replaceAll(' ', '-')}.txt`, import.meta.url);
    const guest = program.map(([bytes, text]) => `; ${bytes.padEnd(BYTES_WIDTH)}${text}`);
    const region = translate(t, program.map(([bytes]) => bytes).join(' '));
    const text = `${[...guest, '', ...region].join('\n')}\n`;
    if (process.env.VIVARIUM_GOLDEN === 'write') writeFileSync(file, text);
    assert.equal(text, readFileSync(file, 'utf8'), 'if this is meant to be: npm run golden');
  });
}
