import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Routine } from '../../algebra.ts';
import { Decoded } from '../../decode/decoded.ts';
import { Decoder } from '../../decode/decoder.ts';
import { CodeSpace, type ModuleBuilder } from '../../emit/code-space.ts';
import { CoreFunctions } from '../../emit/core-functions.ts';
import type { EmitterContext } from '../../emit/emitter.ts';
import type { FunctionRef } from '../../emit/nodes.ts';
import { RoutineEmitter, routineResults } from '../../emit/routine.ts';
import { HandlerEmitter } from '../../interpreter/handler.ts';
import { deliverException } from './deliver.ts';
import { system } from './index.ts';

const PAGES = 16;

/** Emits handlers and the routines they call into one module; instantiating it validates all of them. */
class Workshop implements EmitterContext {
  readonly #space = new CodeSpace(new WebAssembly.Memory({ initial: PAGES, maximum: PAGES }), {
    maximumPages: PAGES,
    shared: false,
    named: false,
  });
  readonly core = new CoreFunctions(this.#space);
  readonly countHits = true;
  readonly traceEvents = true;
  readonly #routines = new Map<Routine, FunctionRef>();
  readonly #module: ModuleBuilder = this.#space.module();

  routine(routine: Routine): FunctionRef {
    let ref = this.#routines.get(routine);
    if (ref === undefined) {
      ref = this.#space.reserve(routine.params, routineResults(routine));
      this.#routines.set(routine, ref);
      this.#module.define(ref, routine.name, (builder) => RoutineEmitter.emit(builder, this, routine));
    }
    return ref;
  }

  reserve: EmitterContext['reserve'] = (params, results) => this.#space.reserve(params, results);

  handler(decoded: Decoded, flat: boolean): void {
    const stackAddressSize = decoded.mode === 64 ? 64 : flat ? 32 : 16;
    this.#module.define(this.#space.reserve([], []), decoded.form.text, (builder) =>
      HandlerEmitter.emit(builder, this, decoded, { flat, stackAddressSize, linked: false }),
    );
  }

  instantiate(): void {
    this.#module.instantiate();
  }
}

const prefixes = [[], [0x66], [0xf3], [0xf2], [0x48], [0x66, 0x67]];
const modrms = [...Array(8).keys()].flatMap((digit) => [
  (digit << 3) | 3,
  ...[...Array(8).keys()].map((rm) => 0xc0 | (digit << 3) | rm),
]);

/** Every form of the definitions in every mode and size, decoded from bytes. */
function* everyVariant(decoder: Decoder): Generator<Decoded> {
  const seen = new Set<string>();
  for (const mode of [16, 32, 64] as const) {
    for (const map of [[], [0x0f], [0x0f, 0x38]]) {
      for (let opcode = 0; opcode < 256; opcode++) {
        for (const prefix of prefixes) {
          for (const modrm of modrms) {
            const bytes = new Uint8Array([...prefix, ...map, opcode, modrm, 0, 0, 0, 0, 0, 0, 0, 0]);
            const decoded = decoder.decode(bytes, 0, bytes.length, mode, true);
            if (!(decoded instanceof Decoded)) continue;
            const { form, operandSize, addressSize, repeat, memory } = decoded;
            const key = [mode, form.instruction.name, form.text, operandSize, addressSize, repeat, !memory].join();
            if (seen.has(key)) continue;
            seen.add(key);
            yield decoded;
          }
        }
      }
    }
  }
}

test('every system instruction is emitted as valid WebAssembly in every mode it has', () => {
  const decoder = new Decoder(system);
  const workshop = new Workshop();
  const met = new Set<string>();
  for (const decoded of everyVariant(decoder)) {
    workshop.handler(decoded, false);
    workshop.handler(decoded, true);
    met.add(`${decoded.form.instruction.name} ${decoded.form.text}`);
  }
  workshop.routine(deliverException);
  workshop.instantiate();
  const all = system.flatMap(({ name, forms }) => forms.map((form) => `${name} ${form}`));
  assert.deepEqual([...met].sort(), all.sort());
});
