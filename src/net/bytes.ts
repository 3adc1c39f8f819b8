/** Numbers in network byte order (RFC 1700 "Data Notations"), and the checksum of the Internet protocols. */

export function get16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

export function get32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value);
}

/**
 * The ones' complement sum of RFC 1071 over `bytes` from `start` on, not complemented, added to `sum`. Only the last
 * part of what is summed may have an odd length.
 */
export function onesSum(bytes: Uint8Array, start = 0, sum = 0): number {
  const even = bytes.length - ((bytes.length - start) & 1);
  let total = sum;
  for (let i = start; i < even; i += 2) total += (bytes[i] << 8) | bytes[i + 1];
  if (even < bytes.length) total += bytes[even] << 8;
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}

/** The checksum that makes a sum right: its complement. */
export function checksum(bytes: Uint8Array, start = 0, sum = 0): number {
  return ~onesSum(bytes, start, sum) & 0xffff;
}
