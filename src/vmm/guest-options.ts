/** What a guest is made from, and how it ends: the interface to `Guest` for the library, the command line and tests. */

import type { BlockBackend } from '../base/block.ts';
import type { ChannelBackend } from '../base/channel.ts';
import type { Clock } from '../base/clock.ts';
import type { GuestMemory } from '../base/dma.ts';
import type { FileServer } from '../base/file-server.ts';
import type { Keyboard, Pointer } from '../base/input.ts';
import type { WorkerEnd } from '../base/message-end.ts';
import type { NetworkDevice, NetworkPort } from '../base/network.ts';
import type { Screen } from '../base/screen.ts';
import type { EngineChoice, TranslatorStats } from '../cpu/translator/statistics.ts';
import type { VirtioDevice } from '../devices/virtio/virtio-device.ts';
import type { BootModule } from '../machine/load-options.ts';
import type { BoardEnd } from '../machine/pc.ts';
import type { NicModel } from '../machine/pc-firmware.ts';
import type { Profiler } from './profiler.ts';
import type { Packing } from './snapshot/format.ts';
import type { SnapshotOptions } from './snapshot/guest-snapshot.ts';

export interface GuestKernel {
  readonly image: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly modules?: readonly BootModule[];
  readonly commandLine: string;
}

/** A drive of a guest with firmware; of removable media, none may be in it. */
export interface GuestDrive {
  readonly bus: 'ide' | 'ahci' | 'floppy';
  /** IDE has units 0 to 3 (primary and secondary, master and slave), AHCI 0 to 5, floppies 0 and 1. */
  readonly unit: number;
  readonly kind: 'disk' | 'cdrom' | 'floppy';
  readonly backend: BlockBackend | undefined;
}

/** What a guest lends to a network behind one of its cards. */
export interface NetworkHost {
  readonly clock: Clock;
  /** The guest's wall clock at power-on, in milliseconds since 1970. */
  readonly bootMs: number;
  /** A frame has come: an idle guest should look. */
  wake(): void;
}

/** A network with one end of a wire. */
export interface GuestNetwork extends NetworkPort {
  /** The card at the other end. */
  attach(device: NetworkDevice): void;
  /** The guest starts again: it knows of no connection any more. */
  reset?(): void;
}

export interface GuestNic {
  readonly model: NicModel;
  readonly mac: Uint8Array;
  /** Its boot ROM: firmware runs it, and can start the guest from the network with it. */
  readonly rom?: Uint8Array;
  /** Called once, when the guest is made. */
  connect(host: NetworkHost): GuestNetwork;
}

/** What a device of an embedder's own is lent; queues it gets from its transport. */
export interface VirtioHost {
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Something was completed between slices: an idle guest should look. */
  wake(): void;
}

/** A virtio device on the PCI bus. */
export type GuestVirtio =
  | {
      readonly kind: 'console';
      /** In order, ports 1 and up; in the guest they are found by name. Up to 30. */
      readonly ports: readonly ChannelBackend[];
    }
  | { readonly kind: 'rng' }
  | { readonly kind: '9p'; readonly tag: string; readonly server: FileServer }
  | { readonly kind: 'block'; readonly backend: BlockBackend /** Up to 20 characters. */; readonly serial?: string }
  | { readonly kind: 'net'; readonly nic: Omit<GuestNic, 'model'> }
  | { readonly kind: 'custom'; make(host: VirtioHost): VirtioDevice };

const ROM_STEP_BYTES = 64 * 1024;
const LARGEST_ROM_BYTES = 16 * 2 ** 20;

export function isFirmwareSize(bytes: number): boolean {
  return bytes > 0 && bytes % ROM_STEP_BYTES === 0 && bytes <= LARGEST_ROM_BYTES;
}

/** A whole PC that starts as one does: with its firmware. */
export interface GuestFirmware {
  /** 64 KiB to 16 MiB, a multiple of 64 KiB: its last 128 KiB appear below 1 MiB too. */
  readonly bios: Uint8Array;
  readonly vgaBios: Uint8Array;
  readonly drives: readonly GuestDrive[];
  readonly nics: readonly GuestNic[];
  /** Letters of what to try: c disk, d CD-ROM, a floppy, n network. */
  readonly bootOrder: string;
  readonly bootMenuMs?: number;
  /** A reset ends the guest rather than starting it again. */
  readonly resetEnds?: boolean;
}

