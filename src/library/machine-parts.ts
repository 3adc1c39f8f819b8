/**
 * What a machine is made of besides its guest: images, disks, networks, shares, channels, devices. They are opened once,
 * outlive a reset of the machine, and are closed with it.
 */

import type { ChannelBackend } from '../base/channel.ts';
import { VivariumError } from '../base/errors.ts';
import { Server9p } from '../files/9p/server.ts';
import type { FileTree } from '../files/file-tree.ts';
import { joinedTree } from '../files/joined-tree.ts';
import { MemoryTree } from '../files/memory-tree.ts';
import { readOnly } from '../files/read-only.ts';
import { isProblem, parseForward, parseOpen } from '../net/options.ts';
import { UserNetwork } from '../net/user-network.ts';
import type { GuestNetwork, GuestNic, GuestVirtio, NetworkHost } from '../vmm/guest-options.ts';
import { SnapshotFile } from '../vmm/snapshot/format.ts';
import { checkedManifest, type Manifest, type NicManifest, savedDisks } from '../vmm/snapshot/manifest.ts';
import { CARD_ADDRESS, SHARES_TAG, unconnected } from './built-in-spares.ts';
import { CountedNetwork, noTraffic } from './counted.ts';
import type { AssetName, MachineOptions, PackedSource } from './machine-calls.ts';
import { MachineDisks } from './machine-disks.ts';
import type { MachinePlatform } from './platform.ts';
import { RemoteChannel } from './remote/remote-channel.ts';
import { RemoteNetwork } from './remote/remote-network.ts';
import { RemoteTree } from './remote/remote-tree.ts';
import type { ToCaller } from './remote/to-caller.ts';
import type { MakeDevice } from './types/backends.ts';
import type { Arrivals } from './uploads.ts';

export function badOption(option: string, message: string): VivariumError {
  return new VivariumError({ kind: 'bad-option', option }, message);
}

export class MachineParts {
  readonly traffic = noTraffic();
  readonly disks: MachineDisks;
  readonly #options: MachineOptions;
  readonly #platform: MachinePlatform;
  readonly #caller: ToCaller;
  readonly #arrivals: Arrivals;
  readonly #uploaded = new Map<number, Uint8Array>();
  #shares: { readonly tag: string; readonly tree: FileTree }[] = [];
  /** Of the guest that there is now. */
  #servers: Server9p[] = [];
  #devices: MakeDevice[] = [];
  #channels = new Map<number, RemoteChannel>();
  #remoteNetwork: RemoteNetwork | undefined;
  #userNetwork: UserNetwork | undefined;

  private constructor(options: MachineOptions, platform: MachinePlatform, caller: ToCaller, arrivals: Arrivals) {
    this.#arrivals = arrivals;
    this.#options = options;
    this.#platform = platform;
    this.#caller = caller;
    this.disks = new MachineDisks({ platform, caller, read: (source, role) => this.read(source, role) });
  }

