/**
 * Instructions that 64-bit kernels and programs use, in the order in which a boot first meets their variants. They stand
 * for handlers that are worth generating together; nothing depends on what is in the list. Made by
 * `scripts/record-common-code.ts`.
 */
export const commonCode: readonly string[] = [];
