/**
 * Virtio over PCI (Virtual I/O Device 1.2, §4.1 "Virtio Over PCI Bus"): a modern device, with everything in one BAR.
 *
 *     0x0000  common configuration      0x3000  notifications, 4 bytes a queue
 *     0x1000  interrupt status          0x4000  MSI-X table
 *     0x2000  device configuration      0x5000  MSI-X pending bits
 *
 * Not modelled: the legacy interface (§4.1.4.10), packed queues, reset of single queues, notification data.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { GuestMemory } from '../../base/dma.ts';
import type { IrqLine } from '../../base/irq.ts';
import { bytes, defineState, list, type StateOf, u8, u16, u32, u64 } from '../../base/state.ts';
import { Device } from '../device.ts';
import { capabilityList, type PciCapability } from '../pci/capabilities.ts';
import { MSIX_ENTRY_BYTES, Msix, msixCapability } from '../pci/msix.ts';
import { type PciBar, PciConfig } from '../pci/pci-config.ts';
import { CommonConfiguration } from './common-configuration.ts';
import type { VirtioDevice } from './virtio-device.ts';
import { NO_VECTOR, Virtqueue, virtqueueState } from './virtqueue.ts';

const VENDOR = 0x1af4;
/** §4.1.2: of a modern device, the type is added. */
const FIRST_DEVICE = 0x1040;
const MODERN_REVISION = 1;

const BAR = 0;
const BAR_BYTES = 0x8000;
const REGION_BYTES = 0x1000;
const COMMON = 0x0000;
const INTERRUPT_STATUS = 0x1000;
const DEVICE = 0x2000;
const NOTIFY = 0x3000;
const MSIX_TABLE = 0x4000;
const MSIX_PENDING = 0x5000;
const NOTIFY_MULTIPLIER = 4;
const COMMON_BYTES = 0x3c;

/** §4.1.4: capabilities, by configuration structure. */
const VENDOR_SPECIFIC = 0x09;
const TYPE_COMMON = 1;
const TYPE_NOTIFY = 2;
const TYPE_ISR = 3;
const TYPE_DEVICE = 4;
const TYPE_PCI = 5;
const CAP_BAR = 4;
const CAP_OFFSET = 8;
const CAP_LENGTH = 12;
const CAP_DATA = 16;

/** §2.1 "Device Status Field". */
const STATUS_DRIVER_OK = 4;
const STATUS_FEATURES_OK = 8;
const STATUS_NEEDS_RESET = 64;

/** §6 "Reserved Feature Bits". */
const F_INDIRECT_DESC = 1n << 28n;
const F_EVENT_IDX = 1n << 29n;
const F_VERSION_1 = 1n << 32n;
const TRANSPORT_FEATURES = F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1;

const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

function transportState(queues: number, entries: number) {
  const vectors = queues + 1;
  return defineState('virtio-pci', 1, {
    status: u8(),
    deviceFeatureSelect: u32(),
    driverFeatureSelect: u32(),
    driverFeatures: u64(),
    configVector: u16({ initial: NO_VECTOR }),
    queueSelect: u16(),
    isr: u8({ max: ISR_QUEUE | ISR_CONFIG }),
    /** Of the device's configuration: it counts changes. */
    generation: u8(),
    queues: list(virtqueueState(entries), queues),
    msixTable: bytes(MSIX_ENTRY_BYTES * vectors),
    msixPending: bytes(vectors),
  });
}

export type VirtioPciState = StateOf<ReturnType<typeof transportState>>;

export interface VirtioPciHost {
  readonly memory: GuestMemory;
  readonly irq: IrqLine;
  /** A message-signalled interrupt. */
  message(address: number, data: number): void;
}

export class VirtioPci extends Device<VirtioPciState> {
  readonly config: PciConfig;
  readonly #device: VirtioDevice;
  readonly #host: VirtioPciHost;
  readonly #msix: Msix;
  readonly #registers: IoHandler;
  /** Where the capability is through which configuration space leads to the BAR. */
  readonly #window: number;
  /** Empty unless the driver is ready. */
  #queues: Virtqueue[] = [];
  #isRunning = false;

