/**
 * Random programs with a shape: loops within loops, choices, calls and returns, jumps through registers and memory, and
 * stores into their own code (ahead, behind, in the same block and elsewhere, on the other page). Straight pieces are
 * of the random instructions of `sequence.ts`.
 */

import type { CodeMode } from '../../src/cpu/decode/decoded.ts';
import type { Prng } from '../hardware/inputs/prng.ts';
import { CODE, CODE_PAGES, DATA, PAGE } from '../hardware/layout.ts';
import { Assembler, type Label } from './assembler.ts';
import { CODE_ALIAS } from './places.ts';
import { drawInstruction, load } from './sequence.ts';

const DEEPEST = 3;
const MOST_FUNCTIONS = 5;
/** Bytes of code after which no more is drawn. */
const MOST_BYTES = 3000;
/** Where jumps through memory find their target. */
const POINTER = DATA + 0x40;
const UD2 = [0x0f, 0x0b];
/** One-byte instructions, for places that are written over: NOP, CLC, STC, CMC, CWDE, CDQ, LAHF, XCHG with rAX. */
const SMALL = [0x90, 0xf8, 0xf9, 0xf5, 0x98, 0x99, 0x9f, 0x91, 0x93];

class Program {
  readonly #random: Prng;
  readonly #asm: Assembler;
  /** Called, and to be written behind the main part. */
  readonly #functions: Label[] = [];
  /** Runs of one-byte instructions; the last may not be bound yet. */
  readonly #sites: Label[] = [];

  constructor(random: Prng, mode: CodeMode, start: number) {
    this.#random = random;
    this.#asm = new Assembler(mode === 16 ? start : CODE + start, mode);
  }

  draw(start: number): number[] {
    const asm = this.#asm;
    this.#piece(0);
    asm.emit(...UD2);
    for (let i = 0; i < this.#functions.length; i++) {
      const toPage = PAGE - ((start + asm.bytes.length) % PAGE);
      const mayMove = start + asm.bytes.length < PAGE;
      if (mayMove && this.#random.chance(40)) for (let k = 0; k < toPage; k += 2) asm.emit(...UD2);
      asm.bind(this.#functions[i] as Label);
      this.#piece(1);
      if (this.#random.chance(80)) asm.emit(0xc3);
      else asm.emit(0xc2, 8 * this.#random.below(2), 0);
    }
    return asm.finish();
  }

  #register(): number {
    return this.#random.pick(this.#asm.mode === 64 ? [1, 2, 3, 5, 6, 7, 12, 13, 14, 15] : [1, 2, 3, 5, 6, 7]);
  }

  /** An opcode group's instruction on a register. */
  #unary(opcode: number, digit: number, register: number): void {
    if (register >= 8) this.#asm.emit(0x41);
    this.#asm.emit(opcode, 0xc0 | (digit << 3) | (register & 7));
  }

  #piece(depth: number): void {
    const random = this.#random;
    const kinds = [
      () => this.#straight(),
      () => this.#straight(),
      () => this.#loop(depth),
      () => this.#loop(depth),
      () => this.#choice(depth),
      () => this.#choice(depth),
      () => this.#flags(),
      () => this.#call(),
      () => this.#indirect(),
      () => this.#site(),
      () => this.#patch(),
      () => this.#patch(),
    ];
    for (let count = 1 + random.below(4); count > 0 && this.#asm.bytes.length < MOST_BYTES; count--) {
      if (depth >= DEEPEST) this.#straight();
      else random.pick(kinds)();
    }
  }

  #straight(): void {
    for (let count = 1 + this.#random.below(4); count > 0; count--) {
      this.#asm.emit(...drawInstruction(this.#random, this.#asm.mode, 'in programs'));
    }
  }

