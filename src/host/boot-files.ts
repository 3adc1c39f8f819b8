/**
 * A tree of files as guests have it that start from the network: by names as TFTP's clients send them. Symbolic links are
 * followed, for trees of boot files have some, with the tree's root as the root of all paths: so nothing leads out of it.
 */

import { type FileTree, isName, type Path } from '../files/file-tree.ts';
import type { TftpFile, TftpFiles } from '../net/tftp.ts';

/** As Linux has it (path_resolution(7)). */
const MOST_LINKS = 40;
const MOST_STEPS = 1024;
const READ = { read: true, write: false, append: false, truncate: false } as const;

export function bootFiles(tree: FileTree): TftpFiles {
  return {
    async open(name): Promise<TftpFile | 'not-found' | 'denied'> {
      try {
        const path = await resolve(tree, name);
        if (path === undefined) return 'denied';
        const file = await tree.open(path, READ);
        const { sizeBytes } = await file.stat();
        return {
          sizeBytes,
          read: (offset, into) => file.read(offset, into),
          close: () => void file.close().catch(() => {}),
        };
      } catch (error) {
        return (error as { readonly code?: string }).code === 'EACCES' ? 'denied' : 'not-found';
      }
    },
  };
}

/** A path without links; undefined for what no path in the tree is. */
async function resolve(tree: FileTree, name: string): Promise<Path | undefined> {
  // Loaders of old write names with backslashes.
  const left = name.replaceAll('\\', '/').split('/').reverse();
  const path: string[] = [];
  let links = 0;
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    const step = left.pop();
    if (step === undefined) return path;
    if (step === '' || step === '.') continue;
    if (step === '..') {
      if (path.pop() === undefined) return undefined;
      continue;
    }
    if (!isName(step)) return undefined;
    path.push(step);
    const { kind } = await tree.stat(path);
    if (kind !== 'link') continue;
    if (++links > MOST_LINKS) return undefined;
    const target = await tree.readLink(path);
    if (target.startsWith('/')) path.length = 0;
    else path.pop();
    left.push(...target.split('/').reverse());
  }
  return undefined;
}
