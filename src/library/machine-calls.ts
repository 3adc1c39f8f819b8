/** What the machine's side and the caller's side of the library ask of each other. All of it can be cloned. */

import type { EngineChoice } from '../cpu/translator/statistics.ts';
import type { UserNetworkOptions } from './types/backends.ts';
import type { Bytes, KeptDisk } from './types/common.ts';
import type { ScreenFrame } from './types/human.ts';
import type { VmEnd, VmStats } from './types/vm.ts';
import type { Uploaded } from './uploads.ts';

/** A BinarySource; of the strings, `path` is one of Node's and `url` one for `fetch`. */
export type PackedSource = Uint8Array | Blob | Uploaded | { readonly path: string } | { readonly url: string };

/** Something of the caller's that stays there; its calls name it by this number. */
export interface Remote {
  readonly remote: number;
}

export interface RemoteDisk extends Remote {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly name?: string;
  readonly hasVersion?: boolean;
}

export interface PackedDisk {
  readonly source: PackedSource | KeptDisk | RemoteDisk;
  readonly bus: 'ide' | 'ahci' | 'virtio';
  readonly forget: boolean;
  readonly readOnly: boolean;
}

export interface PackedShare {
  readonly tag: string;
  readonly source: string | Remote;
  readonly readOnly: boolean;
}

/** A device by its module, or, in the caller's thread, the number of a function. */
export type PackedDevice = { readonly module: string; readonly options: unknown } | Remote;

/** BootOptions, checked. */
export interface MachineOptions {
  readonly boot:
    | { readonly kind: 'snapshot'; readonly bytes: PackedSource; readonly base: readonly PackedSource[] }
    /** `cold`: not from the snapshot that comes with it. */
    | {
        readonly kind: 'built-in';
        readonly commandLine: string;
        readonly cold: boolean;
        /** That snapshot, or no bytes, if the caller's side has read it meanwhile. */
        readonly saved?: Uploaded;
      }
    | {
        readonly kind: 'kernel';
        readonly image: PackedSource;
        readonly initrd: PackedSource | undefined;
        readonly commandLine: string | undefined;
      }
    | { readonly kind: 'firmware'; readonly bios: PackedSource | undefined; readonly order: string | undefined };
  readonly memoryBytes: number | undefined;
  readonly disks: readonly PackedDisk[];
  readonly cdrom: PackedDisk | undefined;
  readonly floppy: PackedDisk | undefined;
  readonly network: { readonly user: UserNetworkOptions } | Remote | undefined;
  readonly shares: readonly PackedShare[];
  /** The agent's among them. */
  readonly channels: readonly (Remote & { readonly name: string })[];
  readonly devices: readonly PackedDevice[];
  /** Whether the guest gets random numbers of the host's. */
  readonly rng: boolean;
  readonly deterministic: boolean;
  readonly seed: number | undefined;
  readonly engine: EngineChoice;
  readonly assets: Readonly<Partial<Record<AssetName, string>>>;
}

export type AssetName = 'kernel' | 'initrd' | 'snapshot' | 'generatedCode' | 'bios' | 'vgaBios';

export interface MachineFacts {
  readonly hasScreen: boolean;
  /** The host's clock is the guest's. */
  readonly isRealTime: boolean;
  /** It is the built-in guest, whose agent is told of its shares and its network. */
  readonly isBuiltIn: boolean;
  /** All shares are behind one device (built-in-spares.ts). */
  readonly sharesAreJoined: boolean;
  /** False: nobody in the guest can come to listen to an agent's host. */
  readonly hasAgentPort: boolean;
}

/** Served by the machine's side. */
export interface MachineCalls {
  start(options: MachineOptions): MachineFacts;
  /** Disks are flushed and closed when this is over. */
  close(): void;
  pause(): void;
  resume(): void;
  reset(): void;
  stats(): VmStats;
  stateHash(): string;
  /** Bytes that a later call speaks of. */
  upload(number: number, bytes: Uint8Array): void;
  snapshot(base: readonly (Uint8Array | Uploaded)[], copyDisks: boolean): Bytes;

  consoleInput(bytes: Uint8Array): void;
  /** Whether the guest's output is taken. */
  consoleFlow(isFlowing: boolean): void;
  key(code: string, pressed: boolean): void;
  movePointer(dx: number, dy: number, wheel: number): void;
  pointerButtons(mask: number): void;
  screenImage(): ScreenFrame;
  screenPng(): Bytes;
  screenText(): string | undefined;
  /** The screen when it is another than `generation`, which may take long; undefined: ask again. */
  nextFrame(generation: number): ScreenFrame | undefined;

  /** A frame for the guest's card. */
  frameForGuest(frame: Uint8Array): void;
  channelSend(remote: number, bytes: Uint8Array): void;
  channelAccepting(remote: number, accepting: boolean): void;
}

/** Served by the caller's side. */
export interface CallerCalls {
  ended(end: VmEnd): void;
  consoleOutput(bytes: Bytes): void;

  diskRead(remote: number, offset: number, length: number): Uint8Array;
  diskWrite(remote: number, offset: number, bytes: Uint8Array): void;
  diskFlush(remote: number): void;
  diskVersion(remote: number): string;
  diskClose(remote: number): void;

  frameFromGuest(remote: number, frame: Uint8Array): void;
  networkAttached(remote: number, mac: Uint8Array): void;

  channelReceived(remote: number, bytes: Uint8Array): void;
  channelOpened(remote: number, isOpen: boolean): void;
  channelDrained(remote: number): void;

  /** A method of a FileTree; of a file that it has opened, `file` is the number. */
  treeCall(remote: number, method: string, args: readonly unknown[]): unknown;
  treeFileCall(remote: number, file: number, method: string, args: readonly unknown[]): unknown;
}
