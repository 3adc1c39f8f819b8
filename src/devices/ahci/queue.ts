/**
 * Native command queueing (Serial ATA revision 3.1, §13.6 "Native Command Queuing"): READ and WRITE FPDMA QUEUED of all
 * slots at once, each as a row of requests to the medium. Slot and tag are the same, as AHCI wants it.
 *
 * A restored queue begins its commands again: they read and write the same once more.
 */

import { type BlockPort, type BlockProblem, SECTOR_BYTES } from '../../base/block.ts';
import * as ata from '../ide/ata-registers.ts';
import type { AhciCommand } from './command.ts';
import { ncqErrorPage } from './sata-disk.ts';

export const READ_FPDMA_QUEUED = 0x60;
export const WRITE_FPDMA_QUEUED = 0x61;
const FORCE_UNIT_ACCESS = 0x80;
/** Bytes that a command asks the medium for at a time: 32 slots of six ports hold no more than 48 MiB. */
const CHUNK_SECTORS = 512;

export interface QueueHost {
  /** Writes are to be on stable storage when they end. */
  writesThrough(): boolean;
  finished(slot: number): void;
  /** A command failed, and all others with it. */
  failed(status: number, error: number, log: Uint8Array): void;
  /** There is no memory where a command's data are to be; `isShort`: not enough of it. */
  lacksMemory(isShort: boolean): void;
}

interface Transfer {
  readonly slot: number;
  readonly command: AhciCommand;
  readonly isWrite: boolean;
  readonly flushes: boolean;
  lba: number;
  left: number;
}

export class CommandQueue {
  readonly #medium: BlockPort;
  readonly #host: QueueHost;

  constructor(medium: BlockPort, host: QueueHost) {
    this.#medium = medium;
    this.#host = host;
  }

  static takes(command: AhciCommand): boolean {
    const code = command.fis[2];
    return command.isCommand && (code === READ_FPDMA_QUEUED || code === WRITE_FPDMA_QUEUED);
  }

  start(slot: number, command: AhciCommand): void {
    const { fis } = command;
    const isWrite = fis[2] === WRITE_FPDMA_QUEUED;
    const transfer: Transfer = {
      slot,
      command,
      isWrite,
      flushes: isWrite && ((fis[7] & FORCE_UNIT_ACCESS) !== 0 || this.#host.writesThrough()),
      lba: (fis[4] | (fis[5] << 8) | (fis[6] << 16)) + (fis[8] | (fis[9] << 8) | (fis[10] << 16)) * 2 ** 24,
      left: fis[3] | (fis[11] << 8) || 0x1_0000,
    };
    if (transfer.lba + transfer.left > this.#medium.sizeBytes / SECTOR_BYTES) this.#fail(transfer, ata.IDNF);
    else if (isWrite && this.#medium.readOnly) this.#fail(transfer, ata.ABRT);
    else this.#goOn(transfer);
  }

  abandon(): void {
    this.#medium.abandon();
  }

  #goOn(transfer: Transfer): void {
    const stretch = transfer.command.plan(Math.min(transfer.left, CHUNK_SECTORS) * SECTOR_BYTES);
    const sectors = Math.floor(stretch.bytes / SECTOR_BYTES);
    const isShort = stretch.bytes % SECTOR_BYTES !== 0 || sectors === 0;
    if (stretch.isBroken || isShort) {
      this.#host.lacksMemory(!stretch.isBroken);
      return;
    }
    if (transfer.isWrite) this.#write(transfer, sectors);
    else this.#read(transfer, sectors);
  }

  #read(transfer: Transfer, sectors: number): void {
    const { command, lba } = transfer;
    this.#medium.read(lba * SECTOR_BYTES, sectors * SECTOR_BYTES, (result) => {
      if (typeof result === 'string') {
        this.#failBy(transfer, result);
        return;
      }
      const stretch = command.plan(result.length);
      if (stretch.isBroken || !command.toMemory(stretch, result)) {
        this.#host.lacksMemory(false);
        return;
      }
      command.advance(stretch);
      this.#moved(transfer, sectors);
    });
  }

  #write(transfer: Transfer, sectors: number): void {
    const { command, lba } = transfer;
    const stretch = command.plan(sectors * SECTOR_BYTES);
    const bytes = new Uint8Array(sectors * SECTOR_BYTES);
    if (!command.fromMemory(stretch, bytes)) {
      this.#host.lacksMemory(false);
      return;
    }
    command.advance(stretch);
    this.#medium.write(lba * SECTOR_BYTES, bytes, (problem) => {
      if (problem) this.#failBy(transfer, problem);
      else this.#moved(transfer, sectors);
    });
  }

  #moved(transfer: Transfer, sectors: number): void {
    transfer.lba += sectors;
    transfer.left -= sectors;
    if (transfer.left > 0) this.#goOn(transfer);
    else if (transfer.flushes) {
      this.#medium.flush((problem) => {
        if (problem) this.#failBy(transfer, problem);
        else this.#host.finished(transfer.slot);
      });
    } else this.#host.finished(transfer.slot);
  }

  #failBy(transfer: Transfer, problem: BlockProblem): void {
    if (problem === 'read-only') this.#fail(transfer, ata.ABRT);
    else if (transfer.isWrite) this.#fail(transfer, ata.ABRT, ata.DF);
    else this.#fail(transfer, ata.UNC);
  }

  #fail({ slot, lba, left }: Transfer, error: number, fault = 0): void {
    this.#medium.abandon();
    const status = ata.DRDY | ata.ERR | fault;
    this.#host.failed(status, error, ncqErrorPage(slot, status, error, lba, left));
  }
}
