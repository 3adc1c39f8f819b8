/** What an agent in a real guest must do; the guest's userland is the built-in one. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { AgentClient, ExecOptions } from '../../src/agent/client.ts';
import { AgentTimeoutError } from '../../src/agent/errors.ts';
import { readAll } from '../../src/agent/files.ts';

export const bytes = (string: string): Uint8Array => new TextEncoder().encode(string);

export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** Runs a command to its end. */
export async function run(
  agent: AgentClient,
  argv: readonly string[],
  { input, ...options }: Omit<ExecOptions, 'argv'> & { readonly input?: Uint8Array } = {},
): Promise<Result> {
  const process = agent.exec({ argv, ...options });
  const writer = process.stdin.getWriter();
  // A command that ends before it has read all is no failure here.
  if (input) writer.write(input).catch(() => undefined);
  writer.close().catch(() => undefined);
  const [stdout, stderr, exit] = await Promise.all([readAll(process.stdout), readAll(process.stderr), process.exit]);
  return { stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString(), ...exit };
}

/** Waits until no process has a command line that matches: what was killed dies when it is its turn to run. */
export async function goneSoon(agent: AgentClient, commands: string): Promise<void> {
  const script = `while ps | grep -v grep | grep -qE '${commands}'; do sleep 0.05; done`;
  await run(agent, ['sh', '-c', script], { timeoutMs: 60_000 });
}

/** Bytes of all values, in an order that shows what is missing or twice. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(length);
  for (let i = 0, x = 1; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    all[i] = x >>> 16;
  }
  return all;
}

export async function checkCommands(t: TestContext, agent: AgentClient): Promise<void> {
  const sh = (script: string, options?: Parameters<typeof run>[2]) => run(agent, ['sh', '-c', script], options);

  await t.test('commands give output, errors, exit codes and signals', async () => {
    const both = { stdout: 'out\n', stderr: 'err\n', code: 3, signal: undefined };
    assert.deepEqual(await sh('echo out; echo err >&2; exit 3'), both);
    assert.equal((await sh('kill -9 $$')).signal, 'SIGKILL');
    const sleeper = agent.exec({ argv: ['sleep', '1000'] });
    await sh('while ! pidof sleep; do :; done');
    sleeper.kill('SIGINT');
    assert.deepEqual(await sleeper.exit, { code: undefined, signal: 'SIGINT' });
  });

  await t.test('commands get their environment, directory and user', async () => {
    assert.equal((await sh('echo $A $HOME; pwd', { env: { A: 'b c' } })).stdout, 'b c /root\n/root\n');
    assert.equal((await run(agent, ['/usr/bin/env'], { env: { A: '1' }, ownEnvironment: true })).stdout, 'A=1\n');
    assert.equal((await run(agent, ['pwd'], { cwd: '/usr/bin' })).stdout, '/usr/bin\n');
    assert.equal((await run(agent, ['id', '-u'], { uid: 65534, gid: 65534 })).stdout, '65534\n');
    const long = 'y'.repeat(100_000);
    assert.equal((await run(agent, ['echo', long])).stdout, `${long}\n`);
  });

  await t.test('commands that cannot be started say why', async () => {
    await assert.rejects(run(agent, ['no-such-command']), { code: 'ENOENT' });
    await assert.rejects(run(agent, ['/etc/passwd']), { code: 'EACCES' });
    await assert.rejects(run(agent, ['true'], { cwd: '/no/such' }), { code: 'ENOENT' });
  });

  await t.test('input of all bytes comes back as it was', async () => {
    const input = pattern(1_000_000);
    const process = agent.exec({ argv: ['cat'] });
    const writer = process.stdin.getWriter();
    const written = writer.write(input).then(() => writer.close());
    assert.deepEqual(await readAll(process.stdout), input);
    await written;
    assert.equal((await process.exit).code, 0);
  });

  await t.test('input that a command does not read is refused', async () => {
    const process = agent.exec({ argv: ['true'] });
    await assert.rejects(process.stdin.getWriter().write(pattern(1_000_000)), { code: 'EPIPE' });
  });

  await t.test('a command on a terminal has its size and hears of changes', async () => {
    const script = "trap 'stty size; exit 5' WINCH; tty; stty size; echo ready; while :; do sleep 0.02; done";
    const process = agent.exec({ argv: ['sh', '-c', script], tty: { rows: 33, columns: 99 } });
    let output = '';
    for await (const chunk of process.stdout as unknown as AsyncIterable<Uint8Array>) {
      output += Buffer.from(chunk).toString();
      if (output.endsWith('ready\r\n')) process.resize(20, 70);
    }
    assert.equal(output, '/dev/pts/0\r\n33 99\r\nready\r\n20 70\r\n');
    assert.equal((await process.exit).code, 5);
    const typed = await run(agent, ['cat'], { tty: { rows: 1, columns: 2 }, input: bytes('hello\n') });
    assert.equal(typed.stdout, 'hello\r\nhello\r\n');
  });

  await t.test('a command whose time is up is killed, with what it started', async () => {
    const late = sh('sleep 987 & sleep 988; true', { timeoutMs: 500 });
    await assert.rejects(late, AgentTimeoutError);
    await goneSoon(agent, 'sleep 98[78]$');
  });

  await t.test('so is what leads a session of its own, while it has parents', async () => {
    const late = sh('setsid sleep 985 & setsid sh -c "sleep 986; true"; true', { timeoutMs: 500 });
    await assert.rejects(late, AgentTimeoutError);
    await goneSoon(agent, 'sleep 98[56]$');
  });

  await t.test('a daemon outlives the command that left it behind', async () => {
    await sh('(setsid sleep 983 >/dev/null 2>&1 &)');
    assert.equal((await sh('pidof sleep | wc -w')).stdout, '1\n');
    await sh('kill $(pidof sleep)');
  });

  await t.test('a hundred commands run at once', async () => {
    const all = Array.from({ length: 100 }, (_, i) => sh(`read x; echo $((x + ${i}))`, { input: bytes(`${i}\n`) }));
    const results = await Promise.all(all);
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      results.map((_, i) => `${2 * i}\n`),
    );
  });

  await t.test('output that nobody reads holds up its command and no other', async () => {
    const stuck = agent.exec({ argv: ['yes'] });
    assert.equal((await run(agent, ['seq', '3'])).stdout, '1\n2\n3\n');
    await stuck.stdout.cancel();
    stuck.kill();
    assert.equal((await stuck.exit).signal, 'SIGTERM');
  });
}

/** A hundred times the window and more, through pipes both ways. */
export async function checkGreatOutput(agent: AgentClient, length: number): Promise<void> {
  const process = agent.exec({ argv: ['dd', 'if=/dev/zero', 'bs=1000000', `count=${length / 1_000_000}`] });
  let got = 0;
  for await (const chunk of process.stdout as unknown as AsyncIterable<Uint8Array>) got += chunk.length;
  assert.equal(got, length);
  assert.equal((await process.exit).code, 0);
}

