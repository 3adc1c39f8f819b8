/**
 * One port of an AHCI adapter: its registers, its interrupts and its link (AHCI 1.3.1 §3.3 "Port Registers"). Commands are
 * for its CommandEngine.
 *
 * Not modelled: port multipliers, power management, hot plug of devices, and what needs optional capabilities.
 */

import type { BlockPort } from '../../base/block.ts';
import type { GuestMemory } from '../../base/dma.ts';
import { BSY, DRQ } from '../ide/ata-registers.ts';
import type { IdeUnit, IdeUnitHost } from '../ide/ide-unit.ts';
import { CommandEngine } from './engine.ts';
import * as at from './registers.ts';

export interface PortHost {
  readonly memory: GuestMemory;
  /** The PCI function may be master. */
  isBusMaster(): boolean;
  /** `interrupts` may have changed. */
  interruptChanged(): void;
}

export class AhciPort {
  readonly #state: at.PortState;
  readonly #host: PortHost;
  readonly #engine: CommandEngine;
  #unit: IdeUnit | undefined;

  constructor(state: at.PortState, host: PortHost) {
    this.#state = state;
    this.#host = host;
    this.#engine = new CommandEngine(state, {
      memory: host.memory,
      isBusMaster: () => host.isBusMaster(),
      raise: (interrupts) => {
        state.interruptStatus = (state.interruptStatus | interrupts) >>> 0;
        host.interruptChanged();
      },
    });
  }

  /** For the device of this port. */
  get unitHost(): IdeUnitHost {
    return this.#engine.unitHost;
  }

  /** `medium`: of a disk, which queues commands. */
  attach(unit: IdeUnit, medium?: BlockPort): void {
    this.#unit = unit;
    this.#engine.attach(unit, medium);
  }

  // ---- Power, reset, restore ---------------------------------------------------------------------------------------

  /** With the state of power-on. */
  powerOn(): void {
    this.#unit?.powerOn();
    this.#linkUp();
  }

  /** The adapter is reset: drivers need not tell again where their memory is (AHCI 1.3.1 §10.4.3 "HBA Reset"). */
  reset(): void {
    const s = this.#state;
    const { commandList, commandListUpper, fis, fisUpper } = s;
    this.#engine.stop();
    at.portState.assign(s, { ...at.portState.create(), commandList, commandListUpper, fis, fisUpper });
    this.#unit?.reset();
    this.#linkUp();
  }

  derive(): void {
    this.#engine.derive();
  }

  /** The function may have become bus master. */
  allowed(): void {
    this.#engine.allowed();
  }

  // ---- Registers ---------------------------------------------------------------------------------------------------

  read(register: number): number {
    const s = this.#state;
    switch (register) {
      case at.CLB:
        return s.commandList;
      case at.CLBU:
        return s.commandListUpper;
      case at.FB:
        return s.fis;
      case at.FBU:
        return s.fisUpper;
      case at.PXIS:
        return this.#interruptStatus();
      case at.PXIE:
        return s.interruptEnable;
      case at.CMD:
        return this.#commandRegister();
      case at.TFD:
        return s.taskFile;
      case at.SIG:
        return s.signature;
      case at.SSTS:
        return s.sataStatus;
      case at.SCTL:
        return s.sataControl;
      case at.SERR:
        return s.sataError;
      case at.SACT:
        return s.active;
      case at.CI:
        return s.issue;
      default:
        return 0;
    }
  }

  write(register: number, value: number): void {
    const s = this.#state;
    switch (register) {
      case at.CLB:
        s.commandList = (value & ~0x3ff) >>> 0;
        return;
      case at.CLBU:
        s.commandListUpper = value;
        return;
      case at.FB:
        s.fis = (value & ~0xff) >>> 0;
        return;
      case at.FBU:
        s.fisUpper = value;
        return;
      case at.PXIS:
        s.interruptStatus = (s.interruptStatus & ~value) >>> 0;
        break;
      case at.PXIE:
        s.interruptEnable = (value & at.INT_ENABLES) >>> 0;
        break;
      case at.CMD:
        this.#writeCommandRegister(value);
        break;
      case at.SCTL:
        this.#writeSataControl(value);
        break;
      case at.SERR:
        s.sataError = (s.sataError & ~value) >>> 0;
        break;
      case at.SACT:
        if (s.command & at.CMD_START) s.active = (s.active | value) >>> 0;
        return;
      case at.CI:
        if (s.command & at.CMD_START) s.issue = (s.issue | value) >>> 0;
        this.#engine.run();
        return;
      default:
        return;
    }
    this.#host.interruptChanged();
  }

  /** Something wants the driver's attention, and the driver wants to be told. */
  get interrupts(): boolean {
    return (this.#interruptStatus() & this.#state.interruptEnable) !== 0;
  }

  #interruptStatus(): number {
    const { interruptStatus, sataError } = this.#state;
    const connect = sataError & at.SERR_EXCHANGED ? at.INT_CONNECT : 0;
    const phy = sataError & at.SERR_PHY_CHANGE ? at.INT_PHY : 0;
    return ((interruptStatus & ~at.INT_OF_SERR) | connect | phy) >>> 0;
  }

  #commandRegister(): number {
    const { command, lastSlot } = this.#state;
    const starts = command & at.CMD_START ? at.CMD_RUNNING | (lastSlot << at.CMD_SLOT_SHIFT) : 0;
    const receives = command & at.CMD_FIS_RECEIVE ? at.CMD_FIS_RUNNING : 0;
    return command | at.CMD_SPIN_UP | at.CMD_POWER | starts | receives;
  }

  #writeCommandRegister(value: number): void {
    const s = this.#state;
    const before = s.command;
    s.command = value & at.CMD_WRITABLE;
    if (before & ~value & at.CMD_START) this.#engine.stop();
    if (value & at.CMD_OVERRIDE && !(value & at.CMD_START)) s.taskFile &= ~(BSY | DRQ);
    if (value & at.CMD_FIS_RECEIVE && s.owesSignature) this.#engine.sendSignature();
    this.#engine.run();
  }

  // ---- The link ----------------------------------------------------------------------------------------------------

  #writeSataControl(value: number): void {
    const s = this.#state;
    const before = s.sataControl & at.SCTL_DETECTION;
    const detection = value & at.SCTL_DETECTION;
    s.sataControl = value & at.SCTL_WRITABLE;
    if (detection === before) return;
    if (detection === at.SCTL_RESET || detection === at.SCTL_OFFLINE) {
      this.#engine.stop();
      s.sataStatus = detection === at.SCTL_OFFLINE ? at.SSTS_OFFLINE : 0;
      s.taskFile = at.TFD_NONE;
      s.signature = at.SIG_NONE;
      s.owesSignature = false;
    } else if (detection === 0 && (before === at.SCTL_RESET || before === at.SCTL_OFFLINE)) {
      this.#unit?.reset();
      this.#linkUp();
    }
  }

  /** A device that is there is found, and tells what it is. */
  #linkUp(): void {
    const s = this.#state;
    s.isInReset = false;
    s.sataStatus = this.#unit ? at.SSTS_ESTABLISHED : 0;
    if (!this.#unit) return;
    s.sataError = (s.sataError | at.SERR_EXCHANGED | at.SERR_PHY_CHANGE) >>> 0;
    this.#engine.sendSignature();
    this.#host.interruptChanged();
  }
}
