/** What stays with the caller and is asked from the machine's side: disks, channels, networks, trees of files, by number. */

import type { BlockBackend } from '../../base/block.ts';
import type { ChannelBackend, ChannelPort } from '../../base/channel.ts';
import type { FileTree, OpenFile } from '../../files/file-tree.ts';
import type { CallerCalls, MachineCalls } from '../machine-calls.ts';
import { Given, givable, given, type Handlers, type Rpc } from '../rpc/rpc.ts';
import type { NetworkBackend } from '../types/backends.ts';

export type ToMachine = Rpc<MachineCalls, CallerCalls>;

export class Served {
  readonly #disks: BlockBackend[] = [];
  readonly #channels: ServedChannel[] = [];
  readonly #networks: NetworkBackend[] = [];
  readonly #trees: { readonly tree: FileTree; readonly files: Map<number, OpenFile> }[] = [];
  #machine: ToMachine | undefined;
  #lastFile = 0;

  /** The number by which the machine's side knows it. */
  disk(disk: BlockBackend): number {
    return this.#disks.push(disk) - 1;
  }

  channel(backend: ChannelBackend): number {
    return this.#channels.push(new ServedChannel(backend)) - 1;
  }

  network(network: NetworkBackend): number {
    return this.#networks.push(network) - 1;
  }

  tree(tree: FileTree): number {
    return this.#trees.push({ tree, files: new Map() }) - 1;
  }

  connect(machine: ToMachine): void {
    this.#machine = machine;
    for (const [remote, channel] of this.#channels.entries()) channel.connect(remote, machine);
  }

  /** The machine is gone. */
  close(): void {
    for (const channel of this.#channels) channel.opened(false);
    for (const { files } of this.#trees) {
      for (const file of files.values()) file.close().catch(() => {});
      files.clear();
    }
  }

  readonly handlers: Handlers<Omit<CallerCalls, 'ended' | 'consoleOutput'>> = {
    diskRead: async (remote, offset, length) => {
      const bytes = new Uint8Array(length);
      await this.#disk(remote).read(offset, bytes);
      return given(bytes);
    },
    diskWrite: (remote, offset, bytes) => this.#disk(remote).write(offset, bytes),
    diskFlush: (remote) => this.#disk(remote).flush(),
    diskVersion: async (remote) => {
      const { version } = this.#disk(remote);
      return (await version?.call(this.#disk(remote))) ?? '';
    },
    diskClose: (remote) => this.#disk(remote).close(),

    networkAttached: (remote, mac) => {
      const machine = this.#machine;
      this.#networks[remote]?.attach({ mac, send: (frame) => machine?.tell('frameForGuest', [frame]) });
    },
    frameFromGuest: (remote, frame) => this.#networks[remote]?.received(frame),

    channelReceived: (remote, bytes) => this.#channels[remote]?.received(bytes),
    channelOpened: (remote, isOpen) => this.#channels[remote]?.opened(isOpen),
    channelDrained: (remote) => this.#channels[remote]?.drained(),

    treeCall: async (remote, method, args) => {
      const { tree, files } = this.#tree(remote);
      const result = await invoke(tree, method, args);
      if (method !== 'open' && method !== 'create') return result;
      const file = ++this.#lastFile;
      files.set(file, result as OpenFile);
      return file;
    },
    treeFileCall: async (remote, number, method, args) => {
      const { files } = this.#tree(remote);
      const file = files.get(number);
      if (file === undefined) throw new Error('There is no such file.');
      if (method === 'read') {
        const [offset, length] = args as [number, number];
        const bytes = new Uint8Array(length);
        const count = await file.read(offset, bytes);
        const own = givable(bytes.slice(0, count));
        return new Given(own, [own.buffer]);
      }
      if (method === 'close') files.delete(number);
      return invoke(file, method, args);
    },
  };

  #disk(remote: number): BlockBackend {
    return this.#disks[remote] as BlockBackend;
  }

  #tree(remote: number) {
    const tree = this.#trees[remote];
    if (tree === undefined) throw new Error('There is no such tree.');
    return tree;
  }
}

function invoke(target: object, method: string, args: readonly unknown[]): unknown {
  return (target as Record<string, (...args: readonly unknown[]) => unknown>)[method]?.(...args);
}

/** The device's end of a channel, as the caller's back end sees it from afar. */
class ServedChannel implements ChannelPort {
  readonly #backend: ChannelBackend;
  #remote = 0;
  #machine: ToMachine | undefined;
  #pendingBytes = 0;
  #accepting = true;
  #guestOpen = false;

  constructor(backend: ChannelBackend) {
    this.#backend = backend;
  }

  connect(remote: number, machine: ToMachine): void {
    this.#remote = remote;
    this.#machine = machine;
    this.#backend.attach(this);
  }

  send(bytes: Uint8Array): void {
    this.#pendingBytes += bytes.length;
    this.#machine?.tell('channelSend', [this.#remote, bytes]);
  }

  /** Until the machine's side says that all is taken. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get accepting(): boolean {
    return this.#accepting;
  }

  set accepting(accepting: boolean) {
    if (accepting === this.#accepting) return;
    this.#accepting = accepting;
    this.#machine?.tell('channelAccepting', [this.#remote, accepting]);
  }

  get guestOpen(): boolean {
    return this.#guestOpen;
  }

  received(bytes: Uint8Array): void {
    this.#backend.received(bytes);
  }

  opened(isOpen: boolean): void {
    if (!isOpen && !this.#guestOpen) return;
    this.#guestOpen = isOpen;
    this.#backend.opened(isOpen);
  }

  drained(): void {
    this.#pendingBytes = 0;
    this.#backend.drained();
  }
}
