/** Waiting with a signal and for so long at most. */

import { VmTimeoutError } from './errors.ts';
import type { WaitOptions } from './types/common.ts';

/** setTimeout takes no more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * What `promise` comes to, unless the caller's patience ends before: then `abandoned` is called, and the result forgotten.
 * `what` begins the sentence of the error: "The snapshot".
 */
export function within<T>(
  promise: Promise<T>,
  what: string,
  { signal, timeoutMs }: WaitOptions,
  abandoned?: () => void,
): Promise<T> {
  if (signal === undefined && timeoutMs === undefined) return promise;
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = (): void => {
      if (timer !== undefined) clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    };
    const giveUp = (reason: unknown): void => {
      settle();
      abandoned?.();
      reject(reason);
    };
    const aborted = (): void => giveUp(signal?.reason);
    promise.then(
      (value) => {
        settle();
        resolve(value);
      },
      (error) => {
        settle();
        reject(error);
      },
    );
    if (signal?.aborted) {
      aborted();
      return;
    }
    signal?.addEventListener('abort', aborted);
    if (timeoutMs !== undefined && timeoutMs < LONGEST_TIMEOUT_MS) {
      timer = setTimeout(() => giveUp(new VmTimeoutError(what, timeoutMs)), timeoutMs);
    }
  });
}

/** A caller's patience as a signal, for what takes one. */
export interface Patience {
  readonly signal: AbortSignal;
  /** Rejects when it ends. */
  readonly over: Promise<never>;
  /** It is not asked for any more. */
  done(): void;
}

export function patience(what: string, options: WaitOptions): Patience {
  const controller = new AbortController();
  let done = (): void => {};
  const waited = new Promise<void>((resolve) => {
    done = resolve;
  });
  within(waited, what, options).catch((reason) => controller.abort(reason));
  const { signal } = controller;
  const over = new Promise<never>((_, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
  over.catch(() => {});
  return { signal, over, done };
}
