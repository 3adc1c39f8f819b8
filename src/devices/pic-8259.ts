/**
 * The two 8259A interrupt controllers of a PC, the second cascaded to input 2 of the first (Intel 8259A data sheet,
 * order number 231468-003, December 1988), with the edge/level control registers of EISA.
 *
 *     IRQ 0 1 3-7 -> master -> output (to the CPU's INTR, by way of LINT0)
 *     IRQ 8-15 -> slave -> IRQ 2 of master
 *
 * Deviation: an edge is remembered although its line drops again before it is acknowledged; the real part then gives
 * a spurious IRQ 7. Short pulses are common in emulated devices, and this is what other emulators do.
 * Not modelled: the 8080/8085 call mode, buffered mode, cascades other than a PC's.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { IrqLine } from '../base/irq.ts';
import { bool, defineState, list, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';

const ICW1_ICW4 = 0x01;
const ICW1_SINGLE = 0x02;
const ICW1_LEVEL = 0x08;
const ICW1 = 0x10;
const ICW4_AUTO_EOI = 0x02;
const ICW4_SPECIAL_FULLY_NESTED = 0x10;
const OCW3 = 0x08;
const OCW3_READ_REGISTER = 0x02;
const OCW3_READ_ISR = 0x01;
const OCW3_POLL = 0x04;
const OCW3_SET_SPECIAL_MASK = 0x40;

const CASCADE = 2;
/** Inputs that cannot be made level triggered: timer, keyboard and cascade; clock and coprocessor. */
const ELCR_WRITABLE = [0xf8, 0xde] as const;

const chipState = defineState('8259a', 1, {
  /** Levels of the input lines. */
  lines: u8(),
  irr: u8(),
  isr: u8(),
  imr: u8(),
  elcr: u8(),
  vectorBase: u8(),
  /** The input with the lowest priority. */
  lowest: u8({ max: 7, initial: 7 }),
  icw1: u8(),
  icw4: u8(),
  /** Which initialisation command word comes next, or 0. */
  nextIcw: u8({ max: 4 }),
  rotateOnAutoEoi: bool(),
  specialMask: bool(),
  readIsr: bool(),
  poll: bool(),
});

const picState = defineState('pic-8259', 1, { chips: list(chipState, 2) });

/** One of the pair: everything but the cascade. */
class Chip implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly state: StateOf<typeof chipState>;
  readonly #isMaster: boolean;
  readonly #changed: () => void;

  constructor(state: StateOf<typeof chipState>, isMaster: boolean, changed: () => void) {
    this.state = state;
    this.#isMaster = isMaster;
    this.#changed = changed;
  }

  setLine(input: number, level: boolean): void {
    const s = this.state;
    const mask = 1 << input;
    if (this.#isLevelTriggered(mask)) {
      s.irr = level ? s.irr | mask : s.irr & ~mask;
    } else if (level && !(s.lines & mask)) {
      s.irr |= mask;
    }
    s.lines = level ? s.lines | mask : s.lines & ~mask;
  }

  /** The slave's output, which unlike other lines takes its request back when it drops. */
  setCascade(level: boolean): void {
    this.setLine(CASCADE, level);
    if (!level) this.state.irr &= ~(1 << CASCADE);
  }

  /** The input to be served next, or -1. */
  pending(): number {
    const s = this.state;
    const requests = s.irr & ~s.imr;
    if (requests === 0) return -1;
    const input = this.#highest(requests);
    // In special mask mode, an input in service that is masked holds nothing back.
    let inService = s.specialMask ? s.isr & ~s.imr : s.isr;
    // Special fully nested: the slave may interrupt its own service routine.
    if (this.#isMaster && s.icw4 & ICW4_SPECIAL_FULLY_NESTED && input === CASCADE) inService &= ~(1 << CASCADE);
    return inService === 0 || this.#rank(input) < this.#rank(this.#highest(inService)) ? input : -1;
  }

  /** An INTA cycle that selects `input`. */
  acknowledge(input: number): void {
    const s = this.state;
    const mask = 1 << input;
    if (!this.#isLevelTriggered(mask)) s.irr &= ~mask;
    if (!(s.icw4 & ICW4_AUTO_EOI)) s.isr |= mask;
    else if (s.rotateOnAutoEoi) s.lowest = input;
  }

  read(offset: number): number {
    const s = this.state;
    if (s.poll) {
      s.poll = false;
      const input = this.pending();
      if (input < 0) return 0x07;
      this.acknowledge(input);
      this.#changed();
      return 0x80 | input;
    }
    if (offset === 1) return s.imr;
    return s.readIsr ? s.isr : s.irr;
  }

  write(offset: number, value: number): void {
    if (offset === 1) this.#writeData(value);
    else if (value & ICW1) this.#initialise(value);
    else if (value & OCW3) this.#writeOcw3(value);
    else this.#writeOcw2(value);
    this.#changed();
  }

  /** Data sheet, "Initialization Command Words 1 and 2": what ICW1 clears. */
  #initialise(icw1: number): void {
    const s = this.state;
    s.icw1 = icw1;
    s.icw4 = 0;
    s.nextIcw = 2;
    s.imr = 0;
    s.isr = 0;
    s.irr = 0;
    s.lowest = 7;
    s.rotateOnAutoEoi = false;
    s.specialMask = false;
    s.readIsr = false;
    s.poll = false;
    // Edges have to come again, levels are still there.
    for (let input = 0; input < 8; input++) {
      if (this.#isLevelTriggered(1 << input)) s.irr |= s.lines & (1 << input);
    }
  }

  #writeData(value: number): void {
    const s = this.state;
    switch (s.nextIcw) {
      case 2:
        s.vectorBase = value & 0xf8;
        if (s.icw1 & ICW1_SINGLE) s.nextIcw = s.icw1 & ICW1_ICW4 ? 4 : 0;
        else s.nextIcw = 3;
        return;
      case 3: // the cascade is soldered
        s.nextIcw = s.icw1 & ICW1_ICW4 ? 4 : 0;
        return;
      case 4:
        s.icw4 = value;
        s.nextIcw = 0;
        return;
      default:
        s.imr = value;
    }
  }

  /** End of interrupt and rotation: R, SL and EOI in the three high bits. */
  #writeOcw2(value: number): void {
    const s = this.state;
    const named = value & 7;
    switch (value >> 5) {
      case 0b000:
        s.rotateOnAutoEoi = false;
        return;
      case 0b100:
        s.rotateOnAutoEoi = true;
        return;
      case 0b001:
      case 0b101: {
        // Non-specific: the one with the highest priority, of which special mask mode hides the masked.
        const candidates = s.specialMask ? s.isr & ~s.imr : s.isr;
        if (candidates === 0) return;
        const input = this.#highest(candidates);
        s.isr &= ~(1 << input);
        if (value & 0x80) s.lowest = input;
        return;
      }
      case 0b011:
        s.isr &= ~(1 << named);
        return;
      case 0b111:
        s.isr &= ~(1 << named);
        s.lowest = named;
        return;
      case 0b110:
        s.lowest = named;
        return;
      default: // 0b010: no operation
    }
  }

  #writeOcw3(value: number): void {
    const s = this.state;
    if (value & OCW3_SET_SPECIAL_MASK) s.specialMask = (value & 0x20) !== 0;
    s.poll = (value & OCW3_POLL) !== 0;
    if (value & OCW3_READ_REGISTER) s.readIsr = (value & OCW3_READ_ISR) !== 0;
  }

  #isLevelTriggered(mask: number): boolean {
    return ((this.state.icw1 & ICW1_LEVEL) | (this.state.elcr & mask)) !== 0;
  }

  /** 0 for the highest priority. */
  #rank(input: number): number {
    return (input - this.state.lowest - 1) & 7;
  }

  /** The input of highest priority in a set that is not empty. */
  #highest(set: number): number {
    const first = (this.state.lowest + 1) & 7;
    const rotated = ((set >> first) | (set << (8 - first))) & 0xff;
    return (31 - Math.clz32(rotated & -rotated) + first) & 7;
  }
}

