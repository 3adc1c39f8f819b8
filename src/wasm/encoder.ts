/**
 * Encoder of WebAssembly modules in the binary format (WebAssembly Core Specification 2.0 §5, with the tail-call
 * extension). It knows types, imports, functions, exports and active element segments into an imported table: what
 * generated code needs. Nothing is validated here; the engine validates every module it is given.
 */

/** Value types by their binary code (§5.3.1). */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;

/** A growing byte buffer with the format's number encodings. */
export class ByteWriter {
  bytes: Uint8Array = new Uint8Array(256);
  length = 0;

  #reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  u8(value: number): void {
    if (this.length === this.bytes.length) this.#reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Unsigned LEB128 of a value below 2^32. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.u8(rest);
  }

  /** Signed LEB128 of a 32-bit value. */
  s32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.u8(low);
        return;
      }
      this.u8(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit value, taken modulo 2^64. */
  s64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    if (rest >= -0x80000000n && rest <= 0x7fffffffn) {
      this.s32(Number(rest));
      return;
    }
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.u8(low);
        return;
      }
      this.u8(low | 0x80);
    }
  }

  /** The low `count` bytes of `value`, little endian. */
  raw(value: bigint, count: number): void {
    for (let i = 0; i < count; i++) this.u8(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.append(bytes);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** What an `if` or `br_if` nearly always finds: WebAssembly proposal "branch hinting". */
export interface BranchHint {
  /** Of the instruction, in the function's code. */
  readonly offset: number;
  readonly likely: boolean;
}

/** `locals` are those beyond the parameters; `code` is the body without its final `end`. */
export interface FunctionCode {
  readonly locals: readonly ValueType[];
  readonly code: Uint8Array;
  readonly hints?: readonly BranchHint[];
}

interface FunctionBody extends FunctionCode {
  readonly type: number;
}

/** A module under construction. Imports must all be declared before the first function is defined. */
export class ModuleWriter {
  readonly #types: string[] = [];
  readonly #typeBytes = new ByteWriter();
  readonly #imports = new ByteWriter();
  #importCount = 0;
  #importedFunctions = 0;
  readonly #bodies: (FunctionBody | undefined)[] = [];
  readonly #exports = new ByteWriter();
  #exportCount = 0;
  readonly #names = new ByteWriter();
  #nameCount = 0;
  readonly #elements: { tableIndex: number; functionIndex: number }[] = [];

  /** Index of a function type, shared between equal ones. */
  type(type: FunctionType): number {
    const key = `${type.params.join()}>${type.results.join()}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const w = this.#typeBytes;
    w.u8(0x60);
    w.u32(type.params.length);
    for (const p of type.params) w.u8(p);
    w.u32(type.results.length);
    for (const r of type.results) w.u8(r);
    return this.#types.push(key) - 1;
  }

  importMemory(module: string, name: string, maximumPages: number, shared: boolean): void {
    this.#import(module, name);
    this.#imports.u8(0x02);
    this.#imports.u8(shared ? 0x03 : 0x01);
    this.#imports.u32(0);
    this.#imports.u32(maximumPages);
  }

  importTable(module: string, name: string): void {
    this.#import(module, name);
    this.#imports.u8(0x01);
    this.#imports.u8(0x70);
    this.#imports.u8(0x00);
    this.#imports.u32(0);
  }

  /** Returns the function index. */
  importFunction(module: string, name: string, type: FunctionType): number {
    this.#import(module, name);
    this.#imports.u8(0x00);
    this.#imports.u32(this.type(type));
    return this.#importedFunctions++;
  }

  #import(module: string, name: string): void {
    this.#importCount++;
    this.#imports.name(module);
    this.#imports.name(name);
  }

  /** Reserves an index, so that functions can call each other before they are defined. */
  declareFunction(): number {
    return this.#importedFunctions + this.#bodies.push(undefined) - 1;
  }

  defineFunction(index: number, type: FunctionType, code: FunctionCode): void {
    this.#bodies[index - this.#importedFunctions] = { type: this.type(type), ...code };
  }

  exportFunction(name: string, index: number): void {
    this.#exportCount++;
    this.#exports.name(name);
    this.#exports.u8(0x00);
    this.#exports.u32(index);
  }

  /** For debuggers and profilers. Names are to be given in the order of the indices. */
  nameFunction(index: number, name: string): void {
    this.#nameCount++;
    this.#names.u32(index);
    this.#names.name(name);
  }

  /** Puts a function into the imported table at instantiation. */
  element(tableIndex: number, functionIndex: number): void {
    this.#elements.push({ tableIndex, functionIndex });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.u8(byte);
    const section = (id: number, count: number, content: ByteWriter): void => {
      if (count === 0) return;
      const counted = new ByteWriter();
      counted.u32(count);
      out.u8(id);
      out.u32(counted.length + content.length);
      out.append(counted.finish());
      out.append(content.finish());
    };
    const functions = new ByteWriter();
    const code = new ByteWriter();
    const hints = new ByteWriter();
    let hinted = 0;
    for (const [i, body] of this.#bodies.entries()) {
      if (body === undefined) throw new Error('a declared WebAssembly function was never defined');
      functions.u32(body.type);
      const one = new ByteWriter();
      writeLocals(one, body.locals);
      if (body.hints !== undefined && body.hints.length > 0) {
        hinted++;
        writeHints(hints, this.#importedFunctions + i, one.length, body.hints);
      }
      one.append(body.code);
      one.u8(0x0b);
      code.u32(one.length);
      code.append(one.finish());
    }
    const elements = new ByteWriter();
    for (const { tableIndex, functionIndex } of this.#elements) {
      elements.u32(0);
      elements.u8(0x41);
      elements.s32(tableIndex);
      elements.u8(0x0b);
      elements.u32(1);
      elements.u32(functionIndex);
    }
    section(1, this.#types.length, this.#typeBytes);
    section(2, this.#importCount, this.#imports);
    section(3, this.#bodies.length, functions);
    section(7, this.#exportCount, this.#exports);
    section(9, this.#elements.length, elements);
    if (hinted > 0) out.append(customSection('metadata.code.branch_hint', hinted, hints));
    section(10, this.#bodies.length, code);
    if (this.#nameCount > 0) out.append(this.#nameSection());
    return out.bytes.slice(0, out.length) as Uint8Array<ArrayBuffer>;
  }

  /** The custom section "name" with its function names (§7.4.1 "Name Section"). */
  #nameSection(): Uint8Array {
    const map = new ByteWriter();
    map.u32(this.#nameCount);
    map.append(this.#names.finish());
    const content = new ByteWriter();
    content.name('name');
    content.u8(1);
    content.u32(map.length);
    content.append(map.finish());
    return sectionOf(content);
  }
}

function customSection(name: string, count: number, items: ByteWriter): Uint8Array {
  const content = new ByteWriter();
  content.name(name);
  content.u32(count);
  content.append(items.finish());
  return sectionOf(content);
}

function sectionOf(content: ByteWriter): Uint8Array {
  const section = new ByteWriter();
  section.u8(0);
  section.u32(content.length);
  section.append(content.finish());
  return section.finish();
}

/** Offsets in the format count from the start of the body, where the locals are declared. */
function writeHints(out: ByteWriter, index: number, codeStart: number, hints: readonly BranchHint[]): void {
  out.u32(index);
  out.u32(hints.length);
  for (const { offset, likely } of hints) {
    out.u32(codeStart + offset);
    out.u32(1);
    out.u8(likely ? 1 : 0);
  }
}

/** Locals are declared in runs of equal types (§5.5.13 "Code Section"). */
function writeLocals(out: ByteWriter, locals: readonly ValueType[]): void {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  out.u32(runs.length);
  for (const run of runs) {
    out.u32(run.count);
    out.u8(run.type);
  }
}
