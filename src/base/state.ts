/**
 * Declared state (DESIGN.md §4): every piece of guest-visible state is written down once, and creation, saving,
 * restoring, bounds checks, upgrades, debugger views and memory layout come from that.
 *
 *     const pitState = defineState('pit-8254', 2, {
 *       channels: list(channelState, 3),
 *       speaker: bool(),
 *       refresh: u8({ max: 1, since: 2 }),   // version 1 did not have it: restores as its initial value
 *     });
 *     type PitState = StateOf<typeof pitState>;
 *
 * Saved form, little endian: u8 length of the name, the name, u16 version, then the fields in the order of their
 * declaration without padding. A nested list puts the version of its own declaration in front. To change a
 * declaration: add fields with `since`, raise the version; never remove or retype one.
 *
 * The same declaration can live in memory that generated code reads: `layout()` tells where each field is (in order,
 * naturally aligned), `bind()` gives an object of the same type whose properties are those bytes.
 */

import { VivariumError } from './errors.ts';
import { type Field, Reader, Refusal, Writer } from './state-fields.ts';

export { bool, bytes, f64, i32, i32s, list, u8, u16, u16s, u32, u32s, u64, u64s } from './state-fields.ts';

/** The saved state is not one that this or an older version can have written. */
export class StateError extends VivariumError {
  override readonly name = 'StateError';

  constructor(part: string, field: string | undefined, problem: string) {
    const where = field === undefined ? 'it' : `its field "${field}"`;
    super(
      { kind: 'bad-state', part, ...(field !== undefined && { field }) },
      `Saved state of "${part}" cannot be restored: ${where} ${problem}.`,
    );
  }
}

export interface Layout<S> {
  readonly sizeBytes: number;
  readonly alignment: number;
  readonly offsets: { readonly [K in keyof S]: number };
}

