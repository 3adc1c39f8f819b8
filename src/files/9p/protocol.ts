/**
 * Numbers of 9P2000.L: 9P2000 (intro(5) of Plan 9) as extended for Linux, as its client has them in
 * include/net/9p/9p.h. An answer has the number of its request plus one; what fails is answered by ERROR.
 *
 *     size u32, type u8, tag u16, then by type; strings are a u16 length and UTF-8; little endian
 */

export const VERSION = '9P2000.L';
export const HEADER_BYTES = 7;
/** Tag of a message that has none, such as VERSION. */
export const NO_TAG = 0xffff;
/** The fid that stands for none. */
export const NO_FID = 0xffff_ffff;
/** Largest number of names in a WALK. */
export const MOST_NAMES = 16;

export const ERROR = 7;
export const STATFS = 8;
export const LOPEN = 12;
export const LCREATE = 14;
export const SYMLINK = 16;
export const MKNOD = 18;
export const RENAME = 20;
export const READLINK = 22;
export const GETATTR = 24;
export const SETATTR = 26;
export const XATTRWALK = 30;
export const XATTRCREATE = 32;
export const READDIR = 40;
export const FSYNC = 50;
export const LOCK = 52;
export const GETLOCK = 54;
export const LINK = 70;
export const MKDIR = 72;
export const RENAMEAT = 74;
export const UNLINKAT = 76;
export const VERSION_MESSAGE = 100;
export const AUTH = 102;
export const ATTACH = 104;
export const FLUSH = 108;
export const WALK = 110;
export const READ = 116;
export const WRITE = 118;
export const CLUNK = 120;
export const REMOVE = 122;

/** Flags of LOPEN and LCREATE: Linux's of open(2), in the numbers of most processors. */
export const OPEN_ACCESS = 3;
export const OPEN_WRITE_ONLY = 1;
export const OPEN_READ_WRITE = 2;
export const OPEN_EXCLUSIVE = 0o200;
export const OPEN_TRUNCATE = 0o1000;
export const OPEN_APPEND = 0o2000;

/** Of UNLINKAT. */
export const AT_REMOVE_DIRECTORY = 0x200;

/** What SETATTR has values for. */
export const SET_MODE = 1;
export const SET_UID = 2;
export const SET_GID = 4;
export const SET_SIZE = 8;
export const SET_ACCESSED = 0x10;
export const SET_MODIFIED = 0x20;
/** With the value given, rather than the time of day. */
export const SET_ACCESSED_TO = 0x80;
export const SET_MODIFIED_TO = 0x100;

/** What GETATTR has values for: all of stat(2), not birth time, generation and version. */
export const ATTRIBUTES_BASIC = 0x7ffn;
