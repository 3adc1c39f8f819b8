/**
 * RTL8139C+ Fast Ethernet controller (Realtek data sheets RTL8139C(L) rev. 1.4, January 2002, and RTL8139C(L)+ rev. 1.6),
 * in C mode (rtl8139-c-mode.ts) and C+ mode (rtl8139-plus-mode.ts), with a 93C46 that holds its address
 * (rtl8139-configuration.ts).
 *
 * Sending takes no time, and the link is up at 100 Mb/s, full duplex. A frame for which there is no room is refused, and
 * asked for again when the driver has made some; so nothing is missed.
 * Deviation: TCTR, which counts at the PCI clock, counts at 33 MHz of virtual time.
 * Not modelled: early receive and transmit interrupts, MPC (nothing is missed), power management and wake-up, the boot ROM,
 * flow control frames, VPD, the other modes of the PHY's registers (PHY1_PARM to PHY2_PARM), frames with errors.
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import { isFrame, type NetworkDevice } from '../../base/network.ts';
import { Device } from '../device.ts';
import { PciConfig } from '../pci/pci-config.ts';
import { padded } from './ethernet.ts';
import type { NicHost } from './nic-host.ts';
import { CMode } from './rtl8139-c-mode.ts';
import { DEVICE_8139, Rtl8139Configuration, VENDOR_REALTEK } from './rtl8139-configuration.ts';
import { countReceived, matchOf } from './rtl8139-filter.ts';
import { NORMAL_QUEUE, PlusMode, PRIORITY_QUEUE } from './rtl8139-plus-mode.ts';
import * as rtl from './rtl8139-state.ts';
import { Rtl8139Timer } from './rtl8139-timer.ts';

const REVISION_C_PLUS = 0x20;
const CLASS_ETHERNET = 0x02_0000;

const POLL_PRIORITY = 0x80;
const POLL_NORMAL = 0x40;
const POLL_INTERRUPT = 0x01;
/** DTCCR: start, and busy; with the address in the other bits. */
const DUMP_TALLY = 0x08;

export class Rtl8139 extends Device<rtl.Rtl8139State> implements IoHandler, NetworkDevice {
  readonly config: PciConfig;
  onReady: (() => void) | undefined;
  readonly #host: NicHost;
  readonly #configuration: Rtl8139Configuration;
  readonly #timer: Rtl8139Timer;
  readonly #cMode: CMode;
  readonly #plusMode: PlusMode;
  /** A frame was refused. */
  #refused = false;

  constructor(host: NicHost) {
    super(rtl.rtl8139State);
    this.#host = host;
    this.config = new PciConfig({
      identity: {
        vendor: VENDOR_REALTEK,
        device: DEVICE_8139,
        revision: REVISION_C_PLUS,
        classCode: CLASS_ETHERNET,
        subsystemVendor: VENDOR_REALTEK,
        subsystem: DEVICE_8139,
        interruptPin: 1,
      },
      bars: [
        { index: 0, space: 'io', sizeBytes: rtl.REGISTER_BYTES, handler: this },
        { index: 1, space: 'memory', sizeBytes: rtl.REGISTER_BYTES, handler: this },
      ],
      rom: host.rom,
      written: () => this.#updateIrq(),
    });
    const core: rtl.Rtl8139Core = {
      state: this.state,
      host,
      config: this.config,
      raise: (causes) => this.#raise(causes),
      transmit: (frame) => this.#transmit(frame),
    };
    this.#configuration = new Rtl8139Configuration(this.state);
    this.#cMode = new CMode(core);
    this.#plusMode = new PlusMode(core);
    this.#timer = new Rtl8139Timer(core);
    this.#configuration.programEeprom(host.mac);
    this.#softReset();
    this.#configuration.load();
  }

  get mac(): Uint8Array {
    return this.state.idr;
  }

  override reset(): void {
    const words = this.state.eeprom[0].words.slice();
    super.reset();
    this.state.eeprom[0].words.set(words);
    this.#softReset();
    this.#configuration.load();
  }

