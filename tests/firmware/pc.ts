/** A PC with firmware as tests run it: its serial line and screen are looked at while it runs. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Screen } from '../../src/base/screen.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestDrive, GuestEnd, GuestFirmware, GuestOptions } from '../../src/vmm/guest-options.ts';

const folder = fileURLToPath(new URL('../../firmware/', import.meta.url));
/** For a guest that hangs; on a busy host, Debian's larger kernels take two minutes. */
const GIVE_UP_MS = 10 * 60_000;
const LOOK_MS = 50;

export interface RunningPc {
  readonly guest: Guest;
  readonly end: Promise<GuestEnd>;
  /** What came from COM1 and the debug port, without carriage returns. */
  console(): string;
  /** The rows of a screen of text, without blanks at their ends; none in other modes. */
  screen(): string[];
  /** Resolves when `isThere`; rejects if the guest ends first. */
  until(isThere: () => boolean): Promise<void>;
  type(text: string): void;
}

export function disc(image: Uint8Array): GuestDrive {
  return { bus: 'ide', unit: 2, kind: 'cdrom', backend: new MemoryDisk(image) };
}

export async function startPc(
  drives: readonly GuestDrive[],
  options: Partial<GuestOptions> = {},
  firmware: Partial<GuestFirmware> = {},
): Promise<RunningPc> {
  let text = '';
  const guest = await Guest.create({
    memoryBytes: 256 << 20,
    firmware: {
      bios: readFileSync(`${folder}bios-256k.bin`),
      vgaBios: readFileSync(`${folder}vgabios-stdvga.bin`),
      drives,
      nics: [],
      bootOrder: 'dc',
      resetEnds: true,
      ...firmware,
    },
    time: 'real',
    seed: 1,
    optionalDevices: [],
    host: nodePlatform,
    ...options,
    onConsole: (bytes) => {
      text += Buffer.from(bytes).toString('latin1').replaceAll('\r', '');
    },
  });
  const giveUp = setTimeout(() => guest.stop(), GIVE_UP_MS);
  let hasEnded = false;
  const end = guest.run().finally(() => {
    hasEnded = true;
    clearTimeout(giveUp);
  });
  const screen = (): string[] => rowsOf(guest.screen);
  return {
    guest,
    end,
    console: () => text,
    screen,
    type: (typed) => guest.sendConsole(new TextEncoder().encode(typed)),
    async until(isThere) {
      while (!isThere()) {
        if (hasEnded) throw new Error(`${(await end).kind} too early:\n${text}\n${screen().join('\n')}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    },
  };
}

function rowsOf(screen: Screen | undefined): string[] {
  const text = screen?.text();
  if (text === undefined) return [];
  const row = (number: number): string => {
    const cells = text.cells.subarray(number * text.columns, (number + 1) * text.columns);
    return String.fromCharCode(...cells.map((cell) => cell & 0xff || 0x20)).trimEnd();
  };
  return Array.from({ length: text.rows }, (_, number) => row(number));
}
