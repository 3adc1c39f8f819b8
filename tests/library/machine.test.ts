/** Machines of the library in Node: the built-in guest in a worker, for all tests but those that end it. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  AgentLostError,
  boot,
  GuestError,
  OutputLimitError,
  SnapshotError,
  VivariumError,
  type Vm,
  VmEndedError,
  VmTimeoutError,
} from '../../src/library/node/index.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Reads until the console has shown `wanted`. */
async function shows(vm: Vm, wanted: string): Promise<string> {
  const reader = vm.console.readable.getReader();
  try {
    for (let shown = ''; ; ) {
      if (shown.includes(wanted)) return shown;
      const { done, value } = await reader.read();
      assert.ok(!done, `the console ended with ${shown}`);
      shown += text(value);
    }
  } finally {
    reader.releaseLock();
  }
}

describe('a machine in a worker', () => {
  let vm: Vm;
  before(async () => {
    vm = await boot();
  });
  after(() => vm.close());

  test('a command has its output, errors and exit code', async () => {
    const result = await vm.exec('sh', ['-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual(result, { stdout: 'out\n', stderr: 'err\n', exitCode: 3, signal: undefined });
  });

  test('a command that a signal ends has its name', async () => {
    const { exitCode, signal } = await vm.exec('sh', ['-c', 'kill -USR1 $$']);
    assert.deepEqual([exitCode, signal], [undefined, 'SIGUSR1']);
  });

  test('a command has the variables, folder and user that it is given', async () => {
    const options = { env: { WHAT: 'ever' }, cwd: '/tmp', uid: 7, gid: 8 };
    const { stdout } = await vm.exec('sh', ['-c', 'echo $WHAT; pwd; id -u; id -g'], options);
    assert.equal(stdout, 'ever\n/tmp\n7\n8\n');
    const { stdout: clean } = await vm.exec('/usr/bin/env', [], { env: { ONE: '1' }, cleanEnv: true });
    assert.equal(clean, 'ONE=1\n');
  });

  test('every byte passes both ways', async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff);
    const { stdout } = await vm.exec('cat', [], { stdin: bytes, encoding: 'bytes' });
    assert.deepEqual(stdout, bytes);
  });

  test('several commands run at once', async () => {
    const first = vm.spawn('cat');
    const results = await Promise.all([1, 2, 3].map((n) => vm.exec('echo', [String(n)])));
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      ['1\n', '2\n', '3\n'],
    );
    await first.stdin.close();
    assert.deepEqual(await first.exit, { exitCode: 0, signal: undefined });
  });

  test('output that nobody reads makes a command wait, and none is lost', async () => {
    const bytes = 12_000_000;
    await using process = vm.spawn('sh', ['-c', `head -c ${bytes} /dev/zero; echo done >/tmp/flooded`]);
    await vm.exec('sleep', ['0.2']);
    await assert.rejects(vm.files.stat('/tmp/flooded'), GuestError);
    let read = 0;
    for await (const chunk of process.stdout) read += chunk.length;
    assert.equal(read, bytes);
    await process.exit;
    assert.equal((await vm.files.stat('/tmp/flooded')).sizeBytes, 5);
  });

  test('a command at a terminal of its own knows its size', async () => {
    const { stdout } = await vm.exec('stty', ['size'], { tty: { columns: 91, rows: 33 } });
    assert.equal(stdout.trim(), '33 91');
  });

  test('a command that takes too long, or is not wanted any more, is killed', async () => {
    await assert.rejects(vm.exec('sleep', ['1001'], { timeoutMs: 300 }), VmTimeoutError);
    const controller = new AbortController();
    const waiting = vm.exec('sleep', ['1002'], { signal: controller.signal });
    controller.abort(new RangeError('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    const { stdout } = await vm.exec('ps');
    assert.doesNotMatch(stdout, /sleep 100[12]/);
  });

  test('a command that writes too much is killed', async () => {
    await assert.rejects(vm.exec('yes', [], { maxOutputBytes: 100_000 }), OutputLimitError);
  });

  test('what the guest refuses is a GuestError with its code', async () => {
    await assert.rejects(vm.exec('no-such-command'), { name: 'GuestError', code: 'ENOENT', path: 'no-such-command' });
    await assert.rejects(vm.files.read('/missing'), { name: 'GuestError', code: 'ENOENT', path: '/missing' });
    await assert.rejects(vm.files.write('/proc/version', 'x'), GuestError);
  });

  test('files come and go', async () => {
    const { files } = vm;
    await files.mkdir('/tmp/a/b', { recursive: true, mode: 0o700 });
    await files.write('/tmp/a/b/c', 'one', { mode: 0o640 });
    await files.write('/tmp/a/b/c', new Blob([', two']), { append: true });
    assert.equal(await files.readText('/tmp/a/b/c'), 'one, two');
    const { name, kind, sizeBytes, mode } = await files.stat('/tmp/a/b/c');
    assert.deepEqual([name, kind, sizeBytes, mode], ['c', 'file', 8, 0o640]);
    await files.rename('/tmp/a/b/c', '/tmp/a/d');
    await files.chmod('/tmp/a/d', 0o600);
    const list = (await files.list('/tmp/a')).map(({ name, kind, mode }) => `${name} ${kind} ${mode.toString(8)}`);
    assert.deepEqual(list.sort(), ['b directory 700', 'd file 600']);
    await files.remove('/tmp/a', { recursive: true });
    await assert.rejects(files.list('/tmp/a'), GuestError);
  });

  test('a file of megabytes goes through streams', async () => {
    const chunk = Uint8Array.from({ length: 100_000 }, (_, i) => i & 0xff);
    let left = 30;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(chunk);
        else controller.close();
      },
    });
    await vm.files.write('/tmp/large', source);
    let sum = 0;
    let length = 0;
    for await (const piece of vm.files.readStream('/tmp/large')) {
      for (const byte of piece) sum += byte;
      length += piece.length;
    }
    assert.equal(length, 30 * chunk.length);
    assert.equal(sum, 30 * chunk.reduce((total, byte) => total + byte, 0));
  });

  test('the console is read and written, and knows its size', async () => {
    await vm.console.resize(100, 40);
    vm.console.write('stty size; echo $((6 * 7))\n');
    const shown = await shows(vm, '\n42\r\n');
    assert.match(shown, /40 100/);
  });

  test('a paused guest stands still', async () => {
    await vm.pause();
    const before = await vm.stats();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const later = await vm.stats();
    assert.ok(later.isPaused);
    assert.equal(later.instructions, before.instructions);
    assert.equal(later.wallMs, before.wallMs);
    await vm.resume();
    await vm.exec('true');
    assert.ok((await vm.stats()).instructions > before.instructions);
  });

  test('a snapshot is the machine of its moment, also by its difference to another', async () => {
    await vm.files.write('/tmp/when', 'first');
    const first = await vm.snapshot();
    await vm.files.write('/tmp/when', 'second');
    const second = await vm.snapshot({ base: first });
    assert.ok(second.length < first.length / 2);
    await using one = await boot({ snapshot: first });
    await using other = await boot({ snapshot: new Blob([second]), base: first });
    assert.equal(await one.files.readText('/tmp/when'), 'first');
    assert.equal(await other.files.readText('/tmp/when'), 'second');
    await vm.files.write('/tmp/when', 'third');
    const third = await vm.snapshot({ base: [first, second] });
    await using last = await boot({ snapshot: third, base: [second, first] });
    assert.equal(await last.files.readText('/tmp/when'), 'third');
    const clock = Number((await one.exec('date', ['+%s'])).stdout);
    assert.ok(Math.abs(clock - Date.now() / 1000) < 120);
  });

  test('a snapshot that is none, or lacks its base, is refused', async () => {
    await assert.rejects(boot({ snapshot: new Uint8Array(100) }), SnapshotError);
    const base = await vm.snapshot();
    const snapshot = await vm.snapshot({ base });
    await assert.rejects(boot({ snapshot }), SnapshotError);
  });

  test('a machine without firmware has no screen', () => {
    assert.equal(vm.screen, undefined);
  });
});

