import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { buildElf } from '../machine/test-elf.ts';
import { SymbolTable } from './symbols.ts';
import { readKernelSymbols, readSymbols } from './symbols-file.ts';
import { DATA, STRTAB, STT_NOTYPE, STT_OBJECT, SYMTAB, sectionHeader, TEXT, withSymbols } from './test-symbols.ts';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const bare = (bits: 32 | 64): Uint8Array =>
  buildElf({ bits, entry: 0x1000, segments: [{ physicalAddress: 0x1000, data: Uint8Array.of(0xf4) }] });

const KERNEL = 0xffffffff_81000000n;
const SYMBOLS = [
  { name: 'start', address: KERNEL, size: 0x10 },
  { name: 'label', address: KERNEL + 0x20n, type: STT_NOTYPE },
  { name: 'entry', address: KERNEL + 0x40n, type: STT_NOTYPE },
  { name: '__function', address: KERNEL + 0x40n, size: 0x20 },
  { name: 'variable', address: KERNEL + 0x48n, type: STT_OBJECT },
  { name: 'constant', address: KERNEL + 0x48n, type: STT_NOTYPE, section: 0xfff1 },
  { name: 'data', address: KERNEL + 0x4cn, type: STT_NOTYPE, section: DATA },
];

const elf64 = (): Uint8Array => withSymbols(bare(64), KERNEL, SYMBOLS);

/** `file` with other bytes in it. */
function changed(file: Uint8Array, change: (view: DataView) => void): Uint8Array {
  change(new DataView(file.buffer));
  return file;
}

function refusal(file: Uint8Array): string {
  try {
    readSymbols('FILE', file);
  } catch (error) {
    assert(error instanceof VivariumError, String(error));
    assert.deepEqual(error.fault, { kind: 'bad-file', path: 'FILE' });
    return /^The symbols of FILE cannot be used: (.*)\.$/.exec(error.message)?.[1] ?? assert.fail(error.message);
  }
  return assert.fail('not refused');
}

describe('a System.map', () => {
  const map = [
    '0000000000000000 A fixed_percpu_data',
    '0000000000000000 T nowhere',
    'ffffffff81000000 T startup_64',
    'ffffffff81000100 t local',
    'ffffffff81000200 W weak',
    'ffffffff81000280 D variable',
    'ffffffffc0000000 t init_module\t[loop]',
    '',
  ].join('\n');

  it('names code, each symbol up to the next', () => {
    const table = new SymbolTable(readSymbols('m', text(map)));
    assert.equal(table.nameAt(KERNEL), 'startup_64');
    assert.equal(table.nameAt(KERNEL + 0xffn), 'startup_64');
    assert.equal(table.nameAt(KERNEL + 0x1ffn), 'local');
    assert.equal(table.nameAt(KERNEL + 0x300n), 'weak');
    assert.equal(table.nameAt(0xffffffff_c0000008n), 'init_module');
    assert.equal(table.nameAt(0xffffffff_b0000000n), undefined);
    assert.equal(table.nameAt(0x10n), undefined);
  });

  it('may be that of a 32-bit kernel, in either case, with either line end, or none at the end', () => {
    const table = new SymbolTable(readSymbols('m', text('C1000000 T start\r\nc1000010 t next')));
    assert.equal(table.nameAt(0xc100_000fn), 'start');
    assert.equal(table.nameAt(0xc100_0010n), 'next');
  });

  it('is refused where a line is cut or something else', () => {
    const reason = 'line 3 is not an address, a type and a name';
    for (const end of ['ffffffff81', 'ffffffff81000200 T', 'ffffffff81000200 T \n', '\n', '12345678123456781 T x\n']) {
      assert.equal(refusal(text(`ffffffff81000000 T a\nffffffff81000100 T b\n${end}`)), reason);
    }
  });

  it('is refused without code, as kallsyms is for those who may not read it', () => {
    assert.equal(refusal(text('0000000000000000 T a\n0000000000000000 t b\n')), 'it has no symbols of code');
    assert.equal(refusal(text('ffffffff81000000 D a\n')), 'it has no symbols of code');
  });

  it('is refused with more symbols than there is room for', () => {
    const file = text('1 t a\n'.repeat(2 ** 20 + 1));
    assert.equal(refusal(file), 'it has more than 1048576 symbols');
  });
});

