/** A worker of a browser that makes regions for the translator. */

import type { WorkerEnd } from '../../base/message-end.ts';
import { endOfWorker, type WorkerClass } from './worker.ts';

declare const Worker: WorkerClass | undefined;

/** Undefined where a worker cannot start another. */
export function startRegionThread(): WorkerEnd | undefined {
  if (typeof Worker === 'undefined') return undefined;
  // In the folder of the bundle that this becomes part of; bundlers look for just this expression.
  const worker = new Worker(new URL('./region-worker.js', import.meta.url), { type: 'module' });
  return endOfWorker(worker, "The translator's worker");
}
