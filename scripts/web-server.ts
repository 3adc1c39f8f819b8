/** A file server for the page, on this machine alone. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
  '.txt': 'text/plain; charset=utf-8',
};
/** With these a page is cross-origin isolated (HTML Standard, "Cross-origin isolation"). */
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export interface WebServerOptions {
  readonly folder: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly isIsolated: boolean;
}

/** Listens on loopback; rejects where the port is taken. */
export async function serveWeb({ folder, port, isIsolated }: WebServerOptions): Promise<Server> {
  const headers = { 'Cache-Control': 'no-cache', ...(isIsolated && ISOLATION) };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    void send(response, folder, pathname, headers).catch(() => response.destroy());
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', listening);
  });
  return server;
}

async function send(
  response: ServerResponse,
  folder: string,
  pathname: string,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const path = pathIn(folder, pathname);
  const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
  if (path === undefined || !found?.isFile()) {
    response.writeHead(404, { 'Content-Type': 'text/plain', ...headers }).end('There is no such file.\n');
    return;
  }
  const type = TYPES[extname(path)] ?? 'application/octet-stream';
  response.setHeader('Content-Length', found.size);
  response.writeHead(200, { 'Content-Type': type, ...headers });
  createReadStream(path).pipe(response);
}

/** A file in the folder, never one outside. */
function pathIn(folder: string, pathname: string): string | undefined {
  let name: string;
  try {
    name = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  if (name.includes('\0')) return undefined;
  const path = normalize(join(folder, name.endsWith('/') ? `${name}index.html` : name));
  return path.startsWith(folder + sep) ? path : undefined;
}
