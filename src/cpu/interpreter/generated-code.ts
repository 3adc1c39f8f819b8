/**
 * The generated code that nearly every guest needs, as one module: the core, and the handlers of common code. It is made
 * once, by the program that also makes the bundles (scripts/generated-code.ts), because to generate it anew takes longer
 * than to restore a guest. What is in it follows from the sources alone; an engine that is set up differently from the one
 * that made it generates its own.
 *
 *     a WebAssembly module, with a custom section "vivarium": JSON of `MadeFor`
 */

import { withCustomSection } from '../../wasm/custom-section.ts';

const SECTION = 'vivarium';

/** What the code relies on. */
export interface MadeFor {
  /** Addresses of the regions that are in the code. */
  readonly places: readonly number[];
  /** Slot of the first handler, and the names of all of them (variants.ts). */
  readonly firstHandler: number;
  readonly handlers: readonly string[];
  /** Slots that are taken, from the first on. */
  readonly slots: number;
}

/** The module with its custom section. */
export function withFacts(module: Uint8Array, facts: MadeFor): Uint8Array<ArrayBuffer> {
  return withCustomSection(module, SECTION, new TextEncoder().encode(JSON.stringify(facts)));
}

/** The facts as they are in the module; undefined for one that is not ours. */
export function factsBytes(module: WebAssembly.Module): Uint8Array | undefined {
  const [section] = WebAssembly.Module.customSections(module, SECTION);
  return section && new Uint8Array(section);
}

/** Undefined for a module that is not ours. */
export function factsOf(module: WebAssembly.Module): MadeFor | undefined {
  const bytes = factsBytes(module);
  return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as MadeFor);
}
