/** Workers of browsers. They are made where their address is written, for bundlers look for just that expression. */

import { VivariumError } from '../../base/errors.ts';
import { endOf, type PostsMessages, type WorkerEnd } from '../../base/message-end.ts';

/** Of Worker, what is used. */
interface BrowserWorker extends PostsMessages {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'error', listener: (event: { readonly message?: string }) => void): void;
  terminate(): void;
}

export type WorkerClass = new (url: string | URL, options: { readonly type: 'module' }) => BrowserWorker;

/** `what`: the beginning of a sentence about it. */
export function endOfWorker(worker: BrowserWorker, what: string): WorkerEnd {
  return {
    ...endOf(worker),
    failed(listener) {
      worker.addEventListener('error', ({ message }) => {
        const sentence = `${what} has failed${message ? `: ${message}` : ' to load'}.`;
        listener(new VivariumError({ kind: 'host' }, sentence));
      });
    },
    async terminate() {
      worker.terminate();
    },
  };
}