export async function checkFiles(t: TestContext, agent: AgentClient): Promise<void> {
  const { files } = agent;

  await t.test('files go both ways as they are', async () => {
    const data = pattern(3_000_000);
    await files.write('/tmp/x', data, { mode: 0o640 });
    assert.deepEqual(await files.read('/tmp/x'), data);
    assert.deepEqual(await files.read('/tmp/x', { offset: 2_999_990 }), data.slice(2_999_990));
    assert.deepEqual(await files.read('/tmp/x', { offset: 1, length: 5 }), data.slice(1, 6));
    const { kind, mode, bytes: size } = await files.stat('/tmp/x');
    assert.deepEqual([kind, mode, size], ['file', 0o640, 3_000_000]);
    await files.write('/tmp/y', files.readStream('/tmp/x'));
    assert.equal((await run(agent, ['cmp', '/tmp/x', '/tmp/y'])).code, 0);
  });

  await t.test('files are replaced, added to, changed within, and made only once', async () => {
    const path = '/tmp/small';
    await files.write(path, bytes('hello world'));
    await files.write(path, bytes('HELLO'));
    await files.write(path, bytes('!!'), { how: 'append' });
    await files.write(path, bytes('-'), { how: 'update', offset: 2 });
    assert.equal(Buffer.from(await files.read(path)).toString(), 'HE-LO!!');
    await assert.rejects(files.write(path, bytes('x'), { how: 'create' }), { code: 'EEXIST', path });
  });

  await t.test('directories and links are made, listed and removed', async () => {
    await files.mkdir('/tmp/a/b/c', { recursive: true });
    await files.mkdir('/tmp/a/b/c', { recursive: true });
    await assert.rejects(files.mkdir('/tmp/a'), { code: 'EEXIST' });
    await files.symlink('b/c', '/tmp/a/link');
    await files.write('/tmp/a/file', bytes('1234'), { mode: 0o755 });
    assert.equal(await files.readlink('/tmp/a/link'), 'b/c');
    const list = (await files.list('/tmp/a')).map(({ name, kind, mode }) => `${name} ${kind} ${mode.toString(8)}`);
    assert.deepEqual(list.sort(), ['b directory 755', 'file file 755', 'link link 777']);
    assert.equal((await files.stat('/tmp/a/link')).kind, 'directory');
    assert.equal((await files.lstat('/tmp/a/link')).kind, 'link');
    await files.rename('/tmp/a/file', '/tmp/a/b/moved');
    await files.chmod('/tmp/a/b/moved', 0o400);
    await files.chown('/tmp/a/b/moved', { uid: 12 });
    const { mode, user, group } = await files.stat('/tmp/a/b/moved');
    assert.deepEqual([mode, user, group], [0o400, 12, 0]);
    await assert.rejects(files.remove('/tmp/a'), { code: 'ENOTEMPTY' });
    await files.remove('/tmp/a/link');
    await files.remove('/tmp/a', { recursive: true });
    await assert.rejects(files.stat('/tmp/a'), { code: 'ENOENT' });
  });

  await t.test('a directory of many entries is listed and removed whole', async () => {
    const script = 'mkdir /tmp/many; cd /tmp/many; for i in $(seq 700); do : >file-with-a-long-name-$i; done';
    await run(agent, ['sh', '-c', script]);
    assert.equal((await files.list('/tmp/many')).length, 700);
    await files.remove('/tmp/many', { recursive: true });
    await assert.rejects(files.list('/tmp/many'), { code: 'ENOENT' });
  });

  await t.test('what fails says why', async () => {
    await assert.rejects(files.read('/no'), { code: 'ENOENT', path: '/no' });
    await assert.rejects(files.read('/tmp'), { code: 'EISDIR' });
    await assert.rejects(files.list('/etc/passwd'), { code: 'ENOTDIR' });
    await assert.rejects(files.write('/no/such/x', pattern(300_000)), { code: 'ENOENT', path: '/no/such/x' });
    await assert.rejects(agent.mount('no-such-tag', '/mnt/x'), { name: 'GuestError' });
  });
}

