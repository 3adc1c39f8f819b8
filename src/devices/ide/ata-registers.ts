/**
 * Registers and commands of ATA devices as this folder uses them (INCITS 361-2002 "AT Attachment with Packet Interface
 * - 6", ATA/ATAPI-6, chapter 7 "Interface register definitions and descriptions", chapter 8 "Command descriptions").
 *
 *     command block   0 data   1 error/features   2 sector count   3 LBA low   4 LBA mid   5 LBA high   6 device
 *                     7 status/command
 *     control block   alternate status/device control
 */

export const DATA = 0;
export const ERROR = 1;
export const FEATURES = 1;
export const SECTOR_COUNT = 2;
export const LBA_LOW = 3;
export const LBA_MID = 4;
export const LBA_HIGH = 5;
export const DEVICE = 6;
export const STATUS = 7;
export const COMMAND = 7;

/** Status register. */
export const BSY = 0x80;
export const DRDY = 0x40;
export const DF = 0x20;
/** Device seek complete, as ATA-3 and before have it: some drivers still look. */
export const DSC = 0x10;
export const DRQ = 0x08;
export const ERR = 0x01;

/** Error register. */
export const UNC = 0x40;
export const IDNF = 0x10;
export const ABRT = 0x04;
/** After a reset or EXECUTE DEVICE DIAGNOSTIC: device passed. */
export const DIAGNOSTIC_PASSED = 0x01;

/** Device register. */
export const DEVICE_LBA = 0x40;
export const DEVICE_1 = 0x10;
/** Bits that are always one in older standards. */
export const DEVICE_OBSOLETE = 0xa0;

/** Device control register. */
export const HOB = 0x80;
export const SRST = 0x04;
export const NIEN = 0x02;

/** Interrupt reason register: the sector count as devices with packets use it. */
export const REASON_COMMAND = 0x01;
export const REASON_TO_HOST = 0x02;

/** Command descriptions, by the names of their sections. */
export const NOP = 0x00;
export const DEVICE_RESET = 0x08;
export const READ_SECTORS = 0x20;
export const READ_SECTORS_EXT = 0x24;
export const READ_DMA_EXT = 0x25;
export const READ_MULTIPLE_EXT = 0x29;
export const WRITE_SECTORS = 0x30;
export const WRITE_SECTORS_EXT = 0x34;
export const WRITE_DMA_EXT = 0x35;
export const WRITE_MULTIPLE_EXT = 0x39;
export const READ_VERIFY = 0x40;
export const READ_VERIFY_EXT = 0x42;
export const SEEK = 0x70;
export const EXECUTE_DEVICE_DIAGNOSTIC = 0x90;
export const INITIALIZE_DEVICE_PARAMETERS = 0x91;
export const PACKET = 0xa0;
export const IDENTIFY_PACKET_DEVICE = 0xa1;
export const READ_MULTIPLE = 0xc4;
export const WRITE_MULTIPLE = 0xc5;
export const SET_MULTIPLE_MODE = 0xc6;
export const READ_DMA = 0xc8;
export const WRITE_DMA = 0xca;
export const STANDBY_IMMEDIATE = 0xe0;
export const IDLE_IMMEDIATE = 0xe1;
export const STANDBY = 0xe2;
export const IDLE = 0xe3;
export const CHECK_POWER_MODE = 0xe5;
export const SLEEP = 0xe6;
export const FLUSH_CACHE = 0xe7;
export const FLUSH_CACHE_EXT = 0xea;
export const IDENTIFY_DEVICE = 0xec;
export const SET_FEATURES = 0xef;
/** Withdrawn since ATA-4, with an address in the low four bits that means nothing. */
export const RECALIBRATE = 0x10;
/** Withdrawn since ATA-5: as their counterparts, without retries. */
export const READ_SECTORS_ONCE = 0x21;
export const WRITE_SECTORS_ONCE = 0x31;
export const READ_VERIFY_ONCE = 0x41;
export const READ_DMA_ONCE = 0xc9;
export const WRITE_DMA_ONCE = 0xcb;

/** Subcommands of SET FEATURES. */
export const ENABLE_WRITE_CACHE = 0x02;
export const SET_TRANSFER_MODE = 0x03;
export const DISABLE_LOOK_AHEAD = 0x55;
export const DISABLE_REVERTING = 0x66;
export const DISABLE_WRITE_CACHE = 0x82;
export const ENABLE_LOOK_AHEAD = 0xaa;
export const ENABLE_REVERTING = 0xcc;
