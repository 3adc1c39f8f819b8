import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Decoded } from '../../src/cpu/decode/decoded.ts';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { instructions } from '../../src/cpu/isa/index.ts';
import { runVectors } from './agreement.ts';
import { type Form, INVALID } from './form.ts';
import { ReferenceVectorEngine } from './reference-engine.ts';
import { openVectors, vectorGroups } from './vectors.ts';

describe('the reference agrees with hardware', () => {
  const decoder = new Decoder(instructions);
  const engine = new ReferenceVectorEngine(decoder);
  const isDefined = ({ mnemonic, encodings, mode }: Form): boolean =>
    mnemonic === INVALID ||
    encodings.every(({ code }) => decoder.decode(code, 0, code.length, mode ?? 64, true) instanceof Decoded);

  for (const group of vectorGroups()) {
    it(`on ${group}`, () => {
      const file = openVectors(group);
      const missing = new Set(file.forms.filter((form) => !isDefined(form)).map(({ mnemonic }) => mnemonic));
      assert.deepEqual([...missing], [], 'instructions without a definition');
      const { forms, cases, report } = runVectors(engine, file, () => true);
      console.log(`${group}: ${forms} forms, ${cases} cases run on the reference`);
      assert.equal(report, '');
    });
  }
});
