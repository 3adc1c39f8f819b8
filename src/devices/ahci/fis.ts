/**
 * Frame information structures that a device sends, as the adapter leaves them in memory (Serial ATA revision 3.1, §10.3
 * "FIS types"; AHCI 1.3.1 §4.2.1 "Received FIS Structure").
 */

import type { IdeUnitState } from '../ide/ide-unit-state.ts';
import { FIS_BYTES } from './command.ts';

/** Where they go in the received FIS structure. */
export const RECEIVED_PIO_SETUP = 0x20;
export const RECEIVED_REGISTERS = 0x40;
export const RECEIVED_DEVICE_BITS = 0x58;

const REGISTERS = 0x34;
const PIO_SETUP = 0x5f;
const SET_DEVICE_BITS = 0xa1;
const INTERRUPTS = 0x40;
const TO_HOST = 0x20;
/** Of the status, what Set Device Bits may change: all but BSY and DRQ. */
const DEVICE_BITS = 0x77;

export type DeviceRegisters = Pick<
  IdeUnitState,
  'error' | 'low' | 'mid' | 'high' | 'device' | 'lowBefore' | 'midBefore' | 'highBefore' | 'count' | 'countBefore'
>;

/** Register - device to host. */
export function registersFis(registers: DeviceRegisters, status: number, interrupts: boolean): Uint8Array {
  const r = registers;
  const fis = new Uint8Array(FIS_BYTES);
  fis.set([REGISTERS, interrupts ? INTERRUPTS : 0, status, r.error]);
  fis.set([r.low, r.mid, r.high, r.device], 4);
  fis.set([r.lowBefore, r.midBefore, r.highBefore], 8);
  fis.set([r.count, r.countBefore], 12);
  return fis;
}

/** Where a PIO setup FIS has the status of the device when the data have been moved. */
export const PIO_END_STATUS = 15;

export interface PioData {
  readonly status: number;
  readonly bytes: number;
  readonly toHost: boolean;
  readonly interrupts: boolean;
}

/** PIO setup: data follow. */
export function pioSetupFis(registers: DeviceRegisters, data: PioData): Uint8Array {
  const fis = registersFis(registers, data.status, data.interrupts);
  fis[0] = PIO_SETUP;
  if (data.toHost) fis[1] |= TO_HOST;
  fis.set([data.bytes & 0xff, data.bytes >> 8], PIO_END_STATUS + 1);
  return fis;
}

/** Set Device Bits: queued commands are over. */
export function setDeviceBitsFis(status: number, error: number, slots: number): Uint8Array {
  const fis = new Uint8Array(8);
  fis.set([SET_DEVICE_BITS, INTERRUPTS, status & DEVICE_BITS, error]);
  new DataView(fis.buffer).setUint32(4, slots, true);
  return fis;
}
