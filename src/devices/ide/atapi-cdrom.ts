/**
 * A CD-ROM (or DVD-ROM) drive on an IDE channel: the PACKET feature set of ATA/ATAPI-6 ("PACKET command protocol") with
 * the commands of `mmc.ts`. Its disc comes and goes by `Drive`, by the guest's eject command, or by the user.
 *
 *     PACKET -> 12 bytes of command -> data in portions of the host's byte count limit, or by DMA -> status
 *
 * Not modelled: audio, raw sectors, writing, overlapped commands, MODE SELECT.
 */

import type { BlockPort, Drive } from '../../base/block.ts';
import * as ata from './ata-registers.ts';
import { IdeUnit, type IdeUnitHost } from './ide-unit.ts';
import { type IdeUnitState, PACKET_BYTES, PHASE_IDLE, PHASE_PACKET } from './ide-unit-state.ts';
import { identifyCdrom } from './identify.ts';
import * as mmc from './mmc.ts';

const FEATURE_DMA = 0x01;
const FEATURE_OVERLAP = 0x02;
const LARGEST_PORTION = 0xfffe;
/** Only the user data of a block, in READ CD. */
const USER_DATA = 0x10;

export interface CdromNames {
  readonly serial: string;
  /** Behind a Serial ATA link. */
  readonly isSerial?: boolean;
}

export class AtapiCdrom extends IdeUnit {
  protected readonly blockBytes = mmc.CD_BLOCK_BYTES;
  readonly #drive: Drive;
  readonly #names: CdromNames;

  constructor(state: IdeUnitState, host: IdeUnitHost, drive: Drive, names: CdromNames) {
    super(state, host);
    this.#drive = drive;
    this.#names = names;
    drive.onChange = () => this.#changed();
  }

  /** The disc, if it can be read: the tray is closed over it. */
  protected get medium(): BlockPort | undefined {
    return this.state.isTrayOpen || this.#blocks === 0 ? undefined : this.#drive.medium;
  }

  get #blocks(): number {
    return Math.floor((this.#drive.medium?.sizeBytes ?? 0) / mmc.CD_BLOCK_BYTES);
  }

  // ---- Commands of the channel -------------------------------------------------------------------------------------

  setSignature(): void {
    const s = this.state;
    s.count = 1;
    s.low = 1;
    s.mid = 0x14;
    s.high = 0xeb;
    s.status = 0;
  }

  protected resetSettings(): void {
    this.state.isLocked = false;
  }

  protected override get resetsAnyTime(): boolean {
    return true;
  }

  protected execute(command: number): void {
    const s = this.state;
    switch (command) {
      case ata.PACKET:
        return this.#awaitPacket();
      case ata.IDENTIFY_PACKET_DEVICE:
        s.isDma = false;
        s.byteLimit = LARGEST_PORTION;
        return this.reply(
          identifyCdrom({
            ...this.#names,
            model: 'VIVARIUM CD-ROM',
            firmware: '1',
            transferMode: s.transferMode,
          }),
        );
      case ata.SET_FEATURES:
        if (s.features === ata.SET_TRANSFER_MODE) s.transferMode = s.count;
        return this.succeed();
      case ata.CHECK_POWER_MODE:
        s.count = 0xff;
        return this.succeed();
      case ata.STANDBY_IMMEDIATE:
      case ata.IDLE_IMMEDIATE:
      case ata.SLEEP:
        return this.succeed();
      case ata.IDENTIFY_DEVICE:
      case ata.READ_SECTORS:
        this.setSignature(); // tells drivers what is here instead
        return this.end(ata.DRDY | ata.ERR, ata.ABRT);
      default:
        return this.end(ata.DRDY | ata.ERR, ata.ABRT);
    }
  }

  #awaitPacket(): void {
    const s = this.state;
    if (s.features & FEATURE_OVERLAP) return this.end(ata.DRDY | ata.ERR, ata.ABRT);
    s.isDma = (s.features & FEATURE_DMA) !== 0;
    const limit = (s.high << 8) | s.mid;
    // Portions but the last are even. A limit of zero or of all ones means the largest.
    s.byteLimit = Math.min(limit & ~1 || (limit === 1 ? 2 : LARGEST_PORTION), LARGEST_PORTION);
    s.phase = PHASE_PACKET;
    s.position = 0;
    s.stop = PACKET_BYTES;
    s.count = ata.REASON_COMMAND;
    s.status = ata.DRDY | ata.DRQ;
  }