export interface FieldInfo {
  readonly name: string;
  readonly type: string;
  readonly since: number;
  readonly offset: number;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type StateOfFields<F extends Fields> = { -readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** The state type that a definition declares. */
export type StateOf<D> = D extends StateDefinition<infer S> ? S : never;

export function defineState<F extends Fields>(
  name: string,
  version: number,
  fields: F,
): StateDefinition<StateOfFields<F>> {
  return new StateDefinition(name, version, fields);
}

export class StateDefinition<S extends object> {
  readonly name: string;
  readonly version: number;
  /** What there is, for debuggers and documentation. */
  readonly fields: readonly FieldInfo[];
  readonly #fields: readonly (readonly [keyof S & string, Field<unknown>])[];
  readonly #layout: Layout<S>;
  readonly #Bound: new (
    view: DataView,
    base: number,
  ) => S;

  constructor(name: string, version: number, fields: Fields) {
    this.name = name;
    this.version = version;
    this.#fields = Object.entries(fields) as [keyof S & string, Field<unknown>][];
    let end = 0;
    let alignment = 1;
    const offsets: Record<string, number> = {};
    for (const [key, field] of this.#fields) {
      alignment = Math.max(alignment, field.alignment);
      offsets[key] = Math.ceil(end / field.alignment) * field.alignment;
      end = (offsets[key] as number) + field.sizeBytes;
    }
    const sizeBytes = Math.ceil(end / alignment) * alignment;
    this.#layout = { sizeBytes, alignment, offsets: offsets as Layout<S>['offsets'] };
    this.fields = this.#fields.map(([key, { type, since }]) => ({
      name: key,
      type,
      since,
      offset: offsets[key] as number,
    }));
    this.#Bound = boundClass<S>(fields, offsets);
  }

  /** Fresh state, as at power-on. */
  create(): S {
    return Object.fromEntries(this.#fields.map(([key, field]) => [key, field.create()])) as S;
  }

  save(state: S): Uint8Array {
    const writer = new Writer();
    const name = new TextEncoder().encode(this.name);
    const at = writer.advance(1 + name.length + 2);
    writer.view.setUint8(at, name.length);
    new Uint8Array(writer.view.buffer).set(name, at + 1);
    writer.view.setUint16(at + 1 + name.length, this.version, true);
    this.writeFields(writer, state);
    return writer.finish();
  }

  /** The saved state as a new object. Throws StateError on anything that `save` cannot have written. */
  restore(saved: Uint8Array): S {
    const reader = new Reader(saved);
    try {
      const nameLength = reader.view.getUint8(reader.advance(1));
      const start = reader.advance(nameLength);
      const name = new TextDecoder().decode(saved.subarray(start, start + nameLength));
      if (name !== this.name) throw new Refusal('belongs to another part or is no saved state at all');
      const state = this.readFields(reader, reader.view.getUint16(reader.advance(2), true));
      if (reader.remaining !== 0) throw new Refusal(`has ${reader.remaining} bytes too many`);
      return state;
    } catch (error) {
      throw error instanceof Refusal ? new StateError(this.name, undefined, error.message) : error;
    }
  }

  /** Makes `into` equal to `from`, keeping its arrays and nested objects (and bindings to memory) in place. */
  assign(into: S, from: S): void {
    for (const [key, field] of this.#fields) {
      const kept = into[key];
      const value = field.adopt(kept, from[key]);
      if (value !== kept) into[key] = value as S[typeof key];
    }
  }

  layout(): Layout<S> {
    return this.#layout;
  }

  /**
   * State that lives at `base` of `view` (a multiple of the layout's alignment, also within the buffer). The bytes are
   * taken as they are: `assign(bound, create())` gives power-on values. After the buffer was replaced (a plain
   * WebAssembly.Memory does that as it grows), bind anew.
   */
  bind(view: DataView, base: number): S {
    return new this.#Bound(view, base);
  }

  /** The fields alone, for declarations that contain this one. */
  writeFields(to: Writer, state: S): void {
    for (const [key, field] of this.#fields) field.write(to, state[key]);
  }

  /** The fields alone, as `version` wrote them. */
  readFields(from: Reader, version: number): S {
    if (version < 1 || version > this.version) {
      throw new StateError(
        this.name,
        undefined,
        `is of version ${version}, and this program knows 1 to ${this.version}`,
      );
    }
    const entries = this.#fields.map(([key, field]) => {
      if (field.since > version) return [key, field.create()];
      try {
        return [key, field.read(from)];
      } catch (error) {
        throw error instanceof Refusal ? new StateError(this.name, key, error.message) : error;
      }
    });
    return Object.fromEntries(entries) as S;
  }
}

/** A class whose properties read and write memory; accessors sit on the prototype so that engines inline them. */
function boundClass<S extends object>(fields: Fields, offsets: Record<string, number>) {
  class Bound {
    readonly #view: DataView;
    readonly #base: number;
    /** Views of aggregates, made when first asked for. */
    readonly #live: Record<string, unknown> = {};

    constructor(view: DataView, base: number) {
      this.#view = view;
      this.#base = base;
    }

    static scalar(field: Field<unknown>, offset: number): PropertyDescriptor & ThisType<Bound> {
      return {
        enumerable: true,
        get() {
          return field.get(this.#view, this.#base + offset);
        },
        set(value: unknown) {
          field.set(this.#view, this.#base + offset, value);
        },
      };
    }

    static aggregate(key: string, field: Field<unknown>, offset: number): PropertyDescriptor & ThisType<Bound> {
      return {
        enumerable: true,
        get() {
          this.#live[key] ??= field.get(this.#view, this.#base + offset);
          return this.#live[key];
        },
        set(value: unknown) {
          field.set(this.#view, this.#base + offset, value);
        },
      };
    }
  }
  for (const [key, field] of Object.entries(fields)) {
    const offset = offsets[key] as number;
    const isScalar = typeof field.create() !== 'object';
    const property = isScalar ? Bound.scalar(field, offset) : Bound.aggregate(key, field, offset);
    Object.defineProperty(Bound.prototype, key, property);
  }
  return Bound as unknown as new (
    view: DataView,
    base: number,
  ) => S;
}
