/**
 * The calendar of an MC146818A: its time registers as numbers, and when its alarm goes off (Motorola MC146818A data
 * sheet, "Time, Calendar, and Alarm Locations"). Times are UTC.
 */

export const SECONDS = 0x00;
export const SECONDS_ALARM = 0x01;
export const MINUTES = 0x02;
export const MINUTES_ALARM = 0x03;
export const HOURS = 0x04;
export const HOURS_ALARM = 0x05;
export const DAY_OF_WEEK = 0x06;
export const DAY_OF_MONTH = 0x07;
export const MONTH = 0x08;
export const YEAR = 0x09;
/** Not the chip's but the PC's: a byte of its RAM, as the ACPI tables say. */
export const CENTURY = 0x32;

/** Bits of register B that say how numbers are written. */
export const FORMAT_BINARY = 0x04;
export const FORMAT_24_HOURS = 0x02;
const PM = 0x80;
/** An alarm byte from here on matches everything. */
const DONT_CARE = 0xc0;
const SECONDS_A_DAY = 86_400;

function encode(value: number, format: number): number {
  return format & FORMAT_BINARY ? value & 0xff : ((Math.floor(value / 10) % 10) << 4) | (value % 10);
}

function decode(byte: number, format: number): number {
  return format & FORMAT_BINARY ? byte : (byte >> 4) * 10 + (byte & 15);
}

function encodeHour(hour: number, format: number): number {
  if (format & FORMAT_24_HOURS) return encode(hour, format);
  return encode(hour % 12 || 12, format) | (hour >= 12 ? PM : 0);
}

function decodeHour(byte: number, format: number): number {
  if (format & FORMAT_24_HOURS) return decode(byte, format);
  return (decode(byte & ~PM, format) % 12) + (byte & PM ? 12 : 0);
}

/** Writes `timeMs` (since 1970) to the time registers. */
export function storeTime(registers: Uint8Array, timeMs: number, format: number): void {
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  registers[SECONDS] = encode(date.getUTCSeconds(), format);
  registers[MINUTES] = encode(date.getUTCMinutes(), format);
  registers[HOURS] = encodeHour(date.getUTCHours(), format);
  registers[DAY_OF_WEEK] = encode(date.getUTCDay() + 1, format);
  registers[DAY_OF_MONTH] = encode(date.getUTCDate(), format);
  registers[MONTH] = encode(date.getUTCMonth() + 1, format);
  registers[YEAR] = encode(year % 100, format);
  registers[CENTURY] = encode(Math.floor(year / 100) % 100, format);
}

/** The time, in ms since 1970, that the registers show. Impossible dates roll over: 30 February is in March. */
export function loadTime(registers: Uint8Array, format: number): number {
  const number = (index: number): number => decode(registers[index], format);
  const date = new Date(0);
  date.setUTCFullYear(number(CENTURY) * 100 + number(YEAR), number(MONTH) - 1, number(DAY_OF_MONTH));
  date.setUTCHours(decodeHour(registers[HOURS], format), number(MINUTES), number(SECONDS));
  return date.getTime();
}

/** The first second after `second` (since 1970) that matches the alarm registers; Infinity when none ever does. */
export function nextAlarm(registers: Uint8Array, second: number, format: number): number {
  const matches = (byte: number, wanted: number, value: number): boolean => byte >= DONT_CARE || wanted === value;
  const hours = registers[HOURS_ALARM];
  const minutes = registers[MINUTES_ALARM];
  const seconds = registers[SECONDS_ALARM];
  const wantedHour = decodeHour(hours, format);
  const wantedMinute = decode(minutes, format);
  const wantedSecond = decode(seconds, format);
  let at = second + 1;
  while (at <= second + SECONDS_A_DAY) {
    const ofDay = ((at % SECONDS_A_DAY) + SECONDS_A_DAY) % SECONDS_A_DAY;
    // What does not match is passed over whole: at most 24 hours, 60 minutes and 60 seconds are looked at.
    if (!matches(hours, wantedHour, Math.floor(ofDay / 3600))) at += 3600 - (ofDay % 3600);
    else if (!matches(minutes, wantedMinute, Math.floor(ofDay / 60) % 60)) at += 60 - (ofDay % 60);
    else if (!matches(seconds, wantedSecond, ofDay % 60)) at += 1;
    else return at;
  }
  return Number.POSITIVE_INFINITY;
}