export interface GuestOptions {
  readonly memoryBytes: number;
  /** What boots: a kernel, or firmware with what is in its drives. */
  readonly kernel?: GuestKernel;
  readonly firmware?: GuestFirmware;
  /** 'deterministic': the same inputs give the same machine, bit for bit, on any host. */
  readonly time: 'real' | 'deterministic';
  /** Deterministic: an idle guest waits as long as it asks to, as somebody at a terminal expects; else in no time. */
  readonly paced?: boolean;
  /** Of the guest's random numbers. */
  readonly seed: number;
  /** Names from OPTIONAL_DEVICES. */
  readonly optionalDevices: readonly string[];
  /** On the PCI bus, which a guest without firmware has for their sake only; up to 16. */
  readonly virtio?: readonly GuestVirtio[];
  /** Output of COM1. */
  onConsole(bytes: Uint8Array): void;
  /** Output of COM2, at once: what is sent back within the call is part of a deterministic run. */
  onSecondSerial?(byte: number): void;
  readonly trace?: Trace;
  /** Is told where the guest's time goes. */
  readonly profiler?: Profiler;
  /** Generate code that counts TLB hits. */
  readonly countHits?: boolean;
  /** Name the generated functions after instructions, for profilers of the host. */
  readonly namedCode?: boolean;
  /** Which tiers run guest code; 'auto' if not said. */
  readonly engine?: EngineChoice;
  /** The platform's gzip decoder; without it, compressed kernels unpack themselves. */
  readonly gunzip?: (compressed: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** The platform's deflate; without it, snapshots are as long as what is in them. */
  readonly packing?: Packing;
  readonly host: HostPlatform;
}

/** What a snapshot does not have (`virtio`: the same devices again). Of what it has, nothing can be chosen again. */
export interface RestoreOptions
  extends Omit<GuestOptions, 'memoryBytes' | 'kernel' | 'firmware' | 'time' | 'seed' | 'optionalDevices' | 'gunzip'> {
  /** The machine's drives and network cards, with the same media in the drives. */
  readonly drives?: readonly GuestDrive[];
  readonly nics?: readonly GuestNic[];
  /** The snapshot that this one says the differences to, and those that it is against itself. */
  readonly base?: Uint8Array | readonly Uint8Array[];
}

/** What the vmm asks of the platform it runs on. */
export interface HostPlatform {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallClockMs(): number;
  /** Lets other work of the event loop happen. */
  yield(): Promise<void>;
  /** Waits; `wake` in the meantime ends the wait. */
  sleep(milliseconds: number): { done: Promise<void>; wake(): void };
  /** Code for the engine that was made with this program (cpu/interpreter/generated-code.ts), if it has been. */
  generatedCode?(): WebAssembly.Module | undefined;
  /** Starts a thread on which `serveRegions` runs (cpu/translator/region-thread.ts), where there can be one. */
  regionThread?(): WorkerEnd | undefined;
}

export type TraceKind = 'exits' | 'irq';

export interface Trace {
  readonly kinds: ReadonlySet<TraceKind>;
  line(text: string): void;
}

export type GuestEnd = BoardEnd | { kind: 'triple-fault'; detail: string } | { kind: 'stopped' };

export interface GuestStats {
  readonly instructions: number;
  readonly virtualNs: number;
  /** Exits to the monitor, and events delivered, by cause. */
  readonly exits: Readonly<Record<string, number>>;
  readonly tlbHits: number;
  readonly tlbMisses: number;
  readonly memoryTouchedBytes: number;
  readonly translator: TranslatorStats;
}

/** A guest as those see it who run one. */
export interface RunnableGuest {
  /** Runs to the guest's end; never blocks the event loop for more than a few milliseconds. */
  run(): Promise<GuestEnd>;
  /** Input of the first and second serial port, queued without bound and delivered as the guest takes it. */
  sendConsole(bytes: Uint8Array): void;
  sendSecondSerial(bytes: Uint8Array): void;
  stop(): void;
  pause(): void;
  resume(): void;
  stats(): GuestStats;
  /** What a monitor would show, of a guest with firmware. */
  readonly screen?: Screen | undefined;
  /** What is done at them reaches a guest that looks. */
  readonly keyboard?: Keyboard;
  readonly pointer?: Pointer;
  /** All of the machine, between two instructions; it runs on meanwhile. Rejects with a VivariumError. */
  snapshot(options?: SnapshotOptions): Promise<Uint8Array>;
  /** SHA-256 of CPU, devices and memory, in hexadecimal. */
  stateHash(): string;
}

/** Makes the machine of a snapshot again. */
export type RestoreGuest = (snapshot: Uint8Array, options: RestoreOptions) => Promise<RunnableGuest>;

export type CreateGuest = (options: GuestOptions) => Promise<RunnableGuest>;
