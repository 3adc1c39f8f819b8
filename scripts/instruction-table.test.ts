import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { instructionTable, TABLE_FILE } from './instruction-table.ts';

test('docs/instructions.md is what the definitions give', () => {
  assert.ok(readFileSync(TABLE_FILE, 'utf8') === instructionTable(), 'out of date: npm run docs');
});

test('the table has every form of a mnemonic in one row', () => {
  const row = instructionTable()
    .split('\n')
    .filter((line) => line.startsWith('| JMP |'));
  assert.deepEqual(row, [
    '| JMP | Vol. 2A "JMP - Jump" | `EB Jb f64 ends` `E9 Jz f64 ends` `FF /4 Ev f64 ends` `EA A i64 ends` `FF /5 M ends` |',
  ]);
});
