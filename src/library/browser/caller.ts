/** A browser, where the caller is: a page, or a worker of its own. */

import { VivariumError } from '../../base/errors.ts';
import type { CallerPlatform, MachineEnd } from '../platform.ts';
import { endOf, type PostsMessages } from '../rpc/message-end.ts';

/** Of Worker, what is used here. */
interface BrowserWorker extends PostsMessages {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
  terminate(): void;
}

declare const Worker: new (url: string | URL, options: { readonly type: 'module' }) => BrowserWorker;

const page = globalThis as { readonly document?: { readonly baseURI: string }; readonly location?: { href: string } };

const absolute = (where: string | URL): string =>
  new URL(String(where), page.document?.baseURI ?? page.location?.href).href;

export const browserCaller: CallerPlatform = {
  startWorker(url): MachineEnd {
    const worker =
      url === undefined
        ? // Bundlers look for just this expression.
          new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
        : new Worker(absolute(url), { type: 'module' });
    return {
      ...endOf(worker),
      failed(listener) {
        worker.addEventListener('error', ({ message }) => {
          const sentence = `The machine's worker has failed${message ? `: ${message}` : ' to load'}.`;
          listener(new VivariumError({ kind: 'host' }, sentence));
        });
      },
      async terminate() {
        worker.terminate();
      },
    };
  },
  machine: async () => (await import('./machine.ts')).browserMachine,
  source: (where) => ({ url: absolute(where) }),
  moduleUrl: absolute,
};
