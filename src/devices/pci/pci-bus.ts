/**
 * The PCI bus of the board: configuration mechanism #1, base addresses that guests place, interrupt lines
 * (PCI Local Bus Specification 3.0 §3.2.2.3.2 "Software Generation of Configuration Transactions").
 *
 *     0xcf8  31 enable   23:16 bus   15:11 device   10:8 function   7:2 register      (32-bit accesses only)
 *     0xcfc  data
 *
 * One bus; what is behind a bridge is not there.
 */

import type { Bus, IoHandler } from '../../base/bus.ts';
import { type IrqLine, OrGate } from '../../base/irq.ts';
import type { VideoMemory } from '../../base/screen.ts';
import { defineState, type StateOf, u32 } from '../../base/state.ts';
import { Device, type Stateful } from '../device.ts';
import type { PciBar, PciConfig } from './pci-config.ts';

const ENABLE = 0x8000_0000;
const ADDRESS_WRITABLE = 0x80ff_fffc;
const SLOTS = 32;
const FUNCTIONS = 8;

export interface PciFunction extends Stateful {
  readonly config: PciConfig;
}

export interface PciHost {
  readonly ports: Bus;
  readonly mmio: Bus;
  /** Makes memory appear at a guest-physical address, or nowhere. */
  mapVideo(memory: VideoMemory, base: number | undefined): void;
  /** PIRQA# to PIRQD#. */
  readonly interrupts: readonly IrqLine[];
  /** Of accesses to 0xcf8 to 0xcfb that are not 32 bits wide: the reset control register is among them. */
  readonly beside?: IoHandler;
}

interface Mapping {
  readonly bar: PciBar;
  readonly config: PciConfig;
  /** Where it answers now. */
  base: number | undefined;
}

const pciBusState = defineState('pci-bus', 1, { address: u32() });

export class PciBus extends Device<StateOf<typeof pciBusState>> {
  /** Ports 0xcf8 and 0xcfc. */
  readonly address: IoHandler;
  readonly data: IoHandler;
  readonly #host: PciHost;
  readonly #functions: (PciFunction | undefined)[] = new Array(SLOTS * FUNCTIONS).fill(undefined);
  readonly #mappings: Mapping[] = [];
  readonly #gates: readonly OrGate[];

  constructor(host: PciHost) {
    super(pciBusState);
    this.#host = host;
    this.#gates = host.interrupts.map((line) => new OrGate(line));
    this.address = {
      read: (offset, size) =>
        size === 4 && offset === 0 ? this.state.address : (host.beside?.read(offset, size) ?? 0xffff_ffff),
      write: (offset, value, size) => {
        if (size === 4 && offset === 0) this.state.address = (value & ADDRESS_WRITABLE) >>> 0;
        else host.beside?.write(offset, value, size);
      },
    };
    this.data = {
      read: (offset, size) => this.#selected()?.config.read(this.#register(offset), size) ?? 0xffff_ffff,
      write: (offset, value, size) => this.#selected()?.config.write(this.#register(offset), value, size),
    };
  }

  /** Plugs a function in, before the guest runs. */
  attach(slot: number, number: number, device: PciFunction): void {
    this.#functions[slot * FUNCTIONS + number] = device;
    const { config } = device;
    for (const bar of config.bars) this.#mappings.push({ bar, config, base: undefined });
    config.decodingChanged = () => this.#remap();
  }

  /** Where a function's INTx# goes: pins rotate from slot to slot (i440FX's boards wire slot 1 as PIRQA). */
  intx(slot: number, pin: 1 | 2 | 3 | 4): IrqLine {
    return (this.#gates[(slot + pin - 2) & 3] as OrGate).input();
  }

  #selected(): PciFunction | undefined {
    const { address } = this.state;
    const bus = (address >>> 16) & 0xff;
    return (address & ENABLE) !== 0 && bus === 0 ? this.#functions[(address >>> 8) & 0xff] : undefined;
  }

  #register(offset: number): number {
    return (this.state.address & 0xfc) + offset;
  }

  /** Maps what answers now. Of two at one address the one that was there first has it, until it goes. */
  #remap(): void {
    for (const mapping of this.#mappings) {
      const base = mapping.config.baseOf(mapping.bar);
      if (mapping.base !== undefined && mapping.base !== base) this.#unmap(mapping);
    }
    for (const mapping of this.#mappings) {
      const base = mapping.config.baseOf(mapping.bar);
      if (mapping.base === undefined && base !== undefined && this.#map(mapping.bar, base)) mapping.base = base;
    }
  }

  #map({ space, sizeBytes, handler, video }: PciBar, base: number): boolean {
    if (video !== undefined) this.#host.mapVideo(video, base);
    if (handler === undefined) return true;
    return (space === 'io' ? this.#host.ports : this.#host.mmio).tryMap(base, sizeBytes, handler);
  }

  #unmap(mapping: Mapping): void {
    const { space, handler, video } = mapping.bar;
    if (video !== undefined) this.#host.mapVideo(video, undefined);
    if (handler) (space === 'io' ? this.#host.ports : this.#host.mmio).unmap(mapping.base as number, handler);
    mapping.base = undefined;
  }
}
