/** What a run was measured on. */

import { cpus, totalmem, type } from 'node:os';

export interface Setup {
  readonly processor: string;
  readonly processors: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  readonly engine?: string;
  readonly qemu?: string;
  readonly v86?: string;
  readonly debianKernel?: string;
  readonly debian32BitKernel?: string;
}

export type Versions = {
  -readonly [Name in 'engine' | 'qemu' | 'v86' | 'debianKernel' | 'debian32BitKernel']?: string;
};

export function setupWith(versions: Versions): Setup {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    ...versions,
  };
}

export function describe(setup: Setup): string {
  const { processor, processors, memoryGiB, system, node, v8, engine, qemu, debianKernel } = setup;
  const words = [`${processor}, ${processors} processors, ${memoryGiB} GiB, ${system}`, `Node ${node} (V8 ${v8})`];
  if (engine !== undefined) words.push(`engine ${engine}`);
  if (qemu !== undefined) words.push(`QEMU ${qemu} TCG`);
  if (setup.v86 !== undefined) words.push(`v86 ${setup.v86}`);
  if (debianKernel !== undefined) words.push(`Debian kernel ${debianKernel}`);
  if (setup.debian32BitKernel !== undefined) words.push(`for v86 ${setup.debian32BitKernel}`);
  return words.join('; ');
}
