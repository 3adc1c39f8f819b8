/**
 * The sending half of a connection (RFC 9293 §3.8): SYN, data, FIN, the other side's window, repetition, and probing of
 * windows that are closed.
 *
 *            una                nxt         max          end of queue
 *     --------|------------------|-----------|-----------------|  (FIN)
 *     arrived   on its way         was, once   waits
 *
 * After a timeout `nxt` goes back to `una`, and everything is sent again as the windows open.
 *
 * Not modelled: SACK, timestamps; Nagle's algorithm, for the host gives its data in large pieces.
 */

import { ByteQueue } from '../byte-queue.ts';
import { Congestion } from './congestion.ts';
import { RoundTrip } from './round-trip.ts';
import { ahead, later, plus } from './sequence.ts';

/** Timeouts in a row without a word from the other side before it is given up (RFC 9293 §3.8.3, R2), SYN apart. */
const LONGEST_SILENCE = 10;
const LONGEST_SYN_SILENCE = 6;

export interface SenderHost {
  now(): number;
  sendSyn(): void;
  /** A segment with data, an end behind them, or only one of them. */
  sendData(sequence: number, payload: Uint8Array, isPushed: boolean, isLast: boolean): void;
  /** When `expired` is to be called; undefined for never. */
  setTimer(atNs: number | undefined): void;
  /** The other side is silent. */
  gaveUp(): void;
}

export class TcpSender {
  readonly initial: number;
  readonly #host: SenderHost;
  readonly #queue = new ByteQueue();
  readonly #roundTrip = new RoundTrip();
  #congestion = new Congestion(1);
  #mss = 1;
  #una: number;
  #nxt: number;
  #max: number;
  #window = 0;
  #largestWindow = 0;
  /** Segment of the last window update (SND.WL1, SND.WL2). */
  #windowSequence = 0;
  #windowAcknowledgment = 0;
  /** Nothing more will be written. */
  #isLast = false;
  #finIsAcknowledged = false;
  #recover = 0;
  #silence = 0;
  #timerIsSet = false;
  /** The segment whose round trip is measured: its end, and when it was sent. */
  #timed: { readonly end: number; readonly sentNs: number } | undefined;

  constructor(host: SenderHost, initial: number) {
    this.#host = host;
    this.initial = initial;
    this.#una = initial;
    this.#nxt = plus(initial, 1);
    this.#max = this.#nxt;
    this.#recover = initial;
  }

  get queuedBytes(): number {
    return this.#queue.length;
  }

  get una(): number {
    return this.#una;
  }

  get nxt(): number {
    return this.#nxt;
  }

  /** The furthest that was ever sent: what may be acknowledged. */
  get max(): number {
    return this.#max;
  }

  get synIsAcknowledged(): boolean {
    return this.#una !== this.initial;
  }

  /** FIN has been sent, if it is not to be sent again just now. */
  get finIsSent(): boolean {
    return this.#finIsAcknowledged || (this.#isLast && ahead(this.#max, this.#queueEnd()) > 0);
  }

  get finIsAcknowledged(): boolean {
    return this.#finIsAcknowledged;
  }

  /** Sends SYN. */
  start(): void {
    this.#timed = { end: this.#nxt, sentNs: this.#host.now() };
    this.#host.sendSyn();
    this.#setTimer();
  }

  /** What the other side's SYN says. */
  peer(mss: number): void {
    this.#mss = mss;
    this.#congestion = new Congestion(mss);
  }

