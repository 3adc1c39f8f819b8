/**
 * Generated code as text, for the golden tests: expressions folded, a statement a line. It knows the instructions that
 * `emit/lowering.ts` writes and no others, and reads one function of a module.
 *
 *     $4 = i64.add($4, 1)                       local.set
 *     i64.store(vcpu.rip, $7)                   fields of the vCPU block by name
 *     loop @1 { ... br @1 ... }                 labels by the depth at which they are opened
 *     return_call dispatch(vcpu, operation)     functions by the names that the caller gives
 */

import { MISC_PREFIX, type Operation, operations, SIMD_PREFIX } from '../../../wasm/operations.ts';
import { type StateField, vcpu } from '../../state.ts';

const IMPORT_SECTION = 2;
const TYPE_SECTION = 1;
const CODE_SECTION = 10;
const HEADER_BYTES = 8;
const SIMD_BYTE = 0xfd;
const MISC_BYTE = 0xfc;
const SELECT = 0x1b;

const byCode = new Map<number, Operation>(Array.from(operations.values(), (operation) => [operation.code, operation]));

const LOADS: Readonly<Record<number, string>> = {
  40: 'i32.load',
  41: 'i64.load',
  42: 'f32.load',
  43: 'f64.load',
  44: 'i32.load8_s',
  45: 'i32.load8_u',
  46: 'i32.load16_s',
  47: 'i32.load16_u',
  48: 'i64.load8_s',
  49: 'i64.load8_u',
  50: 'i64.load16_s',
  51: 'i64.load16_u',
  52: 'i64.load32_s',
  53: 'i64.load32_u',
  [SIMD_PREFIX]: 'v128.load',
  [SIMD_PREFIX + 0x5c]: 'v128.load32_zero',
  [SIMD_PREFIX + 0x5d]: 'v128.load64_zero',
};
const STORES: Readonly<Record<number, string>> = {
  54: 'i32.store',
  55: 'i64.store',
  56: 'f32.store',
  57: 'f64.store',
  58: 'i32.store8',
  59: 'i32.store16',
  60: 'i64.store8',
  61: 'i64.store16',
  62: 'i64.store32',
  [SIMD_PREFIX + 0x0b]: 'v128.store',
};
const PARAMS = ['vcpu', 'operation'];

interface Signature {
  readonly params: number;
  readonly results: number;
}

/** How the text calls what is outside of it. */
export interface Names {
  /** A function, by the name under which it is imported. */
  functionOf(imported: string): string;
  /** A 32-bit constant: places in machine memory say more as a name. */
  constantOf(value: number): string;
}

class Reader {
  readonly #view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  u8(): number {
    return this.#view.getUint8(this.at++);
  }

  unsigned(): number {
    return Number(BigInt.asUintN(32, this.signed(false)));
  }

  signed(isSigned = true): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return isSigned ? BigInt.asIntN(Number(shift) + 7, value) : value;
    }
  }

  f32(): number {
    this.at += 4;
    return this.#view.getFloat32(this.at - 4, true);
  }

  f64(): number {
    this.at += 8;
    return this.#view.getFloat64(this.at - 8, true);
  }

  /** Little endian, in hexadecimal. */
  wide(bytes: number): string {
    let value = 0n;
    for (let i = 0; i < bytes; i++) value |= BigInt(this.u8()) << BigInt(8 * i);
    return `0x${value.toString(16)}`;
  }

  name(): string {
    const length = this.unsigned();
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.u8());
    return text;
  }
}

/** The start of each section, behind its size. */
function sectionsOf(bytes: Uint8Array): Map<number, number> {
  const reader = new Reader(bytes, HEADER_BYTES);
  const sections = new Map<number, number>();
  while (reader.at < bytes.length) {
    const id = reader.u8();
    const size = reader.unsigned();
    sections.set(id, reader.at);
    reader.at += size;
  }
  return sections;
}

function typesOf(reader: Reader): Signature[] {
  return Array.from({ length: reader.unsigned() }, () => {
    reader.u8();
    const params = reader.unsigned();
    reader.at += params;
    const results = reader.unsigned();
    reader.at += results;
    return { params, results };
  });
}

/** Imported functions, by index; the memory and the table are passed over. */
function importsOf(reader: Reader, types: readonly Signature[]): (Signature & { name: string })[] {
  const found: (Signature & { name: string })[] = [];
  for (let count = reader.unsigned(); count > 0; count--) {
    reader.name();
    const name = reader.name();
    const kind = reader.u8();
    if (kind === 0) {
      found.push({ name, ...(types[reader.unsigned()] as Signature) });
    } else {
      if (kind === 1) reader.u8();
      const hasMaximum = (reader.u8() & 1) !== 0;
      reader.unsigned();
      if (hasMaximum) reader.unsigned();
    }
  }
  return found;
}

function fieldAt(offset: number): string | undefined {
  const field = Object.values<StateField>(vcpu).find(
    ({ offset: first, type, count }) => offset >= first && offset < first + (type / 8) * count,
  );
  if (field === undefined) return undefined;
  const bytes = field.type / 8;
  const index = Math.floor((offset - field.offset) / bytes);
  const rest = (offset - field.offset) % bytes;
  return `vcpu.${field.name}${field.count > 1 ? `[${index}]` : ''}${rest > 0 ? `+${rest}` : ''}`;
}

