/**
 * Writes ACPI Machine Language: as much as device descriptions without methods need
 * (ACPI 6.5 §20.2 "AML Grammar Definition"; resources §6.4 "Resource Data Types for ACPI").
 */

export type Aml = readonly number[];

const ZERO_OP = 0x00;
const ONE_OP = 0x01;
const NAME_OP = 0x08;
const BYTE_PREFIX = 0x0a;
const WORD_PREFIX = 0x0b;
const DWORD_PREFIX = 0x0c;
const STRING_PREFIX = 0x0d;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const DEVICE_OP = [0x5b, 0x82];
const DUAL_NAME_PREFIX = 0x2e;
const ROOT_CHARACTER = 0x5c;

const IO_PORT_DESCRIPTOR = 0x47;
const DECODES_16_BITS = 1;
const IRQ_NO_FLAGS_DESCRIPTOR = 0x22;
const END_TAG = 0x79;

/** An unsigned integer below 2^32. */
export function integer(value: number): Aml {
  if (value === 0) return [ZERO_OP];
  if (value === 1) return [ONE_OP];
  if (value <= 0xff) return [BYTE_PREFIX, value];
  if (value <= 0xffff) return [WORD_PREFIX, ...littleEndian(value, 2)];
  return [DWORD_PREFIX, ...littleEndian(value, 4)];
}

export function text(ascii: string): Aml {
  return [STRING_PREFIX, ...characters(ascii), 0];
}

export function name(path: string, value: Aml): Aml {
  return [NAME_OP, ...namePath(path), ...value];
}

export function scope(path: string, ...terms: Aml[]): Aml {
  return [SCOPE_OP, ...packaged([...namePath(path), ...terms.flat()])];
}

export function device(path: string, ...terms: Aml[]): Aml {
  return [...DEVICE_OP, ...packaged([...namePath(path), ...terms.flat()])];
}

export function packageOf(...elements: Aml[]): Aml {
  return [PACKAGE_OP, ...packaged([elements.length, ...elements.flat()])];
}

/** A compressed EISA identifier such as PNP0501 (§19.6.39 "EISAID"): three letters in five bits each, four digits. */
export function eisaId(id: string): Aml {
  const [a, b, c] = characters(id.slice(0, 3)).map((code) => code - 0x40);
  const letters = (a << 10) | (b << 5) | c;
  const product = Number.parseInt(id.slice(3), 16);
  return [DWORD_PREFIX, letters >> 8, letters & 0xff, product >> 8, product & 0xff];
}

export function resourceTemplate(...descriptors: Aml[]): Aml {
  // A checksum of zero means that there is none.
  const bytes = [...descriptors.flat(), END_TAG, 0];
  return [BUFFER_OP, ...packaged([...integer(bytes.length), ...bytes])];
}

export function ioPorts(base: number, length: number): Aml {
  const address = littleEndian(base, 2);
  return [IO_PORT_DESCRIPTOR, DECODES_16_BITS, ...address, ...address, 0, length];
}

/** An ISA interrupt: edge-triggered, active high, not shared. */
export function irq(number: number): Aml {
  return [IRQ_NO_FLAGS_DESCRIPTOR, ...littleEndian(1 << number, 2)];
}

/** `\` and names of four characters (shorter ones are filled up with `_`), at most two, joined by dots. */
function namePath(path: string): Aml {
  const absolute = path.startsWith('\\');
  const segments = (absolute ? path.slice(1) : path).split('.');
  return [
    ...(absolute ? [ROOT_CHARACTER] : []),
    ...(segments.length === 2 ? [DUAL_NAME_PREFIX] : []),
    ...segments.flatMap((segment) => characters(segment.padEnd(4, '_'))),
  ];
}

/** Puts the length in front, itself included (§20.2.4 "Package Length Encoding"). */
function packaged(content: Aml): Aml {
  if (content.length + 1 <= 0x3f) return [content.length + 1, ...content];
  const extra = [1, 2, 3].find((count) => content.length + 1 + count < 2 ** (4 + 8 * count)) ?? 3;
  const length = content.length + 1 + extra;
  return [(extra << 6) | (length & 0xf), ...littleEndian(length >> 4, extra), ...content];
}

function littleEndian(value: number, byteCount: number): number[] {
  return Array.from({ length: byteCount }, (_, i) => (value >>> (8 * i)) & 0xff);
}

function characters(ascii: string): number[] {
  return Array.from(ascii, (character) => character.charCodeAt(0));
}
