/**
 * The machine's side of the library: a guest with what it is connected to, made from options, run to its end. It is the same
 * in a worker and in the caller's thread.
 */

import { CHANNEL_NAME } from '../agent/protocol.ts';
import type { ScreenImage } from '../base/screen.ts';
import { pngFile, pngLines } from '../host/png.ts';
import { screenText } from '../host/screen-text.ts';
import { Guest } from '../vmm/guest.ts';
import type { GuestEnd, GuestOptions, RestoreOptions } from '../vmm/guest-options.ts';
import { SnapshotFile } from '../vmm/snapshot/format.ts';
import { checkedManifest, type Manifest } from '../vmm/snapshot/manifest.ts';
import { hasSpares } from './built-in-spares.ts';
import { VmEndedError } from './errors.ts';
import type { MachineFacts, MachineOptions } from './machine-calls.ts';
import { badOption, MachineParts } from './machine-parts.ts';
import type { MachinePlatform } from './platform.ts';
import type { ToCaller } from './remote/to-caller.ts';
import type { MakeDevice } from './types/backends.ts';
import type { ScreenFrame } from './types/human.ts';
import type { VmEnd, VmStats } from './types/vm.ts';
import type { Arrivals } from './uploads.ts';

const DEFAULT_MEMORY_BYTES = 256 * 2 ** 20;
/** Of the kernel's own messages, the user sees what is worse than an error. */
const BUILT_IN_COMMAND_LINE = 'console=ttyS0 loglevel=3';
const LINUX_COMMAND_LINE = 'console=ttyS0';
const DEFAULT_BOOT_ORDER = 'cda';
/** Of console output, what is kept in a snapshot for who restores it: as much as text of a note may have. */
const KEPT_OUTPUT_BYTES = 32 * 1024;
/** How long `nextFrame` waits for a change, and how often it looks. */
const FRAME_WAIT_MS = 1000;
const FRAME_LOOK_MS = 16;

export interface MachineEvents {
  ended(end: VmEnd): void;
  output(bytes: Uint8Array): void;
}

export class Machine {
  readonly #options: MachineOptions;
  readonly #platform: MachinePlatform;
  readonly #parts: MachineParts;
  readonly #events: MachineEvents;
  /** On its way while images are. */
  readonly #generatedCode: Promise<WebAssembly.Module | undefined> | undefined;
  #guest!: Guest;
  /** Counts power-ons: the end of a guest that was reset is not the machine's. */
  #generation = 0;
  #run: Promise<void> = Promise.resolve();
  #end: VmEnd | undefined;
  readonly #saving = new Set<Promise<unknown>>();
  readonly #holds = new Set<'caller' | 'console'>();
  /** The latest output, for snapshots. */
  #kept = new Uint8Array(0);
  #wallMs = 0;
  #runsSinceMs: number | undefined;
  #memoryBytes = 0;
  #isRealTime = true;
  /** Of the snapshot that the guest is from. */
  #manifest: Manifest | undefined;

  private constructor(options: MachineOptions, platform: MachinePlatform, parts: MachineParts, events: MachineEvents) {
    this.#options = options;
    this.#platform = platform;
    this.#parts = parts;
    this.#events = events;
    this.#generatedCode = platform.generatedCode?.(parts.assetUrl('generatedCode'));
  }

  /** A machine that runs. Rejects with a VivariumError where there can be none. */
  static async start(
    options: MachineOptions,
    platform: MachinePlatform,
    caller: ToCaller,
    arrivals: Arrivals,
    functions: readonly MakeDevice[],
    events: MachineEvents,
  ): Promise<Machine> {
    const parts = await MachineParts.open(options, platform, caller, arrivals, functions);
    const machine = new Machine(options, platform, parts, events);
    try {
      machine.#guest = await machine.#make();
      await parts.listen();
    } catch (error) {
      await parts.close();
      throw error;
    }
    machine.#start();
    return machine;
  }

  get facts(): MachineFacts {
    const { boot, channels } = this.#options;
    const virtio = this.#manifest?.virtio ?? [];
    const ports = virtio.filter((one) => one.startsWith('console ')).flatMap((one) => one.split(' ').slice(1));
    const names = this.#manifest ? ports : channels.map(({ name }) => name);
    return {
      hasScreen: this.#guest.screen !== undefined,
      isRealTime: this.#isRealTime,
      isBuiltIn: boot.kind === 'built-in' || hasSpares(virtio),
      sharesAreJoined: hasSpares(virtio),
      hasAgentPort: names.includes(CHANNEL_NAME),
    };
  }

