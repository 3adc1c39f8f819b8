/**
 * Runs the programs on all machines by turns: in each round every machine boots anew, and then each program runs on
 * one machine after the other, some passes on each, so that a host which is slow for a while is slow for all. What counts is the host's time
 * between two lines on the serial console; guests' clocks cannot be compared.
 */

import type { GuestFiles, MachineName, Start } from './machines.ts';
import { Conversation } from './process.ts';
import type { Program } from './programs.ts';

const BOOT_TIMEOUT_MS = 120_000;
const PROGRAM_TIMEOUT_MS = 120_000;

export interface Machine {
  readonly name: MachineName;
  readonly start: Start;
  readonly guest: GuestFiles;
}

/** How often a program runs on a machine before the next machine's turn. */
export const PASSES = 6;

/** Seconds of one round. */
export interface Timing {
  /** All passes together; of the boot, there is one. */
  readonly whole: number;
  /** With what a machine does once: the first pass. */
  readonly first: number;
}

/** One round on the machines that ran it, by their names. */
export type Round = Partial<Record<MachineName, Timing>>;

/** What was measured of a program, or of the boot. */
export interface Measured {
  readonly rounds: Round[];
  readonly checksums: Partial<Record<MachineName, string>>;
}

export interface Progress {
  running(what: string): void;
  failed(machine: MachineName, what: string, reason: string): void;
}

/** A machine that boots when it is first needed, and again after a failure. */
class Guest {
  readonly machine: Machine;
  #conversation: Conversation | undefined;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Seconds from the start of the process until the guest's first process runs. */
  async boot(): Promise<number> {
    await this.stop();
    this.#conversation = new Conversation(this.machine.start(this.machine.guest));
    const { atMs } = await this.#conversation.waitFor(/^ready\r?\n/m, BOOT_TIMEOUT_MS);
    return atMs / 1000;
  }

  /** A few passes, all of which must compute the same. */
  async run(program: Program): Promise<Timing & { checksum: string }> {
    const { seconds: first, checksum } = await this.#pass(program);
    let whole = first;
    for (let i = 1; i < PASSES; i++) {
      const again = await this.#pass(program);
      if (again.checksum !== checksum) throw new Error(`its checksum was ${checksum} and then ${again.checksum}`);
      whole += again.seconds;
    }
    return { whole, first, checksum };
  }

  async #pass({ name, amount }: Program): Promise<{ seconds: number; checksum: string }> {
    if (this.#conversation === undefined) await this.boot();
    const guest = this.#conversation as Conversation;
    guest.send(`${name} ${amount}\n`);
    const begin = await guest.waitFor(/^begin .*\r?\n/m, PROGRAM_TIMEOUT_MS);
    const end = await guest.waitFor(/^(?:end \S+ ([0-9a-f]{8})|failed \S+ (-?\d+)).*\r?\n/m, PROGRAM_TIMEOUT_MS);
    const [, checksum, status] = end.match;
    if (checksum === undefined) throw new Error(`the program ended with status ${status}`);
    return { seconds: (end.atMs - begin.atMs) / 1000, checksum };
  }

  async stop(): Promise<void> {
    await this.#conversation?.kill();
    this.#conversation = undefined;
  }
}

/** The boot's name beside the programs'. */
export const BOOT = 'debian';

/** Measures the boot and the programs, by name. What fails on a machine is told, and left out there from then on. */
export async function runRounds(
  programs: readonly Program[],
  machines: readonly Machine[],
  rounds: number,
  progress: Progress,
): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>(
    [BOOT, ...programs.map(({ name }) => name)].map((name) => [name, { rounds: [], checksums: {} }]),
  );
  const guests = new Set(machines.map((machine) => new Guest(machine)));
  const leftOut = new Set<string>();

  for (let i = 0; i < rounds; i++) {
    for (const { rounds } of measured.values()) rounds.push({});
    const roundOf = (name: string): Round => measured.get(name)!.rounds[i];

    for (const guest of guests) {
      const machine = guest.machine.name;
      progress.running(`round ${i + 1}: ${machine} boots`);
      try {
        const seconds = await guest.boot();
        roundOf(BOOT)[machine] = { whole: seconds, first: seconds };
      } catch (error) {
        progress.failed(machine, BOOT, (error as Error).message);
        guests.delete(guest);
        await guest.stop();
      }
    }

    for (const program of programs) {
      const { checksums } = measured.get(program.name)!;
      for (const guest of guests) {
        const machine = guest.machine.name;
        const both = `${program.name} ${machine}`;
        if (leftOut.has(both)) continue;
        progress.running(`round ${i + 1}: ${program.name} on ${machine}`);
        try {
          const { checksum, ...timing } = await guest.run(program);
          if (checksum !== (checksums[machine] ?? checksum)) {
            throw new Error(`its checksum was ${checksums[machine]} and is now ${checksum}`);
          }
          roundOf(program.name)[machine] = timing;
          checksums[machine] = checksum;
        } catch (error) {
          progress.failed(machine, program.name, (error as Error).message);
          leftOut.add(both);
          await guest.stop();
        }
      }
    }
    for (const guest of guests) await guest.stop();
  }
  return measured;
}
