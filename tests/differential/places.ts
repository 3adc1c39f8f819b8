/**
 * What random programs find in memory beyond the pages of the hardware vectors:
 *
 *     0x00604000  the code pages again, to write to
 *     0x00606000  a device that keeps what is written to it, and asks for the run loop's attention at times
 */

import { CODE_PAGES, DATA, PAGE, PAGES } from '../hardware/layout.ts';

export const CODE_ALIAS = DATA + 4 * PAGE;
export const DEVICE = CODE_ALIAS + CODE_PAGES * PAGE;
/** Addresses of the pages that outcomes list. */
export const COMPARED_PAGES: readonly number[] = [...PAGES.map(({ address }) => address), DEVICE];
