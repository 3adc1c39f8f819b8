/**
 * Runs the test files under src, scripts and tests, or those named on the command line (files or folders), with Node's
 * own runner, after bundling the command line that some of them start. It finds the files itself because `node --test`
 * of Node 20 knows no patterns.
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

/** Two at a time: the whole-machine tests each hold some hundred megabytes and a core. */
const CONCURRENCY = 2;
/** For a file whose tests hang; the longest takes a minute or two. */
const GIVE_UP_MS = 15 * 60_000;

function testFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(path, name))
    .sort();
}

await import('./build.ts');
// A single test is not to wait for a guest to boot.
if (process.argv.length <= 2) await import('./builtin-snapshot.ts');
process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const paths = process.argv.length > 2 ? process.argv.slice(2) : ['src', 'scripts', 'tests'];
const files = paths.flatMap(testFiles);
if (files.length === 0) throw new Error(`no *.test.ts under ${paths.join(', ')}`);

run({ files, concurrency: CONCURRENCY, timeout: GIVE_UP_MS })
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
