/** Disks that the browser keeps for this page (WHATWG "File System"): what is there, put in, taken out, deleted. */

import { DISK_FOLDER } from '../host/browser/opfs-disk.ts';

export interface KeptDiskInfo {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Pages that are not served securely have no such file system. */
export const canKeep = (): boolean => typeof navigator.storage?.getDirectory === 'function';

async function folder(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(DISK_FOLDER, { create: true });
}

export async function keptDisks(): Promise<KeptDiskInfo[]> {
  if (!canKeep()) return [];
  const disks: KeptDiskInfo[] = [];
  const entries = (await folder()) as unknown as { values(): AsyncIterable<FileSystemHandle> };
  for await (const entry of entries.values()) {
    if (entry.kind !== 'file') continue;
    const file = await (entry as FileSystemFileHandle).getFile();
    disks.push({ name: entry.name, sizeBytes: file.size });
  }
  return disks.sort((a, b) => a.name.localeCompare(b.name));
}

/** A name like `name` that no kept disk has. */
export async function freeName(name: string): Promise<string> {
  const taken = new Set((await keptDisks()).map((disk) => disk.name));
  const [, stem = name, ending = ''] = /^(.+?)(\.[^.]*)?$/.exec(name) ?? [];
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${stem} ${n}${ending}`;
    if (!taken.has(free)) return free;
  }
}

/** Copies a file among the kept disks, in pieces; `progress` is told the bytes that are there. Gives the disk's name. */
export async function keep(file: File, progress: (bytes: number) => void): Promise<string> {
  // What is asked for only in part can be thrown away by a browser that needs room, unless it is asked not to.
  void navigator.storage.persist?.();
  const name = await freeName(file.name);
  const disks = await folder();
  const handle = await disks.getFileHandle(name, { create: true });
  try {
    const writable = await handle.createWritable();
    let bytes = 0;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        bytes += piece.length;
        progress(bytes);
        controller.enqueue(piece);
      },
    });
    await file.stream().pipeThrough(counted).pipeTo(writable);
  } catch (cause) {
    await disks.removeEntry(name).catch(() => {});
    throw new Error(`${file.name} cannot be kept: the browser has no room for it.`, { cause });
  }
  return name;
}

export async function keptFile(name: string): Promise<File> {
  return (await (await folder()).getFileHandle(name)).getFile();
}

/** Throws an Error with a sentence for a disk that a machine uses. */
export async function removeKept(name: string): Promise<void> {
  try {
    await (await folder()).removeEntry(name);
  } catch (cause) {
    throw new Error(`${name} cannot be deleted: a machine uses it.`, { cause });
  }
}
