/** Waiting, on platforms with timers: all that run guests have these. */

import type { HostPlatform } from '../vmm/guest-options.ts';

export const sleep: HostPlatform['sleep'] = (milliseconds) => {
  let wake = (): void => {};
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  return { done, wake };
};
