/**
 * Holds the layers: a source file imports only from its own layer and from those before it, `cpu` and `devices` meet
 * at `base`, only `apps` imports `host`, and Node's modules are for the platform layers alone. Packages may be used
 * anywhere, if they are bundled: those run on any platform. (Platform globals are the linter's
 * business: `noRestrictedGlobals` in biome.json.)
 *
 * Tests beside the sources hold to the layers too, but may use Node's modules, packages, and what lies outside src.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../package.json' with { type: 'json' };

/** What runs on any platform, below those that have one. */
const PORTABLE = ['base', 'block', 'net', 'files', 'agent', 'wasm', 'cpu', 'devices', 'machine', 'vmm', 'host'];

/** What each layer may import, itself apart. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  block: ['base'],
  net: ['base'],
  files: ['base'],
  agent: ['base'],
  wasm: ['base'],
  cpu: ['base', 'wasm'],
  devices: ['base'],
  machine: ['base', 'wasm', 'cpu', 'devices'],
  vmm: ['base', 'block', 'wasm', 'cpu', 'devices', 'machine'],
  host: ['base', 'block', 'net', 'files', 'wasm', 'cpu', 'devices', 'machine', 'vmm'],
  'host/node': PORTABLE,
  'host/browser': PORTABLE,
  library: PORTABLE,
  'library/node': [...PORTABLE, 'library', 'host/node'],
  'library/browser': [...PORTABLE, 'library', 'host/browser'],
  apps: [...PORTABLE, 'host/node', 'host/browser', 'library', 'library/node'],
  web: ['base', 'library', 'library/browser', 'host', 'host/browser'],
};

/** Layers that may use Node's modules. */
const ON_NODE: readonly string[] = ['host/node', 'library/node', 'apps'];

/** Packages that the bundles have in them. */
const SHIPPED: readonly string[] = ['@noble/hashes', 'commander'];

/** Layers that are bundled, and may use packages that are for development only: what they need comes with them. */
const BUNDLED: readonly string[] = ['web'];

/** Statements start their line (the formatter sees to it); `import('x')`, as a type or a call, may stand anywhere. */
const IMPORT = /^(?:import|export)\b(?:[^'";]*?\bfrom)?\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;

/** `@noble/hashes` for `@noble/hashes/sha2`. */
const PACKAGE_NAME = /^(?:@[^/]+\/)?[^/]+/;

export interface Offence {
  readonly line: number;
  readonly specifier: string;
  readonly reason: string;
}

/** `host/node` for src/host/node/terminal.ts, `cpu` for src/cpu/isa/add.ts, undefined outside src. */
function layerOf(path: string): string | undefined {
  const [src, first, second] = path.split('/');
  if (src !== 'src') return undefined;
  const platform = `${first}/${second}`;
  return platform in MAY_IMPORT ? platform : first;
}

/** The imports of one source file that cross the layers the wrong way. `path` counts from the root, with `/`. */
export function findOffences(path: string, source: string): Offence[] {
  const layer = layerOf(path);
  if (layer === undefined) return [];
  const allowed = MAY_IMPORT[layer];
  if (allowed === undefined) return [{ line: 1, specifier: path, reason: `there is no layer called ${layer}` }];
  const isTest = path.endsWith('.test.ts');

  function reasonAgainst(specifier: string): string | undefined {
    if (!specifier.startsWith('.')) {
      const [name] = PACKAGE_NAME.exec(specifier) ?? [specifier];
      if (isTest || SHIPPED.includes(name) || ON_NODE.includes(layer!) || BUNDLED.includes(layer!)) return undefined;
      if (name in packageJson.devDependencies) return `${name} is for development only`;
      return `${specifier} is for src/host/node and src/apps only`;
    }
    const target = posix.join(posix.dirname(path), specifier);
    const targetLayer = layerOf(target);
    if (targetLayer === undefined) {
      // The command line reads its version there.
      if (isTest || (layer === 'apps' && target === 'package.json')) return undefined;
      return `${target} lies outside src`;
    }
    if (targetLayer === layer || allowed.includes(targetLayer)) return undefined;
    return `${layer} must not import ${targetLayer}`;
  }

  const offences: Offence[] = [];
  for (const match of source.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2];
    const reason = reasonAgainst(specifier);
    if (reason === undefined) continue;
    offences.push({ line: source.slice(0, match.index).split('\n').length, specifier, reason });
  }
  return offences;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.chdir(fileURLToPath(new URL('..', import.meta.url)));
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name.replaceAll('\\', '/')}`)
    .sort();
  let count = 0;
  for (const file of files) {
    for (const { line, specifier, reason } of findOffences(file, readFileSync(file, 'utf8'))) {
      console.error(`${file}:${line}: imports '${specifier}': ${reason}`);
      count++;
    }
  }
  console.log(`layers: ${files.length} files, ${count} offending imports`);
  if (count > 0) process.exitCode = 1;
}
