/** A worker of Node that makes regions for the translator. */

import { existsSync } from 'node:fs';
import type { WorkerEnd } from '../../base/message-end.ts';
import { startWorker } from './worker.ts';

/** As seen from dist/vivarium.js, and from dist/library/node/. */
const PLACES = ['./library/node/region-worker.js', './region-worker.js'];

/** Undefined where the program has not been bundled: the worker may be of other sources. */
function placeOfWorker(): URL | undefined {
  if (import.meta.url.endsWith('.ts')) return undefined;
  return PLACES.map((place) => new URL(place, import.meta.url)).find((place) => existsSync(place));
}

/** Undefined where there is nothing to start. Nothing waits for it when the guest has ended. */
export function startRegionThread(url = placeOfWorker()): WorkerEnd | undefined {
  return url && startWorker(url, "The translator's worker", { keepsProcess: false });
}