  constructor(device: VirtioDevice, host: VirtioPciHost) {
    const count = device.queueSizes.length;
    super(transportState(count, Math.max(...device.queueSizes)));
    this.#device = device;
    this.#host = host;
    this.#registers = this.#bar();
    const { places, ...space } = capabilityList([
      structure(TYPE_COMMON, COMMON, COMMON_BYTES),
      structure(TYPE_ISR, INTERRUPT_STATUS, 1),
      structure(TYPE_DEVICE, DEVICE, REGION_BYTES),
      structure(TYPE_NOTIFY, NOTIFY, NOTIFY_MULTIPLIER * count, NOTIFY_MULTIPLIER),
      PCI_WINDOW,
      msixCapability(count + 1, BAR, MSIX_TABLE, MSIX_PENDING),
    ]);
    this.#window = places[4] as number;
    const bar: PciBar = { index: BAR, space: 'memory', sizeBytes: BAR_BYTES, handler: this.#registers };
    const { deviceId, classCode } = device;
    this.config = new PciConfig({
      identity: {
        vendor: VENDOR,
        device: FIRST_DEVICE + deviceId,
        revision: MODERN_REVISION,
        classCode,
        subsystemVendor: VENDOR,
        subsystem: FIRST_DEVICE + deviceId,
        interruptPin: 1,
      },
      bars: [bar],
      rom: device.rom,
      ...space,
      written: (register, size) => this.#configWritten(register, size),
      reading: (register, size) => this.#configRead(register, size),
    });
    const { state, config } = this;
    this.#msix = new Msix({ state, config, place: places[5] as number, message: host.message });
    this.#powerOn();
    device.attached?.({ configChanged: () => this.#configChanged(), fail: () => this.#fail() });
  }

  // ---- Life --------------------------------------------------------------------------------------------------------

  override reset(): void {
    super.reset();
    this.#powerOn();
    this.#device.reset();
  }

  #powerOn(): void {
    this.#msix.reset();
    for (const [i, queue] of this.state.queues.entries()) queue.size = this.#device.queueSizes[i] as number;
  }

  /** The driver's reset leaves what is PCI's. */
  #resetByDriver(): void {
    const { state } = this;
    const { generation } = state;
    const table = state.msixTable.slice();
    super.reset();
    this.#powerOn();
    state.generation = generation;
    state.msixTable.set(table);
    this.#device.reset();
  }

  protected override derive(): void {
    for (const queue of this.#queues) queue.retire();
    this.#queues = [];
    this.#isRunning = false;
    this.#updateLine();
    if (this.state.status & STATUS_DRIVER_OK) this.#start();
  }

  /** Has the device look at all queues: after a start, and after a restore when all parts are as they were. */
  resume(): void {
    if (this.#isRunning) for (const [i] of this.state.queues.entries()) this.#notified(i);
  }

  get #isWorking(): boolean {
    return this.#isRunning && !(this.state.status & STATUS_NEEDS_RESET) && this.config.busMaster;
  }

  #start(): void {
    const { state } = this;
    const { driverFeatures, queues } = state;
    this.#isRunning = true;
    this.#queues = queues.map(
      (queue, index) =>
        new Virtqueue(queue, {
          memory: this.#host.memory,
          largest: this.#device.queueSizes[index] as number,
          indirect: (driverFeatures & F_INDIRECT_DESC) !== 0n,
          eventIndex: (driverFeatures & F_EVENT_IDX) !== 0n,
          isWorking: () => queue.enabled && this.#isWorking,
          fail: () => this.#fail(),
          interrupt: () => this.#interrupt(queue.vector, ISR_QUEUE),
        }),
    );
    this.#device.started(driverFeatures & ~TRANSPORT_FEATURES, this.#queues);
  }

  #fail(): void {
    if (this.state.status & STATUS_NEEDS_RESET) return;
    this.state.status |= STATUS_NEEDS_RESET;
    if (this.#isRunning) this.#interrupt(this.state.configVector, ISR_CONFIG);
  }

  #configChanged(): void {
    this.state.generation = (this.state.generation + 1) & 0xff;
    if (this.#isRunning) this.#interrupt(this.state.configVector, ISR_CONFIG);
  }

  // ---- Interrupts --------------------------------------------------------------------------------------------------

