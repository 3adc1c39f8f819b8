/** From what an embedder gives `boot` to what the machine's side is told: checked, and such that it can be cloned. */

import type { BlockBackend } from '../base/block.ts';
import { VivariumError } from '../base/errors.ts';
import type { FileTree } from '../files/file-tree.ts';
import type { ShareMount } from './built-in-spares.ts';
import type {
  AssetName,
  MachineOptions,
  PackedDevice,
  PackedDisk,
  PackedShare,
  PackedSource,
} from './machine-calls.ts';
import type { CallerPlatform } from './platform.ts';
import type { CustomDevice, MakeDevice, NetworkBackend } from './types/backends.ts';
import type { BootOptions, ShareOptions } from './types/boot-options.ts';
import type { BinarySource, DiskOptions, DiskSource, KeptDisk } from './types/common.ts';
import type { Uploads } from './uploads.ts';
import type { Served } from './vm/served.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const LARGEST_SEED = 2 ** 32 - 1;

export interface Packed {
  readonly options: MachineOptions;
  /** Devices that are functions, by their numbers. */
  readonly functions: readonly MakeDevice[];
  readonly mounts: readonly ShareMount[];
  /** The guest is to be on the network in user mode. */
  readonly joinsNetwork: boolean;
}

function refuse(option: string, message: string): never {
  throw new VivariumError({ kind: 'bad-option', option }, message);
}

/** Throws a `bad-option` VivariumError. What stays with the caller is entered in `served`. */
export function packOptions(given: BootOptions, platform: CallerPlatform, served: Served, uploads: Uploads): Packed {
  const functions: MakeDevice[] = [];
  const packer = new Packer(platform, served, uploads);
  const boot = packer.boot(given);
  const disks = [...(given.disk === undefined ? [] : [given.disk]), ...(given.disks ?? [])];
  const shares = Object.entries(given.shares ?? {}).map(([at, share], i) => packer.share(`share${i}`, at, share));
  const { deterministic = false, engine = 'auto' } = given;
  if (deterministic && given.network !== undefined) {
    refuse('network', 'A deterministic machine has no network: what comes from there is never the same.');
  }
  const network = packer.network(given.network);
  return {
    functions,
    joinsNetwork: network !== undefined && 'user' in network,
    mounts: shares.map(({ share, mount }) => ({ ...mount, tag: share.tag })),
    options: {
      boot,
      memoryBytes: memoryOf(given),
      disks: disks.map((disk) => packer.disk(disk)),
      cdrom: given.cdrom === undefined ? undefined : packer.disk({ source: given.cdrom, readOnly: true }),
      floppy: given.floppy === undefined ? undefined : packer.disk(given.floppy),
      network,
      shares: shares.map(({ share }) => share),
      channels: (given.channels ?? []).map((backend) => ({ remote: served.channel(backend), name: backend.name })),
      devices: (given.devices ?? []).map((device) => packer.device(device, given.worker ?? true, functions)),
      rng: given.agent ?? boot.kind !== 'firmware',
      deterministic,
      seed: seedOf(given),
      engine,
      assets: packer.assets(given.assets ?? {}),
    },
  };
}

class Packer {
  readonly #platform: CallerPlatform;
  readonly #served: Served;
  readonly #uploads: Uploads;

  constructor(platform: CallerPlatform, served: Served, uploads: Uploads) {
    this.#uploads = uploads;
    this.#platform = platform;
    this.#served = served;
  }

  boot(given: BootOptions): MachineOptions['boot'] {
    const { snapshot, base, kernel, initrd, commandLine, bios, disk, disks, cdrom, floppy, bootOrder } = given;
    const isPc = [bios, disk, disks, cdrom, floppy, bootOrder].some((one) => one !== undefined);
    if (base !== undefined && snapshot === undefined) refuse('base', 'A base is for a snapshot: give both.');
    if (snapshot !== undefined) {
      const chosen = (['kernel', 'initrd', 'commandLine', 'bios', 'memory', 'deterministic', 'seed'] as const).find(
        (option) => given[option] !== undefined,
      );
      if (chosen !== undefined) refuse(chosen, `A snapshot says what its machine is: leave out ${chosen}.`);
      return {
        kind: 'snapshot',
        bytes: this.source(snapshot),
        base: listOf(base).map((one) => this.source(one)),
      };
    }
    if (kernel !== undefined) {
      const pc = (['bios', 'cdrom', 'floppy', 'bootOrder'] as const).find((option) => given[option] !== undefined);
      if (pc !== undefined) refuse(pc, `A kernel starts without firmware: leave out ${pc}.`);
      const image = this.source(kernel);
      return { kind: 'kernel', image, initrd: initrd === undefined ? undefined : this.source(initrd), commandLine };
    }
    if (initrd !== undefined) refuse('initrd', 'An initrd is for a kernel: give one.');
    if (isPc && !allVirtio(given)) {
      if (commandLine !== undefined) refuse('commandLine', 'Firmware takes no command line.');
      if (bootOrder !== undefined && (!/^[acdn]{1,4}$/.test(bootOrder) || new Set(bootOrder).size < bootOrder.length)) {
        refuse('bootOrder', 'The boot order has letters of c, d, a and n, each once at most.');
      }
      return { kind: 'firmware', bios: bios === undefined ? undefined : this.source(bios), order: bootOrder };
    }
    return { kind: 'built-in', commandLine: commandLine ?? '', cold: !fitsSnapshot(given) };
  }

