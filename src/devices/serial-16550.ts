/**
 * NS16550A serial port (National Semiconductor PC16550D data sheet, June 1995).
 *
 * Sending takes no time: the transmitter is always empty, and every byte written raises the THRE interrupt again.
 * Received bytes arrive one at a time from a queue without limit, and only while there is room, so bulk input never
 * overruns. The far end obeys RTS, as a terminal with hardware flow control does: while a guest
 * that has ever written the modem control register holds RTS low, nothing arrives. Input typed ahead waits that way
 * until Linux opens the port.
 *
 * Deviation: they arrive at a rate of their own, whatever the divisor says: Linux leaves a port at 9600 baud unless it is
 * told otherwise, at which a pasted page takes seconds.
 * Deviation: bytes that a reset of the receive FIFO would drop count as not having arrived yet; they come again.
 * Deviation: OUT2 does not gate the interrupt. PCs have that gate beside the chip; guests written for QEMU, which has
 * not, leave OUT2 low.
 * Not modelled: break, parity and framing errors, DMA modes, the effect of word length on the data.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import { type Clock, NS_PER_SECOND, type Timer } from '../base/clock.ts';
import type { IrqLine } from '../base/irq.ts';
import { bool, bytes, defineState, f64, type StateOf, u8, u16 } from '../base/state.ts';
import { Device } from './device.ts';

/** Registers, by offset. With LCR_DLAB set, the first two are the divisor latch. */
const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

const IER_RECEIVED = 0x01;
const IER_THR_EMPTY = 0x02;
const IER_LINE_STATUS = 0x04;
const IER_MODEM_STATUS = 0x08;

const IIR_NONE = 0x01;
const IIR_LINE_STATUS = 0x06;
const IIR_RECEIVED = 0x04;
const IIR_TIMEOUT = 0x0c;
const IIR_THR_EMPTY = 0x02;
const IIR_MODEM_STATUS = 0x00;
const IIR_FIFO_ENABLED = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_RESET_RECEIVER = 0x02;
const FCR_KEPT = 0xc9;

const LCR_STOP = 0x04;
const LCR_PARITY = 0x08;
const LCR_DLAB = 0x80;

const MCR_RTS = 0x02;
const MCR_LOOP = 0x10;

const LSR_DATA_READY = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_TRANSMITTER_EMPTY = 0x60; // THRE and TEMT

/** CTS, DSR and DCD: somebody is there. */
const MSR_CONNECTED = 0xb0;
const MSR_RI = 0x40;

const FIFO_SIZE = 16;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
/** Input clock of a PC's serial ports; the line rate is a sixteenth of it over the divisor. */
const CLOCK_HZ = 1_843_200;
/** From one received byte to the next: 100 KB a second, more than guests take. */
const ARRIVAL_NS = 10_000;

const serialState = defineState('serial-16550', 2, {
  ier: u8({ max: 0x0f }),
  fcr: u8(),
  lcr: u8(),
  mcr: u8({ max: 0x1f }),
  mcrWritten: bool(),
  /** Inputs of the modem in the high half, changes since MSR was read in the low half. */
  msr: u8({ initial: MSR_CONNECTED }),
  scratch: u8(),
  divisor: u16({ initial: 1 }),
  overrun: bool(),
  thrEmptyPending: bool(),
  timeoutPending: bool(),
  received: bytes(FIFO_SIZE),
  head: u8({ max: FIFO_SIZE - 1 }),
  count: u8({ max: FIFO_SIZE }),
  /** Some of what was received came from the port itself. */
  loopedBack: bool(),
  /** When the receive FIFO times out; Infinity while it cannot. */
  timeoutNs: f64({ min: 0, initial: Number.POSITIVE_INFINITY }),
  /** When the next byte of the queue arrives; Infinity while none can. */
  arrivalNs: f64({ min: 0, initial: Number.POSITIVE_INFINITY, since: 2 }),
});

export interface SerialHost {
  readonly clock: Clock;
  readonly irq: IrqLine;
  /** A byte that the guest sent. */
  output(byte: number): void;
}

export class Serial16550 extends Device<StateOf<typeof serialState>> implements IoHandler {
  readonly widest: AccessSize = 1;
  readonly #host: SerialHost;
  readonly #arrival: Timer;
  readonly #timeout: Timer;
  /** Input that has not arrived: chunks, and how much of the first is gone. */
  readonly #queue: Uint8Array[] = [];
  #queueStart = 0;
  #irqLevel = false;

  constructor(host: SerialHost) {
    super(serialState);
    this.#host = host;
    this.#arrival = host.clock.timer(() => this.#arrive());
    this.#timeout = host.clock.timer(() => this.#timedOut());
  }

  /** Input from the far end. What does not fit the FIFO waits. */
  receive(data: Uint8Array): void {
    if (data.length === 0) return;
    this.#queue.push(data.slice());
    this.#awaitArrival();
  }

