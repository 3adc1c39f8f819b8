/**
 * How other processes of the same user reach a running guest: a Unix socket of each guest process, in a folder that only
 * the user can enter. A request is a line of JSON, an object with a `command`; the answer is a line as well, an object
 * with `ok`, and with `problem`, a sentence, where that is false. Several may follow each other on a connection.
 *
 *     $XDG_RUNTIME_DIR/vivarium/PID.sock, or vivarium-UID/PID.sock in the folder for temporary files
 */

import { unlinkSync } from 'node:fs';
import { lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VivariumError } from '../../base/errors.ts';
import { reasonOf } from './files.ts';

const LARGEST_REQUEST_BYTES = 64 * 1024;
/** A picture of the largest screen in noise. */
const LARGEST_ANSWER_BYTES = 64 * 2 ** 20;
const MOST_CONNECTIONS = 16;
/** How long a connection may be quiet, in either direction. */
const PATIENCE_MS = 30_000;
const SOCKET_NAME = /^(\d{1,10})\.sock$/;
const LINE_FEED = 0x0a;
/** Of the permissions of a folder: what others have. */
const OTHERS = 0o077;
/** What the system takes as the name of a socket. */
const LONGEST_PATH_BYTES = 107;

export type Fields = Readonly<Record<string, unknown>>;

/** Answers a request; throws a VivariumError for what cannot be done. */
export type Command = (request: Fields) => Fields | Promise<Fields>;

export type Commands = Readonly<Record<string, Command>>;

export type Answer = ({ readonly ok: true } & Fields) | { readonly ok: false; readonly problem: string };

/** Where sockets may be, the place for new ones first. */
function folders(): string[] {
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  const temporary = join(tmpdir(), `vivarium-${userId()}`);
  return runtime === undefined || runtime === '' ? [temporary] : [join(runtime, 'vivarium'), temporary];
}

/** Undefined where the host has no such thing. */
const userId = (): number | undefined => process.getuid?.();

/** Why nobody should trust this folder; undefined where it is the user's alone. */
async function mistrust(folder: string): Promise<string | undefined> {
  const found = await lstat(folder);
  if (!found.isDirectory()) return 'it is no folder';
  if (found.uid !== userId()) return 'it belongs to somebody else';
  return (found.mode & OTHERS) === 0 ? undefined : 'others have access to it';
}

// ---- The guest's side ----------------------------------------------------------------------------------------------

export class ControlSocket {
  readonly #server: Server;
  readonly #path: string;
  readonly #connections = new Set<Socket>();
  readonly #patienceMs: number;
  readonly #remove = (): void => {
    try {
      unlinkSync(this.#path);
    } catch {
      // It is gone already.
    }
  };

  private constructor(path: string, commands: Commands, patienceMs: number) {
    this.#path = path;
    this.#patienceMs = patienceMs;
    this.#server = createServer((socket) => this.#accept(socket, commands));
  }

