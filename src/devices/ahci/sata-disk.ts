/**
 * A disk behind a Serial ATA link: an ATA disk that also reads its logs (ATA8-ACS, §7.24 "READ LOG EXT", annex A "Log Page
 * Definitions"). Of those there are the directory and the NCQ error log. Queued commands go past it (queue.ts).
 */

import type { BlockPort } from '../../base/block.ts';
import { AtaDisk, type DiskNames } from '../ide/ata-disk.ts';
import { ABRT, DRDY, DSC, ERR } from '../ide/ata-registers.ts';
import type { IdeUnitHost } from '../ide/ide-unit.ts';
import type { IdeUnitState } from '../ide/ide-unit-state.ts';
import { LOG_BYTES, SLOTS } from './registers.ts';

const READ_LOG_EXT = 0x2f;
const DIRECTORY = 0x00;
const NCQ_ERRORS = 0x10;

export class SataDisk extends AtaDisk {
  readonly #errorLog: Uint8Array;

  constructor(state: IdeUnitState, host: IdeUnitHost, medium: BlockPort, names: DiskNames, errorLog: Uint8Array) {
    super(state, host, medium, { ...names, queueDepth: SLOTS });
    this.#errorLog = errorLog;
  }

  protected override execute(command: number): void {
    if (command === READ_LOG_EXT) this.#readLog();
    else super.execute(command);
  }

  #readLog(): void {
    const s = this.state;
    const log = this.#log(s.low);
    const isOnePage = ((s.countBefore << 8) | s.count) === 1 && (s.mid | s.midBefore) === 0;
    if (log === undefined || !isOnePage) {
      this.end(DRDY | DSC | ERR, ABRT);
      return;
    }
    s.isDma = false;
    s.blocksAtOnce = 1;
    this.reply(log);
  }

  #log(address: number): Uint8Array | undefined {
    if (address === NCQ_ERRORS) return this.#errorLog;
    if (address !== DIRECTORY) return undefined;
    const directory = new Uint8Array(LOG_BYTES);
    directory[0] = 1; // version 1.0
    directory[NCQ_ERRORS * 2] = 1; // pages
    return directory;
  }
}

/** The page of the NCQ error log that tells of a command. */
export function ncqErrorPage(slot: number, status: number, error: number, lba: number, sectors: number): Uint8Array {
  const page = new Uint8Array(LOG_BYTES);
  const view = new DataView(page.buffer);
  const upper = Math.floor(lba / 2 ** 24);
  page.set([slot, 0, status, error]);
  view.setUint32(4, lba % 2 ** 24, true); // and the device register, zero
  view.setUint32(8, upper, true);
  view.setUint16(12, sectors & 0xffff, true);
  page[LOG_BYTES - 1] = -page.reduce((sum, byte) => sum + byte, 0);
  return page;
}
