/**
 * A guest: one machine with its memory, board and vCPU, run in slices so that the host's event loop is never held up
 * for long.
 *
 *     run -> expired timers -> interrupts -> a slice of instructions -> (idle: wait for a timer or input) -> ...
 */

import { VivariumError } from '../base/errors.ts';
import type { Keyboard, Pointer } from '../base/input.ts';
import type { NetworkDevice } from '../base/network.ts';
import type { Screen } from '../base/screen.ts';
import { decodedOf } from '../cpu/interpreter/decoded-code.ts';
import { Engine } from '../cpu/interpreter/engine.ts';
import type { StopReason, Vcpu } from '../cpu/interpreter/vcpu.ts';
import { MachineMemory } from '../cpu/machine-memory.ts';
import { vcpu } from '../cpu/state.ts';
import { writeAcpiTables } from '../machine/acpi/tables.ts';
import { resetStart } from '../machine/cpu-start.ts';
import { loadKernel } from '../machine/kernel.ts';
import { formatSize, memoryMap } from '../machine/memory-map.ts';
import { type BoardEnd, PcBoard } from '../machine/pc.ts';
import { BlockQueue } from './block-queue.ts';
import { ExitCounts } from './exit-counts.ts';
import { QueuedFilePort } from './file-port.ts';
import { GuestCpu } from './guest-cpu.ts';
import { firmwareBoard, placeRom, showRom, VIDEO_MEMORY_BYTES } from './guest-firmware.ts';
import { FrameTable, type MemoryBlock } from './guest-memory.ts';
import type {
  GuestEnd,
  GuestNetwork,
  GuestNic,
  GuestOptions,
  GuestStats,
  RestoreOptions,
  RunnableGuest,
} from './guest-options.ts';
import { makeVirtio } from './guest-virtio.ts';
import { createHash } from './hash.ts';
import { Random } from './random.ts';
import { SliceLength } from './slice-length.ts';
import { Captures } from './snapshot/captures.ts';
import { withMedia } from './snapshot/disks.ts';
import { capture, type GuestParts, open, pack, restore, type SnapshotOptions } from './snapshot/guest-snapshot.ts';
import type { StoredMemory } from './snapshot/stored-memory.ts';
import { VirtualClock } from './virtual-clock.ts';