  /** Opens this process's. Throws a `host` VivariumError where there is no place for it. */
  static async open(commands: Commands, patienceMs = PATIENCE_MS): Promise<ControlSocket> {
    let why: unknown;
    for (const folder of folders()) {
      try {
        await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
        });
        const reason = await mistrust(folder);
        if (reason !== undefined) throw new Error(`${folder} cannot be used: ${reason}`);
        const path = join(folder, `${process.pid}.sock`);
        if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) throw new Error(`${path} is too long a name for a socket`);
        const control = new ControlSocket(path, commands, patienceMs);
        await control.#listen();
        return control;
      } catch (error) {
        why = error;
      }
    }
    const message = `Other commands cannot reach this guest: ${reasonOf(why)}.`;
    throw new VivariumError({ kind: 'host' }, message, { cause: why });
  }

  async close(): Promise<void> {
    process.off('exit', this.#remove);
    for (const socket of this.#connections) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #listen(): Promise<void> {
    // What has our number has been left behind by another process.
    await unlink(this.#path).catch(() => {});
    await new Promise<void>((listening, failed) => {
      this.#server.once('error', failed);
      this.#server.listen(this.#path, listening);
    });
    this.#server.removeAllListeners('error').on('error', () => {});
    process.on('exit', this.#remove);
  }

  #accept(socket: Socket, commands: Commands): void {
    if (this.#connections.size >= MOST_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('timeout', () => socket.destroy());
    void serve(socket, commands, this.#patienceMs);
  }
}

/** Takes requests one after the other, the next one when the answer to the last is on its way. */
async function serve(socket: Socket, commands: Commands, patienceMs: number): Promise<void> {
  socket.setTimeout(patienceMs);
  try {
    for await (const line of lines(socket, LARGEST_REQUEST_BYTES)) {
      // A command may take as long as it needs.
      socket.setTimeout(0);
      const answer = `${JSON.stringify(await answerTo(line, commands))}\n`;
      socket.setTimeout(patienceMs);
      await new Promise<void>((written, failed) => {
        socket.write(answer, (error) => (error ? failed(error) : written()));
      });
    }
  } catch {
    // It went, said too much, or was given up.
  }
  socket.destroy();
}

async function answerTo(line: string, commands: Commands): Promise<Answer> {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    return { ok: false, problem: 'The request is not JSON.' };
  }
  const { command } = (request ?? {}) as { readonly command?: unknown };
  if (typeof command !== 'string' || !Object.hasOwn(commands, command)) {
    return { ok: false, problem: 'There is no such command.' };
  }
  try {
    return { ...(await (commands[command] as Command)(request as Fields)), ok: true };
  } catch (error) {
    // A bug is no reason to end a guest that was only asked.
    const problem = error instanceof VivariumError ? error.message : `This is a bug in Vivarium: ${error}.`;
    return { ok: false, problem };
  }
}

/** Throws when a line is longer than `largest` bytes. */
async function* lines(socket: Socket, largest: number): AsyncGenerator<string> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of socket as AsyncIterable<Uint8Array>) {
    let from = 0;
    for (let to = bytes.indexOf(LINE_FEED); to >= 0; from = to + 1, to = bytes.indexOf(LINE_FEED, from)) {
      yield Buffer.concat([...pieces, bytes.subarray(from, to)]).toString();
      pieces = [];
      length = 0;
    }
    pieces.push(bytes.subarray(from));
    length += bytes.length - from;
    if (length > largest) throw new Error('The line is too long.');
  }
}

// ---- The other side ------------------------------------------------------------------------------------------------

/** A guest process that may be asked. */
export interface ControlledGuest {
  readonly processId: number;
  ask(request: Fields & { readonly command: string }): Promise<Answer>;
}

/** The user's guest processes that run, by process. Sockets that nobody listens on any more are removed. */
export async function runningGuests(patienceMs = PATIENCE_MS): Promise<ControlledGuest[]> {
  const found = await Promise.all(folders().map(async (folder) => guestsIn(folder, patienceMs)));
  return found.flat().sort((a, b) => a.processId - b.processId);
}

async function guestsIn(folder: string, patienceMs: number): Promise<ControlledGuest[]> {
  const names = await mistrust(folder)
    .then((reason) => (reason === undefined ? readdir(folder) : []))
    .catch(() => []);
  const guests: ControlledGuest[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const processId = Number(SOCKET_NAME.exec(name)?.[1]);
    if (Number.isNaN(processId)) continue;
    const problem = await problemWith(path);
    if (problem === undefined) guests.push({ processId, ask: (request) => ask(path, request, patienceMs) });
    else if (problem === 'ECONNREFUSED' && !isRunning(processId)) await unlink(path).catch(() => {});
  }
  return guests;
}

/** Why nobody can be reached at a socket; undefined where somebody can. */
function problemWith(path: string): Promise<string | undefined> {
  return new Promise((known) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      known(undefined);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => known(code ?? 'unknown'));
  });
}

/** A process that has made its socket may not be listening yet. */
function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Throws a `host` VivariumError where there is no answer. */
async function ask(path: string, request: Fields, patienceMs: number): Promise<Answer> {
  const socket = connect(path);
  const timer = setTimeout(() => socket.destroy(new Error('it takes too long')), patienceMs);
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const line of lines(socket, LARGEST_ANSWER_BYTES)) return answerIn(line);
    throw new Error('it closed the connection');
  } catch (error) {
    throw new VivariumError({ kind: 'host' }, `The guest does not answer: ${reasonOf(error)}.`, { cause: error });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function answerIn(line: string): Answer {
  const senseless = 'its answer makes no sense';
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch (error) {
    throw new Error(senseless, { cause: error });
  }
  const { ok, problem } = (answer ?? {}) as { readonly ok?: unknown; readonly problem?: unknown };
  if (ok === true) return answer as Answer;
  if (ok === false && typeof problem === 'string') return { ok, problem };
  throw new Error(senseless);
}
