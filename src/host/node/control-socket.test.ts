import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { VivariumError } from '../../base/errors.ts';
import { type Commands, ControlSocket, runningGuests } from './control-socket.ts';

const COMMANDS: Commands = {
  echo: (request) => ({ said: request.text }),
  later: async () => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return { is: 'late' };
  },
  large: () => ({ bytes: 'x'.repeat(8_000_000) }),
  refuse: () => {
    throw new VivariumError({ kind: 'host' }, 'The moon is in the way.');
  },
  bug: () => {
    throw new RangeError('planted');
  },
};

let runtime: string;
let folder: string;
const inherited = process.env.XDG_RUNTIME_DIR;
const inheritedTmp = process.env.TMPDIR;
const open: { close(): unknown }[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  runtime = await mkdtemp(join(tmpdir(), 'vivarium-control-'));
  process.env.XDG_RUNTIME_DIR = runtime;
  process.env.TMPDIR = runtime;
  folder = join(runtime, 'vivarium');
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const [name, value] of [
    ['XDG_RUNTIME_DIR', inherited],
    ['TMPDIR', inheritedTmp],
  ] as const) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  await rm(runtime, { recursive: true });
});

async function control(patienceMs?: number): Promise<ControlSocket> {
  const socket = await ControlSocket.open(COMMANDS, patienceMs);
  open.push(socket);
  return socket;
}

const ownPath = (): string => join(folder, `${process.pid}.sock`);

async function socketTo(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

/** Resolves when it is closed, with an error or without. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().on('close', () => resolve()));
}

/** A socket that does as `behave` says, under the number of a process. */
async function impostor(processId: number, behave: (socket: Socket) => void): Promise<void> {
  await mkdir(folder, { mode: 0o700, recursive: true });
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    behave(socket);
  });
  open.push({
    close: () => {
      server.close();
    },
  });
  await new Promise<void>((listening) => server.listen(join(folder, `${processId}.sock`), listening));
}

test('a guest is found by its process, and answers', async () => {
  await control();
  const [guest, ...others] = await runningGuests();
  assert.deepEqual(others, []);
  assert.equal(guest?.processId, process.pid);
  assert.deepEqual(await guest?.ask({ command: 'echo', text: 'a\nb' }), { ok: true, said: 'a\nb' });
  const large = await guest?.ask({ command: 'large' });
  assert.equal((large as { bytes?: string }).bytes?.length, 8_000_000);
});

test('only the user can enter the folder, and nothing is left in it', async () => {
  const socket = await control();
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(folder), [`${process.pid}.sock`]);
  await socket.close();
  assert.deepEqual(await readdir(folder), []);
  assert.deepEqual(await runningGuests(), []);
});

test('what cannot be done, is not known or is no request is told in a sentence', async () => {
  await control();
  const [guest] = await runningGuests();
  for (const [command, problem] of [
    ['refuse', 'The moon is in the way.'],
    ['bug', 'This is a bug in Vivarium: RangeError: planted.'],
    ['fly', 'There is no such command.'],
    ['toString', 'There is no such command.'],
  ] as const) {
    assert.deepEqual(await guest?.ask({ command }), { ok: false, problem });
  }
  const socket = await socketTo(ownPath());
  let said = '';
  socket.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  socket.write('nonsense\n\nnull\n[]\n7\n{"command":["echo"]}\n\xff\xfe\n{"command":"echo","text":1}\n');
  while (said.split('\n').length < 9) await once(socket, 'data');
  const answers = said.split('\n').map((line) => (line === '' ? undefined : JSON.parse(line)));
  assert.deepEqual(
    answers.map((answer) => answer?.ok),
    [false, false, false, false, false, false, false, true, undefined],
  );
  assert.deepEqual(answers[7], { ok: true, said: 1 });
  socket.destroy();
});

test('requests may come in pieces, one after the other on one connection', async () => {
  await control();
  const socket = await socketTo(ownPath());
  for (const character of '{"command":"echo","text":"slow"}\n') socket.write(character);
  assert.equal(`${(await once(socket, 'data'))[0]}`, '{"said":"slow","ok":true}\n');
  socket.write('{"command":"echo"}\n');
  assert.equal(`${(await once(socket, 'data'))[0]}`, '{"ok":true}\n');
  socket.destroy();
});

