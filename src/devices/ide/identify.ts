/**
 * What devices say of themselves: IDENTIFY DEVICE and IDENTIFY PACKET DEVICE (ATA/ATAPI-6, chapter 8). 256 words, the
 * texts with their bytes swapped within words.
 */

const WORDS = 256;

export interface DiskIdentity {
  readonly sectors: number;
  readonly serial: string;
  readonly model: string;
  readonly firmware: string;
  /** Of the translation in use. */
  readonly heads: number;
  readonly sectorsPerTrack: number;
  /** Sectors at a time for READ MULTIPLE: what is set (0 for none), and the most. */
  readonly multiple: number;
  readonly mostMultiple: number;
  /** As SET FEATURES has it: 0x20 + n multiword DMA n, 0x40 + n Ultra DMA n. */
  readonly transferMode: number;
  readonly writeCache: boolean;
  /** Behind a Serial ATA link. */
  readonly isSerial?: boolean;
  /** Commands that the native command queue holds; none when absent. */
  readonly queueDepth?: number;
}

type CommonIdentity = Pick<DiskIdentity, 'serial' | 'model' | 'firmware' | 'transferMode' | 'isSerial' | 'queueDepth'>;

/** The default translation: 16 heads, 63 sectors, no more cylinders than there are up to 8 GiB. */
export const DEFAULT_HEADS = 16;
export const DEFAULT_SECTORS_PER_TRACK = 63;
const MOST_CYLINDERS = 16_383;

export function cylinders(sectors: number, heads = DEFAULT_HEADS, sectorsPerTrack = DEFAULT_SECTORS_PER_TRACK): number {
  return Math.min(MOST_CYLINDERS, Math.floor(sectors / (heads * sectorsPerTrack)));
}

/** 28 bits of address: what LBA28 commands can reach. */
export const MOST_SECTORS_28 = 0x0fff_ffff;

class Words {
  readonly bytes = new Uint8Array(WORDS * 2);
  readonly #view = new DataView(this.bytes.buffer);

  set(word: number, value: number): void {
    this.#view.setUint16(word * 2, value, true);
  }

  set32(word: number, value: number): void {
    this.#view.setUint32(word * 2, value, true);
  }

  set64(word: number, value: number): void {
    this.#view.setBigUint64(word * 2, BigInt(value), true);
  }

  text(word: number, words: number, value: string): void {
    const padded = value.padEnd(words * 2);
    for (let i = 0; i < words * 2; i++) this.bytes[word * 2 + (i ^ 1)] = padded.charCodeAt(i);
  }

  /** Modes supported, and which of them is in use, by `mode`'s upper five bits. */
  modes(word: number, supported: number, kind: number, mode: number): void {
    this.set(word, supported | ((mode & 0xf8) === kind ? 0x100 << (mode & 7) : 0));
  }

  /** Word 255: all bytes add up to nothing. */
  seal(): Uint8Array {
    this.bytes[510] = 0xa5;
    const sum = this.bytes.subarray(0, 511).reduce((total, byte) => total + byte, 0);
    this.bytes[511] = -sum;
    return this.bytes;
  }
}

/** Words that disks and packet devices have alike. */
function common(words: Words, identity: CommonIdentity): void {
  words.text(10, 10, identity.serial);
  words.text(23, 4, identity.firmware);
  words.text(27, 20, identity.model);
  words.set(49, 0x0f00); // IORDY (may be disabled), LBA, DMA
  words.set(53, 0x0007); // words 54 to 58, 64 to 70 and 88 are valid
  words.modes(63, 0x07, 0x20, identity.transferMode);
  words.set(64, 0x03); // PIO modes 3 and 4
  for (const word of [65, 66, 67, 68]) words.set(word, 120); // ns a cycle
  words.set(80, identity.isSerial ? 0x1fe : 0x7e); // ATA-1 to ATA8-ACS, or to ATA/ATAPI-6
  words.modes(88, 0x3f, 0x40, identity.transferMode);
  if (identity.isSerial) {
    words.set(75, (identity.queueDepth ?? 1) - 1);
    words.set(76, 0x0006 | (identity.queueDepth ? 0x0100 : 0)); // 1.5 and 3 Gbit/s, native command queueing
  } else {
    words.set(93, 0x600b); // passed its reset as device 0, behind an 80-conductor cable
  }
}

export function identifyDisk(identity: DiskIdentity): Uint8Array {
  const { sectors, heads, sectorsPerTrack } = identity;
  const words = new Words();
  common(words, identity);
  words.set(0, 0x0040); // a fixed ATA device
  words.set(1, cylinders(sectors));
  words.set(3, DEFAULT_HEADS);
  words.set(6, DEFAULT_SECTORS_PER_TRACK);
  words.set(47, 0x8000 | identity.mostMultiple);
  // Where the standard before ATA-2 has that the data register is 32 bits wide, ATA-8 has what trusted computing needs.
  words.set(48, identity.isSerial ? 0x4000 : 1);
  words.set(50, 0x4000);
  words.set(51, 0x0200);
  words.set(52, 0x0200);
  const current = cylinders(sectors, heads, sectorsPerTrack);
  words.set(54, current);
  words.set(55, heads);
  words.set(56, sectorsPerTrack);
  words.set32(57, current * heads * sectorsPerTrack);
  words.set(59, identity.multiple ? 0x100 | identity.multiple : 0);
  words.set32(60, Math.min(sectors, MOST_SECTORS_28));
  const writeCache = identity.writeCache ? 0x20 : 0;
  words.set(82, 0x4000 | 0x20 | 0x08); // NOP, write cache, power management
  words.set(83, 0x7400); // FLUSH CACHE and FLUSH CACHE EXT, 48-bit addresses
  const logs = identity.queueDepth ? 0x20 : 0; // READ LOG EXT, for errors of queued commands
  words.set(84, 0x4000 | logs);
  words.set(85, 0x4000 | writeCache | 0x08);
  words.set(86, 0x3400);
  words.set(87, 0x4000 | logs);
  words.set64(100, sectors);
  return words.seal();
}

export function identifyCdrom(identity: CommonIdentity): Uint8Array {
  const words = new Words();
  common(words, identity);
  words.set(0, 0x85c0); // packets of 12 bytes asked for within 50 us, removable medium, CD-ROM
  words.set(71, 30); // ns from PACKET, and from SERVICE, to not busy
  words.set(72, 30);
  words.set(82, 0x4210); // NOP, DEVICE RESET, PACKET
  words.set(83, 0x4000);
  words.set(84, 0x4000);
  words.set(85, 0x4210);
  words.set(87, 0x4000);
  return words.seal();
}
