/** Workers of Node. */

import { Worker } from 'node:worker_threads';
import { VivariumError } from '../../base/errors.ts';
import type { WorkerEnd } from '../../base/message-end.ts';

/** `what`: the beginning of a sentence about it. It keeps the process if it is not told otherwise. */
export function startWorker(url: URL, what: string, { keepsProcess = true } = {}): WorkerEnd {
  const worker = new Worker(url, { name: 'vivarium' });
  if (!keepsProcess) worker.unref();
  let isOver = false;
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: (received) => worker.on('message', received),
    failed(listener) {
      const failed = (error: Error): void => {
        if (!isOver) listener(error);
        isOver = true;
      };
      worker.on('error', failed);
      worker.on('exit', () => failed(new VivariumError({ kind: 'host' }, `${what} has ended.`)));
    },
    async terminate() {
      isOver = true;
      await worker.terminate();
    },
  };
}
