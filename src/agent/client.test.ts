import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AgentClient, type AgentProcess } from './client.ts';
import { AgentLostError, AgentProtocolError, AgentTimeoutError, GuestError } from './errors.ts';
import { readAll } from './files.ts';
import {
  ERRORS_WAY,
  FromAgent,
  How,
  INPUT_WINDOW,
  MAX_PAYLOAD_BYTES,
  MAX_REQUEST_BYTES,
  OUTPUT_WAY,
  PayloadWriter,
  RECORD_BYTES,
  ToAgent,
} from './protocol.ts';
import { FakeAgent, header } from './test-agent.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (string: string): Uint8Array => new TextEncoder().encode(string);
/** Lets what is ready to happen happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a connection', () => {
  test('is there when the agent answers with the nonce of this greeting', async () => {
    const fake = new FakeAgent();
    fake.open();
    assert.equal(fake.client.isReady, false);
    fake.client.received(fake.answerBytes(1, new Uint8Array(16)));
    assert.equal(fake.client.isReady, false);
    fake.answer();
    await fake.client.ready();
    assert.equal(fake.client.isReady, true);
  });

  test('is found behind the end of an old one, a byte at a time', async () => {
    const fake = new FakeAgent();
    fake.open();
    const answer = fake.answerBytes();
    const old = [...answer.subarray(0, 20), 0xff, ...answer.subarray(0, 9)];
    for (const byte of [...old, ...answer]) fake.client.received(Uint8Array.of(byte));
    await fake.client.ready();
    const done = fake.client.sync();
    fake.finish(1, How.ENDED, 0, false);
    await done;
  });

  test('carries what was asked for before it was there', async () => {
    const fake = new FakeAgent();
    const done = fake.client.setClock(1500);
    assert.equal(fake.frames.length, 0);
    fake.open();
    fake.answer();
    const [clock] = fake.sent(ToAgent.CLOCK);
    assert.deepEqual(clock!.payload.subarray(4), new PayloadWriter().u64(1_500_000_000n).finish());
    fake.finish(clock!.stream, How.ENDED, 0, false);
    await done;
  });

  test('fails what is under way when the agent begins anew, and serves what comes then', async () => {
    const fake = await FakeAgent.connected();
    const old = fake.client.exec({ argv: ['sleep'] });
    const reading = readAll(old.stdout);
    fake.open();
    await assert.rejects(old.exit, AgentLostError);
    await assert.rejects(reading, AgentLostError);
    fake.answer();
    const next = fake.client.exec({ argv: ['true'] });
    fake.finish(fake.sent(ToAgent.EXEC)[0]!.stream);
    assert.deepEqual(await next.exit, { code: 0, signal: undefined });
  });

  test('is waited for as long as the caller says', async () => {
    const { client } = new FakeAgent();
    await assert.rejects(client.ready({ timeoutMs: 1 }), AgentTimeoutError);
    const abort = new AbortController();
    const waiting = client.ready({ signal: abort.signal });
    abort.abort(new Error('no more'));
    await assert.rejects(waiting, /no more/);
  });

  test('ends for good when the client is closed', async () => {
    const fake = await FakeAgent.connected();
    const process = fake.client.exec({ argv: ['sleep'] });
    fake.client.close();
    await assert.rejects(process.exit, AgentLostError);
    await assert.rejects(fake.client.ready(), AgentLostError);
  });

  test('takes no more requests at once than the agent allows; the others wait their turn', async () => {
    const fake = await FakeAgent.connected({}, 2);
    const all = [1, 2, 3].map(() => fake.client.exec({ argv: ['true'] }));
    const started = () => fake.sent(ToAgent.EXEC).map(({ stream }) => stream);
    assert.deepEqual(started(), [1, 2]);
    fake.finish(2);
    assert.deepEqual(started(), [1, 2, 3]);
    fake.finish(1);
    fake.finish(3);
    for (const { exit } of all) assert.deepEqual(await exit, { code: 0, signal: undefined });
  });
});

describe('a hostile agent', () => {
  const garbage: Record<string, (fake: FakeAgent, stream: number) => void> = {
    'a giant length': (fake) => fake.client.received(header(0xffffffff, FromAgent.OUTPUT, 1)),
    'a length below any': (fake) => fake.client.received(header(4, FromAgent.OUTPUT, 1)),
    'no length': (fake) => fake.client.received(new Uint8Array(100)),
    'an unknown type': (fake, stream) => fake.reply(0x99, stream),
    'a stream never used': (fake) => fake.reply(FromAgent.OUTPUT, 77, 'x'),
    'stream 0': (fake) => fake.reply(FromAgent.OUTPUT, 0, 'x'),
    'output beyond its credit': (fake, stream) => {
      for (let i = 0; i < 9; i++) fake.reply(FromAgent.OUTPUT, stream, new Uint8Array(MAX_PAYLOAD_BYTES));
    },
    'output behind its end': (fake, stream) => {
      fake.reply(FromAgent.OUTPUT, stream);
      fake.reply(FromAgent.OUTPUT, stream, 'x');
    },
    'two exits': (fake, stream) => {
      for (const _ of [1, 2]) fake.reply(FromAgent.EXIT, stream, new Uint8Array(5));
    },
    'an exit of another form': (fake, stream) => fake.reply(FromAgent.EXIT, stream, 'x'),
    'credit beyond all': (fake, stream) =>
      fake.reply(FromAgent.CREDIT, stream, new PayloadWriter().u32(0xffffffff).finish()),
    'credit of another form': (fake, stream) => fake.reply(FromAgent.CREDIT, stream, 'x'),
    'a refusal': (fake) => fake.reply(FromAgent.REFUSED, 0, 'no\u0007'),
  };
  for (const [name, send] of Object.entries(garbage)) {
    test(`that sends ${name} ends the connection, with an error`, async () => {
      const fake = await FakeAgent.connected();
      const process = fake.client.exec({ argv: ['cat'] });
      send(fake, 1);
      await assert.rejects(
        process.exit.then(() => fake.client.ready()),
        AgentProtocolError,
      );
      await assert.rejects(fake.client.sync(), AgentProtocolError);
      fake.client.received(new Uint8Array(1000).fill(0xff));
      // One that is started anew gets another chance.
      fake.open();
      fake.answer();
      await fake.client.ready();
    });
  }

  test('of another version, or that allows no streams, is refused', async () => {
    const other = new FakeAgent();
    other.open();
    other.client.received(other.answerBytes(9));
    await assert.rejects(other.client.ready(), AgentProtocolError);
    const none = new FakeAgent();
    none.maxStreams = 0;
    none.open();
    none.answer();
    await assert.rejects(none.client.ready(), AgentProtocolError);
  });

  test('of an older version is spoken to in that', async () => {
    const old = new FakeAgent();
    old.open();
    old.client.received(old.answerBytes(1));
    await old.client.ready();
    assert.equal(old.client.version, 1);
  });

  test('that sends noise for an answer costs no memory and ends nothing', () => {
    const fake = new FakeAgent();
    fake.open();
    for (let i = 0; i < 100; i++) fake.client.received(new Uint8Array(65536).fill(0x25));
    fake.answer();
    assert.equal(fake.client.isReady, true);
  });

  test('that sends its output in single bytes costs no more than its bytes', async () => {
    const fake = await FakeAgent.connected({ window: 8192 });
    const process = fake.client.exec({ argv: ['yes'] });
    for (let i = 0; i < 8192; i++) fake.reply(FromAgent.OUTPUT, 1, 'x');
    const reader = process.stdout.getReader();
    assert.equal((await reader.read()).value?.length, 4096);
  });
});

describe('a command', () => {
  test('is asked for with all that was said of it', async () => {
    const fake = await FakeAgent.connected({ window: 5000 });
    fake.client.exec({
      argv: ['ls', '-l'],
      env: { A: 'b' },
      cwd: '/tmp',
      uid: 1,
      gid: 2,
      tty: { rows: 3, columns: 4 },
    });
    const wanted = new PayloadWriter().u32(5000).u32(1).u32(1).u32(2).u16(3).u16(4).u32(2).u32(1);
    for (const string of ['/tmp', 'ls', '-l', 'A=b']) wanted.string(string);
    assert.deepEqual(fake.sent(ToAgent.EXEC)[0]!.payload, wanted.finish());
  });

  test('gives its output, errors and exit code', async () => {
    const fake = await FakeAgent.connected();
    const process = fake.client.exec({ argv: ['sh'] });
    fake.reply(FromAgent.OUTPUT, 1, 'out');
    fake.reply(FromAgent.ERRORS, 1, 'err');
    fake.finish(1, How.ENDED, 3);
    assert.equal(text(await readAll(process.stdout)), 'out');
    assert.equal(text(await readAll(process.stderr)), 'err');
    assert.deepEqual(await process.exit, { code: 3, signal: undefined });
  });

  test('killed by a signal says which', async () => {
    const fake = await FakeAgent.connected();
    const process = fake.client.exec({ argv: ['sh'] });
    process.kill('SIGINT');
    process.kill();
    assert.deepEqual(
      fake.sent(ToAgent.SIGNAL).map(({ payload }) => payload[0]),
      [2, 15],
    );
    fake.finish(1, How.KILLED, 15);
    assert.deepEqual(await process.exit, { code: undefined, signal: 'SIGTERM' });
    process.kill();
    assert.equal(fake.sent(ToAgent.SIGNAL).length, 2);
    assert.throws(() => process.kill('SIGNONE'), { fault: { kind: 'bad-option', option: 'signal' } });
  });

  test('that cannot be started says why', async () => {
    const fake = await FakeAgent.connected();
    const { exit, stdout } = fake.client.exec({ argv: ['nosuch'] });
    fake.finish(1, How.FAILED, 2);
    await assert.rejects(exit, (error) => error instanceof GuestError && error.code === 'ENOENT');
    assert.equal((await readAll(stdout)).length, 0);
  });

  test('with arguments that fit no frame is asked for in pieces, and not at all beyond the bound', async () => {
    const fake = await FakeAgent.connected();
    const long = 'y'.repeat(100_000);
    fake.client.exec({ argv: ['echo', long] });
    assert.equal(fake.sent(ToAgent.MORE).length, 3);
    const whole = Buffer.concat(fake.frames.map(({ payload }) => payload)).toString();
    assert.ok(whole.endsWith(`echo\0${long}\0`));
    const { exit } = fake.client.exec({ argv: ['echo', 'y'.repeat(MAX_REQUEST_BYTES)] });
    await assert.rejects(exit, { code: 'E2BIG' });
    assert.throws(() => fake.client.exec({ argv: ['a\0b'] }), { fault: { kind: 'bad-option' } });
  });

  test('gets no more credit for output than its reader takes', async () => {
    const fake = await FakeAgent.connected({ window: 8192 });
    const process = fake.client.exec({ argv: ['yes'] });
    for (let i = 0; i < 2; i++) fake.reply(FromAgent.OUTPUT, 1, new Uint8Array(4096));
    await settled();
    assert.equal(fake.sent(ToAgent.CREDIT).length, 0);
    const reader = process.stdout.getReader();
    assert.equal((await reader.read()).value?.length, 4096);
    const [credit] = fake.sent(ToAgent.CREDIT);
    assert.deepEqual(credit!.payload, new PayloadWriter().u8(OUTPUT_WAY).u32(4096).finish());
    fake.reply(FromAgent.OUTPUT, 1, new Uint8Array(4096));
    assert.equal(fake.client.isReady, true);
  });

  test('whose output nobody wants goes on', async () => {
    const fake = await FakeAgent.connected({ window: 8192 });
    const process = fake.client.exec({ argv: ['yes'] });
    fake.reply(FromAgent.ERRORS, 1, new Uint8Array(6000));
    await process.stderr.cancel();
    const [credit] = fake.sent(ToAgent.CREDIT);
    assert.deepEqual(credit!.payload, new PayloadWriter().u8(ERRORS_WAY).u32(6000).finish());
  });

  test('is sent no more input than it has room for', async () => {
    const fake = await FakeAgent.connected();
    const writer = fake.client.exec({ argv: ['cat'] }).stdin.getWriter();
    const written = writer.write(new Uint8Array(INPUT_WINDOW + 10));
    await settled();
    const sum = () => fake.sent(ToAgent.INPUT).reduce((total, { payload }) => total + payload.length, 0);
    assert.equal(sum(), INPUT_WINDOW);
    fake.reply(FromAgent.CREDIT, 1, new PayloadWriter().u32(4).finish());
    await settled();
    assert.equal(sum(), INPUT_WINDOW + 4);
    fake.reply(FromAgent.CREDIT, 1, new PayloadWriter().u32(INPUT_WINDOW).finish());
    await written;
    await writer.close();
    assert.equal(sum(), INPUT_WINDOW + 10);
    assert.equal(fake.sent(ToAgent.INPUT).at(-1)!.payload.length, 0);
  });

  test('is sent no input while the guest does not take what was sent, whatever credit there is', async () => {
    const fake = await FakeAgent.connected();
    const writer = fake.client.exec({ argv: ['cat'] }).stdin.getWriter();
    fake.pendingBytes = 2 << 20;
    const written = writer.write(bytes('x'));
    await settled();
    assert.equal(fake.sent(ToAgent.INPUT).length, 0);
    fake.pendingBytes = 0;
    fake.client.drained();
    await written;
    assert.equal(fake.sent(ToAgent.INPUT).length, 1);
  });

  test('that reads no more fails writing, not the end of input', async () => {
    const fake = await FakeAgent.connected();
    const deaf = fake.client.exec({ argv: ['true'] }).stdin.getWriter();
    const pending = deaf.write(new Uint8Array(INPUT_WINDOW * 2));
    await settled();
    fake.reply(FromAgent.CREDIT, 1, new PayloadWriter().u32(0).finish());
    await assert.rejects(pending, { code: 'EPIPE' });
    const ended = fake.client.exec({ argv: ['true'] });
    fake.finish(2);
    await ended.stdin.close();
  });

  test('is killed when its time is up or its caller has enough, and the stream stays taken until it is over', async () => {
    const fake = await FakeAgent.connected({}, 1);
    const late = fake.client.exec({ argv: ['sleep'], timeoutMs: 1 });
    await assert.rejects(late.exit, AgentTimeoutError);
    await assert.rejects(readAll(late.stdout), AgentTimeoutError);
    assert.equal(fake.sent(ToAgent.CANCEL).length, 1);
    const abort = new AbortController();
    const next = fake.client.exec({ argv: ['sleep'], signal: abort.signal });
    assert.equal(fake.sent(ToAgent.EXEC).length, 1);
    fake.reply(FromAgent.OUTPUT, 1, 'too late');
    fake.finish(1, How.KILLED, 9);
    assert.equal(fake.sent(ToAgent.EXEC).length, 2);
    abort.abort(new Error('enough'));
    await assert.rejects(next.exit, /enough/);
  });

  test('given up before it was started never is', async () => {
    const fake = new FakeAgent();
    const process: AgentProcess = fake.client.exec({ argv: ['x'], signal: AbortSignal.abort(new Error('no')) });
    await assert.rejects(process.exit, /no/);
    fake.open();
    fake.answer();
    assert.equal(fake.frames.length, 0);
  });

  test('needs a name', () => {
    assert.throws(() => new AgentClient().exec({ argv: [] }), { fault: { kind: 'bad-option', option: 'argv' } });
  });
});

describe('files', () => {
  const record = (mode: number, length: bigint): Uint8Array => {
    const fields = new PayloadWriter().u32(mode).u32(1).u32(2).u32(3).u64(length).u64(1_500_000_000n).u64(4n).u64(5n);
    return fields.finish();
  };

  test('are read whole and as streams', async () => {
    const fake = await FakeAgent.connected();
    const whole = fake.client.files.read('/x', { offset: 2, length: 7 });
    const wanted = new PayloadWriter()
      .u32(256 << 10)
      .u64(2n)
      .u64(7n)
      .string('/x')
      .finish();
    assert.deepEqual(fake.sent(ToAgent.READ)[0]!.payload, wanted);
    for (const part of ['one', 'two']) fake.reply(FromAgent.OUTPUT, 1, part);
    fake.finish(1, How.ENDED, 0, false);
    assert.equal(text(await whole), 'onetwo');
    const missing = fake.client.files.readStream('/y');
    const reading = readAll(missing);
    fake.reply(FromAgent.EXIT, 2, new PayloadWriter().u8(How.FAILED).u32(2).finish());
    await assert.rejects(reading, (error) => error instanceof GuestError && error.path === '/y');
  });

  test('are written from bytes and streams', async () => {
    const fake = await FakeAgent.connected();
    const one = fake.client.files.write('/x', bytes('data'));
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes('more'));
        controller.close();
      },
    });
    const two = fake.client.files.write('/y', source, { how: 'append', mode: 0o600 });
    await settled();
    const input = (stream: number) =>
      fake.sent(ToAgent.INPUT).flatMap((frame) => (frame.stream === stream ? [text(frame.payload)] : []));
    assert.deepEqual(
      [input(1), input(2)],
      [
        ['data', ''],
        ['more', ''],
      ],
    );
    fake.finish(1, How.ENDED, 0, false);
    fake.finish(2, How.ENDED, 0, false);
    await Promise.all([one, two]);
  });

  test('that cannot be written say the reason, whichever is heard first', async () => {
    const fake = await FakeAgent.connected();
    const writing = fake.client.files.write('/nope/x', new Uint8Array(INPUT_WINDOW * 3));
    await settled();
    fake.reply(FromAgent.CREDIT, 1, new PayloadWriter().u32(0).finish());
    await settled();
    fake.finish(1, How.FAILED, 2, false);
    await assert.rejects(writing, { code: 'ENOENT', path: '/nope/x' });
  });

  test('whose data fails are given up', async () => {
    const fake = await FakeAgent.connected();
    const source = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error('disk gone')) });
    await assert.rejects(fake.client.files.write('/x', source), /disk gone/);
    assert.equal(fake.sent(ToAgent.CANCEL).length, 1);
  });

  test('are described', async () => {
    const fake = await FakeAgent.connected();
    const info = fake.client.files.stat('/x');
    fake.reply(FromAgent.OUTPUT, 1, record(0o100644, 12n));
    fake.finish(1, How.ENDED, 0, false);
    const file = { kind: 'file', mode: 0o644, user: 1, group: 2, links: 3, bytes: 12, modifiedMs: 1500 } as const;
    assert.deepEqual(await info, { ...file, inode: 4n, device: 5n });
    const list = fake.client.files.list('/');
    fake.reply(
      FromAgent.OUTPUT,
      2,
      Buffer.concat([record(0o40755, 0n), bytes('dir\0'), record(0o120777, 3n), bytes('link\0')]),
    );
    fake.finish(2, How.ENDED, 0, false);
    const names = (await list).map(({ name, kind }) => `${name} ${kind}`);
    assert.deepEqual(names, ['dir directory', 'link link']);
  });

  test('described in a way that ends too early are an error', async () => {
    for (const [length, ask] of [
      [RECORD_BYTES - 1, (fake: FakeAgent) => fake.client.files.stat('/')],
      [RECORD_BYTES + 1, (fake: FakeAgent) => fake.client.files.stat('/')],
      [RECORD_BYTES + 3, (fake: FakeAgent) => fake.client.files.list('/')],
      [10, (fake: FakeAgent) => fake.client.files.list('/')],
    ] as const) {
      const fake = await FakeAgent.connected();
      const asked = ask(fake);
      fake.reply(FromAgent.OUTPUT, 1, new Uint8Array(length).fill(1));
      fake.finish(1, How.ENDED, 0, false);
      await assert.rejects(asked, AgentProtocolError);
    }
  });

  test('are changed', async () => {
    const fake = await FakeAgent.connected();
    const { files } = fake.client;
    const all = [
      files.mkdir('/a', { recursive: true }),
      files.remove('/a', { recursive: true }),
      files.rename('/a', '/b'),
      files.chmod('/a', 0o600),
      files.chown('/a', { uid: 7 }),
      files.symlink('to', '/a'),
    ];
    const { MKDIR, REMOVE, RENAME, CHMOD, CHOWN, SYMLINK } = ToAgent;
    assert.deepEqual(
      fake.frames.map(({ type }) => type),
      [MKDIR, REMOVE, RENAME, CHMOD, CHOWN, SYMLINK],
    );
    for (const { stream } of fake.frames) fake.finish(stream, stream === 3 ? How.FAILED : How.ENDED, 1, false);
    const results = await Promise.allSettled(all);
    assert.deepEqual(
      results.map(({ status }) => status === 'fulfilled'),
      [true, true, false, true, true, true],
    );
  });
});
