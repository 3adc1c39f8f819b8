/** Debian's stock cloud kernel, fetched once through guests/debian/fetch.sh. */

import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';

const PACKAGE = 'linux-image-cloud-amd64';

export type Fetched = { readonly kernel: string; readonly version: string } | { readonly missing: string };

export function fetchDebianKernel(cache: string): Fetched {
  const { error, status, stdout, stderr } = spawnSync('bash', ['guests/debian/fetch.sh', cache, PACKAGE], {
    encoding: 'utf8',
  });
  const kernel = (stdout ?? '').split('\n')[0].split('\t')[1];
  if (status !== 0 || kernel === undefined) {
    return { missing: error?.message ?? stderr.trim().split('\n').at(-1) ?? `fetch.sh ended with status ${status}` };
  }
  return { kernel, version: basename(kernel).replace(/^vmlinuz-/, '') };
}
