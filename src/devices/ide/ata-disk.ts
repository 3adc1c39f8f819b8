/**
 * A disk on an IDE channel (ATA/ATAPI-6, chapter 8 "Command descriptions"): the general, power management and 48-bit
 * address feature sets, PIO by single and multiple sectors, DMA, and addresses by cylinder, head and sector.
 *
 * A problem of the host is an error of the medium: UNC for reads, a device fault for writes, an aborted command where
 * the image cannot be written. The address registers then have the first sector of the request that failed.
 * Not modelled: SMART, security, host protected area, queued commands, sleep (the device is awake at once).
 */

import { type BlockPort, type BlockProblem, SECTOR_BYTES } from '../../base/block.ts';
import * as ata from './ata-registers.ts';
import { IdeUnit, type IdeUnitHost } from './ide-unit.ts';
import { type IdeUnitState, PHASE_IDLE } from './ide-unit-state.ts';
import { cylinders, identifyDisk } from './identify.ts';

export interface DiskNames {
  readonly serial: string;
  readonly model?: string;
  /** Serial ATA, with a native command queue of that depth. */
  readonly queueDepth?: number;
}

const MOST_MULTIPLE = 16;
const ACTIVE_OR_IDLE = 0xff;
/** Transfer modes of SET FEATURES: PIO default, PIO with flow control, multiword DMA, Ultra DMA. */
const LARGEST_MODE: Readonly<Record<number, number>> = { 0: 1, 1: 4, 4: 2, 8: 5 };

interface Transfer {
  readonly isDma?: boolean;
  readonly isWrite?: boolean;
  readonly isMultiple?: boolean;
  readonly isExtended?: boolean;
}

const TRANSFERS: Readonly<Record<number, Transfer>> = {
  [ata.READ_SECTORS]: {},
  [ata.READ_SECTORS_ONCE]: {},
  [ata.READ_SECTORS_EXT]: { isExtended: true },
  [ata.READ_MULTIPLE]: { isMultiple: true },
  [ata.READ_MULTIPLE_EXT]: { isMultiple: true, isExtended: true },
  [ata.READ_DMA]: { isDma: true },
  [ata.READ_DMA_ONCE]: { isDma: true },
  [ata.READ_DMA_EXT]: { isDma: true, isExtended: true },
  [ata.WRITE_SECTORS]: { isWrite: true },
  [ata.WRITE_SECTORS_ONCE]: { isWrite: true },
  [ata.WRITE_SECTORS_EXT]: { isWrite: true, isExtended: true },
  [ata.WRITE_MULTIPLE]: { isWrite: true, isMultiple: true },
  [ata.WRITE_MULTIPLE_EXT]: { isWrite: true, isMultiple: true, isExtended: true },
  [ata.WRITE_DMA]: { isWrite: true, isDma: true },
  [ata.WRITE_DMA_ONCE]: { isWrite: true, isDma: true },
  [ata.WRITE_DMA_EXT]: { isWrite: true, isDma: true, isExtended: true },
};

export class AtaDisk extends IdeUnit {
  protected readonly blockBytes = SECTOR_BYTES;
  protected readonly medium: BlockPort;
  readonly #names: DiskNames;

  constructor(state: IdeUnitState, host: IdeUnitHost, medium: BlockPort, names: DiskNames) {
    super(state, host);
    this.medium = medium;
    this.#names = names;
  }

