/** Commands and files of a machine, by its guest's agent, which the caller's thread speaks to itself. */

import { AgentClient } from '../../agent/client.ts';
import { AgentLostError } from '../../agent/errors.ts';
import { readAll } from '../../agent/files.ts';
import type { GuestFileInfo } from '../../agent/protocol.ts';
import { joinUserNetwork, mountSpareShares, SHARE_OPTIONS, type ShareMount, unlessBusy } from '../built-in-spares.ts';
import { OutputLimitError, VmEndedError } from '../errors.ts';
import type { MachineFacts } from '../machine-calls.ts';
import type { Bytes, WaitOptions } from '../types/common.ts';
import type {
  ExecOptions,
  ExecResult,
  FileInfo,
  Process,
  SpawnOptions,
  VmFiles,
  WriteOptions,
} from '../types/process.ts';
import type { VmEnd } from '../types/vm.ts';
import { patience } from '../wait.ts';

/** How long a guest may take until its agent answers, unless the caller says so. */
const AGENT_TIMEOUT_MS = 60_000;
const DEFAULT_OUTPUT_BYTES = 64 * 2 ** 20;
const ENTROPY_BYTES = 64;
const DEFAULT_TTY = { columns: 80, rows: 24 };

/** What the guest is told by its agent. */
export interface AgentTasks {
  readonly mounts: readonly ShareMount[];
  readonly joinsNetwork: boolean;
  /** The machine is to have an agent. */
  readonly hasAgent: boolean;
}

export class AgentSession {
  readonly client = new AgentClient();
  readonly files: VmFiles;
  readonly #tasks: AgentTasks;
  #end: VmEnd | undefined;
  /** What the guest is told when its agent answers. */
  #prepared: Promise<void> | undefined;
  #facts: MachineFacts | undefined;
  #size: { readonly columns: number; readonly rows: number } | undefined;

  constructor(tasks: AgentTasks) {
    this.#tasks = tasks;
    this.files = this.#makeFiles();
  }

