/**
 * What a CD-ROM drive answers to the commands of the Multi-Media Command Set (INCITS 360-2002 "MMC-3", chapter 6
 * "Command descriptions", chapter 5 "Model"; SPC-3 for INQUIRY, REQUEST SENSE and MODE SENSE). A disc has one session
 * with one data track. Values of several bytes are big endian.
 */

export const CD_BLOCK_BYTES = 2048;

export const TEST_UNIT_READY = 0x00;
export const REQUEST_SENSE = 0x03;
export const INQUIRY = 0x12;
export const START_STOP_UNIT = 0x1b;
export const PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1e;
export const READ_CAPACITY = 0x25;
export const READ_10 = 0x28;
export const SEEK_10 = 0x2b;
export const READ_TOC = 0x43;
export const GET_CONFIGURATION = 0x46;
export const GET_EVENT_STATUS_NOTIFICATION = 0x4a;
export const READ_DISC_INFORMATION = 0x51;
export const MODE_SENSE_10 = 0x5a;
export const READ_12 = 0xa8;
export const SET_CD_SPEED = 0xbb;
export const MECHANISM_STATUS = 0xbd;
export const READ_CD = 0xbe;

/** Key, additional code and qualifier, as one number. */
export const NO_SENSE = 0x0_00_00;
export const NO_MEDIUM_TRAY_CLOSED = 0x2_3a_01;
export const NO_MEDIUM_TRAY_OPEN = 0x2_3a_02;
export const UNRECOVERED_READ_ERROR = 0x3_11_00;
export const INVALID_COMMAND = 0x5_20_00;
export const ADDRESS_OUT_OF_RANGE = 0x5_21_00;
export const INVALID_FIELD = 0x5_24_00;
export const SAVING_NOT_SUPPORTED = 0x5_39_00;
export const REMOVAL_PREVENTED = 0x5_53_02;
export const MEDIUM_CHANGED = 0x6_28_00;

/** Events of the media class (GET EVENT STATUS NOTIFICATION). */
export const EVENT_NONE = 0;
export const EVENT_NEW_MEDIUM = 2;
export const EVENT_REMOVAL = 3;
const CLASS_MEDIA = 4;
const NO_EVENT_AVAILABLE = 0x80;

const DATA_TRACK = 0x14;
const LEAD_OUT = 0xaa;
/** Frames of pre-gap before the first block; 75 a second. */
const PREGAP_FRAMES = 150;
/** Larger discs, more than 80 minutes, are DVDs. */
const LARGEST_CD_BLOCKS = 80 * 60 * 75;
const PROFILE_CD_ROM = 0x08;
const PROFILE_DVD_ROM = 0x10;

const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value)];
const text = (value: string, length: number): number[] =>
  Array.from({ length }, (_, i) => value.padEnd(length).charCodeAt(i));

/** Bytes with the number of those that follow in front of them, in two bytes. */
const counted = (bytes: readonly number[]): number[] => [...u16(bytes.length), ...bytes];

export function inquiry(): number[] {
  const rest = [0, 0, 0, ...text('VIVARIUM', 8), ...text('CD-ROM', 16), ...text('1', 4)];
  return [0x05, 0x80, 0x00, 0x21, rest.length, ...rest];
}

export function senseData(sense: number): number[] {
  const bytes = new Array<number>(18).fill(0);
  bytes[0] = 0x70; // current error, fixed format
  bytes[2] = sense >> 16;
  bytes[7] = 10;
  bytes[12] = (sense >> 8) & 0xff;
  bytes[13] = sense & 0xff;
  return bytes;
}

export function capacity(blocks: number): number[] {
  return [...u32(blocks - 1), ...u32(CD_BLOCK_BYTES)];
}

/** A block's address as the TOC has it: its number, or minutes, seconds and frames. */
function address(block: number, inMsf: boolean): number[] {
  if (!inMsf) return u32(block);
  const frame = block + PREGAP_FRAMES;
  return [0, Math.floor(frame / 75 / 60) & 0xff, Math.floor(frame / 75) % 60, frame % 75];
}

/** READ TOC/PMA/ATIP, formats 0000b to 0010b; undefined for what there is not. */
export function tableOfContents(blocks: number, format: number, first: number, inMsf: boolean): number[] | undefined {
  if (format === 0) {
    if (first > 1 && first !== LEAD_OUT) return undefined;
    const track = first <= 1 ? [0, DATA_TRACK, 1, 0, ...address(0, inMsf)] : [];
    return counted([1, 1, ...track, 0, DATA_TRACK, LEAD_OUT, 0, ...address(blocks, inMsf)]);
  }
  if (format === 1) return counted([1, 1, 0, DATA_TRACK, 1, 0, ...address(0, inMsf)]);
  if (format !== 2) return undefined;
  const point = (number: number, where: number[]): number[] => [1, DATA_TRACK, 0, number, 0, 0, 0, ...where];
  return counted([
    1,
    1,
    ...point(0xa0, [0, 1, 0, 0]),
    ...point(0xa1, [0, 1, 0, 0]),
    ...point(0xa2, address(blocks, true)),
    ...point(1, address(0, true)),
  ]);
}

