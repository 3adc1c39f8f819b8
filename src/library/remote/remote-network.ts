/** A network of the caller's, at the other end of the wire of the guest's card. */

import type { NetworkDevice } from '../../base/network.ts';
import { isFrame } from '../../base/network.ts';
import type { GuestNetwork } from '../../vmm/guest-options.ts';
import { givable } from '../rpc/rpc.ts';
import type { ToCaller } from './to-caller.ts';

/** Frames that wait for room in the card; more are lost. */
const MOST_WAITING = 256;

export class RemoteNetwork implements GuestNetwork {
  readonly #remote: number;
  readonly #caller: ToCaller;
  readonly #wake: () => void;
  readonly #waiting: Uint8Array[] = [];
  #device: NetworkDevice | undefined;

  constructor(remote: number, caller: ToCaller, wake: () => void) {
    this.#remote = remote;
    this.#caller = caller;
    this.#wake = wake;
  }

  attach(device: NetworkDevice): void {
    this.#device = device;
    device.onReady = () => this.#deliver();
    this.#caller.tell('networkAttached', [this.#remote, Uint8Array.from(device.mac)]);
  }

  send(frame: Uint8Array): void {
    const own = givable(frame);
    this.#caller.tell('frameFromGuest', [this.#remote, own], [own.buffer]);
  }

  reset(): void {
    this.#waiting.length = 0;
  }

  /** From the caller. */
  receive(frame: Uint8Array): void {
    if (!isFrame(frame) || this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(frame);
    this.#deliver();
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      if (this.#device?.receive(this.#waiting[0] as Uint8Array) !== true) break;
      this.#waiting.shift();
    }
    this.#wake();
  }
}
