/** Fields of RFB messages, which are big-endian. */

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function u16(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  for (const [i, value] of values.entries()) new DataView(bytes.buffer).setUint16(2 * i, value);
  return bytes;
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Preceded by its length. */
export function text(characters: string): Uint8Array {
  const bytes = new TextEncoder().encode(characters);
  return joined([u32(bytes.length), bytes]);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
