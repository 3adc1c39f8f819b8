import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlockBackend } from '../base/block.ts';
import { packOptions } from './options.ts';
import type { CallerPlatform } from './platform.ts';
import type { BootOptions } from './types/boot-options.ts';
import { Uploads } from './uploads.ts';
import { Served } from './vm/served.ts';

const platform: CallerPlatform = {
  startWorker: () => assert.fail('no worker is wanted'),
  machine: () => assert.fail('no machine is wanted'),
  source: (where) => (where instanceof URL ? { url: where.href } : { path: where }),
  moduleUrl: (where) => `file:///${where}`,
};
const pack = (given: BootOptions) => packOptions(given, platform, new Served(), new Uploads());

const disk: BlockBackend = {
  sizeBytes: 512,
  readOnly: true,
  read: async () => {},
  write: async () => {},
  flush: async () => {},
  close: async () => {},
};

test('nothing said is the built-in guest from its snapshot', () => {
  const { options } = pack({});
  assert.deepEqual(options.boot, { kind: 'built-in', commandLine: '', cold: false });
  assert.equal(options.rng, true);
});

test('what the snapshot has not starts the kernel', () => {
  const asking: BootOptions[] = [
    { cold: true },
    { memory: '64M' },
    { commandLine: 'x' },
    { deterministic: true },
    { channels: [] },
    { disk: { source: disk, bus: 'virtio' } },
    { agent: false },
    { agent: false, shares: { '/mnt': '.' } },
  ];
  for (const given of asking) {
    const { boot } = pack(given).options;
    assert.ok(boot.kind === 'built-in' && boot.cold, JSON.stringify(Object.keys(given)));
  }
});

test('what the snapshot has to spare does not start the kernel', () => {
  for (const given of [{}, { shares: { '/mnt': '.' } }, { network: 'user' }] satisfies BootOptions[]) {
    const { options, joinsNetwork } = pack(given);
    assert.ok(options.boot.kind === 'built-in' && !options.boot.cold, JSON.stringify(given));
    assert.equal(joinsNetwork, 'network' in given);
  }
});

test('drives ask for a whole PC, which has no agent unless it is wanted', () => {
  const { options } = pack({ disk: 'a.img', cdrom: new URL('https://host/b.iso'), bootOrder: 'dc' });
  assert.deepEqual(options.boot, { kind: 'firmware', bios: undefined, order: 'dc' });
  assert.equal(options.rng, false);
  assert.deepEqual(options.disks, [{ source: { path: 'a.img' }, bus: 'ide', forget: false, readOnly: false }]);
  assert.deepEqual(options.cdrom?.source, { url: 'https://host/b.iso' });
  assert.equal(pack({ disk: 'a.img', agent: true }).options.rng, true);
});

test('back ends stay with the caller, by number', () => {
  const { options } = pack({ disks: [disk, { source: disk, bus: 'ahci', readOnly: true }] });
  assert.deepEqual(
    options.disks.map(({ source }) => source),
    [
      { remote: 0, sizeBytes: 512, readOnly: true },
      { remote: 1, sizeBytes: 512, readOnly: true },
    ],
  );
});

test('what is packed can be cloned', () => {
  const given: BootOptions = {
    disks: [disk, new Uint8Array(512), { kept: 'name', createBytes: 512 }],
    network: { forwards: ['tcp::8022-:22'] },
    shares: { '/mnt': { source: '.', readOnly: true } },
    devices: [{ module: 'x.js', options: { a: 1 } }],
    channels: [{ name: 'a', attach() {}, received() {}, opened() {}, drained() {} }],
  };
  const { options } = pack(given);
  assert.deepEqual(structuredClone(options), options);
});

test('memory is bytes or text', () => {
  assert.equal(pack({ memory: '1.5G' }).options.memoryBytes, 1.5 * 2 ** 30);
  assert.equal(pack({ memory: 2 ** 26 }).options.memoryBytes, 2 ** 26);
});

const REFUSED: readonly (readonly [string, BootOptions, RegExp])[] = [
  ['memory that is none', { memory: 'much' }, /^Memory is a number of bytes/],
  ['a seed that is none', { seed: 1.5 }, /^A seed is a whole number/],
  ['a base without a snapshot', { base: new Uint8Array(1) }, /^A base is for a snapshot/],
  ['a snapshot with a kernel', { snapshot: new Uint8Array(1), kernel: 'x' }, /leave out kernel\.$/],
  ['a snapshot of another size', { snapshot: new Uint8Array(1), memory: '1G' }, /leave out memory\.$/],
  ['a kernel with firmware', { kernel: 'x', cdrom: 'y' }, /leave out cdrom\.$/],
  ['an initrd alone', { initrd: 'x' }, /^An initrd is for a kernel/],
  ['a command line for firmware', { disk: 'x', commandLine: 'y' }, /^Firmware takes no command line/],
  ['a boot order of other letters', { disk: 'x', bootOrder: 'cx' }, /^The boot order/],
  ['a share without a place', { shares: { mnt: '.' } }, /^A share appears at a path/],
  ['a deterministic network', { deterministic: true, network: 'user' }, /^A deterministic machine has no network/],
  ['a function for a worker', { devices: [() => assert.fail()] }, /^A device that is a function needs worker: false/],
];
for (const [what, given, says] of REFUSED) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => pack(given),
      (error: Error & { fault?: { kind: string } }) => {
        assert.match(error.message, says);
        assert.equal(error.fault?.kind, 'bad-option');
        return true;
      },
    );
  });
}
