/**
 * A decoded operation in machine memory: what an interpreter handler reads its operands from. Blocks are a header
 * and its operations, one behind the other.
 *
 *     operation, 32 bytes
 *     +0   u32 handler: slot in the function table
 *     +4   u16 ip: offset in its page of the instruction   +6   u8 length   +7   u8 instructions left in the block
 *     +8   u16 first register   +10  u16 second register   +12  u16 base or third   +14  u16 index register
 *     +16  i32 displacement, or displacement of a relative branch
 *     +20  i32 immediate, or block linked to the taken branch
 *     +24  i64 immediate, or i32 second immediate, or i32 block linked to falling through
 *
 *     Registers are byte offsets into the vCPU block (segment, control, debug and ST registers their number).
 *
 *     block header, 32 bytes
 *     +0   u32 instructions in the block (BLOCK_STALE once it is invalid: no budget covers it)
 *     +4   u16 ip of its first instruction
 *     +8   u32 times entered (counted where a profile is wanted)
 *     +12  i32 machine address of the second frame if its one instruction crosses pages, else 0
 */

export const OPERATION_BYTES = 32;
export const OPERATION_HANDLER = 0;
export const OPERATION_IP = 4;
export const OPERATION_LENGTH = 6;
export const OPERATION_REMAINING = 7;
export const OPERATION_FIRST = 8;
export const OPERATION_SECOND = 10;
export const OPERATION_BASE = 12;
export const OPERATION_INDEX = 14;
export const OPERATION_DISPLACEMENT = 16;
export const OPERATION_IMMEDIATE = 20;
export const OPERATION_WIDE_IMMEDIATE = 24;
export const OPERATION_TAKEN = 20;
export const OPERATION_FALLTHROUGH = 24;

export const BLOCK_HEADER_BYTES = 32;
export const BLOCK_COUNT = 0;
export const BLOCK_IP = 4;
export const BLOCK_ENTERED = 8;
export const BLOCK_SECOND_FRAME = 12;
export const BLOCK_STALE = 0x7fffffff;

/** Most instructions in a block; `remaining` is a byte. */
export const BLOCK_LIMIT = 64;
