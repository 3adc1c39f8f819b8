/** Debian's stock kernels, fetched once through guests/debian/fetch.sh: the cloud kernel, and one of 32 bits for v86. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

export type Fetched = { readonly kernel: string; readonly version: string } | { readonly missing: string };

export function fetchCloudKernel(cache: string): Fetched {
  return fetchKernel(cache, 'linux-image-cloud-amd64', {});
}

/** apt with package lists of its own, for i386: the host's stay as they are, and no root is needed. */
export function fetch32BitKernel(cache: string): Fetched {
  const apt = resolve(cache, 'apt-i386');
  const settings = join(apt, 'apt.conf');
  const environment = { APT_CONFIG: settings };
  if (!existsSync(settings)) {
    mkdirSync(join(apt, 'lists/partial'), { recursive: true });
    mkdirSync(join(apt, 'cache/archives/partial'), { recursive: true });
    writeFileSync(join(apt, 'status'), '');
    writeFileSync(
      settings,
      [
        'APT::Architecture "i386";',
        'APT::Architectures { "i386"; };',
        `Dir::State::lists "${join(apt, 'lists')}";`,
        `Dir::State::status "${join(apt, 'status')}";`,
        `Dir::Cache "${join(apt, 'cache')}";`,
        '',
      ].join('\n'),
    );
    spawnSync('apt-get', ['-qq', 'update'], { env: { ...process.env, ...environment } });
  }
  return fetchKernel(cache, 'linux-image-686', environment);
}

function fetchKernel(cache: string, meta: string, environment: Record<string, string>): Fetched {
  const { error, status, stdout, stderr } = spawnSync('bash', ['guests/debian/fetch.sh', cache, meta], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  const kernel = (stdout ?? '').split('\n')[0].split('\t')[1];
  if (status !== 0 || kernel === undefined) {
    return { missing: error?.message ?? stderr.trim().split('\n').at(-1) ?? `fetch.sh ended with status ${status}` };
  }
  return { kernel, version: basename(kernel).replace(/^vmlinuz-/, '') };
}
