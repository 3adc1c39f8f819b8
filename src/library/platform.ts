/** What the library asks of the platform it runs on. `node` and `browser` have one each. */

import type { BlockBackend } from '../base/block.ts';
import type { WorkerEnd } from '../base/message-end.ts';
import type { FileTree } from '../files/file-tree.ts';
import type { HostSockets } from '../net/sockets.ts';
import type { HostPlatform } from '../vmm/guest-options.ts';
import type { Packing } from '../vmm/snapshot/format.ts';
import type { AssetName, PackedSource } from './machine-calls.ts';
import type { KeptDisk } from './types/common.ts';

/** Where the machine runs. */
export interface MachinePlatform {
  readonly host: HostPlatform;
  readonly packing: Packing;
  gunzip(compressed: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** All of a file or a resource; `role` says what it is for. Rejects with a `bad-file` VivariumError. */
  read(source: { readonly path: string } | { readonly url: string }, role: string): Promise<Uint8Array>;
  /** Where a file of this package is. */
  assetUrl(name: AssetName): string;
  /**
   * The code that was made with this program (cpu/interpreter/generated-code.ts), where the platform has to fetch it; undefined
   * if it is not to be had. Never rejects.
   */
  readonly generatedCode?: (url: string) => Promise<WebAssembly.Module | undefined>;
  /** A disk in a file, in a Blob, or kept by the browser. Rejects with a `bad-file` VivariumError. */
  openDisk(
    source: { readonly path: string } | Blob | KeptDisk,
    options: { readonly role: DiskRole; readonly readOnly: boolean },
  ): Promise<BlockBackend>;
  /** Takes what is written to `below`, which stays as it is. */
  throwAway(below: BlockBackend): Promise<BlockBackend>;
  /** A folder of the host; undefined where there are none. */
  readonly folder: ((path: string, readOnly: boolean) => Promise<FileTree>) | undefined;
  /** Undefined where programs cannot reach the network. */
  readonly sockets: (() => HostSockets) | undefined;
  importModule(url: string): Promise<unknown>;
}

export type DiskRole = 'disk image' | 'CD-ROM image' | 'floppy image';

/** Where the caller is. */
export interface CallerPlatform {
  /** Starts a worker in which `serveMachine` runs; `url` if it is somewhere else than it should be. */
  startWorker(url: string | undefined): WorkerEnd;
  /** The snapshot that comes with the package, where this thread can read it while the worker starts. */
  readonly shipped?: () => Promise<Uint8Array<ArrayBuffer>>;
  /** The platform of a machine in this thread. */
  machine(): Promise<MachinePlatform>;
  /** What a string or URL stands for. */
  source(where: string | URL): PackedSource;
  /** A string that `importModule` knows, in whatever thread. */
  moduleUrl(where: string | URL): string;
}
