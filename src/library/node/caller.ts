/** Node, where the caller is: starts workers, and tells paths from URLs. */

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { VivariumError } from '../../base/errors.ts';
import type { CallerPlatform, MachineEnd } from '../platform.ts';

/** What names a protocol: not the letter of a drive. */
const IS_URL = /^[a-z][a-z0-9+.-]+:/i;

/** The bundle, as seen from dist/library/node/ and from src/library/node/ alike. */
const WORKER = '../../../dist/library/node/worker.js';

const SNAPSHOT = '../../../dist/builtin.snapshot';

export const nodeCaller: CallerPlatform = {
  startWorker(url): MachineEnd {
    const worker = new Worker(new URL(url ?? WORKER, import.meta.url), { name: 'vivarium' });
    let isTerminated = false;
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen: (received) => worker.on('message', received),
      failed(listener) {
        worker.on('error', listener);
        worker.on('exit', () => {
          if (!isTerminated) listener(new VivariumError({ kind: 'host' }, "The machine's worker has ended."));
        });
      },
      async terminate() {
        isTerminated = true;
        await worker.terminate();
      },
    };
  },
  async shipped() {
    const bytes = await readFile(new URL(SNAPSHOT, import.meta.url));
    return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
  },
  machine: async () => (await import('./machine.ts')).nodeMachine,
  source: (where) => (where instanceof URL || IS_URL.test(where) ? { url: String(where) } : { path: where }),
  moduleUrl: (where) =>
    where instanceof URL || IS_URL.test(where) ? String(where) : pathToFileURL(resolve(where)).href,
};