describe('an ELF file', () => {
  for (const bits of [32, 64] as const) {
    it(`of ${bits} bits names code`, () => {
      const file = withSymbols(bare(bits), 0x1000, [
        { name: 'one', address: 0x1000, size: 8 },
        { name: 'two', address: 0x1010, size: 8 },
      ]);
      const table = new SymbolTable(readSymbols('f', file));
      assert.equal(table.nameAt(0x1007n), 'one');
      assert.equal(table.nameAt(0x1008n), undefined);
      assert.equal(table.nameAt(0x1017n), 'two');
    });
  }

  it('has functions before labels, neither data nor constants, and labels reach to the end of their section', () => {
    const table = new SymbolTable(readSymbols('f', elf64()));
    assert.equal(table.nameAt(KERNEL + 0x3fn), 'label');
    assert.equal(table.nameAt(KERNEL + 0x40n), '__function');
    assert.equal(table.nameAt(KERNEL + 0x50n), '__function');
    assert.equal(table.nameAt(KERNEL + 0x60n), undefined);
    const label = withSymbols(bare(64), KERNEL, [{ name: 'label', address: KERNEL, type: STT_NOTYPE }]);
    const alone = new SymbolTable(readSymbols('f', label));
    assert.equal(alone.nameAt(KERNEL + 0xfffn), 'label');
    assert.equal(alone.nameAt(KERNEL + 0x1000n), undefined);
  });

  it('has names cut at a length, and none from outside the string table', () => {
    const long = withSymbols(bare(64), KERNEL, [{ name: 'x'.repeat(10_000), address: KERNEL, size: 1 }]);
    assert.equal(readSymbols('f', long)[0].name, 'x'.repeat(512));
    const file = elf64();
    const table = sectionHeader(file, SYMTAB);
    const outside = changed(file, (view) => view.setUint32(view.getUint32(table + 24, true), 0xffff_ffff, true));
    const names = readSymbols('f', outside).map(({ name }) => name);
    assert.deepEqual(names, ['label', 'entry', '__function']);
  });

  it('without a symbol table is refused, but not a kernel without one', () => {
    assert.equal(refusal(bare(64)), 'it is an ELF file without a symbol table');
    assert.equal(readKernelSymbols('k', bare(64)), undefined);
    assert.equal(readKernelSymbols('k', text('a bzImage')), undefined);
    assert.equal(readKernelSymbols('k', elf64())?.length, 4);
  });

  it('is refused where it is cut, wherever that is', () => {
    const whole = elf64();
    for (let length = 4; length < whole.length; length++) {
      const reason = refusal(whole.slice(0, length));
      assert.match(reason, /^it is (truncated|not for an x86 machine)/, `${length} bytes`);
    }
  });

  it('is refused with counts, sizes and offsets beyond its end', () => {
    const big = 2n ** 64n - 1n;
    const ends = 'it is truncated: it ends before its symbol table does';
    const header = (section: number, at: number, value: bigint): string => {
      const file = elf64();
      const place = sectionHeader(file, section) + at;
      return refusal(changed(file, (view) => view.setBigUint64(place, value, true)));
    };
    for (const section of [SYMTAB, STRTAB]) {
      for (const value of [big, 2n ** 53n, 1n << 40n]) {
        assert.equal(header(section, 24, value), ends);
        assert.equal(header(section, 32, value), ends);
      }
    }
    assert.equal(header(SYMTAB, 32, 0n), 'it has no symbols of code');
    assert.equal(header(SYMTAB, 56, 0n), 'its symbol table is damaged');
    assert.equal(header(SYMTAB, 56, big), 'it has no symbols of code');
    assert.equal(header(SYMTAB, 40, 0xffffn), 'its symbol table is damaged');
    const headersEnd = 'it is truncated: it ends before its section headers do';
    assert.equal(refusal(changed(elf64(), (view) => view.setUint16(60, 0xffff, true))), headersEnd);
    assert.equal(refusal(changed(elf64(), (view) => view.setBigUint64(40, big, true))), headersEnd);
    assert.equal(refusal(changed(elf64(), (view) => view.setUint16(58, 1, true))), 'its section headers are damaged');
  });

  it('for another machine is refused', () => {
    const arm = buildElf({ bits: 64, entry: 0, segments: [], machine: 183 });
    assert.equal(refusal(arm), 'it is not for an x86 machine');
  });

  it('survives any byte of it changed', () => {
    const whole = elf64();
    for (let i = 0; i < whole.length; i++) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const file = whole.slice();
        file[i] = value;
        try {
          readSymbols('f', file);
        } catch (error) {
          assert(error instanceof VivariumError, `byte ${i} = ${value}: ${error}`);
        }
      }
    }
  });

  it('has symbols of its code sections only', () => {
    const file = withSymbols(bare(64), KERNEL, [{ name: 'f', address: KERNEL, size: 1, section: TEXT }]);
    const flags = sectionHeader(file, TEXT) + 8;
    assert.equal(refusal(changed(file, (view) => view.setUint32(flags, 2, true))), 'it has no symbols of code');
  });
});

describe('anything else', () => {
  it('is refused', () => {
    const neither = 'it is neither a System.map nor an ELF file';
    assert.equal(refusal(new Uint8Array(0)), 'it is empty');
    assert.equal(refusal(text('# Read me\n')), neither);
    assert.equal(refusal(text('\n')), neither);
    assert.equal(refusal(Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) >> 3)), neither);
    assert.equal(refusal(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)), 'it is truncated');
  });
});
