/**
 * Whether a disk is as long as its partition table says, so that a copy that was cut off is told before a guest loses
 * data on it. MBR (IBM PC DOS layout: UEFI Specification 2.10 §5.2.1 "Legacy Master Boot Record") and GPT (§5.3.2).
 */

import { type BlockBackend, SECTOR_BYTES } from '../base/block.ts';

const TABLE = 446;
const ENTRY_BYTES = 16;
const SIGNATURE = 510;
const ACTIVE = 0x80;
const GPT_PROTECTIVE = 0xee;
/** "EFI PART", little endian. */
const GPT_SIGNATURE = 0x5452_4150_2049_4645n;
const GPT_LAST_USABLE_LBA = 48;

/** The size that the disk ought to have at least, if it has less. */
export async function missingBytes(disk: BlockBackend): Promise<number | undefined> {
  const sectors = new Uint8Array(Math.min(2 * SECTOR_BYTES, disk.sizeBytes));
  await disk.read(0, sectors);
  const view = new DataView(sectors.buffer);
  const entries = [0, 1, 2, 3].map((index) => TABLE + index * ENTRY_BYTES);
  if (view.getUint16(SIGNATURE, true) !== 0xaa55) return undefined;
  // A boot sector that is no partition table has code or text here.
  if (entries.some((at) => (view.getUint8(at) & ~ACTIVE) !== 0)) return undefined;
  let end = 0;
  for (const at of entries) {
    const type = view.getUint8(at + 4);
    const first = view.getUint32(at + 8, true);
    const length = view.getUint32(at + 12, true);
    // Erratum: hybrid ISO images begin their partition in the table itself, and may round its length up.
    if (type !== 0 && type !== GPT_PROTECTIVE && first > 0) end = Math.max(end, first + length);
    if (type === GPT_PROTECTIVE) end = Math.max(end, gptEnd(view));
  }
  return end * SECTOR_BYTES > disk.sizeBytes ? end * SECTOR_BYTES : undefined;
}

/** Sectors in use by a GPT's own account. */
function gptEnd(view: DataView): number {
  if (view.byteLength < 2 * SECTOR_BYTES || view.getBigUint64(SECTOR_BYTES, true) !== GPT_SIGNATURE) return 0;
  return Number(view.getBigUint64(SECTOR_BYTES + GPT_LAST_USABLE_LBA, true)) + 1;
}
