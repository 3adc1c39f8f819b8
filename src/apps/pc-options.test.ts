import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine, type RunOptions } from './options.ts';

function parse(...words: string[]): { options: RunOptions | undefined; err: string; status: number | undefined } {
  let err = '';
  const parsed = parseCommandLine(['run', ...words], {
    out: () => {},
    err: (text) => {
      err += text;
    },
  });
  return parsed.command === 'run'
    ? { options: parsed.options, err, status: undefined }
    : { options: undefined, err, status: parsed.command === 'none' ? parsed.status : undefined };
}

test('without drives or firmware there is no PC', () => {
  assert.equal(parse('--memory', '64M').options?.pc, undefined);
});

test('a PC that starts from the network needs no drive', () => {
  const pc = parse('--boot', 'n', '--nic', 'user,tftp=folder,bootfile=grub.0').options?.pc;
  assert.deepEqual([pc?.boot, pc?.nics[0]?.tftp, pc?.nics[0]?.bootFile], ['n', 'folder', 'grub.0']);
});

test('a PC has what was asked for', () => {
  const words = [
    '--cdrom',
    'a.iso',
    '--disk',
    'b.img',
    '--disk',
    'c,1.img,bus=ahci',
    '--floppy',
    'd.img',
    '--snapshot',
  ];
  const network = ['--nic', 'user,model=pcnet', '--forward', 'tcp::8022-:22', '--open', 'tcp:80', '--pcap', 'x.pcap'];
  const pc = parse(...words, ...network, '--boot', 'dca', '--screenshot', 's.png').options?.pc;
  assert.equal(pc?.cdrom, 'a.iso');
  assert.deepEqual(pc?.disks, [
    { file: 'b.img', bus: 'ide' },
    { file: 'c,1.img', bus: 'ahci' },
  ]);
  assert.deepEqual(pc?.floppies, ['d.img']);
  assert.equal(pc?.snapshot, true);
  assert.equal(pc?.boot, 'dca');
  assert.deepEqual(
    pc?.nics.map(({ model }) => model),
    ['pcnet'],
  );
  assert.equal(pc?.forwards[0]?.host.port, 8022);
  assert.deepEqual(pc?.opened, [{ transport: 'tcp', port: 80 }]);
  assert.equal(pc?.pcap, 'x.pcap');
  assert.equal(pc?.screenshot, 's.png');
});

test('a guest without firmware has network cards, too', () => {
  const { options } = parse('--nic', 'user', '--forward', 'tcp::8022-:22', '--kernel', 'vmlinuz');
  assert.equal(options?.pc, undefined);
  assert.equal(options?.wire?.nics.length, 1);
  assert.equal(options?.wire?.forwards[0]?.guest.port, 22);
});

const MISTAKES: readonly (readonly [words: string, says: RegExp])[] = [
  ['--nic user,model=pcnet', /^vivarium: Without firmware the cards are virtio/],
  ['--nic user,tftp=a', /^vivarium: Without firmware the cards are virtio, and start nothing/],
  ['--nic user --deterministic', /A deterministic run has no network/],
  ['--pcap b', /--pcap needs a network card/],
  ['--boot c', /--boot needs a PC/],
  ['--snapshot', /--snapshot needs a PC/],
  ['--screenshot a.png', /--screenshot needs a PC/],
  ['--serial a', /--serial needs a PC/],
  ['--disk a --serial -', /Write the name of a file\./],
  ['--disk a --forward tcp::1-:2', /--forward needs a network card: add --nic user\./],
  ['--disk a --open tcp:1', /--open needs a network card/],
  ['--disk a --pcap b', /--pcap needs a network card/],
  ['--disk a --boot cn', /--boot n needs a network card/],
  ['--boot n', /--boot n needs a network card/],
  ['--disk a --nic user,bootfile=b', /bootfile=b is to be had from nowhere: add tftp=FOLDER, or write a URL\./],
  ['--disk a --nic user,tftp=b --open udp:69', /leave out one of them\./],
  ['--disk a --kernel b', /--kernel is for kernels that start without firmware/],
  ['--disk a --append b', /--append is for kernels/],
  ['--disk a --deterministic --nic user', /A deterministic run has no network/],
  ['--disk a --disk a', /a can be in one drive only\./],
  ['--cdrom a --disk b --disk c --disk d --disk e', /There is room for 4 disks and CD-ROMs/],
  ['--floppy a --floppy b --floppy c', /There is room for 2 floppy disks\./],
  ['--disk a --nic user --nic user --nic user --nic user --nic user', /There is room for 4 network cards\./],
  ['--disk ,bus=ahci', /Write FILE, FILE,bus=ahci or FILE,bus=virtio\./],
  ['--disk a,bus=scsi', /Write FILE, FILE,bus=ahci or FILE,bus=virtio\./],
  ['--disk a --boot cc', /Write up to three of c/],
  ['--boot-menu 3s', /--boot-menu needs a PC/],
  ['--disk a --boot-menu 2h', /Write a duration such as 3s, of an hour at most\./],
  ['--disk a --boot-menu soon', /Write a duration such as 3s/],
  ['--disk a --screenshot b.jpg', /ends in \.png/],
  ['--disk a --nic bridge', /'bridge' is not a kind of network: there is user\./],
];

for (const [words, says] of MISTAKES) {
  test(`"${words}" is refused in one sentence`, () => {
    const { status, err } = parse(...words.split(' '));
    assert.equal(status, 2);
    assert.match(err, says);
    assert.match(err, /^vivarium: [^\n]+\n$/);
  });
}
