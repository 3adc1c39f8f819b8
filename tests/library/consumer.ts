/** A fresh project that has installed the packed package, and the programs of the documents. */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';

const run = promisify(execFile);
export const root = fileURLToPath(new URL('../..', import.meta.url));
const RUN_MS = 300_000;

/** A program of a document, or, with a name, a file that one needs. */
export interface Example {
  readonly document: string;
  readonly language: string;
  readonly name: string | undefined;
  readonly code: string;
  /** Of the document that it is in. */
  readonly heading: string;
}

/** What stands in fences of TypeScript and JavaScript; `// name` in the first line names a file. */
export async function examplesOf(document: string): Promise<Example[]> {
  const text = await readFile(join(root, document), 'utf8');
  return [...text.matchAll(/^```(ts|js)\n(.*?)^```$/gms)].map(([, language = '', code = ''], index) => {
    const before = text.slice(0, text.indexOf(code));
    const heading = before.match(/^#+ .*$/gm)?.at(-1) ?? String(index);
    const [, name] = /^\/\/ ([\w.-]+)\n/.exec(code) ?? [];
    return { document, language, name, code, heading: heading.replace(/^#+ /, '') };
  });
}

export class Consumer {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Consumer> {
    const folder = await mkdtemp(join(tmpdir(), 'vivarium-consumer-'));
    const consumer = new Consumer(folder);
    const npm = { cwd: root, timeout: RUN_MS };
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], npm);
    await mkdir(join(folder, 'project'));
    await consumer.write('package.json', JSON.stringify({ name: 'consumer', type: 'module', private: true }));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const install = ['install', '--offline', '--no-audit', '--no-fund', join(folder, `vivarium-${version}.tgz`)];
    await run('npm', install, { cwd: consumer.project, timeout: RUN_MS });
    return consumer;
  }

  get project(): string {
    return join(this.folder, 'project');
  }

  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.project, name), text);
  }

  /** Lends the project a package of ours. */
  async lend(name: string): Promise<void> {
    await mkdir(join(this.project, 'node_modules', name, '..'), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(this.project, 'node_modules', name));
  }

  /** What a TypeScript program prints. Rejects when it fails. */
  async run(code: string): Promise<string> {
    const { code: script } = await transform(code, { loader: 'ts', target: 'node20', format: 'esm' });
    await this.write('program.mjs', script);
    const { stdout } = await run(process.execPath, ['program.mjs'], { cwd: this.project, timeout: RUN_MS });
    return stdout;
  }

  /** What a strict compiler has to say about `files`; nothing if all is well. */
  async check(options: object, files: readonly string[]): Promise<string> {
    const compilerOptions = { strict: true, noEmit: true, target: 'es2022', ...options };
    await this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    const tsc = join(root, 'node_modules/.bin/tsc');
    return run(tsc, ['-p', '.'], { cwd: this.project, timeout: RUN_MS }).then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    );
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