interface Feature {
  readonly code: number;
  readonly version: number;
  /** Independent of the disc. */
  readonly persistent: boolean;
  readonly current: boolean;
  readonly data: readonly number[];
}

/** GET CONFIGURATION; `blocks` is undefined without a disc. */
export function configuration(blocks: number | undefined, requested: number, start: number): number[] {
  const isPresent = blocks !== undefined;
  const isDvd = isPresent && blocks > LARGEST_CD_BLOCKS;
  const isCd = isPresent && !isDvd;
  const profiles = [...u16(PROFILE_DVD_ROM), isDvd ? 1 : 0, 0, ...u16(PROFILE_CD_ROM), isCd ? 1 : 0, 0];
  const features: Feature[] = [
    { code: 0x0000, version: 0, persistent: true, current: true, data: profiles },
    // Core: ATAPI. Morphing: events are asked for. Removable medium: a tray with a lock.
    { code: 0x0001, version: 1, persistent: true, current: true, data: [...u32(2), 0, 0, 0, 0] },
    { code: 0x0002, version: 0, persistent: true, current: true, data: [0, 0, 0, 0] },
    { code: 0x0003, version: 0, persistent: true, current: true, data: [0x29, 0, 0, 0] },
    // Random readable, CD read, DVD read.
    { code: 0x0010, version: 0, persistent: false, current: isPresent, data: [...u32(CD_BLOCK_BYTES), 0, 1, 0, 0] },
    { code: 0x001e, version: 0, persistent: false, current: isCd, data: [] },
    { code: 0x001f, version: 0, persistent: false, current: isDvd, data: [] },
  ];
  const chosen = features.filter(({ code, current }) => {
    if (requested === 2) return code === start;
    return code >= start && (requested === 0 || current);
  });
  const list = chosen.flatMap(({ code, version, persistent, current, data }) => [
    ...u16(code),
    (version << 2) | (persistent ? 2 : 0) | (current ? 1 : 0),
    data.length,
    ...data,
  ]);
  const profile = isDvd ? PROFILE_DVD_ROM : isCd ? PROFILE_CD_ROM : 0;
  return [...u32(4 + list.length), 0, 0, ...u16(profile), ...list];
}

/** MODE SENSE (10): the pages in the order of their codes; undefined for what there is not. */
export function modePages(page: number, isLocked: boolean): number[] | undefined {
  const speed = u16(24 * 176); // kB/s
  const all: Readonly<Record<number, number[]>> = {
    // Read error recovery; CD audio control; CD capabilities and mechanical status.
    1: [0x01, 0x06, 0x00, 0x05, 0, 0, 0, 0],
    14: [0x0e, 0x0e, 0x04, 0, 0, 0, 0, 0, 1, 0xff, 2, 0xff, 0, 0, 0, 0],
    42: [
      0x2a,
      0x12,
      0x3b,
      0,
      0x70,
      0,
      isLocked ? 0x2b : 0x29,
      0,
      ...speed,
      ...u16(2),
      ...u16(512),
      ...speed,
      0,
      0,
      0,
      0,
    ],
  };
  const chosen = page === 0x3f ? Object.values(all).flat() : all[page];
  return chosen && counted([0, 0, 0, 0, 0, 0, ...chosen]);
}

/** GET EVENT STATUS NOTIFICATION for the classes of a bit mask, of which there is the media class. */
export function eventStatus(classes: number, event: number, isOpen: boolean, isPresent: boolean): number[] {
  const supported = 1 << CLASS_MEDIA;
  if ((classes & supported) === 0) return counted([NO_EVENT_AVAILABLE, supported]);
  return counted([CLASS_MEDIA, supported, event, (isOpen ? 1 : 0) | (isPresent ? 2 : 0), 0, 0]);
}

/** READ DISC INFORMATION: a complete disc of one session and one track. */
export function discInformation(): number[] {
  const bytes = new Array<number>(32).fill(0);
  [0x0e, 1, 1, 1, 1, 0x20].forEach((value, i) => {
    bytes[i] = value;
  });
  return counted(bytes);
}

/** MECHANISM STATUS: no changer. */
export function mechanismStatus(isOpen: boolean): number[] {
  return [0, isOpen ? 0x10 : 0, 0, 0, 0, 1, 0, 0];
}