  #loop(depth: number): void {
    const asm = this.#asm;
    const random = this.#random;
    const counter = this.#register();
    asm.emit(...load(counter, 1 + random.below(random.chance(10) ? 40 : 6), asm.mode));
    const again = asm.here();
    this.#piece(depth + 1);
    if (counter === 1 && random.chance(30)) {
      asm.branch([0xe2], again, 1);
      return;
    }
    if (random.chance(70)) this.#unary(0xff, 1, counter);
    else {
      this.#unary(0x83, 5, counter);
      asm.emit(1);
    }
    // Branches that look at other flags, too, but mostly at what ends the loop.
    const condition = random.chance(75) ? 5 : random.below(16);
    asm.branch([0x0f, 0x80 | condition], again);
  }

  #choice(depth: number): void {
    const asm = this.#asm;
    const random = this.#random;
    const otherwise = asm.label();
    if (random.chance(70)) this.#flags();
    asm.branch([0x0f, 0x80 | random.below(16)], otherwise);
    this.#piece(depth + 1);
    if (random.chance(50)) {
      const end = asm.label();
      asm.branch([0xe9], end);
      asm.bind(otherwise);
      this.#piece(depth + 1);
      asm.bind(end);
    } else {
      asm.bind(otherwise);
    }
  }

  /** Writes some flags, leaves others, or reads them. */
  #flags(): void {
    const asm = this.#asm;
    const random = this.#random;
    const [a, b, c] = [random.below(8), random.pick([0, 1, 2, 3, 5, 6, 7]), random.pick([0, 1, 2, 3])];
    const register = 0xc0 | (a << 3) | b;
    const condition = random.below(16);
    const imm8 = random.below(256);
    const kinds = [
      [0x39, register], // cmp
      [0x85, register], // test
      [0x29, register], // sub
      [0x83, 0xf8 | b, imm8], // cmp, immediate
      [0xff, 0xc0 | b], // inc: leaves CF
      [0xff, 0xc8 | b], // dec
      [0xd3, 0xe0 | b], // shl by CL: may leave all
      [0xc1, 0xe8 | b, random.below(4)], // shr
      [0xd1, 0xd0 | b], // rcl: CF and OF alone
      [0x0f, 0xba, 0xe0 | b, imm8 & 31], // bt: CF alone
      [0x0f, 0xbc, register], // bsf: ZF alone
      [0x83, 0xd0 | b, imm8], // adc
      [0x19, register], // sbb
      [0x0f, 0x90 | condition, 0xc0 | c], // setcc
      [0x0f, 0x40 | condition, 0xc0 | (b << 3) | a], // cmovcc
      [0x9f], // lahf
      [0x9e], // sahf
      [0xf5], // cmc
    ];
    asm.emit(...random.pick(kinds));
  }

  #call(): void {
    const random = this.#random;
    const callee =
      this.#functions.length === MOST_FUNCTIONS || (this.#functions.length > 0 && random.chance(40))
        ? random.pick(this.#functions)
        : this.#function();
    if (random.chance(75)) {
      this.#asm.branch([0xe8], callee);
      return;
    }
    const register = this.#loadAddress(callee);
    this.#unary(0xff, 2, register);
  }

  #function(): Label {
    const label = this.#asm.label();
    this.#functions.push(label);
    return label;
  }

  #loadAddress(label: Label): number {
    const register = this.#register();
    const asm = this.#asm;
    asm.emit(...load(register, 0, asm.mode));
    asm.bytes.length -= asm.wordBytes;
    asm.address(label);
    return register;
  }

  /** A jump over something to a place that only the running program knows. */
  #indirect(): void {
    const asm = this.#asm;
    const target = asm.label();
    const kind = this.#random.below(3);
    if (kind === 0) {
      this.#unary(0xff, 4, this.#loadAddress(target));
    } else if (kind === 1) {
      if (asm.mode === 64) asm.emit(0x48);
      asm.emit(0xc7);
      asm.dataOperand(0, POINTER);
      asm.address(target);
      asm.emit(0xff);
      asm.dataOperand(4, POINTER);
    } else {
      asm.emit(0x68);
      asm.address(target);
      asm.emit(0xc3);
    }
    if (this.#random.chance(50)) this.#straight();
    asm.bind(target);
  }

  /** Instructions that something writes over, or nothing. */
  #site(label = this.#asm.label()): void {
    this.#asm.bind(label);
    if (!this.#sites.includes(label)) this.#sites.push(label);
    for (let count = 1 + this.#random.below(6); count > 0; count--) this.#asm.emit(this.#random.pick(SMALL));
  }

  /** Writes over the instructions of a site, before this place or behind it. */
  #patch(): void {
    const asm = this.#asm;
    const random = this.#random;
    const isAhead = this.#sites.length === 0 || random.chance(50);
    const site = isAhead ? asm.label() : random.pick(this.#sites);
    const small = (): number => random.pick(SMALL);
    if (random.chance(40)) {
      // CLC and STC, INC and DEC of other code: a bit changes at every turn of a loop.
      asm.emit(0x80);
      asm.labelOperand(6, site, CODE_ALIAS - (asm.mode === 16 ? DATA : CODE));
      asm.emit(1);
    } else if (random.chance(50)) {
      asm.emit(0xc6);
      asm.labelOperand(0, site, CODE_ALIAS - (asm.mode === 16 ? DATA : CODE));
      asm.emit(small());
    } else {
      asm.emit(0xc7);
      asm.labelOperand(0, site, CODE_ALIAS - (asm.mode === 16 ? DATA : CODE));
      for (let i = 0; i < asm.wordBytes; i++) asm.emit(small());
    }
    if (!isAhead) return;
    if (random.chance(60)) this.#straight();
    this.#site(site);
  }
}

/** A program that begins at `start`, an offset in the code pages. */
export function drawProgram(random: Prng, mode: CodeMode, start: number): number[] {
  return new Program(random, mode, start).draw(start).slice(0, CODE_PAGES * PAGE - start);
}