  /** Throws a VmEndedError when there is none any more. */
  get guest(): Guest {
    if (this.#end !== undefined) throw new VmEndedError(this.#end);
    return this.#guest;
  }

  get parts(): MachineParts {
    return this.#parts;
  }

  // ---- Power -------------------------------------------------------------------------------------------------------

  async #make(): Promise<Guest> {
    const { boot } = this.#options;
    if (boot.kind === 'snapshot') {
      const base = await Promise.all(boot.base.map((one) => this.#parts.read(one, 'snapshot')));
      return this.#restore(await this.#parts.read(boot.bytes, 'snapshot'), base);
    }
    if (boot.kind === 'built-in' && !boot.cold) {
      const saved = boot.saved && (await this.#parts.read(boot.saved, 'snapshot'));
      const bytes = saved?.length ? saved : await this.#parts.asset('snapshot').catch(() => undefined);
      if (bytes !== undefined && this.#canBecome(bytes)) return this.#restore(bytes, []);
    }
    return Guest.create(await this.#guestOptions());
  }

  async #common() {
    const { engine } = this.#options;
    const { host, packing } = this.#platform;
    const code = await this.#generatedCode;
    return {
      engine,
      onConsole: (bytes: Uint8Array) => this.#output(bytes),
      packing,
      host: code === undefined ? host : { ...host, generatedCode: () => code },
    };
  }

  async #guestOptions(): Promise<GuestOptions> {
    const { boot, memoryBytes = DEFAULT_MEMORY_BYTES, deterministic, seed } = this.#options;
    const parts = this.#parts;
    const hasFirmware = boot.kind === 'firmware';
    this.#manifest = undefined;
    this.#memoryBytes = memoryBytes;
    this.#isRealTime = !deterministic;
    const common = {
      ...(await this.#common()),
      memoryBytes,
      time: deterministic ? ('deterministic' as const) : ('real' as const),
      seed: seed ?? (deterministic ? 0 : (crypto.getRandomValues(new Uint32Array(1))[0] as number)),
      optionalDevices: [],
      virtio: parts.virtio(hasFirmware),
      gunzip: (bytes: Uint8Array) => this.#platform.gunzip(bytes),
    };
    if (boot.kind === 'firmware') {
      const [bios, vgaBios] = await Promise.all([
        boot.bios ? parts.read(boot.bios, 'firmware') : parts.asset('bios'),
        parts.asset('vgaBios'),
      ]);
      const bootOrder = boot.order ?? DEFAULT_BOOT_ORDER;
      return { ...common, firmware: { bios, vgaBios, drives: parts.disks.drives, nics: parts.nics(), bootOrder } };
    }
    if (boot.kind === 'kernel') {
      const [image, initrd] = await Promise.all([
        parts.read(boot.image, 'kernel'),
        boot.initrd && parts.read(boot.initrd, 'initrd'),
      ]);
      const commandLine = boot.commandLine ?? LINUX_COMMAND_LINE;
      return { ...common, kernel: { image, commandLine, ...(initrd && { initrd }) } };
    }
    const [image, packed] = await Promise.all([parts.asset('kernel'), parts.asset('initrd')]);
    const extra = boot.kind === 'built-in' ? boot.commandLine : '';
    const commandLine = [BUILT_IN_COMMAND_LINE, extra].filter(Boolean).join(' ');
    // Fast path: unpacked here, it spares the guest forty million instructions.
    return { ...common, kernel: { image, initrd: await this.#platform.gunzip(packed), commandLine } };
  }

  async #restore(bytes: Uint8Array, base: readonly Uint8Array[]): Promise<Guest> {
    const manifest = checkedManifest(new SnapshotFile(bytes, this.#platform.packing).manifest);
    const hasFirmware = manifest.pc !== undefined;
    this.#manifest = manifest;
    this.#memoryBytes = manifest.memoryBytes;
    this.#isRealTime = manifest.time === 'real';
    const options: RestoreOptions = {
      ...(await this.#common()),
      virtio: this.#parts.virtioFor(manifest.virtio ?? [], hasFirmware),
      drives: this.#parts.disks.drives,
      nics: manifest.pc ? this.#parts.nics(manifest.pc.nics) : [],
      ...(base.length > 0 && { base }),
    };
    const guest = await Guest.restore(bytes, options);
    const written = manifest.notes?.console;
    if (written !== undefined) this.#output(Uint8Array.from(written, (character) => character.charCodeAt(0)));
    return guest;
  }

  /** Whether the machine of the shipped snapshot has what is asked for; of another one, an embedder's, who knows. */
  #canBecome(bytes: Uint8Array): boolean {
    const { shares, network } = this.#options;
    if (shares.length === 0 && network === undefined) return true;
    return hasSpares(checkedManifest(new SnapshotFile(bytes, this.#platform.packing).manifest).virtio ?? []);
  }

  #start(): void {
    const generation = ++this.#generation;
    const guest = this.#guest;
    const { host } = this.#platform;
    this.#runsSinceMs = host.nowMs();
    // Whoever waits for the machine is told that it is there before it takes the thread.
    const run = host.yield().then(() => guest.run());
    this.#run = run.then(
      (end) => this.#stopped(generation, this.#endOf(end)),
      (error: Error) => this.#stopped(generation, { kind: 'failed', error }),
    );
  }

  #endOf(end: GuestEnd): VmEnd {
    return end.kind === 'stopped' ? { kind: 'closed' } : end;
  }

  async #stopped(generation: number, end: VmEnd): Promise<void> {
    if (generation !== this.#generation || this.#end !== undefined) return;
    this.#end = end;
    try {
      await this.#parts.close();
    } catch (error) {
      this.#end = { kind: 'failed', error: error as Error };
    }
    this.#events.ended(this.#end);
  }

  async close(): Promise<void> {
    if (this.#end === undefined) this.#guest.stop();
    await this.#run;
  }

  /** Off and on again. */
  async reset(): Promise<void> {
    const before = this.guest;
    this.#generation++;
    before.stop();
    await this.#run;
    // What they save is on disks that the next guest writes to.
    await Promise.allSettled(this.#saving);
    this.#parts.closeChannels();
    try {
      this.#guest = await this.#make();
    } catch (error) {
      await this.#stopped(this.#generation, { kind: 'failed', error: error as Error });
      throw error;
    }
    this.#applyHolds();
    this.#start();
  }

  hold(why: 'caller' | 'console', isHeld: boolean): void {
    if (isHeld) this.#holds.add(why);
    else this.#holds.delete(why);
    this.#applyHolds();
  }

  #applyHolds(): void {
    const now = this.#platform.host.nowMs();
    if (this.#runsSinceMs !== undefined) this.#wallMs += now - this.#runsSinceMs;
    this.#runsSinceMs = this.#holds.size === 0 ? now : undefined;
    if (this.#holds.size === 0) this.guest.resume();
    else this.guest.pause();
  }

  // ---- Looking -----------------------------------------------------------------------------------------------------

  stats(): VmStats {
    const { host } = this.#platform;
    const running = this.#runsSinceMs === undefined ? 0 : host.nowMs() - this.#runsSinceMs;
    return {
      ...this.guest.stats(),
      wallMs: this.#wallMs + running,
      memoryBytes: this.#memoryBytes,
      isPaused: this.#holds.has('caller'),
      drives: this.#parts.disks.stats,
      network: { ...this.#parts.traffic },
    };
  }

  input(bytes: Uint8Array): void {
    this.guest.sendConsole(bytes);
  }

  async snapshot(base: readonly Uint8Array[], copyDisks: boolean): Promise<Uint8Array> {
    const written = Array.from(this.#kept, (byte) => String.fromCharCode(byte)).join('');
    const notes = { console: written };
    const snapshot = this.guest.snapshot({ notes, copyDisks, ...(base.length > 0 && { base }) });
    this.#saving.add(snapshot);
    try {
      return await snapshot;
    } finally {
      this.#saving.delete(snapshot);
    }
  }

  #output(bytes: Uint8Array): void {
    const kept = new Uint8Array(Math.min(KEPT_OUTPUT_BYTES, this.#kept.length + bytes.length));
    const fresh = bytes.subarray(Math.max(0, bytes.length - kept.length));
    const old = kept.length - fresh.length;
    kept.set(this.#kept.subarray(this.#kept.length - old));
    kept.set(fresh, old);
    this.#kept = kept;
    this.#events.output(bytes);
  }

  get #screen() {
    const { screen } = this.guest;
    if (screen === undefined) throw badOption('screen', 'This machine has no display adapter.');
    return screen;
  }

  frame(): ScreenFrame {
    const screen = this.#screen;
    const { generation, mode } = screen;
    const { width, height, pixels }: ScreenImage = screen.image();
    return { mode, generation, width, height, pixels: pixels.slice() };
  }

  async nextFrame(generation: number): Promise<ScreenFrame | undefined> {
    const { host } = this.#platform;
    for (const until = host.nowMs() + FRAME_WAIT_MS; host.nowMs() < until; ) {
      if (this.#end !== undefined) return undefined;
      if (this.#screen.generation !== generation) return this.frame();
      await host.sleep(FRAME_LOOK_MS).done;
    }
    return undefined;
  }

  async png(): Promise<Uint8Array> {
    const frame = this.frame();
    return pngFile(frame, await this.#platform.packing.deflate(pngLines(frame)));
  }

  text(): string | undefined {
    const text = this.#screen.text();
    return text && screenText(text);
  }
}
