/**
 * 82540EM Gigabit Ethernet controller (Intel "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's
 * Manual", 317453, rev. 4.0), with its PHY and a 93C46 that holds its address.
 *
 * BAR 0 has the registers (e1000/registers.ts), in double words; BAR 1 two ports through which they can be reached,
 * IOADDR and IODATA. Sending takes no time. A frame for which there is no buffer is refused, and asked for again when
 * the driver moves RDT.
 * Not modelled: jumbo frames, flow control, wake-up and power management, the flash, MSI, PCI-X, the packet buffer and
 * FIFO registers, TBI, the aliases of the 82542's registers, interrupts for small packets (RSRPD) and low transmit
 * descriptors, checksums of received IPv6, frames with errors.
 */

import type { AccessSize, IoHandler } from '../../../base/bus.ts';
import { isFrame, type NetworkDevice } from '../../../base/network.ts';
import { Device } from '../../device.ts';
import { PciConfig } from '../../pci/pci-config.ts';
import { EEPROM_WORDS, Eeprom93c46 } from '../eeprom-93c46.ts';
import { padded } from '../ethernet.ts';
import type { NicHost } from '../nic-host.ts';
import { Interrupts } from './interrupts.ts';
import { MDIC_INTERRUPT, Phy } from './phy.ts';
import { Receiver } from './receive.ts';
import * as reg from './registers.ts';
import { Statistics } from './statistics.ts';
import { Transmitter } from './transmit.ts';

const VENDOR_INTEL = 0x8086;
const DEVICE_82540EM = 0x100e;
const REVISION = 0x03;
const SUBSYSTEM_DESKTOP = 0x001e;
const CLASS_ETHERNET = 0x02_0000;
const IO_BYTES = 64;
const IO_ADDRESS = 0;
const IO_DATA = 4;

const EECD_CLOCK = 0x01;
const EECD_SELECT = 0x02;
const EECD_IN = 0x04;
const EECD_OUT = 0x08;
const EECD_REQUEST = 0x40;
const EECD_GRANT = 0x80;
const EECD_PRESENT = 0x100;
const EECD_STORED = 0x77;
const EERD_START = 0x01;
const EERD_DONE = 0x10;

/** Words of the EEPROM (manual §5.6 "EEPROM Address Map"): address, identity, the sum that makes all of them this. */
const EEPROM_IDENTITY_WORD = 0x0a;
const EEPROM_SUM_WORD = 0x3f;
const EEPROM_SUM = 0xbaba;

export class E1000 extends Device<reg.E1000State> implements IoHandler, NetworkDevice {
  readonly config: PciConfig;
  readonly io: IoHandler;
  onReady: (() => void) | undefined;
  readonly #host: NicHost;
  readonly #eeprom: Eeprom93c46;
  readonly #phy: Phy;
  readonly #interrupts: Interrupts;
  readonly #statistics: Statistics;
  readonly #receiver: Receiver;
  readonly #transmitter: Transmitter;
  /** A frame was refused. */
  #refused = false;

