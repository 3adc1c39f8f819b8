/** A PC with firmware and the drives of a test, run to its end. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestDrive, GuestEnd, GuestVirtio } from '../../src/vmm/guest-options.ts';

const folder = fileURLToPath(new URL('../../firmware/', import.meta.url));
/** For a guest that hangs; they take some seconds. */
const GIVE_UP_MS = 5 * 60_000;

export interface Ran {
  /** What came from COM1. */
  readonly console: string;
  readonly end: GuestEnd;
  readonly hash: string;
}

export async function bootDrives(
  drives: readonly GuestDrive[],
  time: 'real' | 'deterministic' = 'real',
  bootOrder = 'dca',
  memoryBytes = 64 << 20,
  virtio: readonly GuestVirtio[] = [],
): Promise<Ran> {
  let console = '';
  const guest = await Guest.create({
    memoryBytes,
    firmware: {
      bios: readFileSync(`${folder}bios-256k.bin`),
      vgaBios: readFileSync(`${folder}vgabios-stdvga.bin`),
      drives,
      nics: [],
      bootOrder,
      resetEnds: true,
    },
    time,
    virtio,
    seed: 1,
    optionalDevices: ['isa-debug-exit'],
    onConsole: (bytes) => {
      console += new TextDecoder('latin1').decode(bytes);
    },
    host: nodePlatform,
  });
  const timer = setTimeout(() => guest.stop(), GIVE_UP_MS);
  try {
    const end = await guest.run();
    return { console, end, hash: guest.stateHash() };
  } finally {
    clearTimeout(timer);
  }
}
