/**
 * Draws the input of every case again from the names and numbers in the vector file. The recorder's driver and the
 * reader share this code, so that only what the processor answered has to be stored.
 */
import type { Encoding, Form, LegacyMode } from '../form.ts';
import { INVALID, NO_REGISTER, RIP_REGISTER } from '../form.ts';
import { CODE, DATA, FS_BASE, GS_BASE, PAGE, SELECTORS, WINDOW_BYTES, windowOffset } from '../layout.ts';
import { descriptorOf, STACK32, startingSelectors } from '../segments.ts';
import { DIRECTION, MachineState, ST_OFFSET, XMM_OFFSET } from '../state.ts';
import { aim, linearAddress, pickTarget, segmentBase } from './memory.ts';
import { hashName, Prng } from './prng.ts';
import { setups } from './setups.ts';
import { type DataType, writeData, writeInteger } from './values.ts';
import { fillMmx, fillStack, pickMxcsr } from './x87.ts';

const INT3 = 0xcc;
/** Where encodings with RIP-relative operands stand, so that their displacements reach the data pages. */
export const RIP_RELATIVE_BASE = CODE + 0x800;
/** RFLAGS bits that inputs vary: CF, PF, AF, ZF, SF, OF. */
const ARITHMETIC = 0x8d5;
/** Bit 1 reads as one, and IF is set. */
const FIXED_FLAGS = 0x202;
/** A period that no power of two divides, so that a wrong address shows, and short, so that copies compress. */
const BACKGROUND_PERIOD = 251;
const LARGEST_OPERAND = 1024;
/** Setups of instructions that address memory by fixed registers. */
const IMPLICIT_OPERAND = /^(string|xlat|masked-move)/;
const LAST_32 = 0xffff_ffffn;
const [ES, SS, DS, FS, GS] = [0, 2, 3, 4, 5];

export class CaseInputs {
  readonly random = new Prng();
  readonly state = new MachineState();
  readonly stateView = new DataView(this.state.bytes.buffer);
  /** The contents of all pages, in the order of `PAGES`. */
  readonly window = new Uint8Array(WINDOW_BYTES);
  /** The ranges of the window that differ from what every case starts with: offset, length, offset, length ... */
  readonly touched: number[] = [];
  readonly #baseline = new MachineState();
  readonly #background = new Uint8Array(WINDOW_BYTES);
  readonly #scratch = new DataView(new ArrayBuffer(LARGEST_OPERAND));
  #form: Form | undefined;
  #encoding: Encoding | undefined;

