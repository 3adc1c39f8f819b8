/**
 * What an RTL8139 is set up with: the 93C46 behind its pins, the address loaded from it, CONFIG1 to CONFIG4 under their
 * lock, and the control register of its PHY (9346CR, CONFIG1 to CONFIG4 and BMCR in the data sheet).
 */

import { Eeprom93c46 } from './eeprom-93c46.ts';
import * as rtl from './rtl8139-state.ts';

export const VENDOR_REALTEK = 0x10ec;
export const DEVICE_8139 = 0x8139;

/** Pins of 9346CR. */
const PIN_OUT = 0x01;
const PIN_IN = 0x02;
const PIN_CLOCK = 0x04;
const PIN_SELECT = 0x08;
const EEM_SHIFT = 6;

const CONFIG1_WRITABLE = 0xf3;
const CONFIG3_WRITABLE = 0x7c;
const CONFIG4_WRITABLE = 0xb7;
const MSR_FLOW_CONTROL = 0xc0;

function merge(old: number, value: number, writable: number): number {
  return (old & ~writable) | (value & writable);
}

export class Rtl8139Configuration {
  readonly #state: rtl.Rtl8139State;
  readonly #eeprom: Eeprom93c46;

  constructor(state: rtl.Rtl8139State) {
    this.#state = state;
    this.#eeprom = new Eeprom93c46(state.eeprom[0]);
  }

  /** What a factory writes into it: words 0 to 4 are the identity, 7 to 9 the address. */
  programEeprom(mac: Uint8Array): void {
    const { words } = this.#state.eeprom[0];
    words.set([rtl.EEPROM_ID, VENDOR_REALTEK, DEVICE_8139, VENDOR_REALTEK, DEVICE_8139]);
    for (let i = 0; i < 3; i++) words[rtl.EEPROM_MAC_WORD + i] = mac[2 * i] | (mac[2 * i + 1] << 8);
  }

  load(): void {
    const { eeprom, idr } = this.#state;
    for (let i = 0; i < 3; i++) {
      const word = eeprom[0].words[rtl.EEPROM_MAC_WORD + i];
      idr[2 * i] = word;
      idr[2 * i + 1] = word >> 8;
    }
  }

  readEepromControl(): number {
    const { eepromControl } = this.#state;
    const drivesPins = eepromControl >> EEM_SHIFT === rtl.EEM_PROGRAM;
    return (eepromControl & ~PIN_OUT) | (drivesPins && this.#eeprom.dataOut ? PIN_OUT : 0);
  }

  writeEepromControl(value: number): void {
    const s = this.#state;
    s.eepromControl = value;
    if (value >> EEM_SHIFT === rtl.EEM_PROGRAM) {
      this.#eeprom.drive((value & PIN_SELECT) !== 0, (value & PIN_CLOCK) !== 0, (value & PIN_IN) !== 0);
    } else if (value >> EEM_SHIFT === rtl.EEM_AUTOLOAD) {
      this.load();
      s.eepromControl = rtl.EEM_NORMAL;
    }
  }

  #isWritable(): boolean {
    return this.#state.eepromControl >> EEM_SHIFT === rtl.EEM_CONFIG_WRITE;
  }

  writeConfig1(value: number): void {
    const s = this.#state;
    if (this.#isWritable()) s.config1 = merge(s.config1, value, CONFIG1_WRITABLE);
  }

  /** MSR, CONFIG3 and CONFIG4, from the low byte up. */
  writeConfig3And4(value: number): void {
    const s = this.#state;
    s.flowControl = value & MSR_FLOW_CONTROL;
    if (!this.#isWritable()) return;
    s.config3 = merge(s.config3, value >>> 8, CONFIG3_WRITABLE);
    s.config4 = merge(s.config4, value >>> 16, CONFIG4_WRITABLE);
  }

  writePhyControl(value: number): void {
    this.#state.bmcr = value & rtl.BMCR_RESET ? rtl.BMCR_INITIAL : value & rtl.BMCR_WRITABLE;
  }
}
