/** The page as a static folder, dist/web: bundles of src/web and of the machine's worker, and the files they fetch. */

import { copyFile, cp, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { writeGeneratedCode } from './generated-code.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
export const WEB_FOLDER = join(root, 'dist/web');

/** From the root of the project, fetched by the page under their last names. */
const FETCHED = [
  'src/web/index.html',
  'guests/builtin/vmlinuz',
  'guests/builtin/initramfs.cpio.gz',
  'firmware/bios-256k.bin',
  'firmware/vgabios-stdvga.bin',
];
/** Made by the build, if it was. */
const SNAPSHOT = 'dist/builtin.snapshot';

/** Makes the folder anew. */
export async function bundlePage(folder = WEB_FOLDER): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const common = {
    absWorkingDir: root,
    outdir: folder,
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: ['es2022'],
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'linked',
    logLevel: 'warning',
  } satisfies BuildOptions;
  // What only a machine in the page itself would need is split off, and never fetched.
  await build({ ...common, entryPoints: { main: 'src/web/main.ts', style: 'src/web/bundle.css' }, splitting: true });
  for (const name of ['worker', 'region-worker']) {
    await build({ ...common, entryPoints: { [name]: `src/library/browser/${name}.ts` } });
  }
  for (const file of FETCHED) await copyFile(join(root, file), join(folder, file.split('/').at(-1) as string));
  await writeGeneratedCode(join(folder, 'generated-code.wasm'));
  if (await stat(join(root, SNAPSHOT)).catch(() => undefined)) {
    await cp(join(root, SNAPSHOT), join(folder, 'builtin.snapshot'));
  }
}
