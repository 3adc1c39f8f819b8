/** What can go wrong with files, by Linux's names and numbers (asm-generic/errno-base.h and errno.h, the same on x86). */

export const ERROR_NUMBERS = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EPROTO: 71,
  EILSEQ: 84,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

export type ErrorName = keyof typeof ERROR_NUMBERS;

/** What the promises of a FileTree are rejected with. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: ErrorName;

  constructor(code: ErrorName, options?: { readonly cause?: unknown }) {
    super(code, options);
    this.code = code;
  }
}

/** The number that stands for `error` in an answer; what is no FileError is an I/O error. */
export function errorNumber(error: unknown): number {
  return ERROR_NUMBERS[error instanceof FileError ? error.code : 'EIO'];
}
