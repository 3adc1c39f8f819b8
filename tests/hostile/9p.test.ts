/**
 * The 9P server and a client that means no good: messages of noise, and right ones with wrong fields, on files in memory and
 * on a folder of the host. Each has one answer that fits, and nothing outside the folder changes.
 */

import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as p9 from '../../src/files/9p/protocol.ts';
import { Server9p } from '../../src/files/9p/server.ts';
import { message, u8, u16, u32, u64 } from '../../src/files/9p/test-client.ts';
import type { FileTree } from '../../src/files/file-tree.ts';
import { MemoryTree } from '../../src/files/memory-tree.ts';
import { openFolder } from '../../src/host/node/folder.ts';
import { Random } from '../../src/vmm/random.ts';
import { nightly } from '../nightly.ts';

const MESSAGES = nightly ? 2_000_000 : 60_000;
const NAMES = ['a', 'b', 'c', 'l', 'd', '..', '.', '', 'a/b', '../secret', '/etc/passwd', 'x\0', 'ä', 'n'.repeat(300)];
const TARGETS = ['..', '../secret', '/', 'a', '../../../../../../etc', '', 'l', 'x'.repeat(5000)];
const OFFSETS = [0, 1, 5, 4096, 70_000, 2 ** 31, 2 ** 53, -1];

const base = fs.mkdtempSync(join(tmpdir(), 'vivarium-9p-'));
after(() => fs.rmSync(base, { recursive: true, force: true }));

function makeRequests(below: (limit: number) => number) {
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const fid = () => u32(below(50) ? below(12) : pick([p9.NO_FID, 0x8000_0000]));
  const name = (): string => (below(3) ? (NAMES[below(5)] as string) : pick(NAMES));
  const offset = () => u64(BigInt.asUintN(64, BigInt(pick(OFFSETS))));
  const count = () => u32(pick([0, 1, 100, 4096, 65536, 0xffff_ffff]));
  const mode = () => u32(pick([0o644, 0o755, 0o7777, 0xffff_ffff]));
  const data = () => new Uint8Array(below(200));
  const all: Readonly<Record<number, () => Uint8Array>> = {
    [p9.VERSION_MESSAGE]: () =>
      message(p9.VERSION_MESSAGE, 1, u32(pick([65536, 65536, 4096, 0, 2 ** 31])), below(9) ? p9.VERSION : 'no'),
    [p9.ATTACH]: () => message(p9.ATTACH, 1, fid(), u32(p9.NO_FID), 'root', '', u32(0)),
    [p9.WALK]: () => {
      const names = Array.from({ length: below(4) }, name);
      return message(p9.WALK, 1, fid(), fid(), u16(below(30) ? names.length : below(70_000)), ...names);
    },
    [p9.STATFS]: () => message(p9.STATFS, 1, fid()),
    [p9.LOPEN]: () => message(p9.LOPEN, 1, fid(), u32(below(5) ? below(4) : below(2 ** 32))),
    [p9.LCREATE]: () => message(p9.LCREATE, 1, fid(), name(), u32(below(4) | (below(2) * 0o2000)), mode(), u32(0)),
    [p9.SYMLINK]: () => message(p9.SYMLINK, 1, fid(), name(), pick(TARGETS), u32(0)),
    [p9.MKNOD]: () => message(p9.MKNOD, 1, fid(), name(), u32(0o20666), u32(1), u32(3), u32(0)),
    [p9.RENAME]: () => message(p9.RENAME, 1, fid(), fid(), name()),
    [p9.READLINK]: () => message(p9.READLINK, 1, fid()),
    [p9.GETATTR]: () => message(p9.GETATTR, 1, fid(), u64(0x7ff)),
    [p9.SETATTR]: () =>
      message(
        p9.SETATTR,
        1,
        fid(),
        u32(below(0x400)),
        mode(),
        u32(below(9)),
        u32(below(9)),
        offset(),
        offset(),
        offset(),
        offset(),
        offset(),
      ),
    [p9.XATTRWALK]: () => message(p9.XATTRWALK, 1, fid(), fid(), name()),
    [p9.READDIR]: () => message(p9.READDIR, 1, fid(), offset(), count()),
    [p9.FSYNC]: () => message(p9.FSYNC, 1, fid(), u32(0)),
    [p9.LOCK]: () => message(p9.LOCK, 1, fid(), u8(below(4)), u32(0), offset(), offset(), u32(1), 'host'),
    [p9.GETLOCK]: () => message(p9.GETLOCK, 1, fid(), u8(below(4)), offset(), offset(), u32(1), 'host'),
    [p9.LINK]: () => message(p9.LINK, 1, fid(), fid(), name()),
    [p9.MKDIR]: () => message(p9.MKDIR, 1, fid(), name(), mode(), u32(0)),
    [p9.RENAMEAT]: () => message(p9.RENAMEAT, 1, fid(), name(), fid(), name()),
    [p9.UNLINKAT]: () => message(p9.UNLINKAT, 1, fid(), name(), u32(pick([0, 0x200, 0xffff_ffff]))),
    [p9.FLUSH]: () => message(p9.FLUSH, 1, u16(below(65536))),
    [p9.READ]: () => message(p9.READ, 1, fid(), offset(), count()),
    [p9.WRITE]: () => {
      const bytes = data();
      // A sparse file of the host is as long as it says: not every offset.
      return message(
        p9.WRITE,
        1,
        fid(),
        u64(pick([0, 3, 70_000])),
        u32(below(9) ? bytes.length : below(2 ** 32)),
        bytes,
      );
    },
    [p9.CLUNK]: () => message(p9.CLUNK, 1, fid()),
    [p9.REMOVE]: () => message(p9.REMOVE, 1, fid()),
  };
  const makers = Object.values(all);
  // What takes things away comes less often, for there to be something.
  const rare = new Set([all[p9.VERSION_MESSAGE], all[p9.CLUNK], all[p9.REMOVE], all[p9.UNLINKAT]]);
  return () => {
    const make = pick(makers);
    if (rare.has(make) && below(4)) return pick([all[p9.WALK], all[p9.LCREATE], all[p9.MKDIR]])!();
    return make();
  };
}

