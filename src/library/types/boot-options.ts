/** What `boot` takes. */

import type { ChannelBackend } from '../../base/channel.ts';
import type { EngineChoice } from '../../cpu/translator/statistics.ts';
import type { FileTree } from '../../files/file-tree.ts';
import type { CustomDevice, NetworkBackend, UserNetworkOptions } from './backends.ts';
import type { BinarySource, DiskOptions, DiskSource, WaitOptions } from './common.ts';

/** A folder of the host, or a tree of files, that appears in the guest. */
export interface ShareOptions {
  /** A path in Node, or a tree. */
  readonly source: string | FileTree;
  readonly readOnly?: boolean;
}

/** Where the files of this package are, for bundlers that do not follow `new URL(..., import.meta.url)`. */
export interface Assets {
  readonly worker?: URL | string;
  readonly kernel?: URL | string;
  readonly initrd?: URL | string;
  readonly snapshot?: URL | string;
  /** In browsers: what makes a start quicker, of the same version of the package. */
  readonly generatedCode?: URL | string;
  readonly bios?: URL | string;
  readonly vgaBios?: URL | string;
}

/**
 * Without any of these the built-in Linux starts, from the snapshot at its prompt that comes with it. `kernel` starts
 * another one directly. `disk`, `cdrom`, `floppy` and `bios` make a whole PC, which SeaBIOS starts. `snapshot` goes on with
 * a saved machine. `signal` and `timeoutMs` (none if not said) are for booting itself; after that, close the machine.
 */
export interface BootOptions extends WaitOptions {
  /**
   * From `vm.snapshot()` or `vivarium snapshot`. The machine is the one that was saved, so memory, kernel, `deterministic`
   * and `seed` are not to be given; media of its drives, back ends of its channels and shares are, in the same places.
   */
  readonly snapshot?: Uint8Array | ArrayBuffer | Blob;
  /** The snapshot that `snapshot` says the differences to; with those that it is against itself, in any order. */
  readonly base?: Uint8Array | ArrayBuffer | Blob | readonly (Uint8Array | ArrayBuffer | Blob)[];

  /** A bzImage, or an ELF kernel for PVH or Multiboot. */
  readonly kernel?: BinarySource;
  readonly initrd?: BinarySource;
  /** Of the kernel; added to that of the built-in one. */
  readonly commandLine?: string;
  /** The built-in guest: start its kernel, rather than from the snapshot. So it is too where options do not fit that. */
  readonly cold?: boolean;

  readonly disk?: DiskSource | DiskOptions;
  readonly disks?: readonly (DiskSource | DiskOptions)[];
  /** An ISO image. */
  readonly cdrom?: DiskSource;
  readonly floppy?: DiskSource;
  /** Firmware, rather than SeaBIOS: a multiple of 64 KiB up to 16 MiB. */
  readonly bios?: BinarySource;
  /** Letters of what a PC tries, in order: c disk, d CD-ROM, a floppy, n network. 'cda' if not said. */
  readonly bootOrder?: string;

  /** Bytes, or text such as '512M' or '1G'. 256 MiB if not said. */
  readonly memory?: number | string;
  /** None if not said. `'user'` and its options want sockets: Node only. */
  readonly network?: 'user' | UserNetworkOptions | NetworkBackend;
  /** By where they appear in the guest: `{ '/mnt': '.' }`. A guest without the agent mounts them itself, by tags share0 and on. */
  readonly shares?: Readonly<Record<string, string | FileTree | ShareOptions>>;
  /** Ports of the guest's virtio console besides the agent's. */
  readonly channels?: readonly ChannelBackend[];
  readonly devices?: readonly CustomDevice[];
  /** Whether the guest has the virtio port of the agent, by which commands and files go. True if not said. */
  readonly agent?: boolean;

  /** The same inputs give the same machine, bit for bit: time follows the count of instructions. */
  readonly deterministic?: boolean;
  /** Of the guest's random numbers: 0 to 2^32 - 1. Random if not said; 0 when deterministic. */
  readonly seed?: number;
  /** How guest code runs; 'auto' if not said. */
  readonly engine?: EngineChoice;
  /** False: the machine runs in the caller's thread, a few milliseconds at a time. True if not said. */
  readonly worker?: boolean;
  readonly assets?: Assets;
}
