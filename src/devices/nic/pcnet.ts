/**
 * Am79C970A PCnet-PCI II Ethernet controller (AMD data sheet 19436, rev. E). The LANCE of 1985 is still in it: rings of
 * descriptors in memory (pcnet-rings.ts) that an initialization block there describes.
 *
 *     00-0F  APROM          WIO: 10 RDP  12 RAP  14 RESET  16 BDP      DWIO: 10 RDP  14 RAP  18 RESET  1C BDP
 *
 * The initialization block, with 16-bit structures (SWSTYLE 0) and 32-bit ones (1 to 3):
 *
 *     0 MODE, 2 PADR, 8 LADRF, 10 RDRA 23..0 and RLEN in 31..29, 14 TDRA and TLEN
 *     0 MODE, RLEN in 23..20, TLEN in 31..28, 4 PADR, C LADRF, 14 RDRA, 18 TDRA
 *
 * Sending takes no time and the link is up. A frame for which there is no buffer is refused, and asked for again when
 * the driver has made room; so nothing is missed.
 * Deviation: once the driver has used TDMD, the transmit ring is not polled any more, which spares an idle host timers.
 * Not modelled: the EEPROM behind BCR19, Magic Packet, sleep, timers and diagnostics among the CSRs (they are storage),
 * collisions and other errors of the wire, big-endian structures (BSWP).
 */

import type { AccessSize, IoHandler } from '../../base/bus.ts';
import { NS_PER_SECOND, type Timer } from '../../base/clock.ts';
import { isFrame, LONGEST_FRAME_BYTES, type NetworkDevice } from '../../base/network.ts';
import { Device } from '../device.ts';
import { PciConfig } from '../pci/pci-config.ts';
import { destinationHash, FCS_BYTES, isAddressedTo, isBroadcast, isMulticast, padded } from './ethernet.ts';
import type { NicHost } from './nic-host.ts';
import { type Match, PcnetRings } from './pcnet-rings.ts';
import * as pcnet from './pcnet-state.ts';

const VENDOR_AMD = 0x1022;
const DEVICE_PCNET = 0x2000;
const REVISION_970A = 0x16;
const CLASS_ETHERNET = 0x02_0000;
const REGISTER_BYTES = 32;

/** Version 0, part 0x2621, AMD. */
const CHIP_ID = 0x0262_1003;
/** APROM: what AMD's own drivers look for. */
const APROM_HARDWARE_ID = 9;
const HARDWARE_ID = 0x11;
const APROM_CHECKSUM = 12;
const APROM_SIGNATURE = 14;
const SIGNATURE = 0x57;

const BCR_INITIAL: Readonly<Record<number, number>> = {
  0: 5,
  1: 5,
  2: 2,
  4: 0xc0,
  5: 0x84,
  6: 0x88,
  7: 0x90,
  18: 0x9001,
};
const BCR_WRITABLE: Readonly<Record<number, number>> = {
  2: 0x7ffe,
  4: 0x7fff,
  5: 0x7fff,
  6: 0x7fff,
  7: 0x7fff,
  9: 3,
  18: 0xff7f,
  22: 0xffff,
};
/** SSIZE32 and CSRPCNET, which follow from SWSTYLE. */
const STYLES = [0x0200, 0x0101, 0x0302, 0x0303] as const;
/** Lengths of rings are powers of two, up to 512. */
const LARGEST_LENGTH_CODE = 9;

const PCI_CLOCK_NS = NS_PER_SECOND / 33_000_000;
/** The interval that a polling counter of zero stands for. */
const LONGEST_POLL_CLOCKS = 0x1_0000;
const SHORTEST_POLL_CLOCKS = 0x1000;

export class Pcnet extends Device<pcnet.PcnetState> implements IoHandler, NetworkDevice {
  readonly config: PciConfig;
  onReady: (() => void) | undefined;
  readonly #host: NicHost;
  readonly #rings: PcnetRings;
  readonly #poll: Timer;
  /** A frame was refused. */
  #refused = false;

