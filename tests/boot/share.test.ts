/** Folders of the host in a Linux guest, by virtio-9p: what it does there is there on the host. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Server9p } from '../../src/files/9p/server.ts';
import { MemoryTree } from '../../src/files/memory-tree.ts';
import { openFolder } from '../../src/host/node/folder.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestVirtio } from '../../src/vmm/guest-options.ts';
import { boot, builtIn, runScript } from './booted.ts';

const PROMPT = 'vivarium:~# ';
const base = fs.mkdtempSync(join(tmpdir(), 'vivarium-share-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));

function folder(name: string): string {
  const path = join(base, name);
  fs.mkdirSync(path);
  return path;
}

const sharing = (path: string): GuestVirtio => ({ kind: '9p', tag: 'share0', server: new Server9p(openFolder(path)) });
const kernel = builtIn('vivarium.share=share0:/mnt/share');

/** Runs a script that lies in the folder; its output, without that of the console. */
async function runIn(path: string, script: string): Promise<string> {
  fs.writeFileSync(join(path, 'script'), script);
  const { console, end, shows, type } = await boot({ kernel, virtio: [sharing(path)] });
  await shows(PROMPT);
  type('cd /mnt/share; sh script >output 2>&1; echo ended $?; cd /; poweroff\r');
  await end;
  assert.match(
    console(),
    /^ended 0$/m,
    fs.existsSync(join(path, 'output')) ? fs.readFileSync(join(path, 'output'), 'utf8') : console(),
  );
  return fs.readFileSync(join(path, 'output'), 'utf8');
}

const digest = (path: string): string => createHash('md5').update(fs.readFileSync(path)).digest('hex');

test('files that a guest makes, moves, packs and unpacks are the same on the host', async () => {
  const path = folder('work');
  const output = await runIn(
    path,
    `set -e
# As git makes its objects: written under another name, then renamed.
mkdir objects
for d in 0 1 2 3; do
  mkdir objects/$d
  for f in 0 1 2 3 4 5 6 7; do
    echo "object $d$f" >objects/tmp_$d$f
    chmod 444 objects/tmp_$d$f
    mv objects/tmp_$d$f objects/$d/$f
  done
done
find objects -type f | wc -l
ln -s objects/3 link
ln -s /etc/hosts absolute
ln objects/0/0 second
cat link/7 absolute >/dev/null
tar cf /tmp/all.tar objects link absolute second
mkdir unpacked
tar xf /tmp/all.tar -C unpacked
diff -r objects unpacked/objects && echo equal
# What is open outlives its name.
echo kept >open
exec 4<open 5>>open
rm open
echo more >&5
cat <&4
exec 4<&- 5>&-
# Many at once, at the end of one file.
for writer in 1 2 3 4; do
  (i=0; while [ $i -lt 50 ]; do echo "$writer $i" >>log; i=$((i+1)); done) &
done
wait
sort -u log | wc -l
# A program that is mapped from there.
cp /bin/busybox .
./busybox echo mapped
dd if=/dev/urandom of=numbers bs=64k count=160 2>/dev/null
cp numbers copy
md5sum <copy
dd if=/dev/zero of=sparse bs=1 count=1 seek=100000000 2>/dev/null
mkdir moved && cd moved && mv ../moved ../renamed && echo here >inside && cd ..
mv numbers renamed/numbers
touch -d '2001-02-03 04:05:06' old
rm -r unpacked
mkdir full && : >full/x
rmdir full 2>/dev/null || echo 'not empty'
: >truncated; echo 12345678 >truncated; echo 1 >truncated
df . | tail -n 1 | grep -c share0
`,
  );
  assert.deepEqual(output.split('\n'), [
    '32',
    'equal',
    'kept',
    'more',
    '200',
    'mapped',
    `${digest(join(path, 'copy'))}  -`,
    'not empty',
    '1',
    '',
  ]);
  assert.equal(digest(join(path, 'renamed', 'numbers')), digest(join(path, 'copy')));
  assert.equal(fs.readFileSync(join(path, 'objects', '2', '5'), 'utf8'), 'object 25\n');
  assert.equal(fs.statSync(join(path, 'objects', '2', '5')).mode & 0o7777, 0o444);
  assert.equal(fs.statSync(join(path, 'second')).ino, fs.statSync(join(path, 'objects', '0', '0')).ino);
  assert.equal(fs.readlinkSync(join(path, 'absolute')), '/etc/hosts');
  assert.equal(fs.statSync(join(path, 'sparse')).size, 100_000_001);
  assert.equal(fs.readFileSync(join(path, 'renamed', 'inside'), 'utf8'), 'here\n');
  assert.equal(fs.statSync(join(path, 'old')).mtime.toISOString(), '2001-02-03T04:05:06.000Z');
  assert.equal(fs.readFileSync(join(path, 'truncated'), 'utf8'), '1\n');
  assert.deepEqual(
    fs.readdirSync(path).sort(),
    'absolute busybox copy full link log objects old output renamed script second sparse truncated'.split(' '),
  );
});

