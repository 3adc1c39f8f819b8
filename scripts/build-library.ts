/**
 * Bundles the library: for Node and for browsers an entry, the worker in which machines run, and the one beside it that
 * makes regions. They lie as deep in dist as their sources in src, so that paths to the files of the package are the same
 * from both.
 *
 *     dist/library/node/index.js, worker.js, region-worker.js        dist/library/browser/ the same
 *
 * Typings are made from the sources: those that the entry leads to.
 */

import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

const common: BuildOptions = {
  absWorkingDir: root,
  outbase: 'src/library',
  bundle: true,
  format: 'esm',
  // What both entries of a platform need is there once.
  splitting: true,
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
};

/** Both platforms' bundles. */
export async function bundleLibrary(): Promise<void> {
  const made = join(root, `dist/.library-${process.pid}`);
  await Promise.all(
    (['node', 'browser'] as const).map((platform) =>
      build({
        ...common,
        entryPoints: ['index', 'worker', 'region-worker'].map((name) => `src/library/${platform}/${name}.ts`),
        outdir: made,
        chunkNames: `${platform}/[name]-[hash]`,
        platform,
        target: platform === 'node' ? 'node20' : 'es2022',
      }),
    ),
  );
  await replace(join(root, 'dist/library'), made);
}

/** Whoever uses the folder at the moment misses it as shortly as can be. */
async function replace(folder: string, made: string): Promise<void> {
  const old = `${made}-old`;
  await rename(folder, old).catch(() => {});
  await rename(made, folder);
  await rm(old, { recursive: true, force: true });
}

const IMPORT = /(?:\bfrom\s*|\bimport\(\s*)'(\.[^']+)\.ts'/g;

/** dist/types, with the declarations that the library's entry leads to. Whether types are right is the type checker's business. */
export async function declareLibrary(): Promise<void> {
  const all = join(root, `dist/.declarations-${process.pid}`);
  const types = join(root, `dist/.types-${process.pid}`);
  const options = [
    '--noEmit',
    'false',
    '--declaration',
    '--emitDeclarationOnly',
    '--noCheck',
    '--rootDir',
    'src',
    '--outDir',
    all,
  ];
  const tsc = join(root, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', 'scripts/library-types.json', ...options], { cwd: root });
  const waiting = [join(all, 'library/node/index.d.ts')];
  const seen = new Set(waiting);
  for (const file of waiting) {
    const text = await readFile(file, 'utf8');
    for (const [, specifier] of text.matchAll(IMPORT)) {
      const target = resolve(dirname(file), `${specifier}.d.ts`);
      if (!seen.has(target)) waiting.push(target);
      seen.add(target);
    }
    const out = join(types, file.slice(all.length));
    await mkdir(dirname(out), { recursive: true });
    await writeFile(
      out,
      text.replaceAll(IMPORT, (found) => found.replace(/\.ts'$/, ".js'")),
    );
  }
  await rm(all, { recursive: true, force: true });
  await replace(join(root, 'dist/types'), types);
}
