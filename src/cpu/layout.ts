/**
 * Where things are in machine memory, as far as generated code must know (DESIGN.md §2).
 *
 *     vCPU block, VCPU_BYTES, aligned to 64 KiB
 *     +0x00000  fields of state.ts
 *     +0x02000  u16[4096]: address-space number by PCID, 0 when none is assigned
 *     +0x04600  u16[512]: entries of the supervisor TLB for pages that are not global
 *     +0x10000  TLBs: supervisor, supervisor with RFLAGS.AC (SMAP lifted), user, and one that is never filled
 *     +0x90000  jump cache
 *
 *     TLB entry, 32 bytes, direct-mapped by page number
 *     +0   tag for reads      tag: page number | address-space number << 52, equal only where the access may go ahead
 *     +8   tag for writes
 *     +16  tag for fetches
 *     +24  i32 addend: low 32 bits of the linear address + addend = machine address
 *     +28  i32 frame entry: the frame table's entry it came from, and TLB_GLOBAL
 *
 *     jump-cache entry, 16 bytes, by linear address of the code
 *     +0   tag: linear address ^ codeTag       +8  i32 block
 */

export const PCID_TABLE = 0x2000;
export const LOCAL_ENTRIES = 0x4600;
export const MOST_LOCAL_ENTRIES = 512;
export const TLB = 0x10000;
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY_BYTES = 32;
export const TLB_BYTES = TLB_ENTRIES * TLB_ENTRY_BYTES;
export const TLB_READ = 0;
export const TLB_WRITE = 8;
export const TLB_FETCH = 16;
export const TLB_ADDEND = 24;
export const TLB_FRAME = 28;
/** The page is global. */
export const TLB_GLOBAL = 0x100;
/** Which of the four TLBs. */
export const TLB_SUPERVISOR = 0;
export const TLB_SUPERVISOR_AC = 1;
export const TLB_USER = 2;
export const TLB_NONE = 3;
export const TLB_COUNT = 4;
export const JUMP_CACHE = 0x90000;
export const JUMP_CACHE_ENTRIES = 8192;
export const JUMP_CACHE_ENTRY_BYTES = 16;
export const VCPU_BYTES = 0xb0000;

/** Address-space numbers are 1 to ASID_LIMIT - 1. */
export const ASID_LIMIT = 1024;

/**
 * Frame-table entries: machine address of the frame, or 0 where none is assigned, with flags in the low bits.
 */
export const FRAME_MASK = 0xfffff000 | 0;
/** There is RAM here (its frame may not be assigned yet). */
export const FRAME_RAM = 1;
/** The frame holds decoded code: writes must look. */
export const FRAME_CODE = 2;
/** Writes must first get a frame of their own (shared, or read-only). */
export const FRAME_SHARED = 4;
/** Written since the flag was last cleared. */
export const FRAME_DIRTY = 8;

/** Decoded code of a frame, by granules of this many bytes: one bit each in the frame's entry of the code map. */
export const CODE_GRANULE = 32;
/** Bytes per frame in the code map: 4096 / 32 bits. */
export const CODE_MAP_BYTES = 16;
