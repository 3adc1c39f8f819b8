/**
 * A port of a virtio console: bytes both ways between a guest and whoever serves it on the host, with back-pressure both
 * ways. In the guest it is a character device with the channel's name (Linux: /dev/vport0p1, and /dev/virtio-ports/NAME
 * where udev makes links).
 *
 *     ChannelBackend  --- send(), accepting -->  ChannelPort  ---> guest
 *                     <-- received(), opened(), drained() ---
 *
 * What was sent and not taken by the guest is not part of a snapshot: a back end is attached anew after a restore, and
 * says to its guest what it has to.
 */

/** The device's end, given to the back end. */
export interface ChannelPort {
  /** Queued without bound, delivered as the guest takes it; the bytes must stay as they are. */
  send(bytes: Uint8Array): void;
  /** Sent, and not taken by the guest. */
  readonly pendingBytes: number;
  /** Whether what the guest writes is taken: while false, the guest's writes wait. True to begin with. */
  accepting: boolean;
  /** A process of the guest has the port open. */
  readonly guestOpen: boolean;
}

export interface ChannelBackend {
  /** Up to 64 characters. */
  readonly name: string;
  /** Called once, when the guest is made; nothing may be sent from within. */
  attach(port: ChannelPort): void;
  /**
   * What the guest wrote, as it writes it and while the guest waits: up to 64 KiB a call. The bytes are the back end's.
   */
  received(bytes: Uint8Array): void;
  /** The guest opened or closed its end; also told after a restore, as it was when saved. */
  opened(isOpen: boolean): void;
  /** `pendingBytes` has come to 0. */
  drained(): void;
}