test('links of the host lead into the guest, not out of the folder', async () => {
  const path = folder('links');
  fs.writeFileSync(join(base, 'secret'), 'secret');
  fs.symlinkSync('../secret', join(path, 'relative'));
  fs.symlinkSync(join(base, 'secret'), join(path, 'absolute'));
  fs.symlinkSync('/etc/hostname', join(path, 'hostname'));
  fs.symlinkSync('..', join(path, 'up'));
  const output = await runIn(
    path,
    `cat relative absolute up/secret 2>/dev/null && echo out
ls up/ >/dev/null && echo up is /mnt
(echo changed >absolute) 2>/dev/null; ls absolute/ up/../secret 2>/dev/null
mknod device c 1 3 2>/dev/null || echo no device
mkfifo pipe 2>/dev/null || echo no pipe
true
`,
  );
  assert.deepEqual(output.split('\n'), ['up is /mnt', 'no device', 'no pipe', '']);
  assert.equal(fs.readFileSync(join(base, 'secret'), 'utf8'), 'secret');
});

test('a guest that is restored goes on with the files that it has open', async () => {
  const path = folder('restored');
  const first = await boot({ kernel, virtio: [sharing(path)], packing: nodePacking });
  await first.shows(PROMPT);
  first.type('cd /mnt/share; exec 5>>file; echo before >&5; echo rea""dy\r');
  await first.shows('ready');
  const snapshot = await first.guest.snapshot();
  first.guest.stop();
  await first.end;
  let shown = '';
  const guest = await Guest.restore(snapshot, {
    onConsole: (bytes) => {
      shown += new TextDecoder().decode(bytes);
    },
    packing: nodePacking,
    host: nodePlatform,
    virtio: [sharing(path)],
  });
  guest.sendConsole(new TextEncoder().encode('echo after >&5; ls; cat file; cd /; poweroff\r'));
  assert.deepEqual(await guest.run(), { kind: 'powered-off' }, shown);
  assert.equal(fs.readFileSync(join(path, 'file'), 'utf8'), 'before\nafter\n');
  assert.match(shown, /before\r*\nafter/);
});

test('a deterministic guest with files in memory ends the same each time', async () => {
  const run = async () => {
    const tree = await MemoryTree.of({ 'd/f': 'text' }, { nowMs: () => 1e12 });
    const server = new Server9p(tree);
    const script = 'cd /mnt/share; cp -r d e; tar c . >/tmp/t; echo new >e/f; mv e/f g; ls -lR; sync; cd /; poweroff';
    const virtio: GuestVirtio[] = [{ kind: '9p', tag: 'share0', server }];
    const { image, initrd } = kernel;
    const words = 'vivarium.share=share0:/mnt/share';
    const { guest } = await runScript({ image, ...(initrd && { initrd }), words }, script, {
      time: 'deterministic',
      virtio,
    });
    return { hash: guest.stateHash(), text: new TextDecoder().decode(await tree.readFile(['g'])) };
  };
  const one = await run();
  assert.equal(one.text, 'new\n');
  assert.deepEqual(await run(), one);
});
