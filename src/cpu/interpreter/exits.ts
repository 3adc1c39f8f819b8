/** Why generated code returned to the run loop: values of the vCPU's `exitReason`. */

/** The budget does not cover the next block; `rip` is its first instruction. */
export const EXIT_BUDGET = 1;
/** No block is known for `rip`. */
export const EXIT_DECODE = 2;
/** A linked branch (`exitOperation`) has no block for its target yet; `rip` is the target. */
export const EXIT_TAKEN = 3;
export const EXIT_FALLTHROUGH = 4;
/** The instruction at `rip` must be run alone: it reaches a device or writes over code. */
export const EXIT_REPLAY = 5;
/** `pendingEvents` wants the run loop. */
export const EXIT_EVENT = 6;
export const EXIT_HALT = 7;
export const EXIT_YIELD = 8;
/** Triple fault. */
export const EXIT_SHUTDOWN = 9;
/** An exception was delivered, which used up the budget; `rip` is its handler. */
export const EXIT_DELIVERED = 10;
/** An interrupt waits for the end of the shadow of STI or MOV SS, which lies over the instruction at `rip`. */
export const EXIT_SHADOW = 11;
/** The code segment ends within the block at `rip`. */
export const EXIT_LIMIT = 12;
