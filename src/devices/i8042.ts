/**
 * 8042 keyboard controller at ports 0x60 (data) and 0x64 (command and status), with a keyboard on which nobody types
 * (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller", 1990).
 *
 * It is here for what guests use it for without a screen: reset, the A20 gate, and being probed without time-outs.
 * Not modelled: keys, the second (mouse) port (tests of it say that it is not connected), controller RAM but the
 * command byte, passwords.
 */

import type { IoHandler } from '../base/bus.ts';
import { type IrqLine, unconnected } from '../base/irq.ts';
import { bool, bytes, defineState, type StateOf, u8 } from '../base/state.ts';
import { Device } from './device.ts';

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;

const COMMAND_BYTE_INTERRUPT = 0x01;
const COMMAND_BYTE_SYSTEM = 0x04;
const COMMAND_BYTE_KEYBOARD_OFF = 0x10;
const COMMAND_BYTE_AUX_OFF = 0x20;
/** As firmware leaves it: system flag, scan code translation, second port off. */
const COMMAND_BYTE_INITIAL = 0x64;

const OUTPUT_PORT_NO_RESET = 0x01;
const OUTPUT_PORT_A20 = 0x02;

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
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_OUTPUT = 0xd2;
const WRITE_AUX_OUTPUT = 0xd3;
const WRITE_AUX = 0xd4;
const DISABLE_A20 = 0xdd;
const ENABLE_A20 = 0xdf;
/** Pulses the low bits of the output port that are 0 in the command: bit 0 is the CPU's reset. */
const PULSE = 0xf0;

const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
const QUEUE_SIZE = 16;

const i8042State = defineState('i8042', 1, {
  commandByte: u8({ initial: COMMAND_BYTE_INITIAL }),
  outputPort: u8({ initial: OUTPUT_PORT_NO_RESET | OUTPUT_PORT_A20 }),
  /** The last write was to the command port. */
  wroteCommand: bool(),
  /** The controller's command that waits for a data byte, or 0. */
  controllerCommand: u8(),
  /** The keyboard's, likewise. */
  keyboardCommand: u8(),
  scanCodeSet: u8({ initial: 2 }),
  /** Bytes to be read at port 0x60. */
  queue: bytes(QUEUE_SIZE),
  head: u8({ max: QUEUE_SIZE - 1 }),
  count: u8({ max: QUEUE_SIZE }),
});

export interface I8042Host {
  /** Interrupt 1. */
  readonly irq: IrqLine;
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
  readonly #irq: IrqLine;
  readonly #a20: IrqLine;
  readonly #requestReset: () => void;

  constructor(host: I8042Host) {
    super(i8042State);
    this.#irq = host.irq;
    this.#a20 = host.a20 ?? unconnected;
    this.#requestReset = () => host.reset();
    this.#a20.set(true);
    this.data = { widest: 1, read: () => this.#take(), write: (_, value) => this.#writeData(value) };
    this.command = { widest: 1, read: () => this.#status(), write: (_, value) => this.#writeCommand(value) };
  }

  protected override derive(): void {
    this.#a20.set((this.state.outputPort & OUTPUT_PORT_A20) !== 0);
    this.#updateIrq();
  }

  #status(): number {
    const s = this.state;
    return (
      (s.count > 0 ? STATUS_OUTPUT_FULL : 0) |
      (s.commandByte & COMMAND_BYTE_SYSTEM ? STATUS_SYSTEM : 0) |
      (s.wroteCommand ? STATUS_COMMAND : 0) |
      STATUS_UNLOCKED
    );
  }

  #writeData(value: number): void {
    const s = this.state;
    s.wroteCommand = false;
    if (s.controllerCommand === 0) this.#toKeyboard(value);
    else this.#argument(value);
  }

