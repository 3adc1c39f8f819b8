/** A worker of a browser that makes regions for the translator. */

import type { RegionThread } from '../../cpu/translator/region-thread.ts';

interface BrowserWorker {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'error', listener: () => void): void;
  terminate(): void;
}

declare const Worker: (new (url: URL, options: { readonly type: 'module' }) => BrowserWorker) | undefined;

/** Undefined where a worker cannot start another. */
export function startRegionThread(): RegionThread | undefined {
  if (typeof Worker === 'undefined') return undefined;
  // In the folder of the bundle that this becomes part of; bundlers look for just this expression.
  const worker = new Worker(new URL('./region-worker.js', import.meta.url), { type: 'module' });
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: (received) => worker.addEventListener('message', ({ data }) => received(data)),
    failed: (listener) => worker.addEventListener('error', listener),
    terminate: () => worker.terminate(),
  };
}
