/** Sequence numbers: unsigned 32 bits, compared modulo 2^32 (RFC 9293 §3.4). */

/** How far `a` is ahead of `b`: negative when it is behind. */
export function ahead(a: number, b: number): number {
  return (a - b) | 0;
}

export function plus(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}

/** The one further on. */
export function later(a: number, b: number): number {
  return ahead(a, b) >= 0 ? a : b;
}
