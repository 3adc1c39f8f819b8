import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { isLinuxImage, readLinuxImage } from './linux-image.ts';
import { buildLinuxImage, PAYLOAD_OFFSET, SETUP_BYTES } from './test-linux-image.ts';

function isBadKernel(message: RegExp) {
  return (error: unknown) =>
    error instanceof VivariumError && error.fault.kind === 'bad-kernel' && message.test(error.message);
}

test('the header is read field by field', () => {
  const payload = Uint8Array.of(1, 2, 3, 4);
  const file = buildLinuxImage({ payload, initBytes: 0x12_3456, commandLineMaximum: 99, initrdMaximum: 0x37ff_ffff });
  const image = readLinuxImage(file);
  assert.equal(image.entry64, true);
  assert.equal(image.relocatable, true);
  assert.equal(image.preferredAddress, 0x100_0000);
  assert.equal(image.alignment, 0x20_0000);
  assert.equal(image.initBytes, 0x12_3456);
  assert.equal(image.commandLineMaximum, 99);
  assert.equal(image.initrdMaximum, 0x37ff_ffff);
  assert.deepEqual([...image.payload!], [1, 2, 3, 4]);
  assert.equal(image.protectedMode.length, PAYLOAD_OFFSET + 16);
  assert.equal(image.header.length, 0x202 + 0x6a - 0x1f1);
});

test('fields that the protocol version does not define are not read', () => {
  const payload = Uint8Array.of(1, 2, 3, 4);
  const old = readLinuxImage(buildLinuxImage({ version: 0x0206, payload }));
  assert.equal(old.entry64, false);
  assert.equal(old.payload, undefined);
  assert.equal(old.preferredAddress, undefined);
  assert.equal(old.initBytes, PAYLOAD_OFFSET + 16);
  assert.equal(readLinuxImage(buildLinuxImage({ version: 0x020b, payload })).entry64, false);
  const short = readLinuxImage(buildLinuxImage({ headerLength: 0x3c }));
  assert.equal(short.preferredAddress, undefined);
});

test('what follows the code in the file, such as a signature, is left alone', () => {
  const image = buildLinuxImage();
  const signed = new Uint8Array(image.length + 1000).fill(0xcc);
  signed.set(image);
  assert.deepEqual(readLinuxImage(signed).protectedMode, image.subarray(SETUP_BYTES));
});

test('a payload outside the code counts as none', () => {
  const image = buildLinuxImage({ payload: Uint8Array.of(1, 2, 3, 4) });
  new DataView(image.buffer).setUint32(0x24c, 0xffff_fff0, true);
  assert.equal(readLinuxImage(image).payload, undefined);
});

test('every truncation is an error that says so', () => {
  const image = buildLinuxImage();
  for (let length = 0; length <= image.length - 16; length += 8) {
    const cut = image.subarray(0, length);
    const message = isLinuxImage(cut) ? /truncated/ : /not a Linux bzImage/;
    assert.throws(() => readLinuxImage(cut), isBadKernel(message), `${length} bytes`);
  }
});

test('kernels we cannot boot are refused with the reason', () => {
  assert.throws(() => readLinuxImage(buildLinuxImage({ version: 0x0205 })), isBadKernel(/protocol 2\.05.*2\.06/));
  assert.throws(() => readLinuxImage(buildLinuxImage({ loadFlags: 0 })), isBadKernel(/zImage/));
  assert.throws(() => readLinuxImage(buildLinuxImage({ alignment: 3 })), isBadKernel(/damaged.*alignment/));
  assert.throws(() => readLinuxImage(buildLinuxImage({ headerLength: 0xff })), isBadKernel(/damaged.*length/));
  const empty = buildLinuxImage();
  new DataView(empty.buffer).setUint32(0x1f4, 0, true);
  assert.throws(() => readLinuxImage(empty), isBadKernel(/damaged.*size/));
});