  write(bytes: Uint8Array): void {
    if (this.#isLast) return;
    this.#queue.push(bytes);
    this.pump();
  }

  /** Nothing more to send: FIN follows the data. */
  end(): void {
    if (this.#isLast) return;
    this.#isLast = true;
    this.pump();
  }

  /** The other side's window without an acknowledgment of ours: that of its SYN. */
  setWindow(window: number, sequence: number, acknowledgment: number): void {
    this.#window = window;
    this.#largestWindow = Math.max(this.#largestWindow, window);
    this.#windowSequence = sequence;
    this.#windowAcknowledgment = acknowledgment;
  }

  /** An acceptable acknowledgment: not beyond `max`. `isPure`: a segment of nothing else. */
  acknowledged(acknowledgment: number, window: number, sequence: number, isPure: boolean): void {
    this.#silence = 0;
    const count = ahead(acknowledgment, this.#una);
    if (count < 0) return;
    const isSameWindow = window === this.#window;
    // RFC 9293 §3.10.7.4: old segments do not change the window.
    const news = ahead(sequence, this.#windowSequence);
    if (news > 0 || (news === 0 && ahead(acknowledgment, this.#windowAcknowledgment) >= 0)) {
      if (this.#window === 0 && window > 0) this.#reopened();
      this.setWindow(window, sequence, acknowledgment);
    }
    if (count > 0) this.#advance(acknowledgment, count);
    else if (isPure && isSameWindow && this.#flight() > 0) this.#duplicate(); // RFC 5681 §2
    this.pump();
  }

  /** What was a timer for probes is one for data again. */
  #reopened(): void {
    this.#roundTrip.settle();
    this.#timerIsSet = false;
  }

  #advance(acknowledgment: number, count: number): void {
    const synBytes = this.synIsAcknowledged ? 0 : 1;
    const arrived = count - synBytes;
    if (arrived > this.#queue.length) this.#finIsAcknowledged = true;
    this.#queue.discard(Math.min(arrived, this.#queue.length));
    this.#una = acknowledgment;
    this.#nxt = later(this.#nxt, acknowledgment);
    if (this.#timed !== undefined && ahead(acknowledgment, this.#timed.end) >= 0) {
      this.#roundTrip.measured(this.#host.now() - this.#timed.sentNs);
      this.#timed = undefined;
    }
    const { isRecovering } = this.#congestion;
    const recovered = ahead(acknowledgment, this.#recover) >= 0;
    if (arrived > 0) this.#congestion.acknowledged(arrived, recovered);
    if (isRecovering && !recovered) this.#repeatFirst();
    this.#roundTrip.settle();
    this.#timerIsSet = false; // for what is on its way now, from now on (RFC 6298 §5 (5.3))
  }

  #duplicate(): void {
    if (!this.#congestion.duplicate(this.#flight())) return;
    this.#recover = this.#max;
    this.#repeatFirst();
  }

  #repeatFirst(): void {
    this.#timed = undefined;
    const payload = this.#queue.copy(0, this.#mss);
    const isAll = payload.length === this.#queue.length;
    this.#host.sendData(this.#una, payload, isAll, isAll && this.finIsSent);
  }

  /** Sends what the windows allow. `anyway`: also what is too little to be worth it. */
  pump(anyway = false): void {
    if (!this.synIsAcknowledged || this.#finIsAcknowledged) return;
    let force = anyway;
    for (;;) {
      const waiting = ahead(this.#queueEnd(), this.#nxt);
      const isUnsentEnd = this.#isLast && waiting >= 0;
      if (waiting <= 0 && !isUnsentEnd) break;
      const usable = Math.min(this.#window, this.#congestion.windowBytes) - this.#flight();
      if (usable <= 0) break;
      const length = Math.min(this.#mss, waiting, usable);
      // RFC 9293 §3.8.6.2.1 "Sender's Algorithm": full segments, all there is, or half of the largest window.
      const isWorthIt = length === this.#mss || length === waiting || length >= this.#largestWindow / 2;
      if (!isWorthIt && !force) break;
      force = false;
      this.#send(length, isUnsentEnd && length === waiting && length < usable);
    }
    this.#setTimer();
  }

  #send(length: number, isLast: boolean): void {
    const sequence = this.#nxt;
    const payload = this.#queue.copy(ahead(sequence, this.#una), length);
    this.#nxt = plus(sequence, length + (isLast ? 1 : 0));
    const isFirstTime = ahead(sequence, this.#max) >= 0;
    this.#max = later(this.#max, this.#nxt);
    if (isFirstTime) this.#timed ??= { end: this.#nxt, sentNs: this.#host.now() };
    this.#host.sendData(sequence, payload, this.#nxt === this.#queueEnd() || isLast, isLast);
  }

  expired(): void {
    this.#timerIsSet = false;
    const limit = this.synIsAcknowledged ? LONGEST_SILENCE : LONGEST_SYN_SILENCE;
    if (this.#silence === limit) {
      this.#host.gaveUp();
      return;
    }
    this.#silence++;
    this.#timed = undefined;
    this.#roundTrip.backOff();
    if (!this.synIsAcknowledged) {
      this.#host.sendSyn();
      this.#setTimer();
      return;
    }
    if (this.#flight() > 0) {
      this.#congestion.timedOut(this.#flight());
      this.#recover = this.#max;
      this.#nxt = this.#una;
    }
    if (this.#window > 0) this.pump(true);
    else this.#probe();
  }

  /** One byte, or FIN, into a closed window (RFC 9293 §3.8.6.1); it does not count as sent. */
  #probe(): void {
    const payload = this.#queue.copy(0, 1);
    const isLast = this.#isLast && payload.length === this.#queue.length;
    if (payload.length > 0 || isLast) {
      this.#max = later(this.#max, plus(this.#una, payload.length + (isLast ? 1 : 0)));
      this.#host.sendData(this.#una, payload, true, isLast);
    }
    this.#setTimer();
  }

  /** Bytes on their way. */
  #flight(): number {
    return ahead(this.#nxt, this.#una);
  }

  /** The sequence number behind the last byte in the queue; that of FIN. */
  #queueEnd(): number {
    return plus(this.synIsAcknowledged ? this.#una : plus(this.initial, 1), this.#queue.length);
  }

  /** Runs while something is on its way, or waits for a window. */
  #setTimer(): void {
    const isEnding = this.#isLast && !this.#finIsAcknowledged;
    const isWaiting = this.#flight() > 0 || this.#queue.length > 0 || isEnding;
    if (!isWaiting) {
      this.#timerIsSet = false;
      this.#host.setTimer(undefined);
    } else if (!this.#timerIsSet) {
      this.#timerIsSet = true;
      this.#host.setTimer(this.#host.now() + this.#roundTrip.timeoutNs);
    }
  }
}
