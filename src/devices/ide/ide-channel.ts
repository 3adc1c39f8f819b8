/**
 * One IDE channel: the command and control blocks that its two devices share, and the interrupt line (ATA/ATAPI-6,
 * "Interface register definitions and descriptions", "Device 0 only configurations", "Device 1 only configurations").
 *
 * What is written goes to both devices, what is read comes from the selected one; device 0 answers for a device 1 that
 * is not there, with a status of zero. An empty channel reads as zeros: nothing there is ever busy.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import type { IrqLine } from '../../base/irq.ts';
import { bool, defineState, type StateOf, u8 } from '../../base/state.ts';
import * as ata from './ata-registers.ts';
import type { BusMaster } from './bus-master.ts';
import type { IdeUnit } from './ide-unit.ts';

export const ideChannelState = defineState('ide-channel', 1, {
  /** Device control. */
  control: u8(),
  /** Device 1 is selected. */
  second: bool(),
});

type IdeChannelState = StateOf<typeof ideChannelState>;

export interface IdeChannelHost {
  readonly irq: IrqLine;
  readonly busMaster: BusMaster;
  /** The PCI function decodes this channel's ports. */
  isDecoded(): boolean;
}

export class IdeChannel {
  /** Eight ports. */
  readonly command: IoHandler = {
    read: (offset, size) => this.#read(offset, size),
    write: (offset, value, size) => this.#write(offset, value, size),
    readMany: (offset, size, bytes) => {
      if (offset !== ata.DATA || !this.#host.isDecoded()) return false;
      this.#selected?.readDataMany(size, bytes);
      return this.#selected !== undefined;
    },
    writeMany: (offset, size, bytes) => {
      if (offset !== ata.DATA || !this.#host.isDecoded()) return false;
      this.#selected?.writeDataMany(size, bytes);
      return this.#selected !== undefined;
    },
  };
  /** One port. */
  readonly control: IoHandler = {
    widest: 1,
    read: () => (this.#host.isDecoded() ? this.#status() : 0xff),
    write: (_, value) => {
      if (this.#host.isDecoded()) this.#control(value);
    },
  };
  readonly #state: IdeChannelState;
  readonly #host: IdeChannelHost;
  #units: readonly (IdeUnit | undefined)[] = [];
  #line = false;

  constructor(state: IdeChannelState, host: IdeChannelHost) {
    this.#state = state;
    this.#host = host;
  }

  attach(units: readonly (IdeUnit | undefined)[]): void {
    this.#units = units;
  }

  get #selected(): IdeUnit | undefined {
    return this.#units[this.#state.second ? 1 : 0];
  }

  // ---- Ports -------------------------------------------------------------------------------------------------------

  #read(offset: number, size: AccessSize): number {
    if (!this.#host.isDecoded()) return 0xffff_ffff;
    if (offset === ata.DATA) return this.#selected?.readData(size) ?? 0;
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.#readByte(offset + i) << (8 * i);
    return value >>> 0;
  }

  #readByte(register: number): number {
    if (register === ata.STATUS) {
      const status = this.#status();
      this.#selected?.setInterrupt(false);
      return status;
    }
    const answering = this.#selected ?? (this.#state.second ? this.#units[0] : undefined);
    return answering?.readRegister(register, (this.#state.control & ata.HOB) !== 0) ?? 0;
  }

  #status(): number {
    return this.#selected?.readRegister(ata.STATUS, false) ?? 0;
  }

  #write(offset: number, value: number, size: AccessSize): void {
    if (!this.#host.isDecoded()) return;
    if (offset === ata.DATA) {
      this.#selected?.writeData(value, size);
      return;
    }
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  #writeByte(register: number, value: number): void {
    const s = this.#state;
    s.control &= ~ata.HOB;
    if (register === ata.COMMAND) {
      if (value === ata.EXECUTE_DEVICE_DIAGNOSTIC) this.#diagnose();
      else this.#selected?.writeCommand(value);
      return;
    }
    for (const unit of this.#units) unit?.writeRegister(register, value);
    if (register === ata.DEVICE) {
      s.second = (value & ata.DEVICE_1) !== 0;
      this.updateInterrupt();
    }
  }

  #control(value: number): void {
    const s = this.#state;
    const changed = s.control ^ value;
    s.control = value;
    if (changed & ata.SRST) {
      for (const unit of this.#units) unit?.reset();
      s.second = false;
      // Busy as long as the bit is set.
      if (value & ata.SRST) for (const unit of this.#units) unit?.setBusy();
    }
    this.updateInterrupt();
  }

  /** EXECUTE DEVICE DIAGNOSTIC is for both devices, whichever is selected; device 0 reports. */
  #diagnose(): void {
    for (const unit of this.#units) unit?.reset();
    this.#state.second = false;
    this.#units[0]?.setInterrupt(true);
  }

  // ---- Towards the function ----------------------------------------------------------------------------------------

  /** The bus master was started. */
  continueDma(): void {
    if (this.#selected?.isWaitingForDma) this.#selected.continueDma();
  }

  /** The line follows the selected device; its rising edge shows in the bus master's status. */
  updateInterrupt(): void {
    const level = (this.#state.control & ata.NIEN) === 0 && this.#selected?.state.interrupt === true;
    if (level && !this.#line) this.#host.busMaster.interrupted();
    this.#line = level;
    this.#host.irq.set(level);
  }

  /** After a restore: the line is as it was, and what was under way goes on. */
  derive(): void {
    this.#line = (this.#state.control & ata.NIEN) === 0 && this.#selected?.state.interrupt === true;
    this.#host.irq.set(this.#line);
    for (const unit of this.#units) unit?.resume();
  }

  powerOn(): void {
    for (const unit of this.#units) unit?.powerOn();
  }
}