  source(source: BinarySource): PackedSource {
    if (typeof source === 'string' || source instanceof URL) return this.#platform.source(source);
    if (source instanceof Blob) return source;
    return this.#uploads.pack(source instanceof ArrayBuffer ? new Uint8Array(source) : source);
  }

  disk(given: DiskSource | DiskOptions): PackedDisk {
    const options: DiskOptions = isDiskOptions(given) ? given : { source: given };
    const { bus = 'ide', forget = false, readOnly = false } = options;
    return { source: this.#diskSource(options.source), bus, forget, readOnly };
  }

  #diskSource(source: DiskSource): PackedDisk['source'] {
    if (isBackend(source)) {
      const { sizeBytes, readOnly, name } = source;
      const hasVersion = source.version !== undefined;
      const described = { sizeBytes, readOnly, ...(name !== undefined && { name }), ...(hasVersion && { hasVersion }) };
      return { remote: this.#served.disk(source), ...described };
    }
    if (isKept(source)) return { kept: source.kept, ...(source.createBytes && { createBytes: source.createBytes }) };
    return this.source(source);
  }

  network(network: BootOptions['network']): MachineOptions['network'] {
    if (network === undefined) return undefined;
    if (network === 'user') return { user: {} };
    if (isNetwork(network)) return { remote: this.#served.network(network) };
    return { user: { forwards: [...(network.forwards ?? [])], open: [...(network.open ?? [])] } };
  }

  share(
    tag: string,
    at: string,
    share: string | FileTree | ShareOptions,
  ): { readonly share: PackedShare; readonly mount: Omit<ShareMount, 'tag'> } {
    if (!at.startsWith('/')) refuse('shares', `A share appears at a path from the root: not at '${at}'.`);
    const { source, readOnly = false } = isShareOptions(share) ? share : { source: share };
    const packed = typeof source === 'string' ? source : { remote: this.#served.tree(source) };
    return { share: { tag, source: packed, readOnly }, mount: { at, readOnly } };
  }

  device(device: CustomDevice, inWorker: boolean, functions: MakeDevice[]): PackedDevice {
    if (typeof device !== 'function') {
      return { module: this.#platform.moduleUrl(device.module), options: device.options };
    }
    if (inWorker)
      refuse('devices', 'A device that is a function needs worker: false; a worker loads it by its module.');
    return { remote: functions.push(device) - 1 };
  }

  assets({ worker: _, ...files }: NonNullable<BootOptions['assets']>): MachineOptions['assets'] {
    const entries = Object.entries(files).filter(([, where]) => where !== undefined);
    return Object.fromEntries(
      entries.map(([name, where]) => [name as AssetName, this.#platform.moduleUrl(where as string | URL)]),
    );
  }
}

/** A disk on virtio alone is no reason for firmware: the built-in Linux has its driver. */
function allVirtio({ bios, disk, disks = [], cdrom, floppy, bootOrder }: BootOptions): boolean {
  const all = [...(disk === undefined ? [] : [disk]), ...disks];
  const isVirtio = (one: DiskSource | DiskOptions): boolean => isDiskOptions(one) && one.bus === 'virtio';
  return [bios, cdrom, floppy, bootOrder].every((one) => one === undefined) && all.every(isVirtio);
}

/** Whether the snapshot that comes with the package is of the machine that is asked for. */
function fitsSnapshot(given: BootOptions): boolean {
  const others = ['commandLine', 'memory', 'disk', 'disks', 'channels', 'devices', 'seed'] as const;
  const isPlain = others.every((option) => given[option] === undefined);
  return isPlain && !given.cold && !given.deterministic && given.agent !== false;
}

function memoryOf({ memory }: BootOptions): number | undefined {
  if (memory === undefined) return undefined;
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(String(memory)) ?? [];
  const bytes = Number(count) * (SIZE_UNITS[unit.toUpperCase()] as number);
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    refuse('memory', `Memory is a number of bytes, or text such as '512M': not '${memory}'.`);
  }
  return bytes;
}

function seedOf({ seed }: BootOptions): number | undefined {
  if (seed === undefined || (Number.isInteger(seed) && seed >= 0 && seed <= LARGEST_SEED)) return seed;
  return refuse('seed', `A seed is a whole number from 0 to ${LARGEST_SEED}: not ${seed}.`);
}

function listOf(base: BootOptions['base']): readonly (Uint8Array | ArrayBuffer | Blob)[] {
  if (base === undefined) return [];
  return Array.isArray(base) ? base : [base as Uint8Array];
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function isDiskOptions(given: DiskSource | DiskOptions): given is DiskOptions {
  return isObject(given) && 'source' in given;
}

function isBackend(source: DiskSource): source is BlockBackend {
  return isObject(source) && 'sizeBytes' in source && 'read' in source;
}

function isKept(source: DiskSource): source is KeptDisk {
  return isObject(source) && 'kept' in source;
}

function isNetwork(network: object): network is NetworkBackend {
  return 'attach' in network;
}

function isShareOptions(share: string | FileTree | ShareOptions): share is ShareOptions {
  return isObject(share) && 'source' in share;
}
