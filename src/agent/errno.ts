/** Names of Linux's error numbers and signals (asm-generic/errno.h, asm/signal.h of x86), and what common ones mean. */

const ERROR_NAMES = (
  'EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ' +
  'ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ' +
  'ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP'
).split(' ');

const OTHER_ERROR_NAMES: Record<number, string> = {
  61: 'ENODATA',
  71: 'EPROTO',
  75: 'EOVERFLOW',
  95: 'EOPNOTSUPP',
  110: 'ETIMEDOUT',
  116: 'ESTALE',
  122: 'EDQUOT',
};

const MEANINGS: Record<string, string> = {
  EPERM: 'it is not permitted',
  ENOENT: 'there is no such file or directory',
  EIO: 'reading or writing failed',
  E2BIG: 'the arguments are too long',
  ENOEXEC: 'it is no program for this guest',
  EAGAIN: 'the guest has no processes to spare',
  ENOMEM: 'the guest has no memory left',
  EACCES: 'permission is denied',
  EBUSY: 'it is in use',
  EEXIST: 'it exists already',
  EXDEV: 'it is on another file system',
  ENODEV: 'there is no such device or file system',
  ENOTDIR: 'part of the path is no directory',
  EISDIR: 'it is a directory',
  EINVAL: 'the guest does not understand it',
  ENOSPC: 'there is no space left',
  EROFS: 'it is read-only',
  EPIPE: 'nobody reads it any more',
  ENOTEMPTY: 'the directory is not empty',
  ELOOP: 'there are too many symbolic links',
};

/** `ENOENT` for 2; `E200` for one that has no name here. */
export function errorName(number: number): string {
  return ERROR_NAMES[number - 1] ?? OTHER_ERROR_NAMES[number] ?? `E${number}`;
}

/** For the end of a sentence. */
export function errorMeaning(code: string): string {
  return MEANINGS[code] ?? `error ${code}`;
}

const SIGNAL_NAMES = (
  'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM ' +
  'SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO ' +
  'SIGPWR SIGSYS'
).split(' ');

/** `SIGKILL` for 9; real-time signals have numbers only. */
export function signalName(number: number): string {
  return SIGNAL_NAMES[number - 1] ?? `SIG${number}`;
}

/** 15 for `SIGTERM`; undefined for what is no signal. */
export function signalNumber(name: string): number | undefined {
  const index = SIGNAL_NAMES.indexOf(name);
  return index < 0 ? undefined : index + 1;
}