export class Pic8259 extends Device<StateOf<typeof picState>> {
  /** Ports 0x20 and 0x21. */
  readonly master: IoHandler;
  /** Ports 0xa0 and 0xa1. */
  readonly slave: IoHandler;
  /** Ports 0x4d0 and 0x4d1. */
  readonly edgeLevelControl: IoHandler;
  readonly #chips: readonly [Chip, Chip];
  readonly #output: IrqLine;
  #outputLevel = false;

  /** `output` is high while an interrupt waits to be acknowledged. */
  constructor(host: { readonly output: IrqLine }) {
    super(picState);
    this.#output = host.output;
    const [master, slave] = this.state.chips;
    const changed = (): void => this.#update();
    this.#chips = [new Chip(master, true, changed), new Chip(slave, false, changed)];
    [this.master, this.slave] = this.#chips;
    this.edgeLevelControl = {
      widest: 1,
      read: (offset) => this.#chips[offset & 1].state.elcr,
      write: (offset, value) => this.#writeElcr(offset & 1, value),
    };
  }

  /** ISA interrupt line `irq`: 0 to 15 but 2, which the cascade occupies. */
  line(irq: number): IrqLine {
    const chip = this.#chips[irq >> 3];
    const input = irq & 7;
    return {
      set: (level) => {
        chip.setLine(input, level);
        this.#update();
      },
    };
  }

  /** The CPU's INTA cycles: the vector. Without a request, that of IRQ 7 (or 15), which sets no service bit. */
  acknowledge(): number {
    const [master, slave] = this.#chips;
    let vector: number;
    const input = master.pending();
    if (input < 0) {
      vector = master.state.vectorBase + 7;
    } else {
      master.acknowledge(input);
      vector = master.state.vectorBase + input;
      if (input === CASCADE) {
        const second = slave.pending();
        if (second >= 0) slave.acknowledge(second);
        vector = slave.state.vectorBase + (second < 0 ? 7 : second);
        master.setCascade(false); // INT drops in the INTA cycle: a further request makes a new edge
      }
    }
    this.#update();
    return vector;
  }

  override reset(): void {
    // The input lines belong to the devices that drive them.
    const lines = this.state.chips.map((chip) => chip.lines);
    super.reset();
    this.state.chips.forEach((chip, i) => {
      chip.lines = lines[i];
    });
  }

  protected override derive(): void {
    const [master, slave] = this.#chips;
    master.setCascade(slave.pending() >= 0);
    this.#outputLevel = master.pending() >= 0;
    this.#output.set(this.#outputLevel);
  }

  #writeElcr(index: number, value: number): void {
    const { state } = this.#chips[index];
    state.elcr = value & ELCR_WRITABLE[index];
    // What has become level triggered follows its line.
    state.irr = (state.irr & ~state.elcr) | (state.lines & state.elcr);
    this.#update();
  }

  #update(): void {
    const [master, slave] = this.#chips;
    master.setCascade(slave.pending() >= 0);
    const level = master.pending() >= 0;
    if (level === this.#outputLevel) return;
    this.#outputLevel = level;
    this.#output.set(level);
  }
}
