/** What guests ask of a browser's worker: clocks, waiting, gzip and deflate. Streams as in the WHATWG "Compression Standard". */

import type { HostPlatform } from '../../vmm/guest-options.ts';
import type { Packing } from '../../vmm/snapshot/format.ts';
import { sleep } from '../sleep.ts';
import { startRegionThread } from './region-thread.ts';

/**
 * Lets other work of the event loop happen. Timers would be held back to 4 ms each once they follow one another (HTML
 * Standard, "Timers"); messages are not, and a timer that is set while a message is handled follows no other.
 */
function makeYield(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  (port1 as unknown as { onmessage: () => void }).onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(undefined);
    });
}

let yieldOnce: (() => Promise<void>) | undefined;

export const browserPlatform: HostPlatform = {
  regionThread: () => startRegionThread(),
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  yield: () => {
    yieldOnce ??= makeYield();
    return yieldOnce();
  },
  sleep,
};

export async function gunzip(compressed: Uint8Array): Promise<Uint8Array> {
  return gather(piped(compressed, new DecompressionStream('gzip')), Number.POSITIVE_INFINITY);
}

/** `deflate` of the standard is a zlib stream (RFC 1950), with its check of the contents. */
export const browserPacking: Packing = {
  // Where pages are served insecurely there is none.
  ...(crypto.subtle && {
    sha256: async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)),
  }),
  deflate: (bytes) => gather(piped(bytes, new CompressionStream('deflate')), Number.POSITIVE_INFINITY),
  async inflate(packed, sizeBytes) {
    const bytes = await gather(piped(packed, new DecompressionStream('deflate')), sizeBytes);
    if (bytes.length !== sizeBytes) throw new Error('It is of another length.');
    return bytes;
  },
};

function piped(
  bytes: Uint8Array,
  through: { readable: ReadableStream; writable: WritableStream },
): ReadableStream<Uint8Array> {
  return new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(through) as ReadableStream<Uint8Array>;
}

/** All that comes, `most` bytes at most. */
async function gather(stream: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new Error('It is longer than it says.');
    }
    pieces.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
