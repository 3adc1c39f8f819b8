/**
 * Writes `docs/instructions.md`: which instructions exist, from their definitions, by the CPUID feature that they
 * belong to. `npm run docs`.
 */

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Feature, type FeatureBit, featureBits } from '../src/cpu/feature-bits.ts';
import { instructions } from '../src/cpu/isa/index.ts';
import type { Instruction } from '../src/cpu/isa/instruction.ts';

const HEADER = `# Instructions

Every instruction that a guest can run, made from the definitions by \`npm run docs\`: do not edit. What a form says is
explained in \`src/cpu/isa/instruction.ts\`; the manual is Intel's SDM. Features are in the order of their CPUID bits, and
a guest's CPUID shows exactly those.
`;

function hex(value: number): string {
  return `${value.toString(16).toUpperCase().padStart(2, '0')}H`;
}

/** As the manual writes it: CPUID.(EAX=07H,ECX=0):EBX[3]. */
function bitName({ leaf, subleaf, register, bit }: FeatureBit): string {
  const input = subleaf === undefined ? hex(leaf) : `(EAX=${hex(leaf)},ECX=${subleaf})`;
  return `CPUID.${input}:${register.toUpperCase()}[${bit}]`;
}

/** One row for all definitions of a mnemonic under one heading of the manual. */
function rows(definitions: readonly Instruction[]): string[] {
  const forms = new Map<string, string[]>();
  for (const { name, sdm, forms: own } of definitions) {
    const key = `| ${name} | ${sdm} |`;
    forms.set(key, [...(forms.get(key) ?? []), ...own]);
  }
  const lines = [...forms].map(([key, texts]) => `${key} ${texts.map((text) => `\`${text}\``).join(' ')} |`);
  return lines.sort((a, b) => (a < b ? -1 : 1));
}

function section(feature: Feature): string {
  const definitions = instructions.filter((instruction) => (instruction.feature ?? 'base') === feature);
  const bit = featureBits.get(feature);
  const title = bit === undefined ? feature : `${feature}: ${bitName(bit)}`;
  return definitions.length === 0
    ? ''
    : ['', `## ${title}`, '', '| instruction | manual | forms |', '|---|---|---|', ...rows(definitions), ''].join('\n');
}

export function instructionTable(): string {
  const forms = instructions.reduce((count, instruction) => count + instruction.forms.length, 0);
  const mnemonics = new Set(instructions.map((instruction) => instruction.name)).size;
  const features: readonly Feature[] = ['base', ...featureBits.keys()];
  return `${HEADER}\n${mnemonics} mnemonics, ${forms} forms.\n${features.map(section).join('')}`;
}

export const TABLE_FILE = fileURLToPath(new URL('../docs/instructions.md', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TABLE_FILE, instructionTable());
