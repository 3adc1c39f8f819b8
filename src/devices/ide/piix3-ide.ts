/**
 * The IDE function of the PIIX3 south bridge (Intel 82371FB/82371SB data sheet, 290550-002, "PCI Configuration
 * Registers - IDE Interface (Function 1)"): two channels at their legacy ports, and their bus masters in one BAR.
 *
 *     primary    0x1F0-0x1F7, 0x3F6, IRQ 14      bus master at BAR 4 + 0
 *     secondary  0x170-0x177, 0x376, IRQ 15      bus master at BAR 4 + 8
 *
 * Timing registers are kept and have no effect but for the bit that decodes a channel's ports.
 *
 * Deviation: after a reset both channels are decoded, where a PIIX3 waits for that bit: firmware that is made for QEMU
 * (OVMF), whose channels are always there, does not set it.
 */

import type { BlockPort, Drive } from '../../base/block.ts';
import type { IoHandler } from '../../base/bus.ts';
import type { GuestMemory } from '../../base/dma.ts';
import type { IrqLine } from '../../base/irq.ts';
import { defineState, list, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { PciConfig } from '../pci/pci-config.ts';
import { AtaDisk } from './ata-disk.ts';
import { AtapiCdrom } from './atapi-cdrom.ts';
import { BusMaster, busMasterState } from './bus-master.ts';
import { IdeChannel, ideChannelState } from './ide-channel.ts';
import type { IdeUnit, IdeUnitHost } from './ide-unit.ts';
import { type IdeUnitState, ideUnitState } from './ide-unit-state.ts';

/** What is connected: to the primary channel as device 0 and 1, then to the secondary one. */
export type IdeAttachment =
  | { readonly kind: 'disk'; readonly medium: BlockPort; readonly serial?: string; readonly model?: string }
  | { readonly kind: 'cdrom'; readonly drive: Drive; readonly serial?: string };

export type IdeAttachments = readonly (IdeAttachment | undefined)[];

export interface Piix3IdeHost {
  readonly memory: GuestMemory;
  /** IRQ 14 and 15. */
  readonly irqs: readonly [IrqLine, IrqLine];
  readonly attachments: IdeAttachments;
}

/** IDETIM of the primary and the secondary channel: the upper byte, with the decode enable. */
const TIMING = [0x41, 0x43] as const;
const DECODE_ENABLE = 0x80;

const piix3IdeState = defineState('piix3-ide', 1, {
  channels: list(ideChannelState, 2),
  busMasters: list(busMasterState, 2),
  units: list(ideUnitState, 4),
});

export class Piix3Ide extends Device<StateOf<typeof piix3IdeState>> {
  readonly config: PciConfig;
  readonly primary: IdeChannel;
  readonly secondary: IdeChannel;
  /** Of BAR 4. */
  readonly busMaster: IoHandler;

  constructor(host: Piix3IdeHost) {
    super(piix3IdeState);
    const masters = this.state.busMasters.map((state, index) => {
      const isAllowed = (): boolean => this.config.busMaster;
      return new BusMaster(state, {
        memory: host.memory,
        isAllowed,
        started: () => this.#channel(index).continueDma(),
      });
    });
    const channels = this.state.channels.map((state, index) => {
      const busMaster = masters[index] as BusMaster;
      const isDecoded = (): boolean =>
        this.config.ioEnabled && (this.config.byte(TIMING[index] as number) & DECODE_ENABLE) !== 0;
      const channel = new IdeChannel(state, { irq: host.irqs[index] as IrqLine, busMaster, isDecoded });
      const unitHost: IdeUnitHost = { busMaster, interruptChanged: () => channel.updateInterrupt() };
      channel.attach([0, 1].map((unit) => this.#unit(host.attachments[index * 2 + unit], index * 2 + unit, unitHost)));
      return channel;
    });
    [this.primary, this.secondary] = channels as [IdeChannel, IdeChannel];
    this.busMaster = {
      widest: 1,
      read: (offset) => masters[offset >> 3]?.read(offset & 7) ?? 0xff,
      write: (offset, value) => masters[offset >> 3]?.write(offset & 7, value),
    };
    this.config = new PciConfig({
      identity: { vendor: 0x8086, device: 0x7010, classCode: 0x01_01_80, multifunction: true },
      bars: [{ index: 4, space: 'io', sizeBytes: 16, handler: this.busMaster }],
      initial: { [TIMING[0]]: DECODE_ENABLE, [TIMING[1]]: DECODE_ENABLE },
      writable: { 64: 0xff, 65: 0xff, 66: 0xff, 67: 0xff, 68: 0xff },
      // A transfer may have waited for the function to become master.
      written: () => {
        this.primary.continueDma();
        this.secondary.continueDma();
      },
    });
    this.#powerOn();
  }

  #channel(index: number): IdeChannel {
    return index === 0 ? this.primary : this.secondary;
  }

  #unit(attachment: IdeAttachment | undefined, index: number, host: IdeUnitHost): IdeUnit | undefined {
    const state = this.state.units[index] as IdeUnitState;
    const serial = attachment?.serial ?? `VIV${index.toString().padStart(5, '0')}`;
    if (attachment?.kind === 'disk') return new AtaDisk(state, host, attachment.medium, { ...attachment, serial });
    if (attachment?.kind === 'cdrom') return new AtapiCdrom(state, host, attachment.drive, { serial });
    return undefined;
  }

  /** As by the reset line: trays stay as they are. */
  override reset(): void {
    const openTrays = this.state.units.map(({ isTrayOpen }) => isTrayOpen);
    super.reset();
    this.state.units.forEach((unit, index) => {
      unit.isTrayOpen = openTrays[index] as boolean;
    });
    this.#powerOn();
  }

  #powerOn(): void {
    this.primary.powerOn();
    this.secondary.powerOn();
  }

  protected override derive(): void {
    this.primary.derive();
    this.secondary.derive();
  }
}
