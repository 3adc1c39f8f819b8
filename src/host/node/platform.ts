/** What guests ask of Node: clocks, waiting, gzip and deflate. */

import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { deflate, gunzipSync, inflate, inflateSync } from 'node:zlib';
import type { HostPlatform } from '../../vmm/guest-options.ts';
import type { Packing } from '../../vmm/snapshot/format.ts';
import { sleep } from '../sleep.ts';
import { startRegionThread } from './region-thread.ts';

/** As seen from dist/vivarium.js, and from dist/library/node/. */
const GENERATED_CODE = ['generated-code.wasm', '../../generated-code.wasm'];

let generatedCode: WebAssembly.Module | undefined;
let isSought = false;

/** Sources that have not been bundled may be newer than what was made of them. */
function readGeneratedCode(): WebAssembly.Module | undefined {
  if (import.meta.url.endsWith('.ts')) return undefined;
  for (const place of GENERATED_CODE) {
    try {
      return new WebAssembly.Module(readFileSync(new URL(place, import.meta.url)));
    } catch {
      // Not there: the engine generates its own.
    }
  }
  return undefined;
}

export const nodePlatform: HostPlatform = {
  generatedCode() {
    if (!isSought) generatedCode = readGeneratedCode();
    isSought = true;
    return generatedCode;
  },
  regionThread: () => startRegionThread(),
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
  sleep,
};

export const gunzip = (compressed: Uint8Array): Uint8Array => gunzipSync(compressed);

const deflateAside = promisify<Uint8Array, { level: number }, Buffer>(deflate);
const inflateAside = promisify<Uint8Array, { maxOutputLength: number; chunkSize: number }, Buffer>(inflate);
/** Memory is packed nearly as well as by the highest level, in a fifth of its time. */
const DEFLATE_LEVEL = 1;
/** What is asked for in one piece need not be put together from many. */
const LARGEST_CHUNK_BYTES = 8 * 2 ** 20;
const SMALLEST_CHUNK_BYTES = 64;

/** Of Node 20.15 and 22.2 on. */
const { crc32 } = zlib as { readonly crc32?: (bytes: Uint8Array) => number };

export const nodePacking: Packing = {
  ...(crc32 && { crc32 }),
  async sha256(bytes) {
    // Not before it is wanted: it takes longer to load than most.
    const { createHash } = await import('node:crypto');
    return createHash('sha256').update(bytes).digest();
  },
  deflate: (bytes) => deflateAside(bytes, { level: DEFLATE_LEVEL }),
  inflate: async (packed, sizeBytes) => ofLength(await inflateAside(packed, inflating(sizeBytes)), sizeBytes),
  inflateNow: (packed, sizeBytes) => ofLength(inflateSync(packed, inflating(sizeBytes)), sizeBytes),
};

/** One byte more, so that the end of the stream is seen without another piece. */
function inflating(sizeBytes: number): { readonly maxOutputLength: number; readonly chunkSize: number } {
  const chunkSize = Math.max(SMALLEST_CHUNK_BYTES, Math.min(sizeBytes + 1, LARGEST_CHUNK_BYTES));
  return { maxOutputLength: sizeBytes + 1, chunkSize };
}

function ofLength(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  if (bytes.length !== sizeBytes) throw new Error('It is of another length.');
  return bytes;
}
