/** Before files are started: how much memory, where disks come from, what the kernel is told. */

import type { BootOptions, DiskOptions } from '../library/types/index.ts';
import { byId } from './elements.ts';
import type { Chosen } from './file-kinds.ts';
import { canKeep, freeName, type KeptDiskInfo, keep, keptDisks } from './kept-disks.ts';
import { formatBytes } from './rates.ts';
import type { Plan } from './session.ts';

const NEW_DISK = 'new';
const NO_DISK = 'none';
const NEW_DISK_GIB = 4;
const GIB = 2 ** 30;

const ABOUTS: readonly (readonly [keyof Chosen, string])[] = [
  ['snapshot', 'A machine that was saved goes on where it was.'],
  ['kernel', 'The kernel is started directly, without firmware.'],
  ['cdrom', 'A PC starts from the disc.'],
  ['floppy', 'A PC starts from the floppy disk.'],
  ['disk', 'A PC starts from the disk.'],
];

/** Asks, and says what to start; undefined if the user would rather not. `progress` is told while a disk is copied. */
export async function askHowToStart(
  chosen: Chosen,
  isRunning: boolean,
  progress: (sentence: string) => void,
): Promise<Plan | undefined> {
  const answers = await ask(chosen, isRunning);
  if (answers === undefined) return undefined;
  const { snapshot, kernel, initrd, cdrom, floppy, disk } = chosen;
  const title = Object.values(chosen)
    .filter((file) => file !== initrd)
    .map((file) => file.name)
    .join(', ');
  const kept = disk && answers.writes === 'keep' ? await keepWithNews(disk, progress) : undefined;
  const options: BootOptions = {
    ...(snapshot ? { snapshot } : { memory: answers.memory }),
    ...(kernel && { kernel, commandLine: answers.command }),
    ...(initrd && { initrd }),
    ...(cdrom && { cdrom }),
    ...(floppy && { floppy }),
    ...(disk && { disk: { source: kept === undefined ? disk : { kept } } }),
    ...(!disk && cdrom && (await hardDisk(answers.disk, cdrom.name))),
  };
  return { title, options };
}

/** A disk that was kept before, started again. */
export function planOfKept({ name }: KeptDiskInfo): Plan {
  return { title: name, options: { memory: '512M', disk: { source: { kept: name } } } };
}

async function keepWithNews(file: File, progress: (sentence: string) => void): Promise<string> {
  return keep(file, (bytes) => progress(`Copying ${file.name}: ${formatBytes(bytes)} of ${formatBytes(file.size)}`));
}

async function hardDisk(choice: string, discName: string): Promise<{ readonly disk?: DiskOptions }> {
  if (choice === NO_DISK) return {};
  if (choice !== NEW_DISK) return { disk: { source: { kept: choice } } };
  const kept = await freeName(`${discName.replace(/\.iso$/i, '')}.img`);
  return { disk: { source: { kept, createBytes: NEW_DISK_GIB * GIB } } };
}

interface Answers {
  readonly memory: string;
  readonly writes: string;
  readonly disk: string;
  readonly command: string;
}

async function ask(chosen: Chosen, isRunning: boolean): Promise<Answers | undefined> {
  const dialog = byId('start-dialog', HTMLDialogElement);
  const { snapshot, kernel, cdrom, disk } = chosen;
  const [, about] = ABOUTS.find(([kind]) => chosen[kind]) ?? [];
  byId('start-title', HTMLElement).textContent = `Start ${Object.values(chosen)[0]?.name}?`;
  byId('start-about', HTMLElement).textContent = about ?? '';
  byId('memory-field', HTMLElement).hidden = snapshot !== undefined;
  byId('writes-field', HTMLElement).hidden = disk === undefined || !canKeep();
  byId('disk-field', HTMLElement).hidden =
    cdrom === undefined || disk !== undefined || snapshot !== undefined || !canKeep();
  byId('command-field', HTMLElement).hidden = kernel === undefined;
  byId('start-warning', HTMLElement).hidden = !isRunning;
  const memory = byId('start-memory', HTMLSelectElement);
  memory.value = kernel ? '256M' : '512M';
  const disks = byId('start-disk', HTMLSelectElement);
  disks.replaceChildren(
    new Option('none', NO_DISK),
    new Option(`a new one of ${NEW_DISK_GIB} GB, kept in this browser`, NEW_DISK),
    ...(await keptDisks()).map(({ name, sizeBytes }) => new Option(`${name} (${formatBytes(sizeBytes)})`, name)),
  );
  const writes = byId('start-writes', HTMLSelectElement);
  writes.value = canKeep() ? 'keep' : 'forget';
  const command = byId('start-command', HTMLInputElement);
  command.value = 'console=ttyS0';
  dialog.returnValue = 'cancel';
  dialog.showModal();
  dialog.querySelector<HTMLButtonElement>('button[value=start]')?.focus();
  await new Promise((closed) => dialog.addEventListener('close', closed, { once: true }));
  if (dialog.returnValue !== 'start') return undefined;
  return { memory: memory.value, writes: writes.value, disk: disks.value, command: command.value };
}
