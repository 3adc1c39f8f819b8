/**
 * 82371AB (PIIX4) function 3, power management: where the registers of `acpi-pm.ts` and of an SMBus host without devices
 * appear (Intel 82371AB data sheet, 290562, §7.1 "Power Management PCI Configuration Registers", §7.3), and the SMI that
 * a write to the APM control port raises (§7.2 "Power Management I/O Space Registers", §11.4).
 *
 * Not modelled: other causes of SMIs, their status bits and the end-of-SMI bit (the next SMI comes without it, as on QEMU, for which
 * SeaBIOS is made), general purpose inputs and outputs, device monitors, devices on the SMBus.
 */

import type { Bus, IoHandler } from '../../base/bus.ts';
import { bytes, defineState, type StateOf } from '../../base/state.ts';
import { Device } from '../device.ts';
import { PciConfig } from './pci-config.ts';

const PMBASE = 0x40;
/** DEVACTB's last byte: whether a write to the APM control port raises an SMI. */
const DEVACTB_LAST = 0x5b;
const APMC_ENABLED = 0x02;
/** Global control, by PMBASE: whether anything raises one. */
const GLBCTL = 0x28;
const GLBCTL_BYTES = 4;
const SMI_ENABLED = 0x01;
const APM_CONTROL = 0;
const PMREGMISC = 0x80;
const SMBBASE = 0x90;
const SMBHSTCFG = 0xd2;
const ENABLE = 0x01;
const IO_SPACE = 0x01;
const PM_BYTES = 64;
const SMBUS_BYTES = 16;

/** SMBus registers, and the bits that stand for what happens: a command ends at once, for no device answers. */
const SMBUS_STATUS = 0x00;
const SMBUS_CONTROL = 0x02;
const STATUS_WRITE_CLEARS = 0x1e;
const STATUS_DEVICE_ERROR = 0x04;
const CONTROL_START = 0x40;

const piix4PmState = defineState('piix4-pm', 2, {
  smbus: bytes(SMBUS_BYTES),
  /** APM control and status. */
  apm: bytes(2),
  globalControl: bytes(GLBCTL_BYTES),
});

export interface Piix4PmHost {
  readonly ports: Bus;
  /** SMI#, pulsed. */
  smi(): void;
  /** Registers from PMBASE on, by offset. */
  readonly registers: readonly (readonly [offset: number, bytes: number, handler: IoHandler])[];
}

export class Piix4Pm extends Device<StateOf<typeof piix4PmState>> {
  readonly config: PciConfig;
  /** Ports 0xB2 and 0xB3. */
  readonly apm: IoHandler;
  readonly #host: Piix4PmHost;
  readonly #smbus: IoHandler;
  readonly #registers: Piix4PmHost['registers'];
  readonly #mapped = new Map<IoHandler, number>();

  constructor(host: Piix4PmHost) {
    super(piix4PmState);
    this.#host = host;
    this.#smbus = {
      widest: 1,
      read: (offset) => this.state.smbus[offset] as number,
      write: (at, v) => this.#write(at, v),
    };
    const globalControl: IoHandler = {
      widest: 1,
      read: (offset) => this.state.globalControl[offset] as number,
      write: (offset, value) => {
        this.state.globalControl[offset] = value;
      },
    };
    this.#registers = [...host.registers, [GLBCTL, GLBCTL_BYTES, globalControl]];
    this.apm = {
      widest: 1,
      read: (offset) => this.state.apm[offset] as number,
      write: (offset, value) => this.#writeApm(offset, value),
    };
    const words = (register: number, low: number): Record<number, number> => ({
      [register]: low,
      [register + 1]: 0xff,
      [register + 2]: 0,
      [register + 3]: 0,
    });
    this.config = new PciConfig({
      identity: { vendor: 0x8086, device: 0x7113, revision: 3, classCode: 0x06_80_00, interruptPin: 1 },
      writable: {
        ...words(PMBASE, 0xc0),
        ...words(SMBBASE, 0xf0),
        [PMREGMISC]: ENABLE,
        [SMBHSTCFG]: 0x0f,
        88: 0xff,
        89: 0xff,
        90: 0xff,
        [DEVACTB_LAST]: APMC_ENABLED,
      },
      initial: { [PMBASE]: IO_SPACE, [SMBBASE]: IO_SPACE },
      written: () => this.#remap(),
    });
  }

  protected override derive(): void {
    this.#remap();
  }

  /** Where the power management registers are; 0 if they are nowhere. */
  get pmBase(): number {
    return this.#base(PMBASE, PMREGMISC, PM_BYTES);
  }

  #base(register: number, enable: number, bytes: number): number {
    const base = this.config.read(register, 2) & -bytes & 0xffff;
    return (this.config.byte(enable) & ENABLE) !== 0 ? base : 0;
  }

  #remap(): void {
    const pm = this.pmBase;
    for (const [offset, bytes, handler] of this.#registers) this.#place(handler, pm && pm + offset, bytes);
    this.#place(this.#smbus, this.#base(SMBBASE, SMBHSTCFG, SMBUS_BYTES), SMBUS_BYTES);
  }

  #place(handler: IoHandler, base: number, bytes: number): void {
    const { ports } = this.#host;
    const before = this.#mapped.get(handler) ?? 0;
    if (base === before) return;
    if (before !== 0) ports.unmap(before, handler);
    this.#mapped.set(handler, base !== 0 && ports.tryMap(base, bytes, handler) ? base : 0);
  }

  #writeApm(offset: number, value: number): void {
    this.state.apm[offset] = value;
    if (offset !== APM_CONTROL) return;
    const enabled = (this.config.byte(DEVACTB_LAST) & APMC_ENABLED) !== 0;
    if (enabled && ((this.state.globalControl[0] as number) & SMI_ENABLED) !== 0) this.#host.smi();
  }

  #write(offset: number, value: number): void {
    const { smbus } = this.state;
    if (offset === SMBUS_STATUS) smbus[SMBUS_STATUS] &= ~(value & STATUS_WRITE_CLEARS);
    else smbus[offset] = offset === SMBUS_CONTROL ? value & ~CONTROL_START : value;
    if (offset === SMBUS_CONTROL && value & CONTROL_START) smbus[SMBUS_STATUS] |= STATUS_DEVICE_ERROR;
  }
}
