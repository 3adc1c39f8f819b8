/**
 * What a network card and the network behind it are to each other.
 *
 * Frames are Ethernet II or 802.3 as on the wire, from destination address on, without preamble and FCS (IEEE 802.3
 * §3.1.1 "Packet format"): 14 to 1514 bytes, 1518 with a VLAN tag. Padding to 60 bytes is up to whoever receives; either
 * side throws away what is shorter or longer, without a word.
 */

/** Destination, source and type. */
export const ETHERNET_HEADER_BYTES = 14;
/** The shortest frame of a real wire, less its FCS. */
export const SHORTEST_FRAME_BYTES = 60;
/** The longest that is passed on: 1500 bytes of data, header, VLAN tag. */
export const LONGEST_FRAME_BYTES = 1518;

/** The network as a card sees it. */
export interface NetworkPort {
  /**
   * A frame from the guest. It belongs to the network from here on. An answer may come at once, from inside the call.
   */
  send(frame: Uint8Array): void;
  /** False: nothing is at the other end, and the card has no link. It stays so for as long as the guest lives. */
  readonly isConnected?: boolean;
}

/** The card as the network sees it. */
export interface NetworkDevice {
  readonly mac: Uint8Array;
  /** Looks whether a frame of any size would be taken now. */
  readonly canReceive: boolean;
  /**
   * A frame for the guest; the device copies it. False when there is no room: keep it until `onReady`, or lose it.
   * What the card filters out, and anything while it is switched off, counts as taken.
   */
  receive(frame: Uint8Array): boolean;
  /** Set by the network: there is room again after a frame was refused. */
  onReady?: (() => void) | undefined;
}

/** A frame that either side may pass on. */
export function isFrame(frame: Uint8Array): boolean {
  return frame.length >= ETHERNET_HEADER_BYTES && frame.length <= LONGEST_FRAME_BYTES;
}
