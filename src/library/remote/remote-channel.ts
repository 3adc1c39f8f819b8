/** A channel of the caller's, as the guest's console device sees it. */

import type { ChannelBackend, ChannelPort } from '../../base/channel.ts';
import { givable } from '../rpc/rpc.ts';
import type { ToCaller } from './to-caller.ts';

export class RemoteChannel implements ChannelBackend {
  readonly name: string;
  readonly #remote: number;
  readonly #caller: ToCaller;
  #port: ChannelPort | undefined;

  constructor(remote: number, name: string, caller: ToCaller) {
    this.#remote = remote;
    this.name = name;
    this.#caller = caller;
  }

  attach(port: ChannelPort): void {
    this.#port = port;
  }

  received(bytes: Uint8Array): void {
    const own = givable(bytes);
    this.#caller.tell('channelReceived', [this.#remote, own], [own.buffer]);
  }

  opened(isOpen: boolean): void {
    this.#caller.tell('channelOpened', [this.#remote, isOpen]);
  }

  drained(): void {
    this.#caller.tell('channelDrained', [this.#remote]);
  }

  // ---- From the caller ---------------------------------------------------------------------------------------------

  send(bytes: Uint8Array): void {
    this.#port?.send(bytes);
  }

  set accepting(accepting: boolean) {
    if (this.#port !== undefined) this.#port.accepting = accepting;
  }
}