  /** Bytes sent by `receive` that have not arrived. */
  get waitingBytes(): number {
    return this.#queue.reduce((sum, chunk) => sum + chunk.length, 0) - this.#queueStart;
  }

  /** Those bytes, for snapshots: what `receive` is to be given before this state is restored elsewhere. */
  waitingInput(): Uint8Array {
    const bytes = new Uint8Array(this.waitingBytes);
    let at = 0;
    for (const [i, chunk] of this.#queue.entries()) {
      const rest = i === 0 ? chunk.subarray(this.#queueStart) : chunk;
      bytes.set(rest, at);
      at += rest.length;
    }
    return bytes;
  }

  override reset(): void {
    this.#returnReceived();
    super.reset();
  }

  read(offset: number): number {
    const s = this.state;
    switch (offset) {
      case RBR_THR:
        return s.lcr & LCR_DLAB ? s.divisor & 0xff : this.#readReceived();
      case IER:
        return s.lcr & LCR_DLAB ? s.divisor >> 8 : s.ier;
      case IIR_FCR:
        return this.#readInterruptId();
      case LCR:
        return s.lcr;
      case MCR:
        return s.mcr;
      case LSR:
        return this.#readLineStatus();
      case MSR:
        return this.#readModemStatus();
      default:
        return s.scratch;
    }
  }

  write(offset: number, value: number): void {
    const s = this.state;
    switch (offset) {
      case RBR_THR:
        if (s.lcr & LCR_DLAB) s.divisor = (s.divisor & 0xff00) | value;
        else this.#transmit(value);
        return;
      case IER:
        if (s.lcr & LCR_DLAB) s.divisor = (value << 8) | (s.divisor & 0xff);
        else this.#writeInterruptEnable(value);
        return;
      case IIR_FCR:
        this.#writeFifoControl(value);
        return;
      case LCR:
        s.lcr = value;
        return;
      case MCR:
        this.#writeModemControl(value);
        return;
      case SCR:
        s.scratch = value;
        return;
      default: // LSR and MSR: writes are for factory tests
    }
  }

  protected override derive(): void {
    this.#irqLevel = this.#interruptId() !== IIR_NONE;
    this.#host.irq.set(this.#irqLevel);
    this.#arrival.arm(this.state.arrivalNs);
    if (this.state.arrivalNs === Number.POSITIVE_INFINITY) this.#awaitArrival();
    this.#timeout.arm(this.state.timeoutNs);
  }

  #readReceived(): number {
    const s = this.state;
    if (s.count === 0) return 0;
    const byte = s.received[s.head];
    s.head = (s.head + 1) % FIFO_SIZE;
    if (--s.count === 0) s.loopedBack = false;
    s.timeoutPending = false;
    this.#restartTimeout();
    this.#updateIrq();
    if (s.arrivalNs === Number.POSITIVE_INFINITY) this.#awaitArrival();
    return byte;
  }