/** Deterministic guests begin at this time: 2024-01-01 00:00 UTC. */
const DETERMINISTIC_EPOCH_MS = 1_704_067_200_000;
/** How long the guest may run before other work of the host's event loop gets its turn. */
const HOLD_MS = 8;
/** All guests' frames and the monitor's tables share 4 GiB of machine memory. */
const LARGEST_MEMORY_BYTES = 3584 * 2 ** 20;
/** What timers of the host can wait for: 24 days. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

export class Guest implements RunnableGuest {
  readonly #options: GuestOptions;
  readonly #clock: VirtualClock;
  readonly #board: PcBoard;
  readonly #frames: FrameTable;
  readonly #cpu: GuestCpu;
  readonly #engine: Engine;
  /** Between the board's drives and the host's storage. */
  readonly #blocks: BlockQueue;
  readonly #networks: GuestNetwork[] = [];
  readonly #exits: ExitCounts;
  readonly #random: Random;
  readonly #bootMs: number;
  #end: GuestEnd | undefined;
  /** The machine is to start again. */
  #restarts = false;
  readonly #video: MemoryBlock | undefined;
  #paused = false;
  #wake: (() => void) | undefined;
  #output: number[] = [];
  readonly #slices = new SliceLength();
  /** The host's clock when it was last looked at. */
  #nowMs = 0;
  readonly #captures = new Captures();
  /** Memory of the snapshot that the guest is from. */
  #stored: StoredMemory | undefined;
  #isRunning = false;

  private constructor(given: GuestOptions, bootMs?: number) {
    const options = withMedia(given);
    this.#options = options;
    const { host } = options;
    const deterministic = options.time === 'deterministic';
    const memory = new MachineMemory(1 << 20);
    const { firmware } = options;
    // First of all: code that was made before expects the engine's tables where an empty memory has them.
    const code = host.generatedCode?.();
    const engine = new Engine(memory, {
      ...(code && { code }),
      countHits: options.countHits ?? false,
      traceEvents: options.trace?.kinds.has('exits') ?? false,
      names: options.namedCode ?? false,
      tiers: options.engine ?? 'auto',
      compileAside: true,
      regionThread: () => host.regionThread?.(),
    });
    this.#engine = engine;
    this.#frames = new FrameTable(memory, options.memoryBytes, firmware !== undefined);
    this.#video = firmware && this.#frames.block(VIDEO_MEMORY_BYTES);
    /** Devices ask for the time while they are built, before there is a vCPU. */
    let cpu: GuestCpu | undefined;
    const instructions = (): number => cpu?.vcpu.instructions ?? 0;
    this.#exits = new ExitCounts(options.trace, instructions);
    this.#random = new Random(options.seed);
    this.#clock = new VirtualClock(deterministic, { instructions, hostMs: () => host.nowMs() });
    this.#bootMs = bootMs ?? (deterministic ? DETERMINISTIC_EPOCH_MS : host.wallClockMs());
    const wallClockMs = (): number => this.#bootMs + this.#clock.now() / 1e6;
    const irqTrace = options.trace?.kinds.has('irq') === true ? options.trace : undefined;
    const networks = firmware?.nics.map((nic) => this.#connect(nic)) ?? [];
    this.#blocks = new BlockQueue({
      clock: this.#clock,
      deterministic,
      submitted: () => {
        this.#cpu.vcpu.attention = true;
      },
      finished: () => this.#wake?.(),
      nowMs: () => host.nowMs(),
    });
    const devices = makeVirtio(options.virtio ?? [], {
      memory: this.#frames,
      clock: this.#clock,
      wake: () => this.#wake?.(),
      random: (count) => this.#random.bytes(count),
      port: (backend) => this.#blocks.port(backend),
      connect: (nic) => this.#connect(nic),
      files: (server) => new QueuedFilePort(server, this.#blocks),
    });
    const virtio = devices.length === 0 ? undefined : { memory: this.#frames, devices };
    const parts = { frames: this.#frames, video: this.#video as MemoryBlock, blocks: this.#blocks, networks };
    this.#board = new PcBoard(
      {
        clock: this.#clock,
        wallClockMs,
        serialOutput: (port, byte) => {
          if (port === 0) this.#output.push(byte);
          else options.onSecondSerial?.(byte);
        },
        end: (end) => this.#boardEnded(end),
        a20Changed: (passes) => {
          if (cpu !== undefined) cpu.vcpu.a20 = passes;
        },
        smi: () => cpu?.vcpu.requestManagement(),
        ignoreNumericErrors: () => cpu?.vcpu.set32(vcpu.ignoreNumericErrors, 1),
        ...(firmware && { firmware: { ...firmwareBoard(firmware, parts), ...(virtio && { virtio }) } }),
        ...(virtio && { virtio }),
        ...(irqTrace && {
          lineChanged: (irq: number, level: boolean) =>
            irqTrace.line(`${instructions()} irq ${irq} ${level ? 'high' : 'low'}`),
        }),
      },
      options.optionalDevices,
    );
    cpu = new GuestCpu(
      {
        engine,
        frames: this.#frames,
        board: this.#board,
        clock: this.#clock,
        exits: this.#exits,
        random: this.#random,
        wallClockMs,
      },
      0,
      true,
    );
    this.#cpu = cpu;
    engine.blocks.frames.changed = (frame, hasCode) => {
      this.#frames.setCode(frame, hasCode);
      // Fast path: a guest that was restored decodes hundreds of pages that nothing has written.
      if (hasCode && this.#frames.isWritten(frame)) this.#cpu.vcpu.translations.forbidWrites(frame);
    };
    this.#frames.remapped = () => this.#cpu.vcpu.remapped();
    if (firmware) placeRom(this.#frames, firmware);
    for (const [i, network] of networks.entries()) network.attach(this.#board.pci?.nics[i] as NetworkDevice);
    this.#frames.codeWritten = (machine, bytes) => engine.blocks.written(machine, bytes);
  }

  /** Loads the kernel. Throws VivariumError for images and sizes that cannot boot. */
  static async create(options: GuestOptions): Promise<Guest> {
    const map = memoryMap(options.memoryBytes);
    checkMemory(options.memoryBytes);
    const guest = new Guest(options);
    if (options.kernel === undefined) {
      if (options.firmware === undefined) throw new VivariumError({ kind: 'bad-kernel' }, 'There is nothing to boot.');
      guest.#cpu.start(resetStart());
      return guest;
    }
    const hasPci = guest.#board.pciRoot !== undefined;
    const rsdp = writeAcpiTables(guest.#frames, { cpuCount: 1, hasPci });
    const { image, initrd, modules, commandLine } = options.kernel;
    const start = await loadKernel(image, {
      memory: guest.#frames,
      map,
      commandLine,
      ...(initrd && { initrd }),
      ...(modules && { modules }),
      rsdp,
      rngSeed: guest.#random.bytes(32),
      ...(options.gunzip && { gunzip: options.gunzip }),
    });
    guest.#cpu.start(start);
    return guest;
  }

  /** The machine of a snapshot, as it was. Rejects with a VivariumError. */
  static async restore(snapshot: Uint8Array, options: RestoreOptions): Promise<Guest> {
    const code = options.host.generatedCode?.();
    // Unpacked by the platform's threads while all else is made.
    const decoded = code && options.packing && decodedOf(code, options.packing.inflate);
    const opened = await open(snapshot, options);
    checkMemory(opened.options.memoryBytes);
    const { time, bootMs, clockNs } = opened.manifest;
    // A real clock has gone on meanwhile.
    const guest = new Guest(opened.options, time === 'real' ? options.host.wallClockMs() - clockNs / 1e6 : bootMs);
    guest.#stored = opened.stored;
    await restore(guest.#parts, opened);
    const frames = guest.#frames;
    const known = await decoded;
    if (known !== undefined) guest.#engine.useDecoded(known, (frame) => frames.pageOf(frame));
    guest.#board.pciRoot?.resume();
    return guest;
  }

  // ---- Networks, and starting again --------------------------------------------------------------------------------

  #connect(nic: Pick<GuestNic, 'connect'>): GuestNetwork {
    const network = nic.connect({ clock: this.#clock, bootMs: this.#bootMs, wake: () => this.#wake?.() });
    this.#networks.push(network);
    return network;
  }

  #boardEnded(end: BoardEnd): void {
    const { firmware } = this.#options;
    if (end.kind !== 'reset' || firmware === undefined || firmware.resetEnds) {
      this.#finish(end);
      return;
    }
    this.#restarts = true;
    this.#cpu.vcpu.attention = true;
  }

  /** As by the reset line: memory keeps what is in it. */
  #restart(): void {
    this.#restarts = false;
    for (const part of this.#board.parts.values()) part.reset();
    for (const network of this.#networks) network.reset?.();
    showRom(this.#frames);
    this.#cpu.restart();
  }

  get screen(): Screen | undefined {
    return this.#board.pci?.screen;
  }

  /** For debuggers: the vCPU and memory, to be looked at while the guest does not run. */
  get debug(): { readonly cpu: Vcpu; readonly frames: FrameTable; readonly engine: Engine } {
    return { cpu: this.#cpu.vcpu, frames: this.#frames, engine: this.#engine };
  }

  // ---- From outside ------------------------------------------------------------------------------------------------

  sendConsole(bytes: Uint8Array): void {
    this.#board.com1.receive(bytes);
    this.#wake?.();
  }

  sendSecondSerial(bytes: Uint8Array): void {
    this.#board.com2.receive(bytes);
    this.#wake?.();
  }

  readonly keyboard: Keyboard = {
    key: (code, pressed) => {
      this.#board.keyboard.key(code, pressed);
      this.#wake?.();
    },
  };

  readonly pointer: Pointer = {
    move: (dx, dy, dz) => {
      this.#board.pointer.move(dx, dy, dz);
      this.#wake?.();
    },
    buttons: (mask) => {
      this.#board.pointer.buttons(mask);
      this.#wake?.();
    },
  };

  stop(): void {
    this.#finish({ kind: 'stopped' });
    this.#wake?.();
  }

  pause(): void {
    this.#paused = true;
    this.#wake?.();
  }

  resume(): void {
    this.#paused = false;
    this.#wake?.();
  }

  stats(): GuestStats {
    const cpu = this.#cpu.vcpu;
    return {
      instructions: cpu.instructions,
      virtualNs: this.#clock.now(),
      exits: { ...this.#exits.counts, ...this.#cpu.exceptions() },
      tlbHits: Number(cpu.get(vcpu.tlbHits)),
      tlbMisses: Number(cpu.get(vcpu.tlbMisses)),
      memoryTouchedBytes: this.#frames.touchedBytes,
      translator: this.#engine.translatorStats,
    };
  }

  // ---- Snapshots ---------------------------------------------------------------------------------------------------

  get #parts(): GuestParts {
    return {
      options: this.#options,
      bootMs: this.#bootMs,
      clock: this.#clock,
      board: this.#board,
      frames: this.#frames,
      video: this.#video,
      cpu: this.#cpu,
      random: this.#random,
    };
  }

  async snapshot(options: SnapshotOptions = {}): Promise<Uint8Array> {
    await this.#stored?.bringAllAside(() => true);
    const captured = this.#captures.ask(options);
    this.#cpu.vcpu.attention = true;
    if (this.#isRunning) this.#wake?.();
    else this.#capture();
    return pack(await captured, this.#options, options);
  }

  #capture(): void {
    if (this.#captures.isEmpty) return;
    if (this.#end !== undefined && this.#end.kind !== 'stopped') {
      this.#captures.refuse(
        new VivariumError({ kind: 'bad-option' }, 'The guest has ended: there is nothing to be saved.'),
      );
      return;
    }
    if (this.#restarts) this.#restart();
    this.#captures.take((options) => capture(this.#parts, options));
    // Memory is frozen. And what the TLB remembers can show in accessed bits: the guest that is restored has nothing there.
    this.#cpu.vcpu.translations.flushAll();
  }

  // ---- Running -----------------------------------------------------------------------------------------------------

  #finish(end: GuestEnd): void {
    this.#end ??= end;
    this.#cpu.vcpu.attention = true;
  }

  async run(): Promise<GuestEnd> {
    this.#isRunning = true;
    // Whoever reaches for what makes no sense is told.
    this.#stored?.bringAllAside(() => this.#end === undefined).catch(() => {});
    try {
      return await this.#run();
    } finally {
      this.#isRunning = false;
      this.#engine.translator?.close();
      this.#capture();
    }
  }

  async #run(): Promise<GuestEnd> {
    const { host, profiler } = this.#options;
    this.#lookAtClock();
    let heldSince = this.#nowMs;
    this.#clock.resume();
    profiler?.start(this.#clock.now());
    while (this.#end === undefined) {
      if (this.#paused) {
        this.#clock.pause();
        this.#capture();
        await this.#sleep(1000);
        if (!this.#paused) this.#clock.resume();
        heldSince = this.#lookAtClock();
        continue;
      }
      const { blocked } = this.#blocks;
      if (blocked !== undefined) {
        await blocked;
        this.#lookAtClock();
        continue;
      }
      this.#blocks.deliver();
      if (this.#restarts) this.#restart();
      this.#clock.queue.runExpired(this.#clock.at(this.#nowMs));
      if (this.#captures.isDue(this.#blocks.isEmpty)) this.#capture();
      if (!this.#cpu.takeEvents(this.#end !== undefined)) {
        this.#tripleFault();
        continue;
      }
      const idle = this.#isIdle();
      if (!idle) this.#runSlice();
      else if (this.#end === undefined && !this.#blocks.isReady) await this.#waitWhileIdle();
      if (idle) profiler?.idled(this.#clock.now());
      this.#flushOutput();
      if (idle || this.#blocks.isBusy || this.#nowMs - heldSince > HOLD_MS) {
        await host.yield();
        heldSince = this.#lookAtClock();
      }
    }
    this.#flushOutput();
    await this.#blocks.drain();
    this.#clock.pause();
    profiler?.finish(this.#clock.now(), this.#cpu);
    return this.#end as GuestEnd;
  }

  #tripleFault(): void {
    const rip = this.#cpu.vcpu.get(vcpu.rip).toString(16);
    if (this.#options.firmware && !this.#options.firmware.resetEnds) {
      // The board resets a processor that shuts down.
      this.#restarts = true;
      return;
    }
    this.#finish({ kind: 'triple-fault', detail: `at instruction pointer 0x${rip}` });
  }

  #isIdle(): boolean {
    return this.#cpu.vcpu.get32(vcpu.activity) === 1;
  }

  #runSlice(): void {
    const { profiler } = this.#options;
    const cpu = this.#cpu.vcpu;
    const deadline = this.#clock.queue.nextDeadlineNs();
    this.#cpu.sliceDeadlineNs = deadline;
    // What only the shadow of STI or MOV SS holds back comes after one instruction.
    const interrupted = this.#cpu.apic.pending() && (cpu.get32(vcpu.rflags) & 0x200) !== 0;
    const held = interrupted || cpu.get32(vcpu.pendingDebug) !== 0 || cpu.managementHeld;
    const longest = Math.min(this.#slices.longest(this.#blocks.isBusy), profiler?.due ?? Number.POSITIVE_INFINITY);
    const startedMs = this.#lookAtClock();
    let count: number;
    if (held) {
      count = 1;
    } else if (this.#clock.deterministic) {
      count = Math.ceil(Math.min(longest, Math.max(1, this.#clock.instructionsUntil(deadline))));
    } else {
      const milliseconds = (deadline - this.#clock.at(startedMs)) / 1e6;
      count = Math.ceil(Math.min(longest, this.#slices.within(milliseconds)));
    }
    const before = cpu.instructions;
    const reason = cpu.run(count, this.#clock.deterministic);
    const retired = cpu.instructions - before;
    this.#slices.ran(retired, this.#lookAtClock() - startedMs);
    profiler?.ran(retired, this.#clock.now(), this.#cpu);
    this.#stopped(reason);
  }

  /** Fast path: twice a slice and no more, for in browsers it takes a microsecond or two, and slices take fifty. */
  #lookAtClock(): number {
    this.#nowMs = this.#options.host.nowMs();
    return this.#nowMs;
  }

  #stopped(reason: StopReason): void {
    if (reason === 'halt') {
      this.#exits.record('HLT');
      this.#cpu.vcpu.set32(vcpu.activity, 1);
    } else if (reason === 'shutdown') {
      this.#tripleFault();
    }
  }

  /** The vCPU halts: time goes on to the next timer, or until input comes. */
  async #waitWhileIdle(): Promise<void> {
    const deadline = this.#clock.queue.nextDeadlineNs();
    const milliseconds = (deadline - this.#clock.now()) / 1e6;
    if (this.#clock.deterministic) {
      if (deadline === Number.POSITIVE_INFINITY) await this.#sleep(1000);
      else if (
        !this.#options.paced ||
        milliseconds < 1 ||
        (await this.#sleep(Math.min(milliseconds, LONGEST_SLEEP_MS)))
      ) {
        this.#clock.skipTo(deadline);
      }
      return;
    }
    if (milliseconds > 0) await this.#sleep(Math.min(milliseconds, 1000));
  }

  /** False when something came up before the time was over. */
  async #sleep(milliseconds: number): Promise<boolean> {
    const { done, wake } = this.#options.host.sleep(milliseconds);
    let woken = false;
    this.#wake = () => {
      woken = true;
      wake();
    };
    await done;
    this.#wake = undefined;
    return !woken;
  }

  #flushOutput(): void {
    if (this.#output.length === 0) return;
    const bytes = Uint8Array.from(this.#output);
    this.#output = [];
    this.#options.onConsole(bytes);
  }

  /** SHA-256 over the state of CPU, devices and memory: equal for equal machines. */
  stateHash(): string {
    const hash = createHash();
    hash.update('vcpu', this.#cpu.vcpu.stateBytes());
    for (const [name, part] of this.#board.parts) hash.update(name, part.save());
    for (const [name, part] of Object.entries(this.#cpu.savedDevices)) hash.update(name, part.save());
    hash.update('random', new TextEncoder().encode(this.#random.state.join()));
    hash.update('time', new TextEncoder().encode(String(this.#clock.now())));
    if (this.#video) hash.update('video memory', this.#video.bytes);
    for (const { page, bytes } of this.#frames.contents()) hash.update(`page ${page}`, bytes);
    return hash.digest();
  }
}

function checkMemory(bytes: number): void {
  if (bytes <= LARGEST_MEMORY_BYTES) return;
  const limit = formatSize(LARGEST_MEMORY_BYTES);
  throw new VivariumError({ kind: 'bad-memory' }, `A guest can have ${limit} of memory at most.`);
}
