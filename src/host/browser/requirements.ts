/** What generated code and packing need of a browser, looked for before a machine is asked for. */

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Modules with one function each, in the binary format (WebAssembly 3.0 §5.5). */
const FEATURES: readonly { readonly name: string; readonly sections: readonly number[] }[] = [
  {
    name: 'tail calls in WebAssembly',
    // () -> (): return_call 0
    sections: [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 0x12, 0, 0x0b],
  },
  {
    name: 'vectors in WebAssembly',
    // () -> v128: i32.const 0, i8x16.splat
    sections: [1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0, 10, 8, 1, 6, 0, 0x41, 0, 0xfd, 0x0f, 0x0b],
  },
];

/** A sentence about what is missing; undefined where nothing is. */
export function missingFeatures(): string | undefined {
  const missing: string[] =
    typeof WebAssembly === 'undefined'
      ? ['WebAssembly']
      : FEATURES.filter(({ sections }) => !WebAssembly.validate(Uint8Array.from([...HEADER, ...sections]))).map(
          ({ name }) => name,
        );
  if (typeof DecompressionStream === 'undefined') missing.push('decompression');
  if (missing.length === 0) return undefined;
  return `This browser cannot run the machine: it lacks ${missing.join(' and ')}. A newer one has that.`;
}