  /** The machine runs, for the first time or anew. */
  started(facts: MachineFacts): void {
    this.#facts = facts;
    if (!this.#tasks.hasAgent || !facts.hasAgentPort) return;
    this.#prepared = this.#prepare(facts);
    this.#prepared.catch(() => {});
  }

  ended(end: VmEnd): void {
    this.#end = end;
    this.client.close();
  }

  async ready({ timeoutMs = AGENT_TIMEOUT_MS, ...options }: WaitOptions = {}): Promise<void> {
    await this.#attempt("The guest's agent", { timeoutMs, ...options }, async () => {
      await this.#prepared;
    });
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.#size = { columns, rows };
    // Before there is an agent, it will be told.
    this.#check();
    if (this.client.isReady) await this.client.resize(rows, columns);
  }

  /** A guest restored has the time, and the random numbers, of when it was saved. */
  async #prepare({ isRealTime, isBuiltIn, sharesAreJoined }: MachineFacts): Promise<void> {
    await this.client.ready();
    const { client } = this;
    const { mounts, joinsNetwork } = this.#tasks;
    const told = [
      ...(isRealTime
        ? [client.setClock(Date.now()), client.addEntropy(crypto.getRandomValues(new Uint8Array(ENTROPY_BYTES)))]
        : []),
      ...(this.#size ? [client.resize(this.#size.rows, this.#size.columns)] : []),
    ];
    // An agent of somebody else's may not be allowed to.
    for (const one of told) one.catch(() => {});
    const connected = joinsNetwork && isBuiltIn ? joinUserNetwork(client) : undefined;
    connected?.catch(() => {});
    if (sharesAreJoined && mounts.length > 0) await mountSpareShares(client, mounts);
    else {
      for (const { tag, at, readOnly } of mounts) {
        await unlessBusy(client.mount(tag, at, { readOnly, options: SHARE_OPTIONS }));
      }
    }
    await connected;
  }

  // ---- Commands ----------------------------------------------------------------------------------------------------

  spawn(file: string, args: readonly string[], options: SpawnOptions): Process {
    this.#check();
    const { env, cleanEnv, cwd, uid, gid, tty } = options;
    const waiting = patience(`The command ${file}`, options);
    const process = this.client.exec({
      argv: [file, ...args],
      ...(env && { env }),
      ...(cleanEnv && { ownEnvironment: true }),
      ...(cwd !== undefined && { cwd }),
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
      ...(tty && { tty: tty === true ? DEFAULT_TTY : tty }),
      signal: waiting.signal,
    });
    const { stdin } = process;
    // What the agent's frames had is copied: no stream has shared memory.
    const [stdout, stderr] = [process.stdout, process.stderr] as [ReadableStream<Bytes>, ReadableStream<Bytes>];
    const exit = process.exit.then(
      ({ code, signal }) => ({ exitCode: code, signal }),
      (error) => {
        throw this.#explain(error);
      },
    );
    const over = exit.then(waiting.done, waiting.done);
    exit.catch(() => {});
    let isOver = false;
    void over.then(() => {
      isOver = true;
    });
    return {
      stdin,
      stdout,
      stderr,
      exit,
      kill: async (signal) => process.kill(signal),
      resize: async (columns, rows) => process.resize(rows, columns),
      [Symbol.asyncDispose]: async () => {
        if (!isOver) process.kill('SIGKILL');
        await over;
      },
    };
  }

  async exec(file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult | ExecResult<Bytes>> {
    await this.ready(options);
    const { stdin, encoding = 'utf8', maxOutputBytes = DEFAULT_OUTPUT_BYTES } = options;
    const process = this.spawn(file, args, options);
    let exceeded: OutputLimitError | undefined;
    const gather = async (stream: ReadableStream<Uint8Array>): Promise<Bytes> =>
      (await readAll(
        limited(stream, maxOutputBytes, () => {
          exceeded ??= new OutputLimitError(maxOutputBytes);
          void process.kill('SIGKILL');
        }),
      )) as Bytes;
    const fed = feed(process.stdin, stdin);
    const gathered = Promise.all([gather(process.stdout), gather(process.stderr), process.exit]);
    const [stdout, stderr, exit] = await gathered.catch((error) => {
      throw this.#explain(error);
    });
    await fed;
    if (exceeded !== undefined) throw exceeded;
    if (encoding === 'bytes') return { stdout, stderr, ...exit };
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), ...exit };
  }

  // ---- Files -------------------------------------------------------------------------------------------------------

  #makeFiles(): VmFiles {
    const { files } = this.client;
    const read = (path: string, options: WaitOptions = {}): Promise<Bytes> =>
      this.#attempt(`Reading ${path}`, options, async (signal) => (await files.read(path, { signal })) as Bytes);
    return {
      read,
      readText: async (path, options) => new TextDecoder().decode(await read(path, options)),
      readStream: (path, options = {}) => {
        const waiting = patience(`Reading ${path}`, options);
        return watched(files.readStream(path, { signal: waiting.signal }), waiting.done);
      },
      write: (path, data, { mode, append, ...options }: WriteOptions = {}) =>
        this.#attempt(`Writing ${path}`, options, (signal) => {
          const how = append ? 'append' : 'replace';
          return files.write(path, bytesOf(data), { how, signal, ...(mode !== undefined && { mode }) });
        }),
      list: (path, options = {}) =>
        this.#attempt(`Listing ${path}`, options, async (signal) => {
          const entries = await files.list(path, { signal });
          return entries.map((entry) => infoOf(entry.name, entry));
        }),
      stat: (path, options = {}) =>
        this.#attempt(`Looking at ${path}`, options, async (signal) => {
          return infoOf(path.slice(path.lastIndexOf('/') + 1), await files.lstat(path, { signal }));
        }),
      mkdir: (path, { mode, recursive, ...options } = {}) =>
        this.#attempt(`Making ${path}`, options, (signal) =>
          files.mkdir(path, { signal, ...(mode !== undefined && { mode }), ...(recursive && { recursive }) }),
        ),
      remove: (path, { recursive, ...options } = {}) =>
        this.#attempt(`Removing ${path}`, options, (signal) =>
          files.remove(path, { signal, ...(recursive && { recursive }) }),
        ),
      rename: (from, to, options = {}) =>
        this.#attempt(`Renaming ${from}`, options, (signal) => files.rename(from, to, { signal })),
      chmod: (path, mode, options = {}) =>
        this.#attempt(`Changing ${path}`, options, (signal) => files.chmod(path, mode, { signal })),
    };
  }

  // ---- Waiting -----------------------------------------------------------------------------------------------------

  /** Once the agent is ready, as far as the caller's patience goes. */
  async #attempt<T>(what: string, options: WaitOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#check();
    const waiting = patience(what, options);
    try {
      await Promise.race([this.#prepared, waiting.over]);
      return await work(waiting.signal);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      waiting.done();
    }
  }

  /** Throws where there is nobody to ask. */
  #check(): void {
    if (this.#end !== undefined) throw new VmEndedError(this.#end);
    if (!this.#tasks.hasAgent) {
      throw new AgentLostError('This machine has no port for an agent: its option agent was false.');
    }
    if (this.#facts?.hasAgentPort === false) {
      throw new AgentLostError('The machine of this snapshot has no port for an agent: it was saved without one.');
    }
  }

  /** That the agent is gone says less than how the machine ended. */
  #explain(error: unknown): unknown {
    return error instanceof AgentLostError && this.#end !== undefined ? new VmEndedError(this.#end) : error;
  }
}

function infoOf(name: string, info: GuestFileInfo): FileInfo {
  const { kind, mode, user, group, bytes, modifiedMs } = info;
  const isPlain = kind === 'file' || kind === 'directory' || kind === 'link';
  return { name, kind: isPlain ? kind : 'other', sizeBytes: bytes, mode, uid: user, gid: group, modifiedMs };
}

function bytesOf(
  data: string | Uint8Array | Blob | ReadableStream<Uint8Array>,
): Uint8Array | ReadableStream<Uint8Array> {
  if (typeof data === 'string') return new TextEncoder().encode(data);
  return data instanceof Blob ? (data.stream() as ReadableStream<Uint8Array>) : data;
}

/** All of a command's input. That it does not read it is no failure. */
async function feed(stdin: WritableStream<Uint8Array>, data: ExecOptions['stdin']): Promise<void> {
  try {
    if (data instanceof ReadableStream) {
      await data.pipeTo(stdin);
      return;
    }
    const writer = stdin.getWriter();
    if (data !== undefined) await writer.write(bytesOf(data) as Uint8Array);
    await writer.close();
  } catch {
    // It ended before it had read all.
  }
}

/** The first `most` bytes; `exceeded` is called when there are more, which are thrown away. */
function limited(stream: ReadableStream<Uint8Array>, most: number, exceeded: () => void): ReadableStream<Uint8Array> {
  let left = most;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        if (chunk.length > left) {
          left = 0;
          exceeded();
          return;
        }
        left -= chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
}

/** The same stream; `done` is called when it is over, in whatever way. */
function watched(stream: ReadableStream<Uint8Array>, done: () => void): ReadableStream<Bytes> {
  const reader = stream.getReader();
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          const { done: isOver, value } = await reader.read();
          if (!isOver) {
            controller.enqueue(value as Bytes);
            return;
          }
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        done();
      },
      async cancel(reason) {
        done();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