  /** Throws a VivariumError for what cannot be used, and leaves nothing open. `functions`: devices of the caller's thread. */
  static async open(
    options: MachineOptions,
    platform: MachinePlatform,
    caller: ToCaller,
    arrivals: Arrivals,
    functions: readonly MakeDevice[],
  ): Promise<MachineParts> {
    const parts = new MachineParts(options, platform, caller, arrivals);
    try {
      const { boot } = options;
      if (boot.kind === 'snapshot') await parts.disks.openSaved(options, savedDisks(await parts.manifest(boot.bytes)));
      else await parts.disks.openNew(options);
      for (const { tag, source, readOnly } of options.shares) {
        parts.#shares.push({ tag, tree: await parts.#tree(source, readOnly) });
      }
      for (const device of options.devices) {
        parts.#devices.push(
          'remote' in device ? (functions[device.remote] as MakeDevice) : await parts.#device(device),
        );
      }
    } catch (error) {
      await parts.close();
      throw error;
    }
    return parts;
  }

  // ---- Bytes -------------------------------------------------------------------------------------------------------

  async read(source: PackedSource, role: string): Promise<Uint8Array> {
    if (source instanceof Uint8Array) return source;
    if ('upload' in source) {
      // A reset asks again.
      const bytes = this.#uploaded.get(source.upload) ?? this.#arrivals.take(source);
      this.#uploaded.set(source.upload, bytes);
      return bytes;
    }
    if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
    return this.#platform.read(source, role);
  }

  /** Of a snapshot. Rejects with a SnapshotError. */
  async manifest(source: PackedSource): Promise<Manifest> {
    return checkedManifest(new SnapshotFile(await this.read(source, 'snapshot')).manifest);
  }

  asset(name: AssetName): Promise<Uint8Array> {
    return this.#platform.read({ url: this.assetUrl(name) }, 'file of Vivarium');
  }

  assetUrl(name: AssetName): string {
    return this.#options.assets[name] ?? this.#platform.assetUrl(name);
  }

  // ---- Network -----------------------------------------------------------------------------------------------------

  #nic(): Omit<GuestNic, 'model'> | undefined {
    const { network } = this.#options;
    if (network === undefined) return undefined;
    return { mac: CARD_ADDRESS, connect: (host) => new CountedNetwork(this.#connect(network, host), this.traffic) };
  }

  #connect(network: NonNullable<MachineOptions['network']>, host: NetworkHost): GuestNetwork {
    if ('remote' in network) {
      this.#remoteNetwork = new RemoteNetwork(network.remote, this.#caller, () => host.wake());
      return this.#remoteNetwork;
    }
    const { sockets } = this.#platform;
    if (sockets === undefined) {
      throw badOption('network', 'Programs cannot open sockets here: give the machine a network back end of yours.');
    }
    const opened = (network.user.open ?? []).map((text) => known('network', parseOpen(text)));
    this.#userNetwork?.close();
    this.#userNetwork = new UserNetwork({
      clock: host.clock,
      sockets: sockets(),
      random: () => crypto.getRandomValues(new Uint32Array(1))[0] as number,
      opened,
      delivered: () => host.wake(),
    });
    return this.#userNetwork;
  }

  /** What is to reach the guest. Throws a VivariumError where a port is not to be had. */
  async listen(): Promise<void> {
    const { network } = this.#options;
    if (network === undefined || 'remote' in network) return;
    for (const text of network.user.forwards ?? []) {
      await this.#userNetwork?.forward(known('network', parseForward(text)));
    }
  }

  frameForGuest(frame: Uint8Array): void {
    this.#remoteNetwork?.receive(frame);
  }

  // ---- Shares, channels, devices -----------------------------------------------------------------------------------

  async #tree(source: string | { readonly remote: number }, isReadOnly: boolean): Promise<FileTree> {
    if (typeof source === 'string') {
      const { folder } = this.#platform;
      if (folder === undefined) throw badOption('shares', 'There are no folders here: share a tree of files.');
      return folder(source, isReadOnly);
    }
    const tree = new RemoteTree(source.remote, this.#caller);
    return isReadOnly ? readOnly(tree) : tree;
  }

  async #device({ module, options }: { readonly module: string; readonly options: unknown }): Promise<MakeDevice> {
    let make: unknown;
    try {
      make = ((await this.#platform.importModule(module)) as { readonly default?: unknown }).default;
    } catch (cause) {
      const message = `The device ${module} cannot be loaded: ${(cause as Error).message}.`;
      throw new VivariumError({ kind: 'bad-option', option: 'devices' }, message, { cause });
    }
    if (typeof make !== 'function') throw badOption('devices', `The module ${module} exports no function by default.`);
    return (host) => (make as (...args: unknown[]) => ReturnType<MakeDevice>)(host, options);
  }

  channel(remote: number): RemoteChannel | undefined {
    return this.#channels.get(remote);
  }

  /** The guest has been reset, or is gone: nobody there has a port open. */
  closeChannels(): void {
    for (const channel of this.#channels.values()) channel.opened(false);
  }

  #server(tree: FileTree): Server9p {
    const server = new Server9p(tree);
    this.#servers.push(server);
    return server;
  }

  /** For a guest that is made now; what the one before had open is closed. */
  virtio(hasFirmware: boolean): GuestVirtio[] {
    for (const server of this.#servers) server.reset();
    this.#servers = [];
    this.#channels = new Map(
      this.#options.channels.map(({ remote, name }) => [remote, new RemoteChannel(remote, name, this.#caller)]),
    );
    const ports = [...this.#channels.values()];
    const nic = hasFirmware ? undefined : this.#nic();
    return [
      ...(ports.length === 0 ? [] : [{ kind: 'console', ports } as const]),
      ...(this.#options.rng ? [{ kind: 'rng' } as const] : []),
      ...this.#shares.map(({ tag, tree }) => ({ kind: '9p', tag, server: this.#server(tree) }) as const),
      ...(nic ? [{ kind: 'net', nic } as const] : []),
      ...this.disks.virtio.map((backend) => ({ kind: 'block', backend }) as const),
      ...this.#devices.map((make) => ({ kind: 'custom', make }) as const),
    ];
  }

  /**
   * The same for the machine of a snapshot, whose devices are described by `wanted`: what the caller does not give again is
   * there, and empty.
   */
  virtioFor(wanted: readonly string[], hasFirmware: boolean): GuestVirtio[] {
    const joined = `9p ${SHARES_TAG}`;
    const all = this.virtio(hasFirmware);
    const given = wanted.includes(joined) ? all.filter(({ kind }) => kind !== '9p') : all;
    const take = (kind: GuestVirtio['kind']): GuestVirtio | undefined => {
      const at = given.findIndex((one) => one.kind === kind);
      return at < 0 ? undefined : given.splice(at, 1)[0];
    };
    const devices = wanted.map((text): GuestVirtio => {
      const [kind, ...rest] = text.split(' ');
      if (text === joined) {
        const trees = new Map(this.#shares.map(({ tag, tree }) => [tag, tree]));
        return { kind: '9p', tag: SHARES_TAG, server: this.#server(joinedTree(trees)) };
      }
      if (kind === 'console') {
        const console = take('console');
        const ports = console?.kind === 'console' ? console.ports : [];
        return { kind, ports: rest.map((name) => ports.find((port) => port.name === name) ?? unheard(name)) };
      }
      if (kind === '9p') {
        const share = take(kind);
        const server = share?.kind === kind ? share.server : this.#server(new MemoryTree());
        return { kind, tag: rest.join(' '), server };
      }
      if (kind === 'net') {
        const mac = Uint8Array.from(rest, (byte) => Number.parseInt(byte, 16));
        const card = take(kind);
        return { kind, nic: card?.kind === kind ? { ...card.nic, mac } : unconnected(mac) };
      }
      return take(kind as GuestVirtio['kind']) ?? { kind: 'rng' };
    });
    return [...devices, ...given.filter(({ kind }) => kind !== 'rng' && kind !== 'console')];
  }

  /** Cards of a whole PC; those of a snapshot, if it is restored: without a network, nobody is at their other end. */
  nics(saved?: readonly NicManifest[]): GuestNic[] {
    const nic = this.#nic();
    const own: GuestNic[] = nic === undefined ? [] : [{ ...nic, model: 'e1000' }];
    if (saved === undefined || saved.length < own.length) return own;
    return saved.map(({ model, mac }, i) => ({
      ...(own[i] ?? unconnected(CARD_ADDRESS)),
      model,
      mac: Uint8Array.from(mac),
    }));
  }

  /** Gives everything back. Rejects with the first problem of a disk whose last writes may be lost. */
  async close(): Promise<void> {
    this.#userNetwork?.close();
    await Promise.all(this.#servers.map((server) => server.close()));
    await Promise.allSettled(this.#shares.map(({ tree }) => tree.close?.()));
    await this.disks.close();
  }
}

/** A port on which nobody listens. */
function unheard(name: string): ChannelBackend {
  return { name, attach() {}, received() {}, opened() {}, drained() {} };
}

function known<T extends object>(option: string, result: T | { readonly problem: string }): T {
  if (isProblem(result)) throw badOption(option, result.problem);
  return result as T;
}
