/**
 * Writes ACPI Machine Language: as much as descriptions of devices need, with methods that read and write a register
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
const ARG0_OP = 0x68;
const STORE_OP = 0x70;
const AND_OP = 0x7b;
const OR_OP = 0x7d;
const CREATE_DWORD_FIELD_OP = 0x8a;
const IF_OP = 0xa0;
const RETURN_OP = 0xa4;
const METHOD_OP = 0x14;
const OPERATION_REGION_OP = [0x5b, 0x80];
const FIELD_OP = [0x5b, 0x81];
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const DEVICE_OP = [0x5b, 0x82];
const DUAL_NAME_PREFIX = 0x2e;
const MULTI_NAME_PREFIX = 0x2f;
const ROOT_CHARACTER = 0x5c;

const IO_PORT_DESCRIPTOR = 0x47;
const DECODES_16_BITS = 1;
const IRQ_NO_FLAGS_DESCRIPTOR = 0x22;
const DMA_DESCRIPTOR = 0x2a;
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

// ---- Methods -------------------------------------------------------------------------------------------------------

/** A method that is not reentered, with so many arguments. */
export function method(path: string, argumentCount: number, ...terms: Aml[]): Aml {
  const serialized = 1 << 3;
  return [METHOD_OP, ...packaged([...namePath(path), argumentCount | serialized, ...terms.flat()])];
}

export const argument0: Aml = [ARG0_OP];

/** The value of something that has a name. */
export function named(path: string): Aml {
  return namePath(path);
}

export function giveBack(value: Aml): Aml {
  return [RETURN_OP, ...value];
}

export function store(value: Aml, path: string): Aml {
  return [STORE_OP, ...value, ...namePath(path)];
}

/** Without a name for it, the result is only a value. */
export function and(a: Aml, b: Aml, path?: string): Aml {
  return [AND_OP, ...a, ...b, ...(path === undefined ? [ZERO_OP] : namePath(path))];
}

export function or(a: Aml, b: Aml, path?: string): Aml {
  return [OR_OP, ...a, ...b, ...(path === undefined ? [ZERO_OP] : namePath(path))];
}

export function when(condition: Aml, ...terms: Aml[]): Aml {
  return [IF_OP, ...packaged([...condition, ...terms.flat()])];
}

/** Names four bytes of a buffer. */
export function dwordField(buffer: Aml, offset: number, path: string): Aml {
  return [CREATE_DWORD_FIELD_OP, ...buffer, ...integer(offset), ...namePath(path)];
}

/** Registers of one byte each in the configuration space of the device that this stands in. */
export function configurationBytes(region: string, base: number, names: readonly string[]): Aml {
  const pciConfig = 2;
  const byteAccess = 1;
  const fields = names.flatMap((one) => [...namePath(one), 8]);
  return [
    ...OPERATION_REGION_OP,
    ...[...namePath(region), pciConfig, ...integer(base), ...integer(names.length)],
    ...FIELD_OP,
    ...packaged([...namePath(region), byteAccess, ...fields]),
  ];
}

// ---- Resources -----------------------------------------------------------------------------------------------------

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

/** An interrupt of PCI, one of those listed: level-triggered, active high, shared (§6.4.3.6). */
export function pciInterrupt(...choices: readonly number[]): Aml {
  const consumerShared = 0b1001;
  const list = choices.flatMap((choice) => littleEndian(choice, 4));
  return [0x89, ...littleEndian(2 + list.length, 2), consumerShared, choices.length, ...list];
}

/** Addresses that a bus passes on, both ends included (§6.4.3.5 "Address Space Resource Descriptors"). */
export function window(kind: 'memory' | 'io' | 'bus', first: number, last: number): Aml {
  const minimumAndMaximumFixed = 0x0c;
  const [type, specific] = ({ memory: [0, 1], io: [1, 3], bus: [2, 0] } as const)[kind];
  const width = kind === 'memory' ? 4 : 2;
  const values = [0, first, last, 0, last - first + 1].flatMap((value) => littleEndian(value, width));
  return [
    kind === 'memory' ? 0x87 : 0x88,
    ...littleEndian(3 + values.length, 2),
    ...[type, minimumAndMaximumFixed, specific, ...values],
  ];
}

/** Registers in memory (§6.4.3.4 "32-Bit Fixed Memory Range Descriptor"). */
export function fixedMemory(base: number, length: number): Aml {
  const writable = 1;
  return [0x86, ...littleEndian(9, 2), writable, ...littleEndian(base, 4), ...littleEndian(length, 4)];
}

/** An ISA interrupt: edge-triggered, active high, not shared. */
export function irq(number: number): Aml {
  return [IRQ_NO_FLAGS_DESCRIPTOR, ...littleEndian(1 << number, 2)];
}

/** A channel of the 8237 that transfers bytes at compatible speed, and is no bus master (§6.4.2.2 "DMA Descriptor"). */
export function dma(channel: number): Aml {
  return [DMA_DESCRIPTOR, 1 << channel, 0];
}

/** `\` and names of four characters (shorter ones are filled up with `_`), joined by dots. */
function namePath(path: string): Aml {
  const absolute = path.startsWith('\\');
  const segments = (absolute ? path.slice(1) : path).split('.');
  return [
    ...(absolute ? [ROOT_CHARACTER] : []),
    ...(segments.length === 2 ? [DUAL_NAME_PREFIX] : segments.length > 2 ? [MULTI_NAME_PREFIX, segments.length] : []),
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
