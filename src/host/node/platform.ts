/** What guests ask of Node: clocks, waiting, and gzip. */

import { gunzipSync } from 'node:zlib';
import type { HostPlatform } from '../../vmm/guest-options.ts';

export const nodePlatform: HostPlatform = {
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
  sleep(milliseconds) {
    let wake = (): void => {};
    const done = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return { done, wake };
  },
};

export const gunzip = (compressed: Uint8Array): Uint8Array => gunzipSync(compressed);