  protected override derive(): void {
    this.#updateIrq();
    this.#timer.arm();
    this.#refused = true;
    this.#offerRoom();
  }

  /** Data sheet §6.7 "Command Register", RST: transmitter and receiver; addresses stay as they are. */
  #softReset(): void {
    const s = this.state;
    s.command = 0;
    s.tsd.fill(rtl.TSD_OWN);
    s.tsad.fill(0);
    s.txNext = 0;
    s.rxStart = 0;
    s.imr = 0;
    s.isr = 0;
    s.tcr = 0;
    s.rcr = 0;
    s.timerInterrupt = 0;
    s.multipleInterrupt = 0;
    s.cpcr = 0;
    s.earlyTx = 0;
    s.rxRing.fill(0);
    this.#timer.restart();
    this.#rewindReceiver();
    s.txIndex.fill(0);
    this.#updateIrq();
    this.#offerRoom();
  }

  #rewindReceiver(): void {
    this.state.cbr = 0;
    this.state.capr = rtl.CAPR_INITIAL;
    this.state.rxIndex = 0;
  }

  read(offset: number, size: AccessSize): number {
    if ((offset & 3) + size > 4) return this.read(offset, 1) | (this.read(offset + 1, (size - 1) as AccessSize) << 8);
    const word = this.#readWord(offset & ~3) >>> ((offset & 3) * 8);
    // A driver that polls its descriptors in memory does no more than to look here.
    this.#offerRoom();
    return word;
  }

  write(offset: number, value: number, size: AccessSize): void {
    if ((offset & 3) + size > 4) {
      for (let i = 0; i < size; i++) this.write(offset + i, (value >>> (8 * i)) & 0xff, 1);
      return;
    }
    const shift = (offset & 3) * 8;
    this.#writeWord(offset & ~3, value << shift, (0xffff_ffff >>> (32 - size * 8)) << shift);
    this.#offerRoom();
  }

  /** The four bytes at an offset; bytes that do not exist are zero. Nothing changes by being read. */
  #readWord(offset: number): number {
    const s = this.state;
    switch (offset) {
      case 0x00:
        return s.idr[0] | (s.idr[1] << 8) | (s.idr[2] << 16) | (s.idr[3] << 24);
      case 0x04:
        return s.idr[4] | (s.idr[5] << 8);
      case 0x08:
      case 0x0c:
        return s.mar[offset - 8] | (s.mar[offset - 7] << 8) | (s.mar[offset - 6] << 16) | (s.mar[offset - 5] << 24);
      case 0x10:
      case 0x14:
      case 0x18:
      case 0x1c: {
        const index = (offset - 0x10) >> 2;
        return this.#isPlusSender() && index < 2 ? s.tally[index] : s.tsd[index];
      }
      case 0x20:
      case 0x24:
      case 0x28:
      case 0x2c:
        return s.tsad[(offset - 0x20) >> 2];
      case 0x30:
        return s.rxStart;
      case 0x34:
        return (s.command | (this.#cMode.isEmpty ? rtl.CR_BUFFER_EMPTY : 0)) << 24;
      case 0x38:
        return s.capr | (s.cbr << 16);
      case 0x3c:
        return s.imr | (s.isr << 16);
      case 0x40:
        return s.tcr | rtl.TCR_VERSION_C_PLUS;
      case 0x44:
        return s.rcr;
      case 0x48:
        return this.#timer.count();
      case 0x50:
        return this.#configuration.readEepromControl() | (s.config1 << 16);
      case 0x54:
        return s.timerInterrupt;
      case 0x58:
        return s.flowControl | (s.config3 << 8) | (s.config4 << 16);
      case 0x5c:
        return s.multipleInterrupt | (REVISION_C_PLUS << 16);
      case 0x60:
        return this.#descriptorSummary() | (s.bmcr << 16);
      case 0x64:
        return rtl.BMSR | (s.anar << 16);
      case 0x68:
        return rtl.ANLPAR | (rtl.ANER << 16);
      case 0x74:
        return s.cscr;
      case 0xd8:
        return s.config5;
      case 0xe0:
        return s.cpcr;
      case 0xe4:
        return s.rxRing[0];
      case 0xe8:
        return s.rxRing[1];
      case 0xec:
        return s.earlyTx;
      default:
        return 0;
    }
  }

  /** `value` where `mask` has ones, at an offset that is a multiple of four. */
  #writeWord(offset: number, value: number, mask: number): void {
    const s = this.state;
    const merged = (old: number): number => ((old & ~mask) | (value & mask)) >>> 0;
    const written = value & mask;
    switch (offset) {
      case 0x00:
      case 0x04:
        this.#mergeBytes(s.idr, offset, value, mask);
        return;
      case 0x08:
      case 0x0c:
        this.#mergeBytes(s.mar, offset - 8, value, mask);
        return;
      case 0x10:
      case 0x14:
      case 0x18:
      case 0x1c:
        this.#writeStatus((offset - 0x10) >> 2, merged);
        return;
      case 0x20:
      case 0x24:
      case 0x28:
      case 0x2c: {
        const index = (offset - 0x20) >> 2;
        s.tsad[index] = merged(s.tsad[index]);
        s.txIndex[index >> 1] = 0;
        return;
      }
      case 0x30:
        s.rxStart = merged(s.rxStart);
        return;
      case 0x34:
        if (mask & 0xff00_0000) this.#writeCommand(value >>> 24);
        return;
      case 0x38:
        s.capr = merged(s.capr) & 0xffff;
        return;
      case 0x3c:
        s.imr = merged(s.imr) & rtl.INT_ALL;
        s.isr &= ~(written >>> 16);
        this.#updateIrq();
        return;
      case 0x40:
        s.tcr = merged(s.tcr) & rtl.TCR_WRITABLE;
        return;
      case 0x44:
        s.rcr = merged(s.rcr);
        return;
      case 0x48:
        this.#timer.restart();
        return;
      case 0x50:
        if (mask & 0xff) this.#configuration.writeEepromControl(value & 0xff);
        this.#configuration.writeConfig1(merged(s.config1 << 16) >>> 16);
        return;
      case 0x54:
        s.timerInterrupt = merged(s.timerInterrupt);
        this.#timer.arm();
        return;
      case 0x58:
        this.#configuration.writeConfig3And4(merged(s.flowControl | (s.config3 << 8) | (s.config4 << 16)));
        return;
      case 0x5c:
        s.multipleInterrupt = merged(s.multipleInterrupt) & 0xffff;
        return;
      case 0x60:
        if (mask & 0xffff_0000) this.#configuration.writePhyControl(merged(s.bmcr << 16) >>> 16);
        return;
      case 0x64:
        s.anar = merged(s.anar << 16) >>> 16;
        return;
      case 0x74:
        s.cscr = merged(s.cscr) & 0xffff;
        return;
      case 0xd8:
        s.config5 = merged(s.config5) & 0xff;
        if (mask & 0xff00) this.#poll((value >>> 8) & 0xff);
        return;
      case 0xe0:
        s.cpcr = merged(s.cpcr) & rtl.CPCR_WRITABLE;
        return;
      case 0xe4:
      case 0xe8: {
        const index = (offset - 0xe4) >> 2;
        s.rxRing[index] = merged(s.rxRing[index]);
        s.rxIndex = 0;
        return;
      }
      case 0xec:
        s.earlyTx = merged(s.earlyTx) & 0x3f;
        return;
      default: // read-only, or nothing
    }
  }

  #mergeBytes(into: Uint8Array, at: number, value: number, mask: number): void {
    for (let i = 0; i < 4 && at + i < into.length; i++) {
      if ((mask >>> (8 * i)) & 0xff) into[at + i] = value >>> (8 * i);
    }
  }

  #isPlusSender(): boolean {
    return (this.state.cpcr & rtl.CPCR_TRANSMITTER) !== 0;
  }

  #isPlusReceiver(): boolean {
    return (this.state.cpcr & rtl.CPCR_RECEIVER) !== 0;
  }

  /** TSD0 to TSD3, the first two of which are DTCCR in C+ mode. */
  #writeStatus(index: number, merged: (old: number) => number): void {
    const s = this.state;
    if (!this.#isPlusSender()) {
      s.tsd[index] = merged(s.tsd[index]) & (rtl.TSD_SIZE | rtl.TSD_OWN | rtl.TSD_THRESHOLD);
      this.#cMode.transmit();
    } else if (index < 2) {
      s.tally[index] = merged(s.tally[index]);
      if (index !== 0 || !(s.tally[0] & DUMP_TALLY)) return;
      this.#plusMode.dumpTally();
      s.tally[0] &= ~DUMP_TALLY;
    }
  }

  #writeCommand(value: number): void {
    const s = this.state;
    if (value & rtl.CR_RESET) {
      this.#softReset();
      return;
    }
    const switchedOn = value & ~s.command;
    s.command = value & (rtl.CR_RECEIVER | rtl.CR_TRANSMITTER);
    if (switchedOn & rtl.CR_RECEIVER) this.#rewindReceiver();
    if (switchedOn & rtl.CR_TRANSMITTER) {
      s.txIndex.fill(0);
      if (!this.#isPlusSender()) this.#cMode.transmit();
    }
  }

  #poll(value: number): void {
    if (value & POLL_PRIORITY) this.#plusMode.transmit(PRIORITY_QUEUE);
    if (value & POLL_NORMAL) this.#plusMode.transmit(NORMAL_QUEUE);
    if (value & POLL_INTERRUPT) this.#raise(rtl.INT_SOFTWARE);
  }

  /** TSAD: TOK, TUN, TABT and OWN of the four descriptors. */
  #descriptorSummary(): number {
    const bits = [rtl.TSD_OWN, rtl.TSD_ABORTED, rtl.TSD_UNDERRUN, rtl.TSD_OK];
    let summary = 0;
    for (const [group, bit] of bits.entries()) {
      for (let i = 0; i < rtl.TX_DESCRIPTORS; i++) if (this.state.tsd[i] & bit) summary |= 1 << (group * 4 + i);
    }
    return summary;
  }

  get canReceive(): boolean {
    if (!this.#isListening()) return true;
    return this.#isPlusReceiver() ? this.#plusMode.hasRoom() : this.#cMode.hasRoom();
  }

  receive(frame: Uint8Array): boolean {
    if (!isFrame(frame) || !this.#isListening()) return true;
    const match = matchOf(frame, this.state);
    if (match === undefined) return true;
    const whole = padded(frame);
    const taken = this.#isPlusReceiver() ? this.#plusMode.receive(whole, match) : this.#cMode.hasRoom(whole.length);
    this.#refused ||= !taken;
    if (!taken) return false;
    if (!this.#isPlusReceiver()) this.#cMode.receive(whole, match);
    countReceived(this.state, match);
    return true;
  }

  #isListening(): boolean {
    return (this.state.command & rtl.CR_RECEIVER) !== 0 && this.config.busMaster;
  }

  #transmit(frame: Uint8Array): void {
    if (!isFrame(frame)) return;
    this.state.sent = (this.state.sent + 1) >>> 0;
    if ((this.state.tcr & rtl.TCR_LOOPBACK) === rtl.TCR_LOOPBACK) this.receive(frame);
    else this.#host.network.send(frame);
  }

  /** Tells the network when what it was refused would be taken. */
  #offerRoom(): void {
    if (!this.#refused || !this.canReceive) return;
    this.#refused = false;
    this.onReady?.();
  }

  #raise(causes: number): void {
    this.state.isr |= causes;
    this.#updateIrq();
  }

  #updateIrq(): void {
    this.#host.irq.set((this.state.isr & this.state.imr) !== 0 && !this.config.interruptDisabled);
  }
}
