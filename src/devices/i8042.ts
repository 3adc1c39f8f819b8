/**
 * 8042 keyboard controller at ports 0x60 (data) and 0x64 (command and status), with a keyboard and a mouse on its two
 * ports (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller", 1990).
 *
 * A byte goes to the output buffer as soon as that is empty: the controller's own answers first, then the keyboard's,
 * then the mouse's. After one of theirs, the wire has the next only a while later; drivers that empty the buffer before
 * they begin give up where that seems to have no end. Not modelled: controller RAM but the command byte, passwords,
 * time-outs and parity.
 */

import type { IoHandler } from '../base/bus.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { type IrqLine, unconnected } from '../base/irq.ts';
import { bool, bytes, defineState, f64, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';
import { Ps2Keyboard } from './ps2/keyboard.ts';
import { Ps2Mouse } from './ps2/mouse.ts';
import { TRANSLATION } from './ps2/scan-codes.ts';

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;
const STATUS_AUX_OUTPUT_FULL = 0x20;

const COMMAND_BYTE_INTERRUPT = 0x01;
const COMMAND_BYTE_AUX_INTERRUPT = 0x02;
const COMMAND_BYTE_SYSTEM = 0x04;
const COMMAND_BYTE_KEYBOARD_OFF = 0x10;
const COMMAND_BYTE_AUX_OFF = 0x20;
const COMMAND_BYTE_TRANSLATE = 0x40;
/** As firmware leaves it: system flag, scan code translation, second port off. */
const COMMAND_BYTE_INITIAL = 0x64;

const OUTPUT_PORT_NO_RESET = 0x01;
const OUTPUT_PORT_A20 = 0x02;
const OUTPUT_PORT_KEYBOARD_FULL = 0x10;
const OUTPUT_PORT_AUX_FULL = 0x20;

/** Commands to the controller (port 0x64). */
const READ_COMMAND_BYTE = 0x20;
const WRITE_COMMAND_BYTE = 0x60;
const DISABLE_AUX = 0xa7;
const ENABLE_AUX = 0xa8;
const TEST_AUX = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_INPUT_PORT = 0xc0;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_OUTPUT = 0xd2;
const WRITE_AUX_OUTPUT = 0xd3;
const WRITE_AUX = 0xd4;
const DISABLE_A20 = 0xdd;
const ENABLE_A20 = 0xdf;
/** Pulses the low bits of the output port that are 0 in the command: bit 0 is the CPU's reset. */
const PULSE = 0xf0;

/** Nothing holds the keyboard locked. */
const INPUT_PORT = 0x80;
const RELEASED = 0xf0;
/** What a byte takes on the wire: 11 bits at some 11 kHz. */
const BYTE_NS = 1_000_000;
const ANSWERS_SIZE = 16;

/** Whose byte is in the output buffer. */
const NOBODY = 0;
const KEYBOARD = 1;
const AUX = 2;

const i8042State = defineState('i8042-ports', 1, {
  commandByte: u8({ initial: COMMAND_BYTE_INITIAL }),
  outputPort: u8({ initial: OUTPUT_PORT_NO_RESET | OUTPUT_PORT_A20 }),
  /** The last write was to the command port. */
  wroteCommand: bool(),
  /** The controller's command that waits for a data byte, or 0. */
  controllerCommand: u8(),
  /** The output buffer; it keeps its byte after that was read. */
  output: u8(),
  outputFrom: u8({ max: AUX }),
  /** Translation has seen that the key of the next byte was released. */
  released: bool(),
  /** The controller's own bytes that wait, those of the second port marked. */
  answers: bytes(ANSWERS_SIZE),
  answersFrom: bytes(ANSWERS_SIZE),
  answerCount: u8({ max: ANSWERS_SIZE }),
  /** Until then, keyboard and mouse have sent no further byte. */
  wireFreeNs: f64({ min: 0 }),
});

export interface I8042Host {
  readonly clock: Clock;
  /** Interrupt 1. */
  readonly irq: IrqLine;
  /** Interrupt 12, of the second port. */
  readonly auxIrq?: IrqLine;
  /** The controller's part of the A20 gate. */
  readonly a20?: IrqLine;
  /** The guest asked for a reset. */
  reset(): void;
}

export class I8042 extends Device<StateOf<typeof i8042State>> {
  /** Port 0x60. */
  readonly data: IoHandler;
  /** Port 0x64. */
  readonly command: IoHandler;
  /** What is plugged in: parts of their own in snapshots. */
  readonly keyboard = new Ps2Keyboard();
  readonly mouse = new Ps2Mouse();
  readonly #clock: Clock;
  readonly #wire: Timer;
  readonly #irq: IrqLine;
  readonly #auxIrq: IrqLine;
  readonly #a20: IrqLine;
  readonly #requestReset: () => void;

  constructor(host: I8042Host) {
    super(i8042State);
    this.#clock = host.clock;
    this.#wire = host.clock.timer(() => this.#fill());
    this.#irq = host.irq;
    this.#auxIrq = host.auxIrq ?? unconnected;
    this.#a20 = host.a20 ?? unconnected;
    this.#requestReset = () => host.reset();
    this.#a20.set(true);
    this.keyboard.ready = () => this.#fill();
    this.mouse.ready = () => this.#fill();
    this.data = { widest: 1, read: () => this.#take(), write: (_, value) => this.#writeData(value) };
    this.command = { widest: 1, read: () => this.#status(), write: (_, value) => this.#writeCommand(value) };
  }

  protected override derive(): void {
    this.#a20.set((this.state.outputPort & OUTPUT_PORT_A20) !== 0);
    this.#wire.disarm();
    if (!this.#isWireFree) this.#wire.arm(this.state.wireFreeNs);
    this.#updateIrq();
  }

  get #isWireFree(): boolean {
    // A state from elsewhere may know of times that are far away here.
    const leftNs = this.state.wireFreeNs - this.#clock.now();
    return !(leftNs > 0 && leftNs <= BYTE_NS);
  }

  #status(): number {
    const s = this.state;
    return (
      (s.outputFrom !== NOBODY ? STATUS_OUTPUT_FULL : 0) |
      (s.outputFrom === AUX ? STATUS_AUX_OUTPUT_FULL : 0) |
      (s.commandByte & COMMAND_BYTE_SYSTEM ? STATUS_SYSTEM : 0) |
      (s.wroteCommand ? STATUS_COMMAND : 0) |
      STATUS_UNLOCKED
    );
  }

  #writeData(value: number): void {
    const s = this.state;
    s.wroteCommand = false;
    if (s.controllerCommand !== 0) {
      this.#argument(value);
      return;
    }
    s.commandByte &= ~COMMAND_BYTE_KEYBOARD_OFF; // data for the keyboard turns its clock on
    this.keyboard.receive(value);
  }

  #writeCommand(command: number): void {
    const s = this.state;
    s.wroteCommand = true;
    s.controllerCommand = 0;
    switch (command) {
      case READ_COMMAND_BYTE:
        this.#answer(s.commandByte);
        return;
      case WRITE_COMMAND_BYTE:
      case WRITE_OUTPUT_PORT:
      case WRITE_KEYBOARD_OUTPUT:
      case WRITE_AUX_OUTPUT:
      case WRITE_AUX:
        s.controllerCommand = command;
        return;
      case DISABLE_AUX:
        s.commandByte |= COMMAND_BYTE_AUX_OFF;
        return;
      case ENABLE_AUX:
        s.commandByte &= ~COMMAND_BYTE_AUX_OFF;
        this.#fill();
        return;
      case TEST_AUX:
        this.#answer(0x00);
        return;
      case SELF_TEST:
        s.commandByte |= COMMAND_BYTE_SYSTEM;
        s.answerCount = 0;
        s.outputFrom = NOBODY;
        this.#answer(0x55);
        return;
      case TEST_KEYBOARD:
        this.#answer(0x00);
        return;
      case DISABLE_KEYBOARD:
        s.commandByte |= COMMAND_BYTE_KEYBOARD_OFF;
        return;
      case ENABLE_KEYBOARD:
        s.commandByte &= ~COMMAND_BYTE_KEYBOARD_OFF;
        this.#fill();
        return;
      case READ_INPUT_PORT:
        this.#answer(INPUT_PORT);
        return;
      case READ_OUTPUT_PORT:
        this.#answer(s.outputPort | this.#full());
        return;
      case DISABLE_A20:
        this.#setOutputPort(s.outputPort & ~OUTPUT_PORT_A20);
        return;
      case ENABLE_A20:
        this.#setOutputPort(s.outputPort | OUTPUT_PORT_A20);
        return;
      default:
        if (command >= PULSE && !(command & OUTPUT_PORT_NO_RESET)) this.#requestReset();
    }
  }

  #argument(value: number): void {
    const s = this.state;
    const command = s.controllerCommand;
    s.controllerCommand = 0;
    switch (command) {
      case WRITE_COMMAND_BYTE:
        s.commandByte = value;
        this.#updateIrq();
        this.#fill();
        return;
      case WRITE_OUTPUT_PORT:
        this.#setOutputPort(value | OUTPUT_PORT_NO_RESET);
        if (!(value & OUTPUT_PORT_NO_RESET)) this.#requestReset();
        return;
      case WRITE_KEYBOARD_OUTPUT:
        this.#answer(value);
        return;
      case WRITE_AUX_OUTPUT:
        this.#answer(value, AUX);
        return;
      case WRITE_AUX:
        s.commandByte &= ~COMMAND_BYTE_AUX_OFF;
        this.mouse.receive(value);
    }
  }

  #setOutputPort(value: number): void {
    this.state.outputPort = value;
    this.#a20.set((value & OUTPUT_PORT_A20) !== 0);
  }

  #full(): number {
    const { outputFrom } = this.state;
    if (outputFrom === NOBODY) return 0;
    return outputFrom === AUX ? OUTPUT_PORT_AUX_FULL : OUTPUT_PORT_KEYBOARD_FULL;
  }

  /** A byte of the controller's own. Of what does not fit, nothing is kept. */
  #answer(value: number, from = KEYBOARD): void {
    const s = this.state;
    if (s.answerCount < ANSWERS_SIZE) {
      s.answers[s.answerCount] = value;
      s.answersFrom[s.answerCount++] = from;
    }
    this.#fill();
  }

  /** Puts the next byte into the output buffer, if that is empty and there is one. */
  #fill(): void {
    const s = this.state;
    if (s.outputFrom !== NOBODY) return;
    if (s.answerCount > 0) {
      s.output = s.answers[0] as number;
      s.outputFrom = s.answersFrom[0] === AUX ? AUX : KEYBOARD;
      s.answers.copyWithin(0, 1);
      s.answersFrom.copyWithin(0, 1);
      s.answerCount--;
    } else if (!this.#isWireFree) {
      return;
    } else if (this.#fillFromKeyboard()) {
      this.#occupyWire();
    } else if (!(s.commandByte & COMMAND_BYTE_AUX_OFF)) {
      const value = this.mouse.take();
      if (value === undefined) return;
      s.output = value;
      s.outputFrom = AUX;
      this.#occupyWire();
    }
    this.#updateIrq();
  }

  /** Counted from when a byte is there: one that is taken late is followed at once, as one that waited is. */
  #occupyWire(): void {
    this.state.wireFreeNs = this.#clock.now() + BYTE_NS;
    this.#wire.arm(this.state.wireFreeNs);
  }

  #fillFromKeyboard(): boolean {
    const s = this.state;
    if (s.commandByte & COMMAND_BYTE_KEYBOARD_OFF) return false;
    const translates = (s.commandByte & COMMAND_BYTE_TRANSLATE) !== 0;
    let value = this.keyboard.take();
    if (value === RELEASED && translates) {
      s.released = true;
      value = this.keyboard.take();
    }
    if (value === undefined) return false;
    s.output = translates ? (TRANSLATION[value] as number) | (s.released ? 0x80 : 0) : value;
    s.released = false;
    s.outputFrom = KEYBOARD;
    return true;
  }

  #take(): number {
    const s = this.state;
    s.outputFrom = NOBODY; // each byte makes an edge of its own
    this.#updateIrq();
    const value = s.output; // the last one again, when there is none
    this.#fill();
    return value;
  }

  #updateIrq(): void {
    const { outputFrom, commandByte } = this.state;
    this.#irq.set(outputFrom === KEYBOARD && (commandByte & COMMAND_BYTE_INTERRUPT) !== 0);
    this.#auxIrq.set(outputFrom === AUX && (commandByte & COMMAND_BYTE_AUX_INTERRUPT) !== 0);
  }
}
