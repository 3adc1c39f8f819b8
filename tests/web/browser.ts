/** Debian's Chromium, driven by Playwright, and the page as `npm run web` serves it. */

import { mkdtemp, rm } from 'node:fs/promises';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { bundlePage } from '../../scripts/web-bundle.ts';
import { serveWeb } from '../../scripts/web-server.ts';
import type { Vm } from '../../src/library/types/index.ts';
import { executablePath, GIVE_UP_MS, STEP_MS, skipWithoutChromium } from './chromium.ts';

export { GIVE_UP_MS, skipWithoutChromium };

/** What the page leaves for the developer tools. */
export interface PageHandle {
  readonly vm: Vm | undefined;
  readonly consoleText: string;
}
declare global {
  var vivarium: PageHandle;
}

export interface OpenOptions extends BrowserContextOptions {
  readonly isIsolated?: boolean;
  /** By their names, what the server has instead of files of the page; undefined: it has none. */
  readonly replaced?: Readonly<Record<string, { readonly type: string; readonly bytes: Uint8Array } | undefined>>;
}

export interface WebTest {
  /** The page as it is served. */
  readonly folder: string;
  /** A page of its own, with a storage of its own, that has begun to load. */
  open(options?: OpenOptions): Promise<Page>;
  /** Of files, by the server that is not isolated. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

export async function startWebTest(): Promise<WebTest> {
  const folder = await mkdtemp(join(tmpdir(), 'vivarium-web-'));
  await bundlePage(folder);
  const servers = await Promise.all([false, true].map((isIsolated) => serveWeb({ folder, port: 0, isIsolated })));
  let sentBytes = 0;
  servers[0]?.on('request', (_request, response: ServerResponse) => {
    response.on('close', () => {
      sentBytes += Number(response.getHeader('content-length') ?? 0);
    });
  });
  // Chromium's sandbox is not for root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser: Browser = await chromium.launch({ executablePath: executablePath as string, args });
  return {
    folder,
    async open({ isIsolated = false, replaced = {}, ...options } = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      context.setDefaultTimeout(STEP_MS);
      const page = await context.newPage();
      for (const [name, file] of Object.entries(replaced)) {
        await page.route(`**/${name}`, (route) =>
          route.fulfill(file ? { contentType: file.type, body: Buffer.from(file.bytes) } : { status: 404 }),
        );
      }
      const { port } = (servers[isIsolated ? 1 : 0] as Server).address() as AddressInfo;
      await page.goto(`http://127.0.0.1:${port}/`);
      return page;
    },
    get sentBytes() {
      return sentBytes;
    },
    async close() {
      await browser.close();
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await rm(folder, { recursive: true });
    },
  };
}

/** Waits until the console has a line with `text` in it. */
export async function untilConsole(page: Page, text: string | RegExp): Promise<void> {
  const pattern = typeof text === 'string' ? text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : text.source;
  await page.waitForFunction((source) => new RegExp(source).test(globalThis.vivarium?.consoleText ?? ''), pattern);
}

export const untilPrompt = (page: Page): Promise<void> => untilConsole(page, 'vivarium:~#');

/** Types at the console. */
export async function type(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: "The guest's console" }).focus();
  await page.keyboard.type(text);
}

/** The choice of files, as by the button. */
export async function choose(page: Page, name: string, contents: Uint8Array): Promise<void> {
  const buffer = Buffer.from(contents);
  await page.setInputFiles('#files', { name, mimeType: 'application/octet-stream', buffer });
}

/** Files let fall on the page. */
export async function drop(page: Page, name: string, contents: Uint8Array): Promise<void> {
  await page.evaluate(
    ({ name, bytes }) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
      for (const type of ['dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    { name, bytes: [...contents] },
  );
}

export const state = (page: Page): Promise<string | null> => page.locator('#state').textContent();

export async function untilState(page: Page, wanted: string): Promise<void> {
  await page.waitForFunction((text) => document.getElementById('state')?.textContent === text, wanted);
}
