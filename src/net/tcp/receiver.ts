/**
 * The receiving half of a connection (RFC 9293 §3.10.7.4, §3.8.6): what is taken, in which order it is handed on, how
 * large a window is granted, and when an acknowledgment is due.
 */

import { TcpReassembly } from './reassembly.ts';
import { ahead, plus } from './sequence.ts';

/** RFC 5681 §4.2: at least every second full segment is acknowledged at once, the rest within half a second. */
const UNACKNOWLEDGED_SEGMENTS = 2;

/** Our scale: windows of up to a megabyte (RFC 7323 §2.2). */
export const WINDOW_SCALE = 4;

export interface ReceiverHost {
  /** Bytes in order. */
  received(bytes: Uint8Array): void;
  /** Bytes that may lie about here, and that were handed on and lie about there. */
  capacityBytes(): number;
  unconsumedBytes(): number;
}

export class TcpReceiver {
  readonly #host: ReceiverHost;
  readonly #mss: number;
  readonly #reassembly = new TcpReassembly();
  /** RCV.NXT. */
  #next: number;
  /** The end of the window as granted: it never goes back (RFC 9293 §3.8.6, SHLD-14). */
  #edge: number;
  /** Where the other side's data end, once it has said so. */
  #end: number | undefined;
  #hasEnded = false;
  #isScaled = false;
  #unacknowledged = 0;

  /** `initial` is the sequence number of the other side's SYN. */
  constructor(host: ReceiverHost, initial: number, mss: number) {
    this.#host = host;
    this.#mss = mss;
    this.#next = plus(initial, 1);
    this.#edge = this.#next;
  }

  get next(): number {
    return this.#next;
  }

  /** FIN has come, and everything before it. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Both sides have offered to scale: from the first segment without SYN on. */
  scale(): void {
    this.#isScaled = true;
  }

  /**
   * What overlaps the window (RFC 9293 §3.4 table 6), and what is empty and stands at its end: that comes of a guest
   * that has filled the window, when something before it was lost.
   */
  isAcceptable(sequence: number, length: number): boolean {
    const windowBytes = ahead(this.#edge, this.#next);
    const first = ahead(sequence, this.#next);
    if (length === 0) return first >= 0 && first <= windowBytes;
    return first < windowBytes && first + length > 0;
  }

  /** Data, and an end behind them. True when that is to be acknowledged at once. */
  receive(sequence: number, payload: Uint8Array, isLast: boolean): boolean {
    if (this.#hasEnded) return true;
    const old = Math.max(0, -ahead(sequence, this.#next));
    const start = plus(sequence, old);
    const bytes = payload.subarray(old, old + Math.max(0, ahead(this.#edge, start)));
    if (isLast && bytes.length + old >= payload.length) this.#end ??= plus(sequence, payload.length);
    const isInOrder = start === this.#next;
    const hadGap = this.#reassembly.length > 0;
    if (isInOrder) {
      this.#take(bytes);
      for (let more = this.#reassembly.take(this.#next); more; more = this.#reassembly.take(this.#next)) {
        this.#take(more);
      }
    } else {
      this.#reassembly.add(start, bytes);
    }
    if (this.#next === this.#end) {
      this.#next = plus(this.#next, 1);
      this.#hasEnded = true;
      this.#reassembly.clear();
    }
    this.#unacknowledged += payload.length >= this.#mss ? 1 : 0;
    // A gap, or what fills one, is told at once (RFC 5681 §4.2), and so are an end and what was known already.
    const isUnusual = !isInOrder || hadGap || isLast || old > 0;
    return isUnusual || this.#unacknowledged >= UNACKNOWLEDGED_SEGMENTS;
  }

  #take(bytes: Uint8Array): void {
    // Nothing comes behind an end.
    const count = this.#end === undefined ? bytes.length : Math.min(bytes.length, ahead(this.#end, this.#next));
    if (count <= 0) return;
    this.#next = plus(this.#next, count);
    this.#host.received(bytes.subarray(0, count));
  }

  /** The window for the header of a segment that is sent now, which acknowledges all there is. */
  grant(isSyn: boolean): number {
    this.#unacknowledged = 0;
    const scale = this.#isScaled && !isSyn ? WINDOW_SCALE : 0;
    const room = Math.max(0, this.#host.capacityBytes() - this.#host.unconsumedBytes());
    const granted = Math.max(room, ahead(this.#edge, this.#next), 0);
    const field = Math.min(granted >>> scale, 0xffff);
    const edge = plus(this.#next, field << scale);
    if (ahead(edge, this.#edge) > 0) this.#edge = edge;
    return field;
  }

  /** Whether there is enough new room to tell (RFC 9293 §3.8.6.2.2 "Receiver's Algorithm"). */
  get hasNews(): boolean {
    const capacity = this.#host.capacityBytes();
    const room = capacity - this.#host.unconsumedBytes();
    return room - Math.max(0, ahead(this.#edge, this.#next)) >= Math.min(capacity / 2, 2 * this.#mss);
  }
}
