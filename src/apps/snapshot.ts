/** Snapshots at the command line: `run --save`, `run --restore`, and `vivarium snapshot`. */

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { VivariumError } from '../base/errors.ts';
import { readImage } from '../host/node/files.ts';
import { ResultFile } from '../host/node/new-file.ts';
import { nodePacking } from '../host/node/platform.ts';
import type { RunnableGuest } from '../vmm/guest-options.ts';
import { SnapshotFile } from '../vmm/snapshot/format.ts';
import { checkedManifest, type Manifest } from '../vmm/snapshot/manifest.ts';
import { chooseGuest } from './control.ts';
import { type Ending, type Outcome, STATUS_OK } from './exit-status.ts';
import { isWireAlone, type PcOptions } from './pc-options.ts';
import { virtioMacs } from './virtio.ts';

/** What a run wants to find again when it is restored. */
export interface RunNotes {
  /** Where standard input goes. */
  readonly input: 'console' | 'second serial';
  /** Whether the guest has said that it takes input there. */
  readonly takesInput: 'yes' | 'no';
  /** Where it waits for the size of the terminal. */
  readonly size: 'second serial' | 'nowhere';
  /** The end of what it has written to its console, a character for each byte. */
  readonly console: string;
}

/** What a guest is made from by `--restore`. */
export interface SavedGuest {
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  /** What it says the differences to. */
  readonly bases?: readonly Uint8Array[];
  readonly notes: Readonly<Record<string, string>>;
}

/** Throws a VivariumError for a file that cannot be read, or is no snapshot, or not of a guest that fits `pc`. */
export async function readSaved(
  path: string,
  basePaths: readonly string[],
  pc: PcOptions | undefined,
): Promise<SavedGuest> {
  const saved = openSaved(await readImage(path, 'snapshot'));
  if (pc !== undefined && saved.manifest.pc === undefined && !isWireAlone(pc)) {
    const message = `The snapshot ${path} is of a guest without firmware: leave out the options of PCs.`;
    throw new VivariumError({ kind: 'bad-option' }, message);
  }
  return { ...saved, bases: await readBases(basePaths) };
}

/** Throws a SnapshotError for what is none. */
export function openSaved(bytes: Uint8Array): SavedGuest {
  const manifest = checkedManifest(new SnapshotFile(bytes, nodePacking).manifest);
  return { bytes, manifest, notes: manifest.notes ?? {} };
}

/** The cards' addresses are those that the guest knows. */
export function withSavedCards(pc: PcOptions, { manifest }: SavedGuest): PcOptions {
  const cards = manifest.pc?.nics ?? [];
  const others = cards.map(({ mac }) => mac);
  const ofVirtio = virtioMacs(manifest);
  const nics = pc.nics.map((nic) => {
    const mac = (nic.model === 'virtio' ? ofVirtio : others).shift();
    return mac === undefined ? nic : { ...nic, mac: Uint8Array.from(mac) };
  });
  return { ...pc, nics };
}

/** The file of `--save`: made before the run, written when it is ended from outside, taken away when the guest ends. */
export class SaveFile {
  readonly #file: ResultFile;

  private constructor(file: ResultFile) {
    this.#file = file;
  }

  /** Throws a `bad-file` VivariumError. */
  static async create(path: string): Promise<SaveFile> {
    return new SaveFile(await ResultFile.create(path, 'snapshot'));
  }

  discard(): Promise<void> {
    return this.#file.discard();
  }

  /** After the run. `failed` is told in one sentence why there is no snapshot. */
  async write(
    guest: RunnableGuest,
    ending: Ending,
    notes: RunNotes,
    copyDisks: boolean,
    failed: (error: VivariumError) => void,
  ): Promise<void> {
    try {
      if (ending.by === 'guest') {
        throw new VivariumError({ kind: 'host' }, 'There is no snapshot: the guest ended by itself.');
      }
      await this.#file.write(await guest.snapshot({ notes: { ...notes }, copyDisks }), failed);
    } catch (error) {
      await this.#file.discard();
      if (!(error instanceof VivariumError)) throw error;
      failed(error);
    }
  }
}