test('who says too much, nothing, or goes in the middle is let go; others are answered', async () => {
  await control(1000);
  const [talker, silent, half] = [await socketTo(ownPath()), await socketTo(ownPath()), await socketTo(ownPath())];
  const closing = [talker, silent, half].map(closed);
  talker.write('x'.repeat(1_000_000));
  half.end('{"command":"ec');
  const deaf = await socketTo(ownPath());
  deaf.pause();
  deaf.write('{"command":"large"}\n'.repeat(3));
  const fleeing = await socketTo(ownPath());
  fleeing.write('{"command":"later"}\n');
  fleeing.destroy();
  await Promise.all(closing);
  const [guest] = await runningGuests();
  // Longer than a connection may be quiet.
  assert.deepEqual(await guest?.ask({ command: 'later' }), { ok: true, is: 'late' });
  deaf.destroy();
});

test('there are so many connections and no more', async () => {
  await control();
  const sockets = await Promise.all(Array.from({ length: 20 }, () => socketTo(ownPath())));
  let gone = 0;
  await new Promise<void>((enough) => {
    for (const socket of sockets) {
      socket.resume().on('close', () => {
        if (++gone === 4) enough();
      });
    }
  });
  for (const socket of sockets) socket.destroy();
});

test('a random million bytes do no harm', async () => {
  await control();
  let state = 1;
  for (let i = 0; i < 100; i++) {
    const socket = await socketTo(ownPath());
    const bytes = Uint8Array.from({ length: 10_000 }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return (state >>> 8) % 64 === 0 ? 0x0a : state >>> 24;
    });
    socket.end(bytes);
    await closed(socket);
  }
  const [guest] = await runningGuests();
  assert.equal((await guest?.ask({ command: 'echo' }))?.ok, true);
});

test('a folder that others can look into is not used; the next one is', async () => {
  await mkdir(folder, { mode: 0o700 });
  await chmod(folder, 0o750);
  await control();
  assert.deepEqual(await readdir(folder), []);
  assert.equal((await runningGuests()).length, 1);
});

test('without a place of its own there is no socket, and a sentence why', async () => {
  const elsewhere = join(runtime, 'elsewhere');
  await mkdir(elsewhere, { mode: 0o700 });
  await symlink(elsewhere, folder);
  const fallback = join(runtime, `vivarium-${process.getuid?.()}`);
  await writeFile(fallback, '');
  await assert.rejects(control(), {
    fault: { kind: 'host' },
    message: `Other commands cannot reach this guest: ${fallback} cannot be used: it is no folder.`,
  });
  assert.deepEqual(await runningGuests(), []);
});

test('a path that is too long for a socket is told, not cut', async () => {
  const deep = join(runtime, 'd'.repeat(100));
  await mkdir(deep);
  process.env.XDG_RUNTIME_DIR = '';
  process.env.TMPDIR = deep;
  await assert.rejects(control(), /sock is too long a name for a socket\.$/);
});

test('a socket whose process is gone is removed; other files stay', async () => {
  await mkdir(folder, { mode: 0o700 });
  const script = `require('node:net').createServer().listen(process.argv[1] + '/' + process.pid + '.sock', () => console.log('on'))`;
  const child = spawn(process.execPath, ['-e', script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  await writeFile(join(folder, 'note'), '');
  assert.equal((await runningGuests()).length, 1);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal((await readdir(folder)).length, 2);
  assert.deepEqual(await runningGuests(), []);
  assert.deepEqual(await readdir(folder), ['note']);
});

test('what others left behind under our number gives way', async () => {
  await mkdir(folder, { mode: 0o700 });
  await writeFile(ownPath(), '');
  await control();
  assert.equal((await runningGuests()).length, 1);
});

test('a process that does not answer, or not with sense, is told of in a sentence', async () => {
  await impostor(1_000_001, () => {});
  await impostor(1_000_002, (socket) => void socket.end('\n'));
  await impostor(1_000_003, (socket) => void socket.end('[7]\n'));
  await impostor(1_000_004, (socket) => void socket.end());
  await impostor(1_000_005, (socket) => void socket.end('{"ok":false}\n'));
  const guests = await runningGuests(300);
  assert.equal(guests.length, 5);
  for (const guest of guests) {
    await assert.rejects(guest.ask({ command: 'echo' }), (error) => {
      assert.ok(error instanceof VivariumError);
      assert.match(error.message, /^The guest does not answer: .+\.$/);
      return true;
    });
  }
});
