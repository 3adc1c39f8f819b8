/**
 * One end of a TCP connection (RFC 9293 §3.10), the other being the guest's. LISTEN is not among the states: whoever
 * makes a connection has the guest's SYN in hand, or sends one.
 *
 *     syn-sent --> established <-- syn-received
 *                      |   \
 *            we end    |    \  the guest ends
 *                 fin-wait-1  close-wait
 *                  |     |        |  we end
 *          fin-wait-2  closing  last-ack
 *                  |     |        |
 *                 time-wait --> closed
 *
 * Blind attacks do not come over a wire with two ends, but what RFC 5961 says against them is simple: a reset or a SYN
 * that does not fit exactly is answered with an acknowledgment.
 *
 * Not modelled: urgent data (taken as data), keep-alive.
 */

import { NS_PER_SECOND } from '../../base/clock.ts';
import type { Deadline, Deadlines } from '../deadlines.ts';
import { TcpReceiver, WINDOW_SCALE } from './receiver.ts';
import { ACK, FIN, lengthOf, PSH, RST, type Segment, SYN } from './segment.ts';
import { TcpSender } from './sender.ts';
import { ahead, plus } from './sequence.ts';

/** Segments in frames of Ethernet. */
const LARGEST_MSS = 1460;
/** RFC 9293 §3.7.1 (SHLD-5): for those that do not say. */
const DEFAULT_MSS = 536;
/** Below it, headers would be all there is to send. */
const SMALLEST_MSS = 88;

const DELAYED_ACK_NS = 20_000_000;
/** Twice the maximum segment lifetime (RFC 9293 §3.4.2), which between two ends of a wire need not be minutes. */
const TIME_WAIT_NS = 60 * NS_PER_SECOND;
/** RFC 5382 §5, REQ-5: two hours and four minutes. */
const IDLE_NS = 7440 * NS_PER_SECOND;

export type TcpState =
  | 'syn-sent'
  | 'syn-received'
  | 'established'
  | 'fin-wait-1'
  | 'fin-wait-2'
  | 'close-wait'
  | 'closing'
  | 'last-ack'
  | 'time-wait'
  | 'closed';

/** How it ended: as it should, by a reset of the guest, because the guest is silent, or by ourselves. */
export type TcpEnding = 'done' | 'reset' | 'silent' | 'aborted';

export interface TcpEvents {
  /** The handshake is over. */
  opened(): void;
  /** Bytes in order. */
  received(bytes: Uint8Array): void;
  /** Of those, how many are not used up: the guest's window is smaller by them. */
  unconsumedBytes(): number;
  /** The guest sends no more. */
  ended(): void;
  /** Some of what was written has arrived. */
  progressed(): void;
  /** Gone: nothing is called any more. In time-wait only the connection's ports are still taken. */
  closed(ending: TcpEnding): void;
}

export interface TcpHost {
  readonly deadlines: Deadlines;
  readonly events: TcpEvents;
  readonly localPort: number;
  readonly remotePort: number;
  /** The initial sequence number (RFC 6528: not to be guessed). */
  readonly initial: number;
  capacityBytes(): number;
  transmit(segment: Segment): void;
  /** The ports are free again. */
  released(): void;
}

const NOTHING = new Uint8Array(0);

export class TcpConnection {
  readonly #host: TcpHost;
  readonly #sender: TcpSender;
  #receiver: TcpReceiver | undefined;
  #state: TcpState;
  #ending: TcpEnding | undefined;
  #isEndTold = false;
  #offersScale = true;
  #peerScale = 0;
  readonly #retransmission: Deadline;
  readonly #delayedAck: Deadline;
  /** Time-wait, or that nothing happens any more. */
  readonly #lifetime: Deadline;

