/** Where Chromium is, if it is. */

import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const executablePath = PLACES.find((place) => existsSync(place));

export const skipWithoutChromium = executablePath === undefined && 'cannot be had: Chromium is not installed';
/** For what hangs: a step, and all of a file's. On a busy host each step can take a minute. */
export const STEP_MS = 2 * 60_000;
export const GIVE_UP_MS = 14 * 60_000;