/** Snapshots that another says the differences to, as they are named. Throws a VivariumError. */
export function readBases(paths: readonly string[]): Promise<Uint8Array[]> {
  return Promise.all(paths.map((path) => readImage(path, 'snapshot')));
}

/** For the guest's side of `vivarium snapshot`. */
export async function writeSnapshot(
  {
    file: path,
    bases = [],
    copyDisks,
  }: { readonly file?: unknown; readonly bases?: unknown; readonly copyDisks?: unknown },
  guest: RunnableGuest,
  notes: RunNotes,
): Promise<void> {
  const arePaths = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((one) => typeof one === 'string');
  if (typeof path !== 'string' || !arePaths(bases)) {
    throw new VivariumError({ kind: 'bad-option' }, 'A snapshot needs a file.');
  }
  const base = await readBases(bases);
  const file = await ResultFile.create(path, 'snapshot');
  const options = { notes: { ...notes }, copyDisks: copyDisks === true, ...(base.length > 0 && { base }) };
  const bytes = await guest.snapshot(options).catch(async (error: unknown) => {
    await file.discard();
    throw error;
  });
  let problem: VivariumError | undefined;
  await file.write(bytes, (error) => {
    problem = error;
  });
  if (problem !== undefined) throw problem;
}

// ---- `vivarium snapshot` -------------------------------------------------------------------------------------------

export interface SnapshotCommand {
  readonly guest?: string;
  readonly file: string;
  /** Snapshots that it is to say the differences to. */
  readonly bases: readonly string[];
  /** What is on disks that the guest can write to is saved, too. */
  readonly copyDisks: boolean;
}

export function namedFiles(file: string, before: readonly string[] = []): string[] {
  return [...before, file];
}

const HELP_TAIL = `
The guest runs on. "vivarium run --restore FILE" goes on from where it was. It need not be named where only one runs. A file
that exists is not overwritten.

With --base, only what differs from an earlier snapshot of the guest is saved; it is needed again to restore. If that has a
base itself, name both, and so on.

What was written with --snapshot is saved. Other disks are not: their images are needed as they are at this moment, and one that
has been written since is refused. With --copy-disks all that is on them is saved, and they are not needed again.`;

/** Adds it to a program; `chosen` is called when it is asked for. */
export function addSnapshotCommand(program: Command, chosen: (options: SnapshotCommand) => void): void {
  const command: Command = program
    .command('snapshot')
    .description('save a running guest to a new file, from which run --restore goes on')
    .usage('[guest] <file>')
    .argument('[words...]')
    .option('--base <file>', 'save what differs from this snapshot; may be repeated', namedFiles)
    .option('--copy-disks', 'save what is on disks that the guest can write to, too')
    .addHelpText('after', HELP_TAIL)
    .action((words: readonly string[], given: { base?: readonly string[]; copyDisks?: boolean }) => {
      const { base: bases = [], copyDisks = false } = given;
      const [file, guest, ...more] = [...words].reverse();
      if (file === undefined) command.error('error: Write the name of a file.');
      else if (more.length > 0) command.error('error: Name one guest at most.');
      else chosen({ file, bases, copyDisks, ...(guest !== undefined && { guest }) });
    });
}

/** Throws a VivariumError where there is nothing to be had. */
export async function saveRunning({ guest: wanted, file, bases, copyDisks }: SnapshotCommand): Promise<Outcome> {
  const guest = await chooseGuest(wanted);
  const named = { file: resolve(file), bases: bases.map((base) => resolve(base)), copyDisks };
  const answer = await guest.ask({ command: 'snapshot', ...named });
  if (!answer.ok) throw new VivariumError({ kind: 'bad-option' }, answer.problem);
  return { status: STATUS_OK };
}