  private constructor(host: TcpHost, state: TcpState) {
    this.#host = host;
    this.#state = state;
    const { deadlines } = host;
    this.#retransmission = deadlines.add(() => this.#sender.expired());
    this.#delayedAck = deadlines.add(() => this.#acknowledge());
    this.#lifetime = deadlines.add(() => this.#expired());
    this.#sender = new TcpSender(
      {
        now: () => deadlines.clock.now(),
        sendSyn: () => this.#sendSyn(),
        sendData: (sequence, payload, isPushed, isLast) =>
          this.#send(sequence, ACK | (isPushed ? PSH : 0) | (isLast ? FIN : 0), payload),
        setTimer: (atNs) => {
          if (atNs === undefined) this.#retransmission.clear();
          else this.#retransmission.set(atNs);
        },
        gaveUp: () => this.#reset('silent'),
      },
      host.initial,
    );
    this.#touch();
  }

  /** Answers the guest's SYN. */
  static accept(host: TcpHost, syn: Segment): TcpConnection {
    const connection = new TcpConnection(host, 'syn-received');
    connection.#synchronize(syn);
    connection.#sender.start();
    return connection;
  }

  /** Sends a SYN to the guest. */
  static connect(host: TcpHost): TcpConnection {
    const connection = new TcpConnection(host, 'syn-sent');
    connection.#sender.start();
    return connection;
  }

  get state(): TcpState {
    return this.#state;
  }

  /** Written, and not acknowledged. */
  get queuedBytes(): number {
    return this.#sender.queuedBytes;
  }

  /** Takes all bytes, which must not change any more; whoever writes watches `queuedBytes`. */
  write(bytes: Uint8Array): void {
    if (this.#ending === undefined) this.#sender.write(bytes);
  }

  /** Sends no more; receives still. */
  end(): void {
    if (this.#ending !== undefined) return;
    this.#sender.end();
    this.#settle();
  }

  /** Some of what was received has been used up. */
  consumed(): void {
    if (this.#ending === undefined && this.#receiver?.hasEnded === false && this.#receiver.hasNews) this.#acknowledge();
  }

  /** Gives it up, with a reset for the guest. */
  abort(): void {
    if (this.#ending === undefined) this.#reset('aborted');
    else this.#release();
  }

  // ---- Segments (RFC 9293 §3.10.7) ---------------------------------------------------------------------------------

  /** Whether `syn` may begin a new connection in place of this one (RFC 9293 §3.6.1, MAY-2). */
  yieldsTo(syn: Segment): boolean {
    const isNew = (syn.flags & (SYN | ACK | RST | FIN)) === SYN;
    return isNew && this.#state === 'time-wait' && ahead(syn.sequence, this.#receiver?.next ?? syn.sequence) > 0;
  }

  receive(segment: Segment): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'syn-sent') this.#inSynSent(segment);
    else this.#inOtherStates(segment, this.#receiver as TcpReceiver);
  }

  /** §3.10.7.3 "SYN-SENT STATE". */
  #inSynSent(segment: Segment): void {
    const { flags, acknowledgment } = segment;
    const isAcknowledged = acknowledgment === this.#sender.nxt;
    if (flags & ACK && !isAcknowledged) {
      if (!(flags & RST)) this.#transmit(RST, acknowledgment, 0, 0, NOTHING);
      return;
    }
    if (flags & RST) {
      if (flags & ACK) this.#over('reset');
      return;
    }
    if (!(flags & SYN)) return;
    this.#synchronize(segment);
    if (flags & ACK) {
      this.#establish(segment);
      this.#acknowledge();
    } else {
      this.#state = 'syn-received'; // both have called each other
      this.#sendSyn();
    }
  }

  /** §3.10.7.4 "Other states". */
  #inOtherStates(segment: Segment, receiver: TcpReceiver): void {
    const { flags, sequence, acknowledgment } = segment;
    if (!receiver.isAcceptable(sequence, lengthOf(segment))) {
      const isRepeatedSyn = this.#state === 'syn-received' && flags & SYN && plus(sequence, 1) === receiver.next;
      if (isRepeatedSyn) this.#sendSyn();
      else if (!(flags & RST)) {
        if (this.#state === 'time-wait' && flags & FIN) this.#lifetime.set(this.#now() + TIME_WAIT_NS);
        this.#acknowledge();
      }
      return;
    }
    if (flags & RST) {
      if (sequence !== receiver.next) this.#acknowledge();
      else if (this.#state === 'time-wait') this.#release();
      else this.#over('reset');
      return;
    }
    if (flags & SYN) {
      this.#acknowledge();
      return;
    }
    if (!(flags & ACK)) return;
    if (this.#state === 'syn-received') {
      if (ahead(acknowledgment, this.#sender.una) <= 0 || ahead(acknowledgment, this.#sender.max) > 0) {
        this.#transmit(RST, acknowledgment, 0, 0, NOTHING);
        return;
      }
      this.#establish(segment);
    } else if (ahead(acknowledgment, this.#sender.max) > 0) {
      this.#acknowledge();
      return;
    } else {
      this.#acknowledged(segment);
    }
    if (this.#ending !== undefined) return;
    this.#touch();
    this.#takeText(segment, receiver);
  }

  #acknowledged({ acknowledgment, window, sequence, payload, flags }: Segment): void {
    const before = this.#sender.queuedBytes;
    const isPure = payload.length === 0 && (flags & FIN) === 0;
    this.#sender.acknowledged(acknowledgment, window << this.#peerScale, sequence, isPure);
    this.#settle();
    if (this.#sender.queuedBytes < before && this.#ending === undefined) this.#host.events.progressed();
  }

  #takeText({ sequence, payload, flags }: Segment, receiver: TcpReceiver): void {
    const isLast = (flags & FIN) !== 0;
    if (payload.length === 0 && !isLast) return;
    const isUrgent = receiver.receive(sequence, payload, isLast);
    // What was received may have led to an end from outside.
    if (this.#ending !== undefined) return;
    if (isUrgent) this.#acknowledge();
    else if (!this.#delayedAck.isSet) this.#delayedAck.set(this.#now() + DELAYED_ACK_NS);
    if (!receiver.hasEnded || this.#isEndTold) return;
    this.#isEndTold = true;
    // Whoever is told may end its side at once.
    if (this.#state === 'established') this.#state = 'close-wait';
    this.#host.events.ended();
    this.#settle();
  }

  // ---- States ------------------------------------------------------------------------------------------------------

  /** Takes over what the guest's SYN says. */
  #synchronize(syn: Segment): void {
    const mss = Math.max(SMALLEST_MSS, Math.min(LARGEST_MSS, syn.mss ?? DEFAULT_MSS));
    this.#receiver = new TcpReceiver(
      {
        received: (bytes) => {
          if (this.#ending === undefined) this.#host.events.received(bytes);
        },
        capacityBytes: () => this.#host.capacityBytes(),
        unconsumedBytes: () => this.#host.events.unconsumedBytes(),
      },
      syn.sequence,
      mss,
    );
    this.#sender.peer(mss);
    this.#sender.setWindow(syn.window, syn.sequence, syn.acknowledgment);
    this.#offersScale = syn.windowScale !== undefined;
    this.#peerScale = syn.windowScale ?? 0;
    if (this.#offersScale) this.#receiver.scale();
  }

  #establish(segment: Segment): void {
    this.#state = 'established';
    // The window of a segment with SYN is not scaled (RFC 7323 §2.2).
    const scale = segment.flags & SYN ? 0 : this.#peerScale;
    this.#sender.acknowledged(segment.acknowledgment, segment.window << scale, segment.sequence, false);
    this.#host.events.opened();
    this.#settle();
  }

  /** The state that follows from what both sides have ended, and what is acknowledged. */
  #settle(): void {
    if (this.#ending !== undefined || this.#state === 'syn-sent' || this.#state === 'syn-received') return;
    const hasEnded = this.#receiver?.hasEnded === true;
    const { finIsSent, finIsAcknowledged } = this.#sender;
    if (hasEnded && finIsAcknowledged) {
      // Whoever ended first has to wait.
      if (this.#state === 'close-wait' || this.#state === 'last-ack') this.#over('done');
      else this.#beginTimeWait();
    } else if (!finIsSent) {
      this.#state = hasEnded ? 'close-wait' : 'established';
    } else if (hasEnded) {
      this.#state = this.#state === 'close-wait' || this.#state === 'last-ack' ? 'last-ack' : 'closing';
    } else {
      this.#state = finIsAcknowledged ? 'fin-wait-2' : 'fin-wait-1';
    }
  }

  #beginTimeWait(): void {
    this.#state = 'time-wait';
    this.#ending = 'done';
    this.#retransmission.remove();
    this.#lifetime.set(this.#now() + TIME_WAIT_NS);
    this.#host.events.closed('done');
  }

  #reset(ending: TcpEnding): void {
    const next = this.#receiver?.next;
    if (next !== undefined) this.#transmit(RST | ACK, this.#sender.nxt, next, 0, NOTHING);
    this.#over(ending);
  }

  #over(ending: TcpEnding): void {
    const isNews = this.#ending === undefined;
    this.#ending ??= ending;
    this.#release();
    if (isNews) this.#host.events.closed(ending);
  }

  #release(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    for (const deadline of [this.#retransmission, this.#delayedAck, this.#lifetime]) deadline.remove();
    this.#host.released();
  }

  #expired(): void {
    if (this.#state === 'time-wait') this.#release();
    else this.#reset('silent');
  }

  /** Something has happened: the wait for the next thing begins anew. */
  #touch(): void {
    this.#lifetime.set(this.#now() + IDLE_NS);
  }

  // ---- Sending -----------------------------------------------------------------------------------------------------

  #now(): number {
    return this.#host.deadlines.clock.now();
  }

  #acknowledge(): void {
    if (this.#receiver !== undefined) this.#send(this.#sender.nxt, ACK, NOTHING);
  }

  #sendSyn(): void {
    const receiver = this.#receiver;
    const window = receiver === undefined ? Math.min(this.#host.capacityBytes(), 0xffff) : receiver.grant(true);
    this.#host.transmit({
      sourcePort: this.#host.localPort,
      destinationPort: this.#host.remotePort,
      sequence: this.#sender.initial,
      acknowledgment: receiver?.next ?? 0,
      flags: receiver === undefined ? SYN : SYN | ACK,
      window,
      mss: LARGEST_MSS,
      windowScale: this.#offersScale ? WINDOW_SCALE : undefined,
      payload: NOTHING,
    });
  }

  /** Everything that is sent acknowledges everything that has come. */
  #send(sequence: number, flags: number, payload: Uint8Array): void {
    const receiver = this.#receiver as TcpReceiver;
    this.#delayedAck.clear();
    this.#transmit(flags, sequence, receiver.next, receiver.grant(false), payload);
  }

  #transmit(flags: number, sequence: number, acknowledgment: number, window: number, payload: Uint8Array): void {
    const { localPort: sourcePort, remotePort: destinationPort } = this.#host;
    this.#host.transmit({ sourcePort, destinationPort, sequence, acknowledgment, flags, window, payload });
  }
}
