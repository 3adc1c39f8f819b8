import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodeSymbol, nameRank, SymbolTable } from './symbols.ts';

const symbol = (name: string, address: bigint, end = address + 0x100n): CodeSymbol => ({
  name,
  address,
  end,
  rank: nameRank(name),
});

test('an address has the name of the symbol it is in, whatever the order they came in', () => {
  const table = new SymbolTable([
    symbol('high', 0xffffffff_ffffff00n),
    symbol('b', 0x2000n),
    symbol('a', 0x1ff0n),
    symbol('kernel', 0xffffffff_81000001n),
  ]);
  const cases: readonly (readonly [bigint, string | undefined])[] = [
    [0x1fefn, undefined],
    [0x1ff0n, 'a'],
    [0x1fffn, 'a'],
    [0x2000n, 'b'],
    [0x20ffn, 'b'],
    [0x2100n, undefined],
    [0xffffffff_81000000n, undefined],
    [0xffffffff_81000001n, 'kernel'],
    [0xffffffff_ffffffffn, 'high'],
    [-1n, undefined],
  ];
  for (const [address, name] of cases) assert.equal(table.nameAt(address), name, address.toString(16));
});

test('of two names for one address the plainer one counts, then the first', () => {
  const at = 0x1000n;
  assert.equal(new SymbolTable([symbol('__memcpy', at), symbol('memcpy', at)]).nameAt(at), 'memcpy');
  assert.equal(new SymbolTable([symbol('_text', at), symbol('start', at), symbol('first', at)]).nameAt(at), 'start');
});

test('a symbol is found by its name', () => {
  const table = new SymbolTable([symbol('a', 1n), symbol('b', 2n)]);
  assert.equal(table.addressOf('b'), 2n);
  assert.equal(table.addressOf('c'), undefined);
});
