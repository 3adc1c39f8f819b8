/**
 * Files of Debian's packages that tests boot and nobody has to install: fetched once by apt-get, without root, into the
 * cache of the other tests.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../../node_modules/.cache/vivarium/packages', import.meta.url));

/** A folder with the package's `paths`, which start at its root, or why there is none. */
export type Package = { readonly folder: string } | { readonly missing: string };

export function debianPackage(name: string, paths: readonly string[]): Package {
  const folder = join(cache, name);
  const isThere = (path: string): boolean => existsSync(join(folder, path));
  if (paths.every(isThere)) return { folder };
  mkdirSync(cache, { recursive: true });
  const part = mkdtempSync(join(cache, 'part.'));
  try {
    const run = (command: string, words: readonly string[]): string | undefined => {
      const { error, status, stderr } = spawnSync(command, words, { cwd: part, encoding: 'utf8' });
      if (status === 0) return undefined;
      return error?.message ?? stderr.trim().split('\n').at(-1) ?? `${command} ended with status ${status}`;
    };
    const problem = run('apt-get', ['-qq', 'download', name]);
    if (problem !== undefined) return { missing: problem };
    const archive = readdirSync(part).find((file) => file.endsWith('.deb'));
    if (archive === undefined) return { missing: `apt-get brought no ${name}` };
    const unpackProblem = run('sh', [
      '-c',
      `dpkg-deb --fsys-tarfile "$0" | tar -x ${paths.map((path) => `'./${path}'`).join(' ')}`,
      archive,
    ]);
    if (unpackProblem !== undefined) return { missing: unpackProblem };
    rmSync(join(part, archive));
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
    return { folder };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