  // ---- Data and status ---------------------------------------------------------------------------------------------

  protected offer(): void {
    const s = this.state;
    const bytes = Math.min(s.length - s.position, s.byteLimit);
    s.stop = s.position + bytes;
    s.mid = bytes & 0xff;
    s.high = bytes >> 8;
    s.count = ata.REASON_TO_HOST;
    s.status = ata.DRDY | ata.DRQ;
    this.setInterrupt(true);
  }

  protected transferred(): void {
    const s = this.state;
    if (s.command === ata.PACKET) return this.#complete();
    s.phase = PHASE_IDLE;
    s.status = ata.DRDY;
  }

  #complete(): void {
    this.state.count = ata.REASON_COMMAND | ata.REASON_TO_HOST;
    this.end(ata.DRDY, 0);
  }

  protected mediumFailed(): void {
    this.#fail(mmc.UNRECOVERED_READ_ERROR);
  }

  #fail(sense: number): void {
    this.#setSense(sense);
    this.state.count = ata.REASON_COMMAND | ata.REASON_TO_HOST;
    this.end(ata.DRDY | ata.ERR, (this.state.senseKey << 4) | ata.ABRT);
  }

  #setSense(sense: number): void {
    const s = this.state;
    s.senseKey = sense >> 16;
    s.senseCode = (sense >> 8) & 0xff;
    s.senseQualifier = sense & 0xff;
  }

  /** As much of `bytes` as the command has room for. */
  #reply(bytes: readonly number[] | undefined, allocated: number): void {
    if (bytes === undefined) return this.#fail(mmc.INVALID_FIELD);
    const length = Math.min(bytes.length, allocated);
    if (length === 0) return this.#complete();
    this.reply(Uint8Array.from(bytes.slice(0, length)));
  }

  // ---- The disc ----------------------------------------------------------------------------------------------------

  #changed(): void {
    const s = this.state;
    const isUnderWay = s.phase !== PHASE_IDLE && s.phase !== PHASE_PACKET;
    s.isTrayOpen = false;
    s.isLocked = false;
    s.attention = this.medium !== undefined;
    s.event = this.medium ? mmc.EVENT_NEW_MEDIUM : mmc.EVENT_REMOVAL;
    if (isUnderWay && s.command === ata.PACKET) this.mediumFailed();
  }

  #moveTray(opens: boolean): void {
    const s = this.state;
    if (opens === s.isTrayOpen) return this.#complete();
    if (opens && s.isLocked) return this.#fail(mmc.REMOVAL_PREVENTED);
    s.isTrayOpen = opens;
    s.event = this.medium ? mmc.EVENT_NEW_MEDIUM : mmc.EVENT_REMOVAL;
    s.attention = this.medium !== undefined;
    this.#complete();
  }

  // ---- Commands of packets -----------------------------------------------------------------------------------------

  protected packetWritten(): void {
    const { packet, attention, isTrayOpen } = this.state;
    const answersAlways = this.#executeAlways(packet);
    if (answersAlways) return;
    if (attention) {
      this.state.attention = false;
      return this.#fail(mmc.MEDIUM_CHANGED);
    }
    if (this.medium === undefined) return this.#fail(isTrayOpen ? mmc.NO_MEDIUM_TRAY_OPEN : mmc.NO_MEDIUM_TRAY_CLOSED);
    this.#executeOnDisc(packet);
  }

  /** Commands that need no disc, and do not tell of a new one. */
  #executeAlways(packet: Uint8Array): boolean {
    const s = this.state;
    const at = new DataView(packet.buffer, packet.byteOffset, PACKET_BYTES);
    switch (packet[0]) {
      case mmc.INQUIRY:
        // Vital product data are not kept.
        this.#reply(at.getUint8(1) & 1 ? undefined : mmc.inquiry(), at.getUint8(4));
        return true;
      case mmc.REQUEST_SENSE: {
        const sense = mmc.senseData((s.senseKey << 16) | (s.senseCode << 8) | s.senseQualifier);
        this.#setSense(mmc.NO_SENSE);
        this.#reply(sense, at.getUint8(4));
        return true;
      }
      case mmc.GET_CONFIGURATION: {
        const blocks = this.medium && this.#blocks;
        this.#reply(mmc.configuration(blocks, at.getUint8(1) & 3, at.getUint16(2)), at.getUint16(7));
        return true;
      }
      case mmc.GET_EVENT_STATUS_NOTIFICATION:
        this.#reportEvent(at);
        return true;
      case mmc.MECHANISM_STATUS:
        this.#reply(mmc.mechanismStatus(s.isTrayOpen), at.getUint16(8));
        return true;
      case mmc.MODE_SENSE_10:
        if (at.getUint8(2) >> 6 === 3) this.#fail(mmc.SAVING_NOT_SUPPORTED);
        else this.#reply(mmc.modePages(at.getUint8(2) & 0x3f, s.isLocked), at.getUint16(7));
        return true;
      case mmc.PREVENT_ALLOW_MEDIUM_REMOVAL:
        s.isLocked = (at.getUint8(4) & 1) !== 0;
        this.#complete();
        return true;
      case mmc.START_STOP_UNIT:
        if (at.getUint8(4) & 2) this.#moveTray((at.getUint8(4) & 1) === 0);
        else this.#complete();
        return true;
      case mmc.SET_CD_SPEED:
        this.#complete();
        return true;
      default:
        return false;
    }
  }

  /** Only polled: a drive that tells by itself would need overlapped commands. */
  #reportEvent(at: DataView): void {
    const s = this.state;
    if ((at.getUint8(1) & 1) === 0) return this.#fail(mmc.INVALID_FIELD);
    const event = mmc.eventStatus(at.getUint8(4), s.event, s.isTrayOpen, this.medium !== undefined);
    s.event = mmc.EVENT_NONE;
    this.#reply(event, at.getUint16(7));
  }

  #executeOnDisc(packet: Uint8Array): void {
    const at = new DataView(packet.buffer, packet.byteOffset, PACKET_BYTES);
    switch (packet[0]) {
      case mmc.TEST_UNIT_READY:
        return this.#complete();
      case mmc.READ_CAPACITY:
        return this.#reply(mmc.capacity(this.#blocks), 8);
      case mmc.READ_10:
        return this.#read(at.getUint32(2), at.getUint16(7));
      case mmc.READ_12:
        return this.#read(at.getUint32(2), at.getUint32(6));
      case mmc.READ_CD: {
        const isPlain = (at.getUint8(9) & 0xf8) === USER_DATA || (at.getUint8(9) & 0xf8) === 0;
        if (!isPlain) return this.#fail(mmc.INVALID_FIELD);
        const count = at.getUint8(9) === 0 ? 0 : (at.getUint8(6) << 16) | at.getUint16(7);
        return this.#read(at.getUint32(2), count);
      }
      case mmc.SEEK_10:
        return this.#read(at.getUint32(2), 0);
      case mmc.READ_TOC: {
        // Where SFF-8020i has the format.
        const format = at.getUint8(2) & 0x0f || at.getUint8(9) >> 6;
        const inMsf = (at.getUint8(1) & 2) !== 0;
        return this.#reply(mmc.tableOfContents(this.#blocks, format, at.getUint8(6), inMsf), at.getUint16(7));
      }
      case mmc.READ_DISC_INFORMATION:
        return this.#reply(at.getUint8(1) & 7 ? undefined : mmc.discInformation(), at.getUint16(7));
      default:
        return this.#fail(mmc.INVALID_COMMAND);
    }
  }

  #read(lba: number, blocks: number): void {
    const s = this.state;
    if (lba + blocks > this.#blocks || lba >= this.#blocks) return this.#fail(mmc.ADDRESS_OUT_OF_RANGE);
    if (blocks === 0) return this.#complete();
    s.lba = lba;
    s.blocks = blocks;
    s.isWrite = false;
    this.transfer();
  }
}