  constructor(host: NicHost) {
    super(reg.e1000State);
    this.#host = host;
    this.io = {
      read: (offset, size) => this.#readPort(offset, size),
      write: (offset, value, size) => this.#writePort(offset, value, size),
    };
    this.config = new PciConfig({
      identity: {
        vendor: VENDOR_INTEL,
        device: DEVICE_82540EM,
        revision: REVISION,
        classCode: CLASS_ETHERNET,
        subsystemVendor: VENDOR_INTEL,
        subsystem: SUBSYSTEM_DESKTOP,
        interruptPin: 1,
      },
      bars: [
        { index: 0, space: 'memory', sizeBytes: reg.REGISTER_BYTES, handler: this },
        { index: 1, space: 'io', sizeBytes: IO_BYTES, handler: this.io },
      ],
      rom: host.rom,
      initial: { 62: 0xff }, // MIN_GNT
      written: () => this.#configured(),
    });
    const core: reg.E1000Core = { state: this.state, host, config: this.config };
    this.#eeprom = new Eeprom93c46(this.state.eeprom[0]);
    this.#interrupts = new Interrupts(core);
    this.#statistics = new Statistics(this.state);
    this.#receiver = new Receiver(core, this.#interrupts);
    this.#transmitter = new Transmitter(core, {
      interrupts: this.#interrupts,
      statistics: this.#statistics,
      send: (frame) => this.#send(frame),
    });
    this.#phy = new Phy(core, () => this.#interrupts.raise(reg.INT_LINK_CHANGE));
    this.#programEeprom();
    this.#phy.reset();
    this.#loadFromEeprom();
  }

  get mac(): Uint8Array {
    return Uint8Array.from({ length: 6 }, (_, i) => this.state.eeprom[0].words[i >> 1] >> (8 * (i & 1)));
  }

  override reset(): void {
    this.#resetRegisters();
    this.#phy.reset();
  }

  protected override derive(): void {
    this.#phy.derive();
    this.#interrupts.derive();
    this.#transmitter.derive();
    this.#refused = true;
    this.#offerRoom();
  }

  /** What a factory writes into it. */
  #programEeprom(): void {
    const { words } = this.state.eeprom[0];
    const { mac } = this.#host;
    for (let i = 0; i < 3; i++) words[i] = mac[2 * i] | (mac[2 * i + 1] << 8);
    words.set([0, SUBSYSTEM_DESKTOP, VENDOR_INTEL, DEVICE_82540EM, VENDOR_INTEL], EEPROM_IDENTITY_WORD);
    words[EEPROM_SUM_WORD] = EEPROM_SUM - words.reduce((sum, word) => sum + word, 0);
  }

  /** The address goes into the first receive address. */
  #loadFromEeprom(): void {
    const { eeprom, ra } = this.state;
    const { words } = eeprom[0];
    ra[0] = words[0] | (words[1] << 16);
    ra[1] = words[2] | 0x8000_0000;
  }

  /** CTRL.RST, and the reset pin: not the EEPROM, nor the PHY. */
  #resetRegisters(): void {
    const { eeprom, phy, linkUpNs } = this.state;
    const kept = { words: eeprom[0].words.slice(), phy: phy.slice(), linkUpNs };
    super.reset();
    eeprom[0].words.set(kept.words);
    phy.set(kept.phy);
    this.state.linkUpNs = kept.linkUpNs;
    this.#phy.derive();
    this.#loadFromEeprom();
  }

  read(offset: number, size: AccessSize): number {
    const within = offset & 3;
    if (within + size > 4) return 0;
    return this.#readRegister(offset - within) >>> (within * 8);
  }

  write(offset: number, value: number, size: AccessSize): void {
    // Manual §13.2 "Register Conventions": double words only.
    if (size === 4 && (offset & 3) === 0) this.#writeRegister(offset, value);
  }

  #readPort(offset: number, size: AccessSize): number {
    if (size !== 4) return 0;
    if (offset === IO_ADDRESS) return this.state.ioAddress;
    return offset === IO_DATA ? this.read(this.state.ioAddress, 4) : 0;
  }

  #writePort(offset: number, value: number, size: AccessSize): void {
    if (size !== 4) return;
    if (offset === IO_ADDRESS) this.state.ioAddress = value;
    else if (offset === IO_DATA && this.state.ioAddress < reg.REGISTER_BYTES)
      this.write(this.state.ioAddress, value, 4);
  }

  #array(offset: number): { words: Uint32Array; index: number } | undefined {
    const { mta, ra, vfta } = this.state;
    for (const [base, words] of [
      [reg.MTA, mta],
      [reg.RA, ra],
      [reg.VFTA, vfta],
    ] as const) {
      const index = (offset - base) >> 2;
      if (index >= 0 && index < words.length) return { words, index };
    }
    return undefined;
  }

  #readRegister(offset: number): number {
    const s = this.state;
    switch (offset) {
      case reg.STATUS:
        return reg.STATUS_FIXED | (this.#phy.isLinkUp ? reg.STATUS_LINK_UP : 0);
      case reg.EECD:
        return s.eecd | EECD_PRESENT | (s.eecd & EECD_REQUEST ? EECD_GRANT : 0) | (this.#eeprom.dataOut ? EECD_OUT : 0);
      case reg.EERD:
        return s.eerd;
      case reg.MDIC:
        return s.mdic;
      case reg.ICR:
        return this.#interrupts.readCauses();
      case reg.IMS:
        return s.ims;
      default:
    }
    const stored = (reg.STORED as Record<number, readonly [keyof reg.E1000State, number] | undefined>)[offset];
    if (stored) return s[stored[0]] as number;
    if (offset >= reg.STATISTICS && offset < reg.STATISTICS + reg.STATISTICS_WORDS * 4) {
      return this.#statistics.read(offset);
    }
    const array = this.#array(offset);
    return array ? array.words[array.index] : 0;
  }

  #writeRegister(offset: number, value: number): void {
    const stored = (reg.STORED as Record<number, readonly [keyof reg.E1000State, number] | undefined>)[offset];
    if (stored) {
      const [name, writable] = stored;
      (this.state as Record<string, unknown>)[name] = (value & writable) >>> 0;
    }
    switch (offset) {
      case reg.CTRL:
        this.#writeControl(value);
        return;
      case reg.EECD:
        this.#writeEepromControl(value);
        return;
      case reg.EERD:
        this.#readEeprom(value);
        return;
      case reg.CTRL_EXT:
        if (value & reg.CTRL_EXT_EEPROM_RESET) this.#loadFromEeprom();
        return;
      case reg.MDIC:
        this.state.mdic = this.#phy.manage(value);
        if (value & MDIC_INTERRUPT) this.#interrupts.raise(reg.INT_MDIO);
        return;
      case reg.ICR:
        this.#interrupts.clearCauses(value);
        return;
      case reg.ITR:
        this.#interrupts.update();
        return;
      case reg.ICS:
        this.#interrupts.raise(value);
        return;
      case reg.IMS:
        this.#interrupts.unmask(value);
        return;
      case reg.IMC:
        this.#interrupts.mask(value);
        return;
      case reg.RDTR:
        if (value & reg.RDTR_FLUSH) this.#interrupts.received.flush();
        return;
      case reg.RCTL:
      case reg.RDH:
      case reg.RDT:
        this.#offerRoom();
        return;
      case reg.TCTL:
      case reg.TDT:
        this.#transmitter.run();
        return;
      default: {
        const array = this.#array(offset);
        if (array) array.words[array.index] = value;
      }
    }
  }

  #writeControl(value: number): void {
    if (value & reg.CTRL_PHY_RESET) this.#phy.restart();
    if (value & reg.CTRL_RESET) this.#resetRegisters();
  }

  #writeEepromControl(value: number): void {
    this.state.eecd = value & EECD_STORED;
    this.#eeprom.drive((value & EECD_SELECT) !== 0, (value & EECD_CLOCK) !== 0, (value & EECD_IN) !== 0);
  }

  #readEeprom(value: number): void {
    const address = (value >>> 8) & (EEPROM_WORDS - 1);
    const { words } = this.state.eeprom[0];
    this.state.eerd = value & EERD_START ? ((words[address] << 16) | (address << 8) | EERD_DONE) >>> 0 : value & 0xff00;
  }

  /** The guest wrote to configuration space: it may have switched INTx or DMA. */
  #configured(): void {
    this.#interrupts.update();
    this.#offerRoom();
  }

  #isListening(): boolean {
    return (this.state.rctl & reg.RCTL_ENABLE) !== 0 && this.config.busMaster;
  }

  get canReceive(): boolean {
    return !this.#isListening() || !this.#phy.isLinkUp || this.#receiver.hasRoom();
  }

  receive(frame: Uint8Array): boolean {
    return !this.#phy.isLinkUp || this.#accept(frame);
  }

  #accept(frame: Uint8Array): boolean {
    if (!isFrame(frame) || !this.#isListening()) return true;
    const match = this.#receiver.match(frame);
    if (match === undefined) return true;
    const whole = padded(frame);
    if (this.#receiver.receive(whole, match)) {
      this.#statistics.countReceived(whole);
      return true;
    }
    this.#statistics.countRefused();
    this.#refused = true;
    return false;
  }

  #send(frame: Uint8Array): void {
    const whole = this.state.tctl & reg.TCTL_PAD ? padded(frame) : frame;
    if (!isFrame(whole)) return;
    this.#statistics.countSent(whole);
    const isLoopback = (this.state.rctl & reg.RCTL_LOOPBACK) === reg.RCTL_MAC_LOOPBACK || this.#phy.isLoopback;
    if (isLoopback) this.#accept(whole);
    else if (this.#phy.isLinkUp) this.#host.network.send(whole);
  }

  /** Tells the network when what it was refused would be taken. */
  #offerRoom(): void {
    if (!this.#refused || !this.canReceive) return;
    this.#refused = false;
    this.onReady?.();
  }
}
