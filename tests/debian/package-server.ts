/** A Debian repository of one small package on this machine's loopback ("Debian Repository Format", flat repositories). */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const PACKAGE = 'vivarium-greeting';
/** A program of the package, and what it prints. */
export const PROGRAM = 'vivarium-greeting';
export const GREETING = 'installed from the host';

const CONTROL = `Package: ${PACKAGE}
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: prints a line
`;

export interface PackageServer {
  readonly port: number;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export async function servePackage(): Promise<PackageServer> {
  const archive = buildPackage();
  const file = `${PACKAGE}_1.0_all.deb`;
  const sha256 = createHash('sha256').update(archive).digest('hex');
  const index = `${CONTROL}Filename: ./${file}\nSize: ${archive.length}\nSHA256: ${sha256}\n`;
  const files = new Map<string, string | Uint8Array>([
    ['/Packages', index],
    [`/${file}`, archive],
  ]);
  const requests: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    const path = url.replaceAll('/./', '/');
    requests.push(path);
    const content = files.get(path);
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function buildPackage(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'vivarium-package-'));
  try {
    mkdirSync(join(folder, 'root/DEBIAN'), { recursive: true });
    mkdirSync(join(folder, 'root/usr/bin'), { recursive: true });
    writeFileSync(join(folder, 'root/DEBIAN/control'), CONTROL);
    writeFileSync(join(folder, 'root/usr/bin', PROGRAM), `#!/bin/sh\necho '${GREETING}'\n`, { mode: 0o755 });
    const archive = join(folder, 'package.deb');
    const words = ['--root-owner-group', '--build', join(folder, 'root'), archive];
    const { error, status, stderr } = spawnSync('dpkg-deb', words, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`dpkg-deb failed: ${error?.message ?? stderr}`);
    return readFileSync(archive);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
