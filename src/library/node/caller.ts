/** Node, where the caller is: starts workers, and tells paths from URLs. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startWorker } from '../../host/node/worker.ts';
import type { CallerPlatform } from '../platform.ts';

/** What names a protocol: not the letter of a drive. */
const IS_URL = /^[a-z][a-z0-9+.-]+:/i;

/** The bundle, as seen from dist/library/node/ and from src/library/node/ alike. */
const WORKER = '../../../dist/library/node/worker.js';

const SNAPSHOT = '../../../dist/builtin.snapshot';

export const nodeCaller: CallerPlatform = {
  startWorker: (url) => startWorker(new URL(url ?? WORKER, import.meta.url), "The machine's worker"),
  async shipped() {
    const bytes = await readFile(new URL(SNAPSHOT, import.meta.url));
    return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
  },
  machine: async () => (await import('./machine.ts')).nodeMachine,
  source: (where) => (where instanceof URL || IS_URL.test(where) ? { url: String(where) } : { path: where }),
  moduleUrl: (where) =>
    where instanceof URL || IS_URL.test(where) ? String(where) : pathToFileURL(resolve(where)).href,
};
