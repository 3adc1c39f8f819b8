/** Which frames an RTL8139 takes (RCR and MAR0 to MAR7 in the data sheet), and its counts of them. */

import { isAddressedTo, isBroadcast, isMulticast, mirroredDestinationHash } from './ethernet.ts';
import * as rtl from './rtl8139-state.ts';

/** What lets a frame in; undefined where nothing does. */
export function matchOf(frame: Uint8Array, { rcr, idr, mar }: rtl.Rtl8139State): rtl.Match | undefined {
  const all = (rcr & rtl.RCR_ALL_PHYSICAL) !== 0;
  if (isBroadcast(frame)) return all || rcr & rtl.RCR_BROADCAST ? 'broadcast' : undefined;
  if (isMulticast(frame)) {
    const hash = mirroredDestinationHash(frame);
    const listed = rcr & rtl.RCR_MULTICAST && mar[hash >> 3] & (1 << (hash & 7));
    return all || listed ? 'multicast' : undefined;
  }
  return all || (rcr & rtl.RCR_MINE && isAddressedTo(frame, idr)) ? 'physical' : undefined;
}

export function countReceived(s: rtl.Rtl8139State, match: rtl.Match): void {
  s.received = (s.received + 1) >>> 0;
  if (match === 'physical') s.receivedMine = (s.receivedMine + 1) >>> 0;
  else if (match === 'broadcast') s.receivedBroadcast = (s.receivedBroadcast + 1) >>> 0;
  else s.receivedMulticast = (s.receivedMulticast + 1) >>> 0;
}
