/** A browser, where the caller is: a page, or a worker of its own. */

import { endOfWorker, type WorkerClass } from '../../host/browser/worker.ts';
import type { CallerPlatform } from '../platform.ts';

declare const Worker: WorkerClass;

const page = globalThis as { readonly document?: { readonly baseURI: string }; readonly location?: { href: string } };

const absolute = (where: string | URL): string =>
  new URL(String(where), page.document?.baseURI ?? page.location?.href).href;

export const browserCaller: CallerPlatform = {
  startWorker(url) {
    const worker =
      url === undefined
        ? // Bundlers look for just this expression.
          new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
        : new Worker(absolute(url), { type: 'module' });
    return endOfWorker(worker, "The machine's worker");
  },
  machine: async () => (await import('./machine.ts')).browserMachine,
  source: (where) => ({ url: absolute(where) }),
  moduleUrl: absolute,
};