  #writeCommand(command: number): void {
    const s = this.state;
    s.wroteCommand = true;
    s.controllerCommand = 0;
    switch (command) {
      case READ_COMMAND_BYTE:
        this.#put(s.commandByte);
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
        return;
      case TEST_AUX:
        this.#put(0x01); // clock line stuck low: there is no such port
        return;
      case SELF_TEST:
        s.commandByte |= COMMAND_BYTE_SYSTEM;
        s.count = 0;
        this.#put(0x55);
        return;
      case TEST_KEYBOARD:
        this.#put(0x00);
        return;
      case DISABLE_KEYBOARD:
        s.commandByte |= COMMAND_BYTE_KEYBOARD_OFF;
        return;
      case ENABLE_KEYBOARD:
        s.commandByte &= ~COMMAND_BYTE_KEYBOARD_OFF;
        return;
      case READ_OUTPUT_PORT:
        this.#put(s.outputPort);
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
        return;
      case WRITE_OUTPUT_PORT:
        this.#setOutputPort(value | OUTPUT_PORT_NO_RESET);
        if (!(value & OUTPUT_PORT_NO_RESET)) this.#requestReset();
        return;
      case WRITE_KEYBOARD_OUTPUT:
      case WRITE_AUX_OUTPUT: // without a second port, it comes back as a byte of the keyboard's
        this.#put(value);
        return;
      default: // WRITE_AUX: nobody is there to hear
    }
  }

  #setOutputPort(value: number): void {
    this.state.outputPort = value;
    this.#a20.set((value & OUTPUT_PORT_A20) !== 0);
  }

  /** PS/2 keyboard commands: every byte is acknowledged, some by more. */
  #toKeyboard(value: number): void {
    const s = this.state;
    s.commandByte &= ~COMMAND_BYTE_KEYBOARD_OFF; // data for the keyboard turns its clock on
    const command = s.keyboardCommand;
    s.keyboardCommand = 0;
    if (command === 0xf0 && value === 0) {
      this.#put(ACKNOWLEDGE, s.scanCodeSet);
      return;
    }
    if (command !== 0) {
      if (command === 0xf0) s.scanCodeSet = value;
      this.#put(ACKNOWLEDGE);
      return;
    }
    switch (value) {
      case 0xed: // indicators, scan code set, repeat rate: one more byte follows
      case 0xf0:
      case 0xf3:
        s.keyboardCommand = value;
        this.#put(ACKNOWLEDGE);
        return;
      case 0xee: // echo
        this.#put(0xee);
        return;
      case 0xf2: // identify: an MF2 keyboard, its second byte translated as scan codes are
        this.#put(ACKNOWLEDGE, 0xab, s.commandByte & 0x40 ? 0x41 : 0x83);
        return;
      case 0xf4: // enable scanning, disable it, defaults
      case 0xf5:
      case 0xf6:
        this.#put(ACKNOWLEDGE);
        return;
      case 0xff: // reset, with the result of its test
        s.scanCodeSet = 2;
        this.#put(ACKNOWLEDGE, 0xaa);
        return;
      default:
        this.#put(RESEND);
    }
  }

  #put(...values: number[]): void {
    const s = this.state;
    for (const value of values) {
      if (s.count === QUEUE_SIZE) break;
      s.queue[(s.head + s.count) % QUEUE_SIZE] = value;
      s.count++;
    }
    this.#updateIrq();
  }

  #take(): number {
    const s = this.state;
    const value = s.queue[s.head]; // the last one again, when there is none
    if (s.count === 0) return s.queue[(s.head + QUEUE_SIZE - 1) % QUEUE_SIZE];
    s.head = (s.head + 1) % QUEUE_SIZE;
    s.count--;
    this.#irq.set(false); // each byte makes an edge of its own
    this.#updateIrq();
    return value;
  }

  #updateIrq(): void {
    this.#irq.set(this.state.count > 0 && (this.state.commandByte & COMMAND_BYTE_INTERRUPT) !== 0);
  }
}
