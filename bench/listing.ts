/**
 * Machine code written as an assembler's listing: bytes, a semicolon, the instruction. Only the bytes count, so the
 * benchmark needs no assembler.
 */

export function listing(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const line of text.split('\n')) {
    const [code] = line.split(';', 1);
    for (const byte of code.trim().split(/\s+/).filter(Boolean)) {
      if (!/^[0-9a-f]{2}$/.test(byte)) throw new Error(`not a byte: ${line}`);
      bytes.push(Number.parseInt(byte, 16));
    }
  }
  return Uint8Array.from(bytes);
}

/** The bytes of a 32-bit immediate, for a listing. */
export function imm32(value: number): string {
  const hex = value.toString(16).padStart(8, '0');
  return (hex.match(/../g) as string[]).reverse().join(' ');
}
