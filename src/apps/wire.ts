/** The networks behind a run's cards: what is forwarded and opened, and the capture of what they carry. */

import { randomBytes, randomInt } from 'node:crypto';
import { CaptureFile } from '../host/node/capture-file.ts';
import { NodeSockets } from '../host/node/sockets.ts';
import type { TraceEvents } from '../host/node/trace-file.ts';
import { CARD_ADDRESS } from '../library/built-in-spares.ts';
import type { Forward, NicOption, OpenedService } from '../net/options.ts';
import { Capture } from '../net/pcap.ts';
import { UserNetwork, type UserNetworkOptions } from '../net/user-network.ts';
import type { GuestNetwork, GuestNic, NetworkHost } from '../vmm/guest-options.ts';

export interface WireOptions {
  readonly nics: readonly NicOption[];
  readonly forwards: readonly Forward[];
  readonly opened: readonly OpenedService[];
  readonly pcap?: string;
}

/** Addresses of cards that users do not choose: locally administered. */
const MAC_START = [0x52, 0x54, 0x00] as const;

export function cardAddress({ mac }: NicOption): Uint8Array {
  return mac ?? Uint8Array.of(...MAC_START, ...randomBytes(3));
}

export class Wire {
  readonly #options: WireOptions;
  readonly #networks: UserNetwork[] = [];
  #capture: { readonly file: CaptureFile; capture: Capture | undefined } | undefined;

  constructor(options: WireOptions = { nics: [], forwards: [], opened: [] }) {
    this.#options = options;
  }

  /** What a card is joined to. */
  connect(host: NetworkHost, boot?: UserNetworkOptions['boot']): GuestNetwork {
    const network = new UserNetwork({
      clock: host.clock,
      sockets: new NodeSockets(),
      random: () => randomInt(2 ** 32),
      opened: this.#options.opened,
      ...(boot && { boot }),
      delivered: () => host.wake(),
      capture: (frame) => this.#capture?.capture?.frame(frame),
    });
    this.#networks.push(network);
    const held = this.#capture;
    if (held) held.capture ??= new Capture({ ...host, write: (bytes) => held.file.write(bytes) });
    return network;
  }

  /** Virtio cards of a guest without firmware; `saved`: their addresses, where it has been there before. */
  cards(saved: readonly (readonly number[])[] | undefined): Omit<GuestNic, 'model'>[] {
    return this.#options.nics.map((option, i) => ({
      mac: saved === undefined ? cardAddress(option) : Uint8Array.from(saved[i] ?? CARD_ADDRESS),
      connect: (host) => this.connect(host),
    }));
  }

  /** Makes the file of `--pcap`: before the guest is made, which connects its cards. */
  async openCapture(events: TraceEvents): Promise<void> {
    const { pcap } = this.#options;
    if (pcap !== undefined) this.#capture = { file: await CaptureFile.create(pcap, events), capture: undefined };
  }

  /** Listens for what is to be forwarded, to the first card. Throws a VivariumError where that is not to be had. */
  async listen(): Promise<void> {
    for (const forward of this.#options.forwards) await this.#networks[0]?.forward(forward);
  }

  async close(): Promise<void> {
    for (const network of this.#networks) network.close();
    await this.#capture?.file.close();
  }

  /** The guest does not come to be: as `close`, and nothing is left behind. */
  async discard(): Promise<void> {
    for (const network of this.#networks) network.close();
    await this.#capture?.file.discard();
  }
}