  #readInterruptId(): number {
    const s = this.state;
    const id = this.#interruptId();
    // Data sheet, table "Interrupt Control Functions": reading IIR resets THRE where that is the source told.
    if (id === IIR_THR_EMPTY) {
      s.thrEmptyPending = false;
      this.#updateIrq();
    }
    return s.fcr & FCR_ENABLE ? id | IIR_FIFO_ENABLED : id;
  }

  #readLineStatus(): number {
    const s = this.state;
    const value = LSR_TRANSMITTER_EMPTY | (s.count > 0 ? LSR_DATA_READY : 0) | (s.overrun ? LSR_OVERRUN : 0);
    if (s.overrun) {
      s.overrun = false;
      this.#updateIrq();
    }
    return value;
  }

  #readModemStatus(): number {
    const s = this.state;
    const value = s.msr;
    if (value & 0x0f) {
      s.msr &= 0xf0;
      this.#updateIrq();
    }
    return value;
  }

  #transmit(byte: number): void {
    const s = this.state;
    if (s.mcr & MCR_LOOP) {
      s.loopedBack = true;
      this.#accept(byte);
    } else {
      this.#host.output(byte);
    }
    s.thrEmptyPending = true;
    this.#updateIrq();
  }

  #writeInterruptEnable(value: number): void {
    const s = this.state;
    // An empty transmitter interrupts anew each time the interrupt is enabled: Linux tests for that at start-up.
    if (value & ~s.ier & IER_THR_EMPTY) s.thrEmptyPending = true;
    s.ier = value & 0x0f;
    this.#updateIrq();
  }

  #writeFifoControl(value: number): void {
    const s = this.state;
    if ((value ^ s.fcr) & FCR_ENABLE || value & FCR_RESET_RECEIVER) this.#returnReceived();
    s.fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    this.#restartTimeout();
    this.#updateIrq();
    this.#awaitArrival();
  }

  #writeModemControl(value: number): void {
    const s = this.state;
    s.mcr = value & 0x1f;
    s.mcrWritten = true;
    // In loopback the outputs feed the inputs: RTS CTS, DTR DSR, OUT1 RI, OUT2 DCD.
    const loop = ((value & 0x02) << 3) | ((value & 0x01) << 5) | ((value & 0x0c) << 4);
    const inputs = value & MCR_LOOP ? loop : MSR_CONNECTED;
    let changed = (inputs ^ s.msr) >> 4;
    if (inputs & MSR_RI) changed &= ~(MSR_RI >> 4); // TERI is for the trailing edge only
    s.msr = inputs | (s.msr & 0x0f) | (changed & 0x0f);
    this.#updateIrq();
    this.#awaitArrival();
  }

  #capacity(): number {
    return this.state.fcr & FCR_ENABLE ? FIFO_SIZE : 1;
  }

  #triggerLevel(): number {
    return this.state.fcr & FCR_ENABLE ? TRIGGER_LEVELS[this.state.fcr >> 6] : 1;
  }

  /** Start bit, 5 to 8 data bits, parity, one or two stop bits. A divisor of zero stops a real chip; here it counts as 2^16. */
  #characterNs(): number {
    const { lcr, divisor } = this.state;
    const bitsPerCharacter = 7 + (lcr & 3) + (lcr & LCR_STOP ? 1 : 0) + (lcr & LCR_PARITY ? 1 : 0);
    return (bitsPerCharacter * 16 * (divisor || 0x10000) * NS_PER_SECOND) / CLOCK_HZ;
  }

  /** A byte reaches the receiver. */
  #accept(byte: number): void {
    const s = this.state;
    if (s.count >= this.#capacity()) {
      s.overrun = true;
    } else {
      s.received[(s.head + s.count) % FIFO_SIZE] = byte;
      s.count++;
    }
    this.#restartTimeout();
    this.#updateIrq();
  }

  #listening(): boolean {
    const { mcr, mcrWritten } = this.state;
    return !mcrWritten || (mcr & (MCR_RTS | MCR_LOOP)) === MCR_RTS;
  }

  /** Sets the arrival timer if a byte is under way and there is a place for it. */
  #awaitArrival(): void {
    const s = this.state;
    if (this.#queue.length === 0 || s.count >= this.#capacity() || !this.#listening()) {
      this.#setArrival(Number.POSITIVE_INFINITY);
    } else if (s.arrivalNs === Number.POSITIVE_INFINITY) {
      this.#setArrival(this.#host.clock.now() + ARRIVAL_NS);
    }
  }

  #setArrival(deadlineNs: number): void {
    this.state.arrivalNs = deadlineNs;
    this.#arrival.arm(deadlineNs);
  }

  #arrive(): void {
    this.state.arrivalNs = Number.POSITIVE_INFINITY;
    const chunk = this.#queue[0];
    if (!chunk) return;
    const byte = chunk[this.#queueStart++];
    if (this.#queueStart === chunk.length) {
      this.#queue.shift();
      this.#queueStart = 0;
    }
    this.#accept(byte);
    this.#awaitArrival();
  }

  /** Puts what is in the receive FIFO back to the head of the queue. */
  #returnReceived(): void {
    const s = this.state;
    const rest = this.#queue.shift()?.subarray(this.#queueStart) ?? new Uint8Array();
    const unread = Uint8Array.from({ length: s.count }, (_, i) => s.received[(s.head + i) % FIFO_SIZE]);
    this.#queueStart = 0;
    if (rest.length > 0) this.#queue.unshift(rest);
    if (unread.length > 0 && !s.loopedBack) this.#queue.unshift(unread);
    s.loopedBack = false;
    s.head = 0;
    s.count = 0;
    s.timeoutPending = false;
    this.#setArrival(Number.POSITIVE_INFINITY);
  }

  /** Data sheet §8.4.2 "FIFO Interrupt Mode Operation": four characters' time without a byte coming or going. */
  #restartTimeout(): void {
    const s = this.state;
    const runs = s.fcr & FCR_ENABLE && s.count > 0 && !s.timeoutPending;
    s.timeoutNs = runs ? this.#host.clock.now() + 4 * this.#characterNs() : Number.POSITIVE_INFINITY;
    this.#timeout.arm(s.timeoutNs);
  }

  #timedOut(): void {
    this.state.timeoutNs = Number.POSITIVE_INFINITY;
    this.state.timeoutPending = true;
    this.#updateIrq();
  }

  #interruptId(): number {
    const s = this.state;
    if (s.ier & IER_LINE_STATUS && s.overrun) return IIR_LINE_STATUS;
    if (s.ier & IER_RECEIVED && s.count >= this.#triggerLevel()) return IIR_RECEIVED;
    if (s.ier & IER_RECEIVED && s.timeoutPending) return IIR_TIMEOUT;
    if (s.ier & IER_THR_EMPTY && s.thrEmptyPending) return IIR_THR_EMPTY;
    if (s.ier & IER_MODEM_STATUS && s.msr & 0x0f) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #updateIrq(): void {
    const level = this.#interruptId() !== IIR_NONE;
    if (level === this.#irqLevel) return;
    this.#irqLevel = level;
    this.#host.irq.set(level);
  }
}