  constructor() {
    this.#background.fill(INT3);
    this.random.seed(1, 2);
    const period = Uint8Array.from({ length: BACKGROUND_PERIOD }, () => this.random.u32());
    const data = windowOffset(BigInt(CODE)) + 2 * PAGE;
    for (let i = data; i < WINDOW_BYTES; i++) this.#background[i] = period[(i - data) % BACKGROUND_PERIOD];
    this.window.set(this.#background);
    const baseline = this.#baseline;
    for (let i = 0; i < 256; i++) baseline.xmm[i] = this.random.u32();
    for (let i = 0; i < 80; i++) baseline.st[i] = this.random.u32();
    baseline.control = 0x37f;
    baseline.mxcsr = 0x1f80;
    baseline.fsBase = FS_BASE;
    baseline.gsBase = GS_BASE;
    baseline.selectors.set(SELECTORS);
  }

  get background(): Uint8Array {
    return this.#background;
  }

  get form(): Form {
    return this.#form as Form;
  }

  get encoding(): Encoding {
    return this.#encoding as Encoding;
  }

  /** Draw case `index` of a form into `state` and `window`. */
  draw(form: Form, index: number): void {
    this.#form = form;
    this.#encoding = form.encodings[Math.floor(index / form.repeat)];
    const { random, state } = this;
    for (let i = 0; i < this.touched.length; i += 2) {
      const [start, end] = [this.touched[i], this.touched[i] + this.touched[i + 1]];
      this.window.set(this.#background.subarray(start, end), start);
    }
    this.touched.length = 0;
    random.seed(hashName(form.name), index);
    state.copyFrom(this.#baseline);
    for (let i = 0; i < 16; i++) writeInteger(random, this.stateView, 8 * i);
    if (random.chance(15)) state.gpr[random.below(16)] = state.gpr[random.below(16)];
    state.rflags = FIXED_FLAGS | form.flags | (random.u32() & ARITHMETIC) | (random.chance(6) ? DIRECTION : 0);
    if (form.mode !== undefined) this.#pickSegments(form.mode);
    this.#fillUnit();
    this.#placeCode();
    setups[form.setup](this);
    if (form.mode !== undefined) this.#narrow(form.mode);
  }

  /** Outside 64-bit mode: eight registers of 32 bits, and bases as the selectors have loaded them. */
  #narrow(mode: LegacyMode): void {
    const { state } = this;
    for (let i = 0; i < 16; i++) state.gpr[i] = i < 8 ? state.gpr[i] & LAST_32 : 0n;
    state.fsBase = segmentBase('fs', state, mode);
    state.gsBase = segmentBase('gs', state, mode);
  }

  /**
   * Outside 64-bit mode: flat data segments, or those that offsets of 16 bits reach. What the encoding fixes decides
   * where registers cannot make up for it.
   */
  #pickSegments(mode: LegacyMode): void {
    const { random, state } = this;
    const { memory } = this.encoding;
    const isFixed = memory !== undefined && memory.base === NO_REGISTER && memory.index === NO_REGISTER;
    let flat = random.chance(mode === 32 ? 70 : 20);
    if (memory?.addressBits === 16) flat = false;
    else if (isFixed && !IMPLICIT_OPERAND.test(this.form.setup)) flat = true;
    state.selectors.set(startingSelectors(mode, flat));
    if (!flat && random.chance(mode === 32 ? 50 : 15)) state.selectors[SS] = STACK32;
    if (random.chance(4)) state.selectors[random.pick([ES, DS, FS, GS])] = 0;
  }

  get mode(): LegacyMode | undefined {
    return this.form.mode;
  }

  /** What the offsets of code count from. */
  get codeBase(): bigint {
    return this.mode === undefined ? 0n : segmentBase('cs', this.state, this.mode);
  }

  /** Point a stack or frame pointer at a linear address, as far as the stack's address size allows; where it then is. */
  pointStack(register: number, target: bigint): bigint {
    const { state, mode } = this;
    if (mode === undefined) {
      state.gpr[register] = target;
      return target;
    }
    const stack = descriptorOf(state.selectors[SS]);
    const bits = stack?.big ? 32 : 16;
    const base = BigInt(stack?.base ?? 0);
    const offset = BigInt.asUintN(bits, target - base);
    state.gpr[register] = offset | (bits === 16 ? BigInt(this.random.u32() & 0xffff) << 16n : 0n);
    return BigInt.asUintN(32, base + offset);
  }

  #fillUnit(): void {
    const { random, state, stateView } = this;
    const { unit, data } = this.form;
    if (unit === 'x87' || unit === 'all') fillStack(random, state, stateView, ST_OFFSET, 'any');
    if (unit === 'mmx') fillMmx(random, state, stateView, ST_OFFSET, data === 'int' ? 'int' : 'f32');
    if (unit === 'sse' || unit === 'mmx' || unit === 'all') {
      state.mxcsr = pickMxcsr(random);
      this.randomXmm(0);
      for (const register of this.encoding.registers) this.randomXmm(register);
      if (random.chance(8)) this.copyXmm();
    }
  }

  randomXmm(register: number): void {
    writeData(this.random, this.stateView, XMM_OFFSET + 16 * register, 16, this.form.data);
  }