async function torture(tree: FileTree, seed: number): Promise<Map<number, number>> {
  const random = new Random(seed);
  const below = (limit: number): number => {
    const bytes = random.bytes(4);
    return Math.floor((new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) / 2 ** 32) * limit);
  };
  const next = makeRequests(below);
  const answers = new Map<number, number>();
  let server = new Server9p(tree);
  for (let i = 0; i < MESSAGES; i++) {
    const request = i % 2000 === 0 ? message(p9.VERSION_MESSAGE, 1, u32(65536), p9.VERSION) : next();
    if (below(10) === 0) for (let n = below(3); n >= 0; n--) request[below(request.length)] = below(256);
    const cut = below(20) === 0 ? request.subarray(0, below(request.length)) : request;
    const room = below(20) ? 65536 : below(40);
    const answer = await server.request(cut, room);
    assert.ok(answer.length <= room);
    if (answer.length > 0) {
      const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
      assert.ok(answer.length >= p9.HEADER_BYTES);
      assert.equal(view.getUint32(0, true), answer.length);
      const type = view.getUint8(4);
      assert.ok(type === p9.ERROR || type === (cut[4] as number) + 1);
      answers.set(type, (answers.get(type) ?? 0) + 1);
    }
    if (i % 5000 === 4999) {
      const saved = server.save();
      server.reset();
      server = new Server9p(tree);
      server.restore(saved);
      assert.deepEqual(server.save(), saved);
    }
  }
  server.reset();
  return answers;
}

/** Everything but ways that lead to answers of another kind, so that the noise was not only refused. */
function checkAnswers(answers: ReadonlyMap<number, number>): void {
  for (const type of [p9.WALK, p9.LCREATE, p9.READ, p9.WRITE, p9.RENAMEAT, p9.UNLINKAT, p9.SYMLINK, p9.READDIR]) {
    assert.ok((answers.get(type + 1) ?? 0) > 10, `${answers.get(type + 1)} answers of type ${type + 1}`);
  }
}

test('files in memory stand hostile messages, and stay within their bound', async () => {
  const tree = new MemoryTree({ limitBytes: 2 ** 20 });
  checkAnswers(await torture(tree, 1));
  const { freeBlocks, blocks } = await tree.sizes();
  assert.ok(freeBlocks >= 0 && freeBlocks <= blocks);
});

test('nothing outside a folder of the host is touched by hostile messages', async () => {
  const folder = join(base, 'shared');
  fs.mkdirSync(folder);
  fs.writeFileSync(join(base, 'secret'), 'secret');
  fs.symlinkSync('../secret', join(folder, 'l'));
  fs.symlinkSync('..', join(folder, 'd'));
  const before = fs.statSync(join(base, 'secret'), { bigint: true });
  checkAnswers(await torture(openFolder(folder), 2));
  const { atimeNs, ...now } = fs.statSync(join(base, 'secret'), { bigint: true });
  const { atimeNs: readNs, ...then } = before;
  assert.deepEqual(now, then);
  assert.equal(atimeNs, readNs);
  assert.deepEqual(fs.readdirSync(base).sort(), ['secret', 'shared']);
});
