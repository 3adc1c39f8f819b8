/** What became of the guest's frames. Hostile or damaged ones leave no other trace than these counts. */

export type DropReason =
  /** Shorter than an Ethernet header, longer than a frame. */
  | 'length'
  /** For another station than the gateway, or from none. */
  | 'station'
  /** Neither ARP nor IPv4: IPv6, VLAN tags, spanning tree... */
  | 'type'
  /** A header that contradicts itself or its checksum. */
  | 'malformed'
  /** A source address that is not the guest's to use. */
  | 'source'
  /** A destination that may not or cannot be reached. */
  | 'unreachable'
  /** Neither ICMP, UDP nor TCP, or something of them that is not answered. */
  | 'protocol'
  /** Fragments that did not become a packet. */
  | 'fragments'
  /** A table was full: connections, sessions, leases, queries. */
  | 'limit'
  /** For the guest: its card took no more, and the queue was full. */
  | 'queue'
  /** For the guest: nobody has the address, or has said so. */
  | 'neighbour';

export class NetworkStatistics {
  /** Frames from the guest, and frames that its card took. */
  sent = 0;
  received = 0;
  readonly dropped: Record<DropReason, number> = {
    length: 0,
    station: 0,
    type: 0,
    malformed: 0,
    source: 0,
    unreachable: 0,
    protocol: 0,
    fragments: 0,
    limit: 0,
    queue: 0,
    neighbour: 0,
  };

  drop(reason: DropReason): void {
    this.dropped[reason]++;
  }
}