/** The function with that number among those defined in the module, as lines of text. */
export function disassemble(module: Uint8Array, number: number, names: Names): string[] {
  const sections = sectionsOf(module);
  const types = typesOf(new Reader(module, sections.get(TYPE_SECTION)));
  const imports = importsOf(new Reader(module, sections.get(IMPORT_SECTION)), types);
  const reader = new Reader(module, sections.get(CODE_SECTION));
  reader.unsigned();
  for (let i = 0; i < number; i++) reader.at += reader.unsigned();
  const size = reader.unsigned();
  return new Disassembly(reader, reader.at + size, { types, imports, names }).run();
}

class Disassembly {
  readonly #reader: Reader;
  readonly #end: number;
  readonly #types: readonly Signature[];
  readonly #imports: readonly (Signature & { name: string })[];
  readonly #names: Names;
  readonly #lines: string[] = [];
  readonly #stack: string[] = [];
  #depth = 0;

  constructor(
    reader: Reader,
    end: number,
    module: { types: readonly Signature[]; imports: readonly (Signature & { name: string })[]; names: Names },
  ) {
    this.#reader = reader;
    this.#end = end;
    this.#types = module.types;
    this.#imports = module.imports;
    this.#names = module.names;
  }

  run(): string[] {
    const reader = this.#reader;
    for (let runs = reader.unsigned(); runs > 0; runs--) {
      reader.unsigned();
      reader.u8();
    }
    // The last byte ends the function.
    while (reader.at < this.#end - 1) this.#instruction(this.#code());
    return this.#lines;
  }

  #code(): number {
    const byte = this.#reader.u8();
    if (byte === SIMD_BYTE) return SIMD_PREFIX + this.#reader.unsigned();
    return byte === MISC_BYTE ? MISC_PREFIX + this.#reader.unsigned() : byte;
  }

  #line(text: string): void {
    this.#lines.push('  '.repeat(this.#depth) + text);
  }

  #take(count: number): string[] {
    return count === 0 ? [] : this.#stack.splice(-count);
  }

  #instruction(code: number): void {
    const operation = byCode.get(code);
    if (operation !== undefined) this.#compute(operation);
    else if (LOADS[code] !== undefined) this.#stack.push(`${LOADS[code]}(${this.#address()})`);
    else if (STORES[code] !== undefined) this.#store(STORES[code]);
    else if (code >= 0x41 && code <= 0x44) this.#stack.push(this.#constant(code));
    else if (code === SIMD_PREFIX + 0x0c) this.#stack.push(this.#reader.wide(16));
    else this.#control(code);
  }

  #compute({ name, params, lanes }: Operation): void {
    const args = this.#take(params.length);
    for (let i = 0; i < lanes; i++) args.push(String(this.#reader.u8()));
    this.#stack.push(`${name}(${args.join(', ')})`);
  }

  #constant(code: number): string {
    const reader = this.#reader;
    if (code === 0x41) return this.#names.constantOf(Number(reader.signed()));
    if (code === 0x42) return String(reader.signed());
    return String(code === 0x43 ? reader.f32() : reader.f64());
  }

  #address(): string {
    this.#reader.unsigned();
    const offset = this.#reader.unsigned();
    const [base] = this.#take(1);
    if (base === PARAMS[0]) return fieldAt(offset) ?? `vcpu + ${offset}`;
    return offset === 0 ? `${base}` : `${base} + ${offset}`;
  }

  #store(name: string): void {
    const [value] = this.#take(1);
    this.#line(`${name}(${this.#address()}, ${value})`);
  }

  #local(): string {
    const index = this.#reader.unsigned();
    return PARAMS[index] ?? `$${index}`;
  }

  #call(opener: string, { params, results }: Signature, name: string): void {
    const text = `${opener}${name}(${this.#take(params).join(', ')})`;
    if (results === 0) this.#line(text);
    else if (results === 1) this.#stack.push(text);
    else {
      this.#line(text);
      for (let i = 0; i < results; i++) this.#stack.push(`result ${i}`);
    }
  }

  #control(code: number): void {
    const reader = this.#reader;
    switch (code) {
      case 0x00:
        return this.#line('unreachable');
      case 0x02:
      case 0x03:
      case 0x04:
        return this.#open(code);
      case 0x05:
        this.#depth--;
        this.#line('} else {');
        this.#depth++;
        return;
      case 0x0b:
        this.#depth--;
        return this.#line('}');
      case 0x0c:
        return this.#line(`br @${this.#depth - reader.unsigned()}`);
      case 0x0d:
        return this.#line(`br @${this.#depth - reader.unsigned()} if ${this.#take(1)[0]}`);
      case 0x0f:
        return this.#line(`return ${this.#take(this.#stack.length).join(', ')}`.trimEnd());
      case 0x10:
      case 0x12: {
        const target = this.#imports[reader.unsigned()] as Signature & { name: string };
        return this.#call(code === 0x12 ? 'return_call ' : '', target, this.#names.functionOf(target.name));
      }
      case 0x13: {
        const type = this.#types[reader.unsigned()] as Signature;
        reader.u8();
        return this.#call('return_call ', type, `table[${this.#take(1)[0]}]`);
      }
      case SELECT: {
        const [a, b, condition] = this.#take(3);
        this.#stack.push(`select(${condition}, ${a}, ${b})`);
        return;
      }
      case 0x20:
        this.#stack.push(this.#local());
        return;
      case 0x21:
        return this.#line(`${this.#local()} = ${this.#take(1)[0]}`);
      default:
        throw new Error(`no text for the WebAssembly instruction 0x${code.toString(16)}`);
    }
  }

  #open(code: number): void {
    this.#reader.u8();
    const label = this.#depth + 1;
    if (code === 0x04) this.#line(`if ${this.#take(1)[0]} {`);
    else this.#line(`${code === 0x02 ? 'block' : 'loop'} @${label} {`);
    this.#depth++;
  }
}
