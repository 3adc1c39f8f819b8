import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instructions } from './index.ts';

/** The manual goes by the alphabet: first letters of the instructions in each part of volume 2. */
const VOLUMES: { readonly [volume: string]: RegExp } = { '2A': /^[A-L]/, '2B': /^[M-U]/, '2C': /^V/, '2D': /^[W-Z]/ };
/** Described with the other VMX instructions, or only mentioned: SALC. */
const ELSEWHERE = ['Vol. 3C "VMCALL - Call to VM Monitor"', 'Vol. 3B §22.15 "Undefined Opcodes"'];

test('every definition cites its section of the manual, in the volume where that is', () => {
  for (const { name, sdm } of instructions) {
    if (ELSEWHERE.includes(sdm)) continue;
    const [, volume, section] = /^Vol\. (2[A-D]) "(.+ - .+)"$/.exec(sdm) ?? [];
    assert.ok(section !== undefined && VOLUMES[volume].test(section), `${name}: ${sdm}`);
  }
});
