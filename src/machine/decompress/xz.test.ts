import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testProgram } from './test-program.ts';
import { decodeXz } from './xz.ts';

/** testProgram(3000), by `xz --check=crc32 --x86 --lzma2 --block-size=1600`: two blocks with the branch filter. */
const PROGRAM = decodeBase64(
  '/Td6WFoAAAFpIt42AgEEACEBCADSuXTL4AY/AlFdAEg6QyCABkxLRfQYuHxxmi1yak3DBxYY8Ep0Xvb2XlnG4WpoD+OrJPuLVuw7SQTPUL0I64' +
    'oLbnfzDj64kA+nsQ6+tlVQ/BqefvUlcAtmTZfSUviB+/y4h65YfPuRquF0cgalqn61N9ohKZegD72l1SkcDLMK2bHwybtRPZR7pQYVhefiFAHm' +
    'LrDsiHrY5sJhownHsoeDTrHL4qZMlqc1yraGw6uIuXPDrYCHPdL00prOZaITCZycDuxRl8jJI9DLVUMXmolW9oxUxjyZlQwkNLUq71WOOMUK9/' +
    'py5tzdDnHA+OYMPMNaAm488LCxmRV6ZtyO0170xDWDcBjraRxkn7lWzfu1IpPE1CMpK20IgGVPBfoyNQel7xYDUvCJ+P8D2PVJljoS1BaNj3S2' +
    's/QQAMY0txDVeBHfjpr0J1BimcFvoAwMewOhnaxOgQUf7WHSOGiscTKWf7LPo21/UbU+fQhIKKeE3QeOV1mxFV6KW8YjHks6hZuREbVbVVTuvg' +
    'waQsSdgQ268INjya2/KveQOFwnMVME6j0cx9NumsBmJ3pTdm1XVikrSO+IhGVSj6ty84AJYjGDJcOLw9hUMJfWmu7/S3yIl+1F1qhhNoVbHnsT' +
    'E65g36EEWRuuBtSMc2stloO3DKUUU/UAv433sf+M3nidXtOqiz7P+tbzU/1anRhSw7s5sOE1HodJ14zNW5yqRBKii0eqTAWd1o+Gt31TFlCVA5' +
    '7pD5QuxZruZbRxboSWHLTKK3CUqZetP75I8pr/YHLVlEVXbHJpCGemfPeDhXc5AAAAAGCHfaQCAQQAIQEIANK5dMvgBXcCFV0AJCJYqQiBY7vz' +
    'FS5FBFaODcndeqL4X63P712QIFqh/DOLNnIR6hGaizv9fseFKkaD4k/mubKfKNuyxpQMnPgRvtc2wqLY/sRPTtpXHxA8G5a/V0Dz4Pu2MfPDO8' +
    'w+Gtlmy9Hc1gfpDh3GIUp1Ihs215Ba7vO8PVMG/DwUp8RJYcMgSAcZVcNDOgAEOorisz/mFvU+/CvbpHSGGY6f60ARKE+mkQSLOBuRdoXEXe0c' +
    'ff3cS4e5NPA/g0tca5vGB9SQzinm5/R9HrMQsmRSfsVQPHdxIy22vZOhr16HpGkxw0JwLHTWtb2OYEuGTexOIAC2YJJ8Ssgvgxon3jqXkzXnbf' +
    'lkgq2ikwoi2PLLnOOx4CJyNTSkI1hOdQexqrOFiuRk5tsnxbLbGTGTcxY3NcRzgjOFXRgw/t/gZ6EnPoRNtOHxp2H6ibEd964H90iJZe4RLHUz' +
    'Gpq1ChaJiwTblEKi+UPKcwcw3waIk5F7MtFWcFhJ9rrYid05ZxBpnX0iWa0ZkRojpwpxMkaJxOhYVk0VwsQbD9ioFS43rmMDr26vfEULbp9r7Z' +
    'lcLjyu6oR0oQphwJG96TLMwAGQPEA17Zyu/xey0B02Ci+eFuPna3VJ2NtSw48Qn3X15gBvWe6bQHgdSAFH8l/wY3HTaqQd8/O1Lft+nfqFa3fO' +
    'jaYnuQOUNyIf3rvHdQ8YuEn4TVxAT03nt9gh7wAAAAAA/PMsYwAC6QTADK0E+AoAADQ64xab41FAAwAAAAABWVo=',
);

/** 64 bytes that do not compress, by `xz --check=crc64`: no filter, and a chunk of plain bytes. */
const NOISE = decodeBase64(
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQA/ACWVTlKfNxhEuXmC1nNbjAjN3Tbax/+ATGHBal6bI/QQdSUeYu/H6FQJCVLmw+tcGB1tBuoXj1' +
    'BcsVE6buuzxADVH5BOwdYuiQABWEDnIzgkH7bzfQEAAAAABFla',
);

function decodeBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

test('blocks with the branch filter decode to what was encoded', () => {
  assert.deepEqual(decodeXz(PROGRAM, 3000), testProgram(3000));
});

test('plain chunks decode to what was encoded', () => {
  const noise = Uint8Array.from({ length: 64 }, (_, i) => (i * i * 37 + (i >> 1)) & 0xff);
  assert.deepEqual(decodeXz(NOISE, 64), noise);
});

test('a length other than the true one is damage', () => {
  assert.equal(decodeXz(PROGRAM, 2999), undefined);
  assert.equal(decodeXz(PROGRAM, 3001), undefined);
});

test('a stream that ends within its blocks is damage', () => {
  const blocksEnd = PROGRAM.length - 40;
  for (let length = 0; length < blocksEnd; length++) {
    assert.equal(decodeXz(PROGRAM.subarray(0, length), 3000), undefined, `${length} bytes`);
  }
});

test('damage in the compressed data never throws and hardly ever passes', () => {
  let passed = 0;
  for (let at = 24; at < PROGRAM.length - 40; at++) {
    const damaged = PROGRAM.slice();
    damaged[at] ^= 0x55;
    if (decodeXz(damaged, 3000) !== undefined) passed++;
  }
  // The header's padding and checksums, and the checks after the blocks, are not looked at.
  assert.ok(passed < 32, `${passed} passed`);
});
