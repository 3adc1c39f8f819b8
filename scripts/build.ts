/**
 * Bundles the command line into one file, dist/vivarium.js, so that it starts without resolving hundreds of modules
 * and without a TypeScript loader; and the library, with its typings. Runs on `npm install` and before the tests.
 */

import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleLibrary, declareLibrary } from './build-library.ts';
import { writeGeneratedCode } from './generated-code.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const outfile = 'dist/vivarium.js';

await build({
  absWorkingDir: root,
  entryPoints: ['src/apps/cli.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  // The argument parser is CommonJS and asks for Node's own modules by `require`, which an ES module does not have.
  banner: {
    js: "#!/usr/bin/env node\nimport { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
await chmod(new URL(`../${outfile}`, import.meta.url), 0o755);
await Promise.all([bundleLibrary(), declareLibrary(), writeGeneratedCode(join(root, 'dist/generated-code.wasm'))]);
