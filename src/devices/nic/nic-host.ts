/** What a network card is wired to. */

import { join32 } from '../../base/bits.ts';
import type { Clock } from '../../base/clock.ts';
import type { GuestMemory } from '../../base/dma.ts';
import type { IrqLine } from '../../base/irq.ts';
import type { NetworkPort } from '../../base/network.ts';

export interface NicHost {
  readonly clock: Clock;
  /** INTx, as the board has routed it. */
  readonly irq: IrqLine;
  readonly memory: GuestMemory;
  readonly network: NetworkPort;
  /** The address in the card's EEPROM, six bytes. */
  readonly mac: Uint8Array;
  /** The card's boot ROM, if it has one. */
  readonly rom?: Uint8Array | undefined;
}

/** Where no memory is: numbers are exact up to there. */
const BEYOND_MEMORY = 2 ** 52;

/** An address of 64 bits as a driver wrote it down. */
export function dmaAddress(high: number, low: number): number {
  return Math.min(join32(high, low), BEYOND_MEMORY);
}