test('a machine that is reset begins again, with what it was booted from', async () => {
  await using vm = await boot();
  await vm.files.write('/tmp/x', 'x');
  await using copy = await boot({ snapshot: await vm.snapshot() });
  await vm.reset();
  await assert.rejects(vm.files.read('/tmp/x'), GuestError);
  await copy.files.write('/tmp/x', 'y');
  await copy.reset();
  assert.equal(await copy.files.readText('/tmp/x'), 'x');
});

test('a machine that is switched off has ended, and says so', async () => {
  const vm = await boot();
  await vm.ready();
  vm.spawn('poweroff');
  assert.deepEqual(await vm.ended, { kind: 'powered-off' });
  await assert.rejects(vm.exec('true'), VmEndedError);
  await assert.rejects(vm.snapshot(), VmEndedError);
  assert.throws(() => vm.spawn('true'), VmEndedError);
  await vm.close();
});

test('a machine that is closed has ended, whatever waits for it', async () => {
  const vm = await boot();
  await vm.ready();
  const waiting = vm.exec('sleep', ['1000']);
  const rejected = assert.rejects(waiting, VmEndedError);
  await vm.close();
  await rejected;
  assert.deepEqual(await vm.ended, { kind: 'closed' });
  await vm.close();
});

test('booting is given up when the caller says so', async () => {
  await assert.rejects(boot({ timeoutMs: 1 }), VmTimeoutError);
  await assert.rejects(boot({ signal: AbortSignal.abort(new RangeError('no')) }), { message: 'no' });
});

test('files that are not there are refused', async () => {
  await assert.rejects(boot({ kernel: '/no/such/kernel' }), (error: Error) => {
    assert.ok(error instanceof VivariumError);
    assert.deepEqual(error.fault, { kind: 'bad-file', path: '/no/such/kernel' });
    return true;
  });
  await assert.rejects(boot({ disk: '/no/such/disk' }), VivariumError);
  await assert.rejects(boot({ shares: { '/mnt': '/no/such/folder' } }), VivariumError);
  await assert.rejects(boot({ devices: [{ module: '/no/such/module.js' }] }), VivariumError);
});

test("a machine in the caller's thread does the same", async () => {
  await using vm = await boot({ worker: false });
  assert.equal((await vm.exec('echo', ['here'])).stdout, 'here\n');
});

test('a machine without the port of an agent says so', async () => {
  await using vm = await boot({ agent: false, memory: '64M' });
  await assert.rejects(vm.exec('true'), AgentLostError);
  await assert.rejects(vm.ready(), AgentLostError);
});

test('a device that throws ends its machine, and nothing else', async () => {
  const code = `export default () => ({
    deviceId: 4, features: 0n, queueSizes: [8], classCode: 0, state: {},
    readConfig: () => 0, writeConfig() {}, started() { throw new RangeError('broken'); }, notified() {}, reset() {},
    save: () => new Uint8Array(0), restore() {},
  })`;
  const module = `data:text/javascript,${encodeURIComponent(code)}`;
  const vm = await boot({ devices: [{ module }] });
  const end = await vm.ended;
  assert.ok(end.kind === 'failed');
  assert.equal(end.error.message, 'broken');
});
