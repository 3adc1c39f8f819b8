/** Reads whole files of the host, and says in one sentence why one cannot be read. */

import { readFile, stat } from 'node:fs/promises';
import { VivariumError } from '../../base/errors.ts';

/** No kernel or RAM disk is longer: a guest's memory is below 4 GiB. */
const MAX_LENGTH_BYTES = 2 ** 32;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a directory',
  EEXIST: 'it exists already',
  ELOOP: 'its symbolic links run in a circle',
  ENAMETOOLONG: 'its name is too long',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EFBIG: 'it grew too large',
  EIO: 'the device reports an error',
  EMFILE: 'too many files are open',
};

/** Why a call to the system failed, as the end of a sentence. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ''] ?? code ?? message;
}

/** The bytes of a file; `role` says what it is for (`kernel`). Throws a `bad-file` VivariumError. */
export async function readImage(path: string, role: string): Promise<Uint8Array> {
  function refuse(reason: string, cause?: unknown): never {
    throw new VivariumError({ kind: 'bad-file', path }, `The ${role} ${path} cannot be read: ${reason}.`, { cause });
  }
  try {
    const { size } = await stat(path);
    if (size > MAX_LENGTH_BYTES) return refuse('it is longer than 4 GiB');
    return await readFile(path);
  } catch (error) {
    if (error instanceof VivariumError) throw error;
    return refuse(reasonOf(error), error);
  }
}
