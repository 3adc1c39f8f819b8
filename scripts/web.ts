/** `npm run web`: builds the page and serves it on this machine. */

import type { AddressInfo } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import { bundlePage, WEB_FOLDER } from './web-bundle.ts';
import { serveWeb } from './web-server.ts';

const DEFAULT_PORT = 8080;

function port(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > 65_535) throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return number;
}

const command = new Command('npm run web --')
  .description('Builds the page and serves it at 127.0.0.1.')
  .option('--port <number>', 'TCP port; 0 takes any that is free', port, DEFAULT_PORT)
  .option('--isolated', 'send the headers that make the page cross-origin isolated')
  .parse();
const options = command.opts<{ port: number; isolated?: boolean }>();

await bundlePage();
try {
  const server = await serveWeb({ folder: WEB_FOLDER, port: options.port, isIsolated: options.isolated ?? false });
  console.log(`The page is at http://127.0.0.1:${(server.address() as AddressInfo).port}/ (Ctrl-C ends it).`);
} catch (error) {
  console.error(`The page cannot be served: ${(error as Error).message}.`);
  process.exitCode = 1;
}
