/** A worker of Node that makes regions for the translator. */

import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { RegionThread } from '../../cpu/translator/region-thread.ts';

/** As seen from dist/vivarium.js, and from dist/library/node/. */
const PLACES = ['./library/node/region-worker.js', './region-worker.js'];

/** Undefined where the program has not been bundled: the worker may be of other sources. */
function placeOfWorker(): URL | undefined {
  if (import.meta.url.endsWith('.ts')) return undefined;
  return PLACES.map((place) => new URL(place, import.meta.url)).find((place) => existsSync(place));
}

/** Undefined where there is nothing to start. */
export function startRegionThread(url = placeOfWorker()): RegionThread | undefined {
  if (url === undefined) return undefined;
  const worker = new Worker(url, { name: 'vivarium regions' });
  // Nothing waits for it when the guest has ended.
  worker.unref();
  let isTerminated = false;
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: (received) => worker.on('message', received).unref(),
    failed(listener) {
      // What it says of itself is of no use to anybody: regions are made on the guest's thread then.
      worker.on('error', () => {});
      worker.on('exit', () => {
        if (!isTerminated) listener();
      });
    },
    terminate() {
      isTerminated = true;
      void worker.terminate();
    },
  };
}