export async function checkSystem(t: TestContext, agent: AgentClient): Promise<void> {
  await t.test('the clock, random numbers and the size of the console are set', async () => {
    await agent.setClock(Date.UTC(2001, 1, 3));
    assert.equal((await run(agent, ['date', '+%F'])).stdout, '2001-02-03\n');
    await agent.addEntropy(pattern(64));
    await agent.resize(51, 123);
    assert.equal((await run(agent, ['stty', '-F', '/dev/ttyS0', 'size'])).stdout, '51 123\n');
    await agent.sync();
  });

  await t.test('a directory appears at another place, once', async () => {
    await run(agent, ['sh', '-c', 'mkdir -p /tmp/from/in; echo kept >/tmp/from/in/file']);
    for (let twice = 0; twice < 2; twice++) await agent.bind('/tmp/from/in', '/tmp/to/deep', { readOnly: true });
    assert.equal((await run(agent, ['cat', '/tmp/to/deep/file'])).stdout, 'kept\n');
    assert.equal((await run(agent, ['touch', '/tmp/to/deep/file'])).code, 1);
    assert.equal((await run(agent, ['sh', '-c', 'mount | grep -c /tmp/to/deep'])).stdout, '1\n');
    await assert.rejects(agent.bind('/no/such', '/tmp/to'), { code: 'ENOENT' });
  });

  await t.test('a card has the address that it is given, and the guest its way out', async () => {
    const [address, gateway, nameServer] = [0x0a01_0203, 0x0a01_0201, 0xc0a8_0064] as const;
    const settings = { name: 'lo', address, prefixBits: 20, gateway, nameServer };
    for (let twice = 0; twice < 2; twice++) await agent.setNetwork(settings);
    const { stdout } = await run(agent, ['sh', '-c', 'ip -4 -o addr show lo; ip route; cat /etc/resolv.conf']);
    assert.match(stdout, /inet 10\.1\.2\.3\/20 /);
    assert.match(stdout, /default via 10\.1\.2\.1 dev lo/);
    assert.match(stdout, /^nameserver 192\.168\.0\.100\n$/m);
    await assert.rejects(agent.setNetwork({ ...settings, name: 'eth7' }), { code: 'ENODEV' });
  });
}

/** A new HELLO ends what an earlier connection started, and nothing of the agent's is left behind. */
export async function checkNewConnection(agent: AgentClient, begin: () => Promise<void>): Promise<void> {
  const descriptors = async () => (await run(agent, ['sh', '-c', 'ls /proc/$(pidof vivarium-agent)/fd'])).stdout;
  const before = await descriptors();
  const old = [
    agent.exec({ argv: ['sleep', '1234'] }),
    agent.exec({ argv: ['sh', '-c', 'sleep 1234 & sleep 1234'] }),
    agent.exec({ argv: ['yes'] }),
  ];
  old[0]!.stdin
    .getWriter()
    .write(pattern(500_000))
    .catch(() => undefined);
  await run(agent, ['sh', '-c', 'while [ "$(pidof sleep | wc -w)" != 3 ]; do :; done']);
  await begin();
  for (const { exit } of old) await assert.rejects(exit, { name: 'AgentLostError' });
  await goneSoon(agent, 'sleep 123[4]|yes$');
  assert.equal(await descriptors(), before);
}
