/**
 * The kinds of field that declared state is made of (see state.ts): numbers with ranges, byte and number arrays,
 * and nested declarations. Each knows its place in memory, its bytes when saved, and which values it admits.
 */

import type { StateDefinition } from './state.ts';

export interface FieldOptions<T> {
  /** Value at power-on (zero when absent). */
  readonly initial?: T;
  /** Version of the declaration that brought this field (1 when absent); older saved state gets `initial`. */
  readonly since?: number;
}

export interface RangeOptions<T> extends FieldOptions<T> {
  readonly min?: T;
  readonly max?: T;
}

export interface ArrayOptions {
  readonly since?: number;
  /** Alignment in memory, where more is needed than the elements ask for. */
  readonly align?: number;
}

export interface Field<T> {
  /** For debuggers: `u8`, `bytes[16]`, `list of channel[3]`. */
  readonly type: string;
  readonly since: number;
  /** Size and natural alignment in memory (bind and layout). */
  readonly sizeBytes: number;
  readonly alignment: number;
  create(): T;
  /** In memory: scalars are copied, aggregates are live views of the bytes at `at`. */
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
  /** Takes over `from` where the aggregate itself must stay; gives the value to store otherwise. */
  adopt(into: T, from: T): T;
  write(to: Writer, value: T): void;
  /** Takes the value from `from`; throws a sentence's end (a `Refusal`) when it cannot be one. */
  read(from: Reader): T;
}

/** Why a saved value was refused; state.ts makes a StateError of it, which knows the part and the field. */
export class Refusal extends Error {}

/** Grows as it is written to. */
export class Writer {
  #view = new DataView(new ArrayBuffer(256));
  #length = 0;