  constructor(host: NicHost) {
    super(pcnet.pcnetState);
    this.#host = host;
    this.config = new PciConfig({
      identity: {
        vendor: VENDOR_AMD,
        device: DEVICE_PCNET,
        revision: REVISION_970A,
        classCode: CLASS_ETHERNET,
        interruptPin: 1,
      },
      bars: [
        { index: 0, space: 'io', sizeBytes: REGISTER_BYTES, handler: this },
        { index: 1, space: 'memory', sizeBytes: REGISTER_BYTES, handler: this },
      ],
      rom: host.rom,
      initial: { 62: 0x06, 63: 0xff }, // MIN_GNT, MAX_LAT
      written: () => this.#updateIrq(),
    });
    this.#rings = new PcnetRings({
      state: this.state,
      host,
      config: this.config,
      raise: (events) => this.#raise(events),
      transmit: (frame) => this.#transmit(frame),
    });
    this.#poll = host.clock.timer(() => this.#polled());
    this.#hardReset();
  }

  get mac(): Uint8Array {
    return this.state.aprom.subarray(0, 6);
  }

  override reset(): void {
    super.reset();
    this.#hardReset();
  }

  protected override derive(): void {
    this.#updateIrq();
    this.#refused = true;
    this.#offerRoom();
    this.#schedulePoll();
  }

  /** H_RESET. */
  #hardReset(): void {
    const { aprom, bcr } = this.state;
    aprom.fill(0);
    aprom.set(this.#host.mac);
    aprom[APROM_HARDWARE_ID] = HARDWARE_ID;
    aprom.fill(SIGNATURE, APROM_SIGNATURE);
    const checksum = aprom.reduce((sum, byte) => sum + byte, 0);
    aprom[APROM_CHECKSUM] = checksum;
    aprom[APROM_CHECKSUM + 1] = checksum >> 8;
    bcr.fill(0);
    for (const [number, value] of Object.entries(BCR_INITIAL)) bcr[Number(number)] = value;
    bcr[pcnet.BCR_SOFTWARE_STYLE] = STYLES[0];
    this.#softReset();
  }

  /** S_RESET: data sheet "Reset"; the BCRs stay as they are. */
  #softReset(): void {
    const s = this.state;
    s.csr.fill(0);
    s.csr[0] = pcnet.CSR0_STOP;
    s.csr[4] = pcnet.CSR4_INITIAL;
    s.csr[80] = 0x1410;
    for (let i = 0; i < 3; i++) s.csr[pcnet.CSR_PHYSICAL_ADDRESS + i] = s.aprom[2 * i] | (s.aprom[2 * i + 1] << 8);
    s.rap = 0;
    s.rxNext = 0;
    s.txNext = 0;
    s.demands = false;
    s.pollNs = Number.POSITIVE_INFINITY;
    this.#updateIrq();
    this.#schedulePoll();
    this.#offerRoom();
  }

  get #isDwordIo(): boolean {
    return (this.state.bcr[pcnet.BCR_BUS_CONTROL] & pcnet.BCR18_DWORD_IO) !== 0;
  }

  read(offset: number, size: AccessSize): number {
    if (offset < pcnet.APROM_BYTES) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= (this.state.aprom[offset + i] ?? 0) << (8 * i);
      return value >>> 0;
    }
    const port = this.#port(offset, size);
    const value = this.#readPort(port);
    this.#offerRoom();
    return value;
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (offset < pcnet.APROM_BYTES) {
      if (!(this.state.bcr[pcnet.BCR_MISCELLANEOUS] & pcnet.BCR2_APROM_WRITE)) return;
      for (let i = 0; i < size && offset + i < pcnet.APROM_BYTES; i++) this.state.aprom[offset + i] = value >>> (8 * i);
      return;
    }
    // Data sheet "Double Word I/O Mode": such a write to RDP switches, and does nothing else.
    if (size === 4 && offset === pcnet.APROM_BYTES && !this.#isDwordIo) {
      this.state.bcr[pcnet.BCR_BUS_CONTROL] |= pcnet.BCR18_DWORD_IO;
      return;
    }
    this.#writePort(this.#port(offset, size), value & 0xffff);
    this.#offerRoom();
    this.#schedulePoll();
  }

  /** 0 RDP, 1 RAP, 2 RESET, 3 BDP; anything else for an access of the wrong width. */
  #port(offset: number, size: AccessSize): number {
    const dword = this.#isDwordIo;
    return size === (dword ? 4 : 2) ? (offset - pcnet.APROM_BYTES) / size : -1;
  }

  #readPort(port: number): number {
    const { rap, bcr } = this.state;
    switch (port) {
      case 0:
        return this.#readCsr(rap);
      case 1:
        return rap;
      case 2:
        this.#softReset();
        return 0;
      case 3:
        if (rap === pcnet.BCR_LINK_LED) return bcr[rap] | pcnet.BCR4_LINK;
        return bcr[rap] ?? 0;
      default:
        return 0;
    }
  }

  #writePort(port: number, value: number): void {
    const s = this.state;
    if (port === 0) this.#writeCsr(s.rap, value);
    else if (port === 1) s.rap = value & (pcnet.CSRS - 1);
    else if (port === 3) this.#writeBcr(s.rap, value);
  }

  #readCsr(number: number): number {
    const { csr, bcr, rxNext, txNext } = this.state;
    switch (number) {
      case 0: {
        const error = csr[0] & pcnet.CSR0_ERRORS ? pcnet.CSR0_ERROR : 0;
        return csr[0] | error | (this.#hasInterrupt() ? pcnet.CSR0_INTERRUPT : 0);
      }
      case pcnet.CSR_SOFTWARE_STYLE:
        return bcr[pcnet.BCR_SOFTWARE_STYLE];
      // They count down to one.
      case pcnet.CSR_RX_COUNTER:
        return (-csr[pcnet.CSR_RX_LENGTH] - rxNext) & 0xffff;
      case pcnet.CSR_TX_COUNTER:
        return (-csr[pcnet.CSR_TX_LENGTH] - txNext) & 0xffff;
      case pcnet.CSR_CHIP_ID:
        return CHIP_ID & 0xffff;
      case pcnet.CSR_CHIP_ID + 1:
        return CHIP_ID >>> 16;
      case 16:
      case 17:
        return csr[number - 15];
      default:
        return csr[number];
    }
  }

  #writeCsr(number: number, value: number): void {
    const s = this.state;
    const { csr } = s;
    switch (number) {
      case 0:
        this.#writeControl(value);
        return;
      case 3:
        csr[3] = value;
        this.#updateIrq();
        return;
      case 4:
        csr[4] = (csr[4] & pcnet.CSR4_EVENTS & ~value) | (value & ~pcnet.CSR4_EVENTS & ~pcnet.CSR4_USER_COMMAND);
        if (value & pcnet.CSR4_USER_COMMAND) csr[4] |= pcnet.CSR4_USER_INTERRUPT;
        this.#updateIrq();
        return;
      case 5:
        csr[5] = (csr[5] & pcnet.CSR5_EVENTS & ~value) | (value & ~pcnet.CSR5_EVENTS);
        this.#updateIrq();
        this.#sendAll();
        return;
      case pcnet.CSR_RING_LENGTHS:
      case pcnet.CSR_CHIP_ID:
      case pcnet.CSR_CHIP_ID + 1:
        return;
      default:
        if (csr[0] & pcnet.CSR0_STOP || csr[5] & pcnet.CSR5_SUSPEND) this.#writeStopped(number, value);
    }
  }

  /** Registers that only a chip at rest lets be written. */
  #writeStopped(number: number, value: number): void {
    const s = this.state;
    if (number === pcnet.CSR_SOFTWARE_STYLE) this.#writeBcr(pcnet.BCR_SOFTWARE_STYLE, value);
    else if (number === pcnet.CSR_RX_COUNTER) s.rxNext = (-s.csr[pcnet.CSR_RX_LENGTH] - value) & 0xffff;
    else if (number === pcnet.CSR_TX_COUNTER) s.txNext = (-s.csr[pcnet.CSR_TX_LENGTH] - value) & 0xffff;
    else if (number === 16 || number === 17) s.csr[number - 15] = value;
    else s.csr[number] = value;
  }

  #writeBcr(number: number, value: number): void {
    const { bcr, csr } = this.state;
    if (number === pcnet.BCR_SOFTWARE_STYLE) {
      const atRest = csr[0] & pcnet.CSR0_STOP || csr[5] & pcnet.CSR5_SUSPEND;
      const style = STYLES[value & 0xff];
      if (atRest && style !== undefined) bcr[number] = style | (value & 0x0400);
      return;
    }
    const writable = BCR_WRITABLE[number] ?? 0;
    if (writable) bcr[number] = (bcr[number] & ~writable) | (value & writable);
  }

  #writeControl(value: number): void {
    const s = this.state;
    const { csr } = s;
    if (value & pcnet.CSR0_STOP) {
      csr[0] = pcnet.CSR0_STOP;
      s.demands = false;
      this.#updateIrq();
      return;
    }
    const kept = csr[0] & ~(value & pcnet.CSR0_EVENTS) & ~pcnet.CSR0_INTERRUPT_ENABLE;
    csr[0] = kept | (value & pcnet.CSR0_INTERRUPT_ENABLE);
    if (value & pcnet.CSR0_INIT && !(csr[0] & (pcnet.CSR0_INIT | pcnet.CSR0_START))) this.#initialize();
    if (value & pcnet.CSR0_START && !(csr[0] & pcnet.CSR0_START)) this.#start();
    if (value & pcnet.CSR0_DEMAND && csr[0] & pcnet.CSR0_TX_ON) {
      s.demands = true;
      this.#sendAll();
    }
    this.#updateIrq();
  }

  #initialize(): void {
    const s = this.state;
    const { csr } = s;
    csr[0] = (csr[0] & ~pcnet.CSR0_STOP) | pcnet.CSR0_INIT;
    const wide = this.state.bcr[pcnet.BCR_SOFTWARE_STYLE] & 3;
    const at = (csr[pcnet.CSR_ADDRESS_LOW] | (csr[pcnet.CSR_ADDRESS_HIGH] << 16)) >>> 0;
    const block = new Uint8Array(wide ? 28 : 24);
    if (!this.config.busMaster || !this.#host.memory.read(at, block)) {
      this.#raise(pcnet.CSR0_MEMORY_ERROR);
      return;
    }
    const view = new DataView(block.buffer);
    const word = (offset: number): number => view.getUint16(offset, true);
    const high = wide ? 0 : csr[pcnet.CSR_ADDRESS_HIGH] & 0xff00;
    const rings = wide ? 20 : 16;
    csr[pcnet.CSR_MODE] = word(0);
    for (let i = 0; i < 3; i++) csr[pcnet.CSR_PHYSICAL_ADDRESS + i] = word((wide ? 4 : 2) + 2 * i);
    for (let i = 0; i < 4; i++) csr[pcnet.CSR_LOGICAL_FILTER + i] = word((wide ? 12 : 8) + 2 * i);
    for (const [i, base] of [pcnet.CSR_RX_BASE, pcnet.CSR_TX_BASE].entries()) {
      csr[base] = word(rings + 4 * i);
      csr[base + 1] = wide ? word(rings + 4 * i + 2) : (word(rings + 4 * i + 2) & 0xff) | high;
    }
    const rxCode = wide ? (block[2] >> 4) & 15 : block[19] >> 5;
    const txCode = wide ? block[3] >> 4 : block[23] >> 5;
    csr[pcnet.CSR_RING_LENGTHS] = (txCode << 12) | (rxCode << 8);
    csr[pcnet.CSR_RX_LENGTH] = -(1 << Math.min(rxCode, LARGEST_LENGTH_CODE));
    csr[pcnet.CSR_TX_LENGTH] = -(1 << Math.min(txCode, LARGEST_LENGTH_CODE));
    s.rxNext = 0;
    s.txNext = 0;
    this.#raise(pcnet.CSR0_INIT_DONE);
  }

  #start(): void {
    const { csr } = this.state;
    const mode = csr[pcnet.CSR_MODE];
    csr[0] = (csr[0] & ~pcnet.CSR0_STOP) | pcnet.CSR0_START;
    if (!(mode & pcnet.MODE_NO_TRANSMITTER)) csr[0] |= pcnet.CSR0_TX_ON;
    if (!(mode & pcnet.MODE_NO_RECEIVER)) csr[0] |= pcnet.CSR0_RX_ON;
    this.#sendAll();
  }

  #isOn(bit: number): boolean {
    const { csr } = this.state;
    return (csr[0] & bit) !== 0 && !(csr[5] & pcnet.CSR5_SUSPEND) && this.config.busMaster;
  }

  #sendAll(): void {
    // What is left after a batch is sent when the poll timer expires.
    const all = this.#rings.transmit(() => this.#isOn(pcnet.CSR0_TX_ON));
    if (!all) this.state.demands = false;
    this.#updateIrq();
  }

  #schedulePoll(): void {
    const s = this.state;
    const polls = s.csr[0] & pcnet.CSR0_TX_ON && !s.demands && !(s.csr[4] & pcnet.CSR4_NO_POLL);
    if (!polls && !(this.#refused && s.csr[0] & pcnet.CSR0_RX_ON)) {
      s.pollNs = Number.POSITIVE_INFINITY;
    } else if (s.pollNs === Number.POSITIVE_INFINITY) {
      const clocks = LONGEST_POLL_CLOCKS - s.csr[pcnet.CSR_POLL_INTERVAL];
      s.pollNs = this.#host.clock.now() + Math.max(clocks, SHORTEST_POLL_CLOCKS) * PCI_CLOCK_NS;
    }
    this.#poll.arm(s.pollNs);
  }

  #polled(): void {
    this.state.pollNs = Number.POSITIVE_INFINITY;
    this.#sendAll();
    this.#offerRoom();
    this.#schedulePoll();
  }

  get canReceive(): boolean {
    return !this.#isOn(pcnet.CSR0_RX_ON) || this.#rings.hasRoom(LONGEST_FRAME_BYTES + FCS_BYTES);
  }

  receive(frame: Uint8Array): boolean {
    if (!isFrame(frame) || !this.#isOn(pcnet.CSR0_RX_ON)) return true;
    const match = this.#match(frame);
    if (match === undefined || this.#rings.receive(padded(frame), match)) return true;
    this.#refused = true;
    this.#schedulePoll();
    return false;
  }

  #match(frame: Uint8Array): Match | undefined {
    const { csr } = this.state;
    const mode = csr[pcnet.CSR_MODE];
    const address = new Uint8Array(6);
    for (let i = 0; i < 6; i++) address[i] = csr[pcnet.CSR_PHYSICAL_ADDRESS + (i >> 1)] >> (8 * (i & 1));
    if (isAddressedTo(frame, address) && !(mode & pcnet.MODE_NO_PHYSICAL)) return 'physical';
    if (isBroadcast(frame) && !(mode & pcnet.MODE_NO_BROADCAST)) return 'broadcast';
    if (isMulticast(frame)) {
      const hash = destinationHash(frame);
      if (csr[pcnet.CSR_LOGICAL_FILTER + (hash >> 4)] & (1 << (hash & 15))) return 'filter';
    }
    return mode & pcnet.MODE_PROMISCUOUS ? 'any' : undefined;
  }

  #transmit(frame: Uint8Array): void {
    const { csr } = this.state;
    const whole = csr[4] & pcnet.CSR4_PAD_TRANSMIT ? padded(frame) : frame;
    if (!isFrame(whole)) return;
    if (csr[pcnet.CSR_MODE] & pcnet.MODE_LOOPBACK) this.receive(whole);
    else this.#host.network.send(whole);
  }

  /** Tells the network when what it was refused would be taken. */
  #offerRoom(): void {
    if (!this.#refused || !this.canReceive) return;
    this.#refused = false;
    this.onReady?.();
  }

  #hasInterrupt(): boolean {
    const { csr } = this.state;
    const masked4 = csr[4] & pcnet.CSR4_MASKED_EVENTS & ~(csr[4] << 1);
    return (
      (csr[0] & pcnet.CSR3_MASKS & ~csr[3]) !== 0 ||
      masked4 !== 0 ||
      (csr[4] & pcnet.CSR4_USER_INTERRUPT) !== 0 ||
      (csr[5] & pcnet.CSR5_EVENTS & (csr[5] << 1)) !== 0
    );
  }

  #raise(events: number): void {
    this.state.csr[0] |= events;
    this.#updateIrq();
  }

  #updateIrq(): void {
    const enabled = (this.state.csr[0] & pcnet.CSR0_INTERRUPT_ENABLE) !== 0;
    this.#host.irq.set(enabled && this.#hasInterrupt() && !this.config.interruptDisabled);
  }
}