  #interrupt(vector: number, isr: number): void {
    if (this.#msix.enabled) {
      this.#msix.signal(vector);
      return;
    }
    this.state.isr |= isr;
    this.#updateLine();
  }

  #updateLine(): void {
    this.#host.irq.set(this.state.isr !== 0 && !this.#msix.enabled && !this.config.interruptDisabled);
  }

  // ---- Registers ---------------------------------------------------------------------------------------------------

  #bar(): IoHandler {
    const device = this.#device;
    const common = new CommonConfiguration({
      state: this.state,
      features: device.features | TRANSPORT_FEATURES,
      queueSizes: device.queueSizes,
      vectors: device.queueSizes.length + 1,
      isFixed: () => this.#isRunning,
      statusWritten: (status) => this.#statusWritten(status),
    });
    const interruptStatus: IoHandler = {
      read: (offset) => {
        if (offset !== 0) return 0;
        const { isr } = this.state;
        this.state.isr = 0;
        this.#updateLine();
        return isr;
      },
      write: () => {},
    };
    const configuration: IoHandler = {
      read: (offset, size) => device.readConfig(offset, size) >>> 0,
      write: (offset, value, size) => device.writeConfig(offset, value, size),
    };
    const notify: IoHandler = {
      read: () => 0,
      write: (offset) => this.#notified(Math.floor(offset / NOTIFY_MULTIPLIER)),
    };
    const regions = [common, interruptStatus, configuration, notify];
    const regionOf = (offset: number): IoHandler | undefined => {
      const region = Math.floor(offset / REGION_BYTES);
      if (region < regions.length) return regions[region];
      return offset < MSIX_PENDING ? this.#msix.table : offset < BAR_BYTES ? this.#msix.pendingBits : undefined;
    };
    return {
      read: (offset, size) => regionOf(offset)?.read(offset % REGION_BYTES, size) ?? 0,
      write: (offset, value, size) => regionOf(offset)?.write(offset % REGION_BYTES, value, size),
    };
  }

  #notified(index: number): void {
    if (this.state.queues[index]?.enabled && this.#isWorking) this.#device.notified(index);
  }

  #statusWritten(value: number): void {
    const { state } = this;
    if (value === 0) {
      this.#resetByDriver();
      return;
    }
    const before = state.status;
    let status = before | (value & ~STATUS_NEEDS_RESET);
    if (!(before & STATUS_FEATURES_OK) && status & STATUS_FEATURES_OK) {
      const offered = this.#device.features | TRANSPORT_FEATURES;
      const isFine = (state.driverFeatures & ~offered) === 0n && (state.driverFeatures & F_VERSION_1) !== 0n;
      if (!isFine) status &= ~STATUS_FEATURES_OK;
    }
    if (!(status & STATUS_FEATURES_OK)) status &= ~STATUS_DRIVER_OK;
    state.status = status;
    if (!(before & STATUS_DRIVER_OK) && status & STATUS_DRIVER_OK) {
      this.#start();
      this.resume();
    }
  }

  // ---- Configuration space -----------------------------------------------------------------------------------------

  #configWritten(register: number, size: number): void {
    this.#msix.changed();
    this.#updateLine();
    const data = this.#window + CAP_DATA;
    const at = this.#windowTarget();
    if (register !== data || at === undefined || at.size > size) return;
    this.#registers.write(at.offset, this.#configValue(data, at.size), at.size);
  }

  #configRead(register: number, size: number): void {
    const data = this.#window + CAP_DATA;
    if (register + size <= data || register >= data + 4) return;
    const at = this.#windowTarget();
    if (at === undefined) return;
    const value = this.#registers.read(at.offset, at.size);
    for (let i = 0; i < at.size; i++) this.config.setByte(data + i, (value >>> (8 * i)) & 0xff);
  }

  #configValue(register: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.config.byte(register + i) << (8 * i);
    return value >>> 0;
  }

  /** §4.1.4.9 "PCI configuration access capability": where in the BAR the driver points. */
  #windowTarget(): { readonly offset: number; readonly size: AccessSize } | undefined {
    const offset = this.#configValue(this.#window + CAP_OFFSET, 4);
    const size = this.#configValue(this.#window + CAP_LENGTH, 4);
    if (this.config.byte(this.#window + CAP_BAR) !== BAR || (size !== 1 && size !== 2 && size !== 4)) return undefined;
    return offset % size === 0 && offset + size <= BAR_BYTES ? { offset, size } : undefined;
  }
}

function structure(type: number, offset: number, length: number, ...more: readonly number[]): PciCapability {
  const words = [offset, length, ...more].flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff));
  return { id: VENDOR_SPECIFIC, bytes: [CAP_OFFSET + 4 * (2 + more.length), type, BAR, 0, 0, 0, ...words] };
}

const PCI_WINDOW: PciCapability = {
  ...structure(TYPE_PCI, 0, 0, 0),
  writable: Object.fromEntries(
    [CAP_BAR, ...Array.from({ length: CAP_DATA + 4 - CAP_OFFSET }, (_, i) => CAP_OFFSET + i)].map((at) => [at, 0xff]),
  ),
};
