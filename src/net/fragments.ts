/**
 * Reassembly of IPv4 packets (RFC 791 §3.2), bounded: so many packets at a time, each for so long. A packet whose
 * fragments overlap is given up (the attacks are those of RFC 1858 and RFC 5722 §3; no stack makes such fragments), one
 * whose fragments are repeated is not.
 */

import { NS_PER_SECOND } from '../base/clock.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import { type Ipv4Packet, LARGEST_PACKET_BYTES } from './ipv4.ts';

const LARGEST_COUNT = 16;
/** Of one packet: what fits in 64 KiB in fragments as small as senders make them, and some more. */
const LARGEST_PIECES = 256;
const LIFETIME_NS = 30 * NS_PER_SECOND;

interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

interface Partial {
  /** Sorted, without overlaps. */
  readonly pieces: Piece[];
  readonly expiresNs: number;
  gathered: number;
  /** Known once the last fragment was there. */
  length: number | undefined;
}

export class Reassembly {
  readonly #deadlines: Deadlines;
  readonly #expiry: Deadline;
  /** In the order in which they began. */
  readonly #partials = new Map<string, Partial>();
  readonly #lost: () => void;

  /** `lost` is called for each packet that is given up. */
  constructor(deadlines: Deadlines, lost: () => void) {
    this.#deadlines = deadlines;
    this.#expiry = deadlines.add(() => this.#expire());
    this.#lost = lost;
  }

  get size(): number {
    return this.#partials.size;
  }

  /** The whole packet as soon as there is one: `packet` itself, or the one it completes. */
  add(packet: Ipv4Packet): Ipv4Packet | undefined {
    if (!packet.moreFragments && packet.fragmentOffset === 0) return packet;
    const key = `${packet.source}/${packet.destination}/${packet.protocol}/${packet.identification}`;
    const partial = this.#partials.get(key) ?? this.#begin(key);
    if (!insert(partial, packet)) {
      this.#giveUp(key);
      return undefined;
    }
    if (partial.gathered !== partial.length) return undefined;
    this.#partials.delete(key);
    const payload = new Uint8Array(partial.length);
    for (const piece of partial.pieces) payload.set(piece.bytes, piece.start);
    return { ...packet, payload, moreFragments: false, fragmentOffset: 0 };
  }

  #begin(key: string): Partial {
    if (this.#partials.size === LARGEST_COUNT) this.#giveUp(this.#partials.keys().next().value as string);
    const expiresNs = this.#deadlines.clock.now() + LIFETIME_NS;
    const partial: Partial = { pieces: [], expiresNs, gathered: 0, length: undefined };
    this.#partials.set(key, partial);
    if (!this.#expiry.isSet) this.#expiry.set(expiresNs);
    return partial;
  }

  #giveUp(key: string): void {
    this.#partials.delete(key);
    this.#lost();
  }

  #expire(): void {
    const now = this.#deadlines.clock.now();
    for (const [key, partial] of this.#partials) {
      if (partial.expiresNs > now) {
        this.#expiry.set(partial.expiresNs);
        return;
      }
      this.#giveUp(key);
    }
  }
}

/** False when the fragment cannot belong there. */
function insert(partial: Partial, packet: Ipv4Packet): boolean {
  const start = packet.fragmentOffset;
  const bytes = packet.payload;
  const end = start + bytes.length;
  if (bytes.length === 0 || end > LARGEST_PACKET_BYTES - 20) return false;
  if (packet.moreFragments && bytes.length % 8 !== 0) return false;
  const { pieces } = partial;
  if (!packet.moreFragments) {
    if (partial.length !== undefined && partial.length !== end) return false;
    partial.length = end;
  }
  const last = pieces.at(-1);
  if (partial.length !== undefined && Math.max(end, last ? last.start + last.bytes.length : 0) > partial.length) {
    return false;
  }
  const after = pieces.findIndex((piece) => piece.start >= start);
  const at = after < 0 ? pieces.length : after;
  const next = pieces[at];
  if (next?.start === start && next.bytes.length === bytes.length) return true; // repeated
  const previous = pieces[at - 1];
  const overlaps = (next && next.start < end) || (previous && previous.start + previous.bytes.length > start);
  if (overlaps || pieces.length === LARGEST_PIECES) return false;
  pieces.splice(at, 0, { start, bytes });
  partial.gathered += bytes.length;
  return true;
}
