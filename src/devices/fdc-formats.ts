/**
 * Formats of floppy disks, told from the size of an image. All have sectors of 512 bytes, recorded in MFM, numbered
 * from 1; an image has them by track, head and sector.
 */

import { SECTOR_BYTES } from '../base/block.ts';

export interface FloppyFormat {
  readonly tracks: number;
  readonly heads: number;
  readonly sectors: number;
  readonly density: 'double' | 'high' | 'extra-high';
  /** Type of a drive for it, as CMOS register 0x10 and BIOSes number them. */
  readonly driveType: number;
}

const format = (
  tracks: number,
  heads: number,
  sectors: number,
  density: FloppyFormat['density'],
  driveType: number,
): FloppyFormat => ({ tracks, heads, sectors, density, driveType });

const FORMATS: readonly FloppyFormat[] = [
  format(40, 1, 8, 'double', 1), // 160K
  format(40, 1, 9, 'double', 1), // 180K
  format(40, 2, 8, 'double', 1), // 320K
  format(40, 2, 9, 'double', 1), // 360K
  format(80, 2, 9, 'double', 3), // 720K
  format(80, 2, 15, 'high', 2), // 1.2M
  format(80, 2, 18, 'high', 4), // 1.44M
  format(80, 2, 21, 'high', 4), // 1.68M, of distributions
  format(82, 2, 21, 'high', 4), // 1.72M
  format(80, 2, 36, 'extra-high', 5), // 2.88M
];

export function formatBytes({ tracks, heads, sectors }: FloppyFormat): number {
  return tracks * heads * sectors * SECTOR_BYTES;
}

/**
 * The format of an image of that size. One of no known size is the beginning of a 1.44M or a 2.88M disk, whatever lies
 * beyond the latter is out of reach.
 */
export function floppyFormat(sizeBytes: number): FloppyFormat {
  const exact = FORMATS.find((candidate) => formatBytes(candidate) === sizeBytes);
  const [common, largest] = [FORMATS[6], FORMATS[FORMATS.length - 1]];
  return exact ?? (sizeBytes <= formatBytes(common) ? common : largest);
}

/** Can that format be read at the data rate: 0 500, 1 300, 2 250, 3 1000 kbit/s? (300 is for drives that turn faster.) */
export function readsAt({ density }: FloppyFormat, rate: number): boolean {
  if (density === 'double') return rate === 1 || rate === 2;
  return rate === (density === 'high' ? 0 : 3);
}
