/** Guests as the boot tests run them: started, listened to, spoken to. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { gunzip, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestEnd, GuestKernel, GuestOptions, HostPlatform } from '../../src/vmm/guest-options.ts';

const folder = fileURLToPath(new URL('../../guests/builtin/', import.meta.url));

export const builtInKernel = (): Uint8Array => readFileSync(`${folder}vmlinuz`);
export const builtInInitrd = (): Uint8Array => gunzipSync(readFileSync(`${folder}initramfs.cpio.gz`));

/** The built-in guest with a prompt on its console. */
export function builtIn(...words: string[]): GuestKernel {
  const commandLine = ['console=ttyS0', 'loglevel=3', ...words].join(' ');
  return { image: builtInKernel(), initrd: builtInInitrd(), commandLine };
}

/** For a guest that hangs; those that translate all they run take minutes. */
const GIVE_UP_MS = 14 * 60_000;

/**
 * A clock that goes by how often it is looked at. Where slices of a deterministic guest end, and where the event loop
 * gets its turns, is then a function of what the guest does alone.
 */
export function countingClock(): HostPlatform {
  let looks = 0;
  return { ...nodePlatform, nowMs: () => looks++ / 1000 };
}

export interface Booted {
  readonly guest: Guest;
  /** Console output so far, without carriage returns. */
  console(): string;
  /** Resolves when the console has shown `text` after what was waited for before; rejects if the guest ends first. */
  shows(text: string): Promise<void>;
  type(text: string): void;
  readonly end: Promise<GuestEnd>;
}

const DEFAULTS: Omit<GuestOptions, 'kernel' | 'onConsole'> = {
  memoryBytes: 256 << 20,
  time: 'real',
  seed: 0,
  optionalDevices: [],
  gunzip,
  host: nodePlatform,
};

/** Creates and starts a guest. */
export async function boot(
  options: Partial<GuestOptions> & { kernel: GuestKernel },
  prepare: (guest: Guest) => void = () => {},
): Promise<Booted> {
  let text = '';
  let seen = 0;
  let look = (): void => {};
  const guest = await Guest.create({
    ...DEFAULTS,
    ...options,
    onConsole: (bytes) => {
      text += Buffer.from(bytes).toString('latin1').replaceAll('\r', '');
      look();
    },
  });
  prepare(guest);
  const timer = setTimeout(() => guest.stop(), GIVE_UP_MS);
  const end = guest.run().finally(() => clearTimeout(timer));
  return {
    guest,
    end,
    console: () => text,
    type: (typed) => guest.sendConsole(new TextEncoder().encode(typed)),
    shows: (wanted) =>
      new Promise((resolve, reject) => {
        look = () => {
          const at = text.indexOf(wanted, seen);
          if (at < 0) return;
          seen = at + wanted.length;
          resolve();
        };
        end.then(({ kind }) => reject(new Error(`${kind} before ${JSON.stringify(wanted)} came:\n${text}`)), reject);
        look();
      }),
  };
}

/** Runs `script` in the shell of the built-in initramfs, on any Linux, to the guest's end; `words`: on the command line. */
export async function runScript(
  kernel: Pick<GuestKernel, 'image' | 'initrd'> & { readonly words?: string },
  script: string,
  options: Partial<GuestOptions> = {},
  prepare?: (guest: Guest) => void,
) {
  let guest: Guest | undefined;
  let sent = false;
  const { image, initrd, words = '' } = kernel;
  const commandLine = `console=ttyS0 loglevel=3 vivarium.filter=ttyS1 ${words}`.trimEnd();
  const booted = await boot(
    {
      ...options,
      kernel: { image, ...(initrd && { initrd }), commandLine },
      onSecondSerial() {
        if (!sent) guest?.sendSecondSerial(new TextEncoder().encode(`${script}\n\x04`));
        sent = true;
      },
    },
    (created) => {
      guest = created;
      prepare?.(created);
    },
  );
  const end = await booted.end;
  return { end, console: booted.console(), guest: booted.guest };
}

/** Stops the guest when it has run so many instructions, wherever that is in a slice; `ended` is called after each. */
export function stopAfter(guest: Guest, instructions: number, ended: () => void = () => {}): void {
  const { cpu } = guest.debug;
  const run = cpu.run.bind(cpu);
  cpu.run = (budget) => {
    const reason = run(Math.min(budget, Math.max(1, instructions - cpu.instructions)));
    ended();
    if (cpu.instructions >= instructions) guest.stop();
    return reason;
  };
}
