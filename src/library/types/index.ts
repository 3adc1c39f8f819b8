/** The public interfaces of the library. */

export type * from './backends.ts';
export type * from './boot-options.ts';
export type * from './common.ts';
export type * from './human.ts';
export type * from './process.ts';
export type * from './vm.ts';