  /** Room for `sizeBytes` more: the view, to be written at the position returned by `advance`. */
  advance(sizeBytes: number): number {
    const at = this.#length;
    this.#length += sizeBytes;
    if (this.#length > this.#view.byteLength) {
      const larger = new Uint8Array(Math.max(this.#length, this.#view.byteLength * 2));
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  get view(): DataView {
    return this.#view;
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#view.buffer).slice(0, this.#length);
  }
}

export class Reader {
  readonly view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.view.byteLength - this.#at;
  }

  /** Position of the next `sizeBytes` bytes. */
  advance(sizeBytes: number): number {
    if (sizeBytes > this.remaining) throw new Refusal('is cut off');
    this.#at += sizeBytes;
    return this.#at - sizeBytes;
  }
}

type Scalar = number | bigint;
type Get<T> = (view: DataView, at: number) => T;
type Set<T> = (view: DataView, at: number, value: T) => void;

function scalar<T extends Scalar>(
  type: string,
  sizeBytes: number,
  zero: T,
  get: Get<T>,
  set: Set<T>,
  options: RangeOptions<T> = {},
): Field<T> {
  const { initial = zero, since = 1, min, max } = options;
  return {
    type,
    since,
    sizeBytes,
    alignment: sizeBytes,
    create: () => initial,
    get,
    set,
    adopt: (_, from) => from,
    write(to, value) {
      const at = to.advance(sizeBytes);
      set(to.view, at, value);
    },
    read(from) {
      const value = get(from.view, from.advance(sizeBytes));
      if (Number.isNaN(value)) throw new Refusal('is not a number');
      if (min !== undefined && value < min) throw new Refusal(`is ${value}, which is below ${min}`);
      if (max !== undefined && value > max) throw new Refusal(`is ${value}, which is above ${max}`);
      return value;
    },
  };
}

export const u8 = (options?: RangeOptions<number>): Field<number> =>
  scalar(
    'u8',
    1,
    0,
    (view, at) => view.getUint8(at),
    (view, at, value) => view.setUint8(at, value),
    options,
  );

export const u16 = (options?: RangeOptions<number>): Field<number> =>
  scalar(
    'u16',
    2,
    0,
    (view, at) => view.getUint16(at, true),
    (view, at, v) => view.setUint16(at, v, true),
    options,
  );

export const u32 = (options?: RangeOptions<number>): Field<number> =>
  scalar(
    'u32',
    4,
    0,
    (view, at) => view.getUint32(at, true),
    (view, at, v) => view.setUint32(at, v, true),
    options,
  );

export const i32 = (options?: RangeOptions<number>): Field<number> =>
  scalar(
    'i32',
    4,
    0,
    (view, at) => view.getInt32(at, true),
    (view, at, v) => view.setInt32(at, v, true),
    options,
  );

export const u64 = (options?: RangeOptions<bigint>): Field<bigint> =>
  scalar(
    'u64',
    8,
    0n,
    (view, at) => view.getBigUint64(at, true),
    (view, at, v) => view.setBigUint64(at, v, true),
    options,
  );

/** Never NaN in saved state; infinities only inside `min`..`max`. */
export const f64 = (options?: RangeOptions<number>): Field<number> =>
  scalar(
    'f64',
    8,
    0,
    (view, at) => view.getFloat64(at, true),
    (view, at, v) => view.setFloat64(at, v, true),
    options,
  );

export function bool(options: FieldOptions<boolean> = {}): Field<boolean> {
  const byte = u8({ max: 1 });
  return {
    type: 'bool',
    since: options.since ?? 1,
    sizeBytes: 1,
    alignment: 1,
    create: () => options.initial ?? false,
    get: (view, at) => view.getUint8(at) !== 0,
    set: (view, at, value) => view.setUint8(at, value ? 1 : 0),
    adopt: (_, from) => from,
    write: (to, value) => byte.write(to, value ? 1 : 0),
    read: (from) => byte.read(from) === 1,
  };
}

interface Numbers<E extends Scalar> {
  readonly length: number;
  [index: number]: E;
  set(from: ArrayLike<E>): void;
}

interface NumbersConstructor<E extends Scalar, A extends Numbers<E>> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): A;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
}

function numbers<E extends Scalar, A extends Numbers<E>>(
  name: string,
  Type: NumbersConstructor<E, A>,
  element: Field<E>,
  length: number,
  options: ArrayOptions = {},
): Field<A> {
  const stride = Type.BYTES_PER_ELEMENT;
  return {
    type: `${name}[${length}]`,
    since: options.since ?? 1,
    sizeBytes: length * stride,
    alignment: options.align ?? stride,
    create: () => new Type(length),
    get: (view, at) => new Type(view.buffer, view.byteOffset + at, length),
    set(view, at, value) {
      for (let i = 0; i < length; i++) element.set(view, at + i * stride, value[i] as E);
    },
    adopt(into, from) {
      into.set(from);
      return into;
    },
    write(to, value) {
      const at = to.advance(length * stride);
      this.set(to.view, at, value);
    },
    read(from) {
      const at = from.advance(length * stride);
      const value = new Type(length);
      for (let i = 0; i < length; i++) value[i] = element.get(from.view, at + i * stride);
      return value;
    },
  };
}

export const bytes = (length: number, options?: ArrayOptions): Field<Uint8Array> =>
  numbers('bytes', Uint8Array, u8(), length, options);

export const u16s = (length: number, options?: ArrayOptions): Field<Uint16Array> =>
  numbers('u16', Uint16Array, u16(), length, options);

export const u32s = (length: number, options?: ArrayOptions): Field<Uint32Array> =>
  numbers('u32', Uint32Array, u32(), length, options);

export const i32s = (length: number, options?: ArrayOptions): Field<Int32Array> =>
  numbers('i32', Int32Array, i32(), length, options);

export const u64s = (length: number, options?: ArrayOptions): Field<BigUint64Array> =>
  numbers('u64', BigUint64Array, u64(), length, options);

/** `length` copies of another declaration, such as the channels of a timer chip. */
export function list<S extends object>(
  definition: StateDefinition<S>,
  length: number,
  options: ArrayOptions = {},
): Field<S[]> {
  const { sizeBytes: stride, alignment } = definition.layout();
  return {
    type: `list of ${definition.name}[${length}]`,
    since: options.since ?? 1,
    sizeBytes: length * stride,
    alignment: Math.max(alignment, options.align ?? 1),
    create: () => Array.from({ length }, () => definition.create()),
    get: (view, at) => Array.from({ length }, (_, i) => definition.bind(view, at + i * stride)),
    set(view, at, value) {
      this.adopt(this.get(view, at), value);
    },
    adopt(into, from) {
      for (let i = 0; i < length; i++) definition.assign(into[i] as S, from[i] as S);
      return into;
    },
    write(to, value) {
      const at = to.advance(2);
      to.view.setUint16(at, definition.version, true);
      for (const item of value) definition.writeFields(to, item);
    },
    read(from) {
      const version = from.view.getUint16(from.advance(2), true);
      return Array.from({ length }, () => definition.readFields(from, version));
    },
  };
}
