/** The list of capabilities in a function's configuration space (PCI Local Bus Specification 3.0 §6.7 "Capabilities List"). */

import type { PciConfigOptions } from './pci-config.ts';

const STATUS = 0x06;
const STATUS_CAPABILITIES = 0x10;
const POINTER = 0x34;
/** Where the header ends. */
const FIRST = 0x40;
const ALIGNMENT = 4;

export interface PciCapability {
  readonly id: number;
  /** What follows identifier and pointer. */
  readonly bytes: readonly number[];
  /** What of it the guest can change: masks by offset from the capability's start. */
  readonly writable?: Readonly<Record<number, number>>;
}

export interface CapabilityList extends Required<Pick<PciConfigOptions, 'initial' | 'writable'>> {
  /** Where each of them starts. */
  readonly places: readonly number[];
}

/** Lays them out, one behind the other. */
export function capabilityList(capabilities: readonly PciCapability[]): CapabilityList {
  const initial: Record<number, number> = { [STATUS]: STATUS_CAPABILITIES };
  const writable: Record<number, number> = {};
  const places: number[] = [];
  let pointer = POINTER;
  let at = FIRST;
  for (const capability of capabilities) {
    places.push(at);
    initial[pointer] = at;
    initial[at] = capability.id;
    capability.bytes.forEach((byte, i) => {
      initial[at + 2 + i] = byte;
    });
    for (const [offset, mask] of Object.entries(capability.writable ?? {})) writable[at + Number(offset)] = mask;
    pointer = at + 1;
    at = Math.ceil((at + 2 + capability.bytes.length) / ALIGNMENT) * ALIGNMENT;
  }
  return { initial, writable, places };
}