  get #sectors(): number {
    return this.medium.sizeBytes / SECTOR_BYTES;
  }

  setSignature(): void {
    const s = this.state;
    s.count = 1;
    s.low = 1;
    s.mid = 0;
    s.high = 0;
    s.status = ata.DRDY | ata.DSC;
  }

  /** Drivers set READ MULTIPLE and the translation again after a reset, and need them to be as at power-on. */
  protected resetSettings(): void {
    const s = this.state;
    s.multiple = MOST_MULTIPLE;
    s.heads = 16;
    s.sectorsPerTrack = 63;
  }

  // ---- Commands ----------------------------------------------------------------------------------------------------

  protected execute(command: number): void {
    const transfer = TRANSFERS[command];
    if (transfer) return this.#startTransfer(transfer);
    if ((command & 0xf0) === ata.RECALIBRATE) return this.succeed();
    if ((command & 0xf0) === ata.SEEK) return this.#verify(false);
    switch (command) {
      case ata.IDENTIFY_DEVICE:
        return this.#identify();
      case ata.READ_VERIFY:
      case ata.READ_VERIFY_ONCE:
        return this.#verify(false);
      case ata.READ_VERIFY_EXT:
        return this.#verify(true);
      case ata.SET_MULTIPLE_MODE:
        return this.#setMultiple();
      case ata.INITIALIZE_DEVICE_PARAMETERS:
        return this.#setTranslation();
      case ata.SET_FEATURES:
        return this.#setFeatures();
      case ata.FLUSH_CACHE:
      case ata.FLUSH_CACHE_EXT:
        return this.flush();
      case ata.CHECK_POWER_MODE:
        this.state.count = ACTIVE_OR_IDLE;
        return this.succeed();
      case ata.STANDBY_IMMEDIATE:
      case ata.IDLE_IMMEDIATE:
      case ata.STANDBY:
      case ata.IDLE:
      case ata.SLEEP:
        return this.succeed();
      default:
        return this.#abort();
    }
  }

  #abort(): void {
    this.end(ata.DRDY | ata.DSC | ata.ERR, ata.ABRT);
  }

  #identify(): void {
    const { heads, sectorsPerTrack, multiple, transferMode, writeCache } = this.state;
    const { serial, model = 'VIVARIUM DISK', queueDepth } = this.#names;
    this.state.isDma = false;
    this.state.blocksAtOnce = 1;
    this.reply(
      identifyDisk({
        sectors: this.#sectors,
        serial,
        model,
        firmware: '1',
        heads,
        sectorsPerTrack,
        multiple,
        mostMultiple: MOST_MULTIPLE,
        transferMode,
        writeCache,
        ...(queueDepth && { isSerial: true, queueDepth }),
      }),
    );
  }

  #startTransfer({ isDma = false, isWrite = false, isMultiple = false, isExtended = false }: Transfer): void {
    const s = this.state;
    if (isMultiple && s.multiple === 0) return this.#abort();
    if (!this.#address(isExtended)) return;
    s.isDma = isDma;
    s.isWrite = isWrite;
    s.blocksAtOnce = isMultiple ? s.multiple : 1;
    if (isWrite && this.medium.readOnly) this.#abort();
    else this.transfer();
  }

  #verify(isExtended: boolean): void {
    if (this.#address(isExtended)) this.succeed();
  }

  /** Puts address and count of the command where transfers have them; false, with an error, if they are not on the disk. */
  #address(isExtended: boolean): boolean {
    const s = this.state;
    const most = isExtended ? 0x1_0000 : 0x100;
    s.blocks = (isExtended ? s.countBefore << 8 : 0) | s.count || most;
    const lba = isExtended ? this.#lba48() : s.device & ata.DEVICE_LBA ? this.#lba28() : this.#lbaOfChs();
    const sectors = (s.command & 0xf0) === ata.SEEK ? 1 : s.blocks;
    if (lba >= 0 && lba + sectors <= this.#sectors) {
      s.lba = lba;
      return true;
    }
    this.end(ata.DRDY | ata.DSC | ata.ERR, ata.IDNF);
    return false;
  }

  #lba28(): number {
    const s = this.state;
    return ((s.device & 0x0f) << 24) | (s.high << 16) | (s.mid << 8) | s.low;
  }

  #lba48(): number {
    const s = this.state;
    return (
      ((s.highBefore << 16) | (s.midBefore << 8) | s.lowBefore) * 2 ** 24 + ((s.high << 16) | (s.mid << 8) | s.low)
    );
  }

  /** Sectors of a track count from 1; -1 where there is none. */
  #lbaOfChs(): number {
    const s = this.state;
    const head = s.device & 0x0f;
    if (s.low === 0 || s.low > s.sectorsPerTrack || head >= s.heads) return -1;
    return (((s.high << 8) | s.mid) * s.heads + head) * s.sectorsPerTrack + s.low - 1;
  }

  #setMultiple(): void {
    const { count } = this.state;
    // A power of two, or none: READ MULTIPLE is not to be used then.
    if (count > MOST_MULTIPLE || (count & (count - 1)) !== 0) return this.#abort();
    this.state.multiple = count;
    this.succeed();
  }

  #setTranslation(): void {
    const s = this.state;
    const heads = (s.device & 0x0f) + 1;
    if (s.count === 0 || cylinders(this.#sectors, heads, s.count) === 0) return this.#abort();
    s.heads = heads;
    s.sectorsPerTrack = s.count;
    this.succeed();
  }

  #setFeatures(): void {
    const s = this.state;
    switch (s.features) {
      case ata.SET_TRANSFER_MODE: {
        const largest = LARGEST_MODE[s.count >> 3] ?? -1;
        if ((s.count & 7) > largest) return this.#abort();
        s.transferMode = s.count;
        return this.succeed();
      }
      case ata.ENABLE_WRITE_CACHE:
        s.writeCache = true;
        return this.succeed();
      case ata.DISABLE_WRITE_CACHE:
        s.writeCache = false;
        return this.flush();
      case ata.ENABLE_LOOK_AHEAD:
      case ata.DISABLE_LOOK_AHEAD:
      case ata.ENABLE_REVERTING:
      case ata.DISABLE_REVERTING:
        return this.succeed();
      default:
        return this.#abort();
    }
  }

  // ---- Transfers ---------------------------------------------------------------------------------------------------

  protected offer(): void {
    const s = this.state;
    s.stop = Math.min(s.length, s.position + s.blocksAtOnce * SECTOR_BYTES);
    s.status = ata.DRDY | ata.DSC | ata.DRQ;
    this.setInterrupt(true);
  }

  protected transferred(): void {
    const s = this.state;
    if (s.isDma) return this.succeed();
    // Data came with an interrupt; what the host has read it need not be told of.
    s.phase = PHASE_IDLE;
    s.status = ata.DRDY | ata.DSC;
  }

  protected packetWritten(): void {
    this.#abort();
  }

  protected mediumFailed(problem: BlockProblem): void {
    const s = this.state;
    this.#showAddress();
    if (problem === 'read-only') this.#abort();
    else if (s.isWrite) this.end(ata.DRDY | ata.DSC | ata.DF | ata.ERR, ata.ABRT);
    else this.end(ata.DRDY | ata.DSC | ata.ERR, ata.UNC);
  }

  /** Where the failed request begins, in the way in which the command was addressed. */
  #showAddress(): void {
    const s = this.state;
    const extended = TRANSFERS[s.command]?.isExtended === true;
    if (extended) {
      const upper = Math.floor(s.lba / 2 ** 24);
      [s.lowBefore, s.midBefore, s.highBefore] = [upper & 0xff, (upper >> 8) & 0xff, (upper >> 16) & 0xff];
    }
    let [low, mid, high, head] = [
      (s.lba % 2 ** 24) & 0xff,
      (s.lba >>> 8) & 0xff,
      (s.lba >>> 16) & 0xff,
      s.lba / 2 ** 24,
    ];
    if (!extended && (s.device & ata.DEVICE_LBA) === 0) {
      const track = Math.floor(s.lba / s.sectorsPerTrack);
      const cylinder = Math.floor(track / s.heads);
      [low, mid, high, head] = [
        (s.lba % s.sectorsPerTrack) + 1,
        cylinder & 0xff,
        (cylinder >> 8) & 0xff,
        track % s.heads,
      ];
    }
    [s.low, s.mid, s.high] = [low, mid, high];
    if (!extended) s.device = (s.device & 0xf0) | (head & 0x0f);
  }
}
