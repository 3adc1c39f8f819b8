/** What all that takes time has in common: how long the caller will wait, and what the caller may say. */

import { VivariumError } from '../base/errors.ts';
import { AgentTimeoutError } from './errors.ts';

export interface Waiting {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * `promise`, given up when the signal or the time says so: then `giveUp` is called with the reason, and must have the
 * promise rejected with it.
 */
export async function bounded<T>(
  promise: Promise<T>,
  { signal, timeoutMs }: Waiting,
  what: string,
  giveUp: (reason: unknown) => void,
): Promise<T> {
  const abort = () => giveUp(signal!.reason);
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => giveUp(new AgentTimeoutError(what, timeoutMs)), timeoutMs);
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** A string that can be one of the guest's: NUL would end it. */
export function requireText(text: string): string {
  if (text.includes('\0')) {
    throw new VivariumError({ kind: 'bad-option' }, 'Paths, arguments and variables cannot have a NUL character.');
  }
  return text;
}