  /** Equal operands: the last register operand gets the first one's value. */
  copyXmm(): void {
    const { registers } = this.encoding;
    if (registers.length === 0) return;
    const [from, to] = [registers[0] * 16, registers[registers.length - 1] * 16];
    this.state.xmm.copyWithin(to, from, from + 16);
  }

  /** Put the code in the middle of a page, across two pages, at the end of the last, or across that end. */
  #placeCode(): void {
    const { random, encoding, state } = this;
    const length = encoding.code.length;
    // How many bytes of an invalid opcode are fetched before it is found to be invalid depends on the model.
    const kind = random.below(this.form.mnemonic !== INVALID ? 100 : this.mode === undefined ? 98 : 96);
    const crossing = 1 + random.below(Math.max(1, length - 1));
    let address = CODE + 0x100 + random.below(PAGE - 0x200);
    if (encoding.memory?.base === RIP_REGISTER) address = RIP_RELATIVE_BASE;
    else if (kind >= 98) address = CODE + 2 * PAGE - crossing;
    else if (kind >= 96) address = CODE + 2 * PAGE - length;
    else if (kind >= 90) address = CODE + PAGE - crossing;
    state.rip = BigInt(address) - this.codeBase;
    this.#place(BigInt(address), encoding.code);
  }

  /** Write over the last bytes of the instruction. */
  patchCode(bytes: Uint8Array): void {
    const { code } = this.encoding;
    this.#place(this.codeBase + this.state.rip + BigInt(code.length - bytes.length), bytes);
  }

  /** Place bytes into the mapped data pages; outside 64-bit mode, operands in the code are what is there. */
  write(address: bigint, bytes: Uint8Array): void {
    if (this.mode === undefined || address >= DATA - PAGE) this.#place(address, bytes);
  }

  /** Place bytes into the mapped pages, whatever their access; bytes elsewhere are dropped. */
  #place(address: bigint, bytes: Uint8Array): void {
    const start = windowOffset(address);
    if (start >= 0 && windowOffset(address + BigInt(bytes.length - 1)) === start + bytes.length - 1) {
      this.window.set(bytes, start);
      this.touched.push(start, bytes.length);
      return;
    }
    for (let i = 0; i < bytes.length; i++) {
      const offset = windowOffset(address + BigInt(i));
      if (offset < 0) continue;
      this.window[offset] = bytes[i];
      this.touched.push(offset, 1);
    }
  }

  /** Let `fill` write `length` bytes of an operand and place them. */
  writeWith(address: bigint, length: number, fill: (view: DataView) => void): void {
    fill(this.#scratch);
    this.write(address, new Uint8Array(this.#scratch.buffer, 0, length));
  }

  writeData(address: bigint, length: number, type: DataType): void {
    this.writeWith(address, length, (view) => writeData(this.random, view, 0, length, type));
  }

  writeU64(address: bigint, value: bigint): void {
    this.writeWith(address, 8, (view) => view.setBigUint64(0, value, true));
  }

  /** The byte of the window at an address, 0 where nothing is mapped. */
  readByte(address: bigint): number {
    const offset = windowOffset(address);
    return offset < 0 ? 0 : this.window[offset];
  }

  /** Point the explicit memory operand somewhere (or at `target`); its address, or undefined if there is none. */
  aimOperand(target?: bigint): bigint | undefined {
    const { memory, code } = this.encoding;
    if (memory === undefined) return undefined;
    const wanted = target ?? pickTarget(this.random, Math.max(1, this.form.memoryBytes));
    aim(this.random, memory, this.state, wanted, this.mode);
    return linearAddress(memory, this.state, code.length, this.mode);
  }

  /** Where the explicit memory operand lies as registers now stand. */
  operandAddress(): bigint | undefined {
    const { memory, code } = this.encoding;
    return memory === undefined ? undefined : linearAddress(memory, this.state, code.length, this.mode);
  }
}
