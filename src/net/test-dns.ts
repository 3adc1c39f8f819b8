/** For tests: DNS messages. */

import { put16 } from './bytes.ts';

/** A question for the addresses of `name`, recursion desired. */
export function question(name: string, identification = 0x1234, type = 1): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  const bytes = Uint8Array.of(0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1);
  put16(bytes, 0, identification);
  return bytes;
}

/** An answer that gives one IPv4 address. */
export function answerTo(query: Uint8Array, address: readonly number[]): Uint8Array {
  const record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address];
  const bytes = Uint8Array.of(...query, ...record);
  put16(bytes, 2, 0x8180);
  put16(bytes, 6, 1);
  return bytes;
}
