/** `vivarium run`: reads the images, starts a guest, joins its console to ours, and says how it ended. */

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsoleOutput, ConsoleTail } from '../host/node/console-output.ts';
import { openNew } from '../host/node/new-file.ts';
import { gatherInput, passInput } from '../host/node/piped-input.ts';
import { gunzip, nodePacking, nodePlatform } from '../host/node/platform.ts';
import { onEndingSignals } from '../host/node/signals.ts';
import { Terminal, type TerminalSize } from '../host/node/terminal.ts';
import { TraceFile } from '../host/node/trace-file.ts';
import type { CreateGuest, RestoreGuest, RunnableGuest } from '../vmm/guest-options.ts';
import { savedDisks } from '../vmm/snapshot/manifest.ts';
import { HeldInput, resizeLine } from './built-in-guest.ts';
import { guestName, openControl } from './control.ts';
import { displayFor, terminalDisplayFor } from './display.ts';
import { type Ending, type Outcome, outcomeOf } from './exit-status.ts';
import { readKernel } from './kernel.ts';
import type { RunOptions } from './options.ts';
import { Pc } from './pc.ts';
import { BARE_PC } from './pc-options.ts';
import { Profile } from './profile.ts';
import { builtInSaved, SavedAgent } from './saved-start.ts';
import { Screenshot } from './screenshot.ts';
import { Session } from './session.ts';
import { type RunNotes, readSaved, SaveFile, withSavedCards } from './snapshot.ts';
import { statisticsTable } from './statistics.ts';
import { VIRTIO_RNG, virtioDevices } from './virtio.ts';
import { Wire } from './wire.ts';

/** How long a reader who has stopped reading can hold up an end by signal. */
const LAST_WORDS_MS = 500;

/** Runs a guest to its end. Throws a VivariumError if it cannot start. */
export async function run(options: RunOptions, createGuest: CreateGuest, restoreGuest: RestoreGuest): Promise<Outcome> {
  const { stdin, stdout, stderr } = process;
  const session = new Session();
  /** A failure of ours, even if the guest has ended already: what it wrote is not all there. */
  let failure: Ending | undefined;
  let trace: TraceFile | undefined;
  let save: SaveFile | undefined;
  let guest: RunnableGuest;
  let startedMs = 0;
  let output: ConsoleOutput | undefined;

  function fail(reason: Ending): void {
    failure ??= reason;
    session.end(reason);
  }
  function statistics(stateHash?: string): string {
    const wallMs = performance.now() - startedMs;
    return statisticsTable({ guest: guest.stats(), engine: options.engine, wallMs, memoryBytes, stateHash });
  }

  const saved =
    options.restore === undefined
      ? await builtInSaved(options, stdin.isTTY === true)
      : await readSaved(options.restore, options.base ?? [], options.pc);
  const isPc = saved === undefined || saved.manifest.pc !== undefined;
  const pcGiven = isPc ? options.pc : undefined;
  const wireOptions = options.wire ?? options.pc;
  const wire = new Wire(wireOptions);
  const outputEvents = {
    full: () => session.pauseFor('output'),
    drained: () => session.resumeFrom('output'),
    closed: () => fail({ by: 'closed-output' }),
    failed: (reason: string) => fail({ by: 'host', message: `The guest's output cannot be written: ${reason}.` }),
  };
  const terminalDisplay = pcGiven && terminalDisplayFor(pcGiven.display, stdin, stdout);
  const events = {
    input: (bytes: Uint8Array) => (terminalDisplay ? terminalDisplay.input(bytes) : typed.send(bytes)),
    leave: () => session.end({ by: 'user' }),
    statistics: () => terminal?.notice(statistics()),
    // Of the built-in guest, which looks for it there.
    resize: (size: TerminalSize) => followsSize && guest.sendSecondSerial(resizeLine(size)),
    hangup: () => session.end({ by: 'signal', number: 1 }),
  };
  const terminal = stdin.isTTY
    ? new Terminal(stdin, stdout.isTTY ? stdout : undefined, events, terminalDisplay)
    : undefined;

  const memoryBytes = saved?.manifest.memoryBytes ?? options.memoryBytes;
  const deterministic = saved === undefined ? options.deterministic : saved.manifest.time === 'deterministic';
  const held = new HeldInput((bytes) => guest.sendSecondSerial(bytes));
  const { kernel, inputPort, followsSize } = await readKernel(options, saved?.notes, terminal);
  /** What is typed waits until a restored guest knows its terminal. */
  const typed = new HeldInput((bytes) => guest.sendConsole(bytes));
  const tail = new ConsoleTail();
  const agent = new SavedAgent(saved?.manifest, options.shares, (wireOptions?.nics.length ?? 0) > 0);
  const notes = (): RunNotes => ({
    input: inputPort,
    takesInput: held.isReleased ? 'yes' : 'no',
    size: followsSize ? 'second serial' : 'nowhere',
    console: tail.text,
  });
  if (saved?.notes.takesInput === 'yes') held.release();
  const profile =
    options.profile === undefined ? undefined : await Profile.prepare(options.profile, options, kernel?.image);
  const screenshot = pcGiven?.screenshot === undefined ? undefined : await Screenshot.prepare(pcGiven.screenshot);
  const pcOptions = pcGiven ?? (saved?.manifest.pc ? BARE_PC : undefined);
  const pc =
    pcOptions &&
    (saved
      ? await Pc.open(withSavedCards(pcOptions, saved), wire, savedDisks(saved.manifest))
      : await Pc.open(pcOptions, wire));
  const name = guestName(options);
  const notice = (line: string): void => {
    if (terminal) terminal.notice(`vivarium: ${line}\n`);
    else stderr.write(`vivarium: ${line}\n`);
  };
  const display = displayFor(pcGiven?.display, name, notice);
  try {
    await wire.openCapture({
      full: () => session.pauseFor('capture'),
      drained: () => session.resumeFrom('capture'),
      failed: (error) => fail({ by: 'host', message: error.message }),
    });
    const common = {
      paced: terminal !== undefined,
      onConsole: (bytes: Uint8Array) => {
        tail.add(bytes);
        output?.write(bytes);
      },
      onSecondSerial: () => held.release(),
      ...(options.trace && { trace: { kinds: options.trace.kinds, line: (text: string) => trace?.line(text) } }),
      ...(profile && { profiler: profile.profiler }),
      virtio: virtioDevices(options, pc, saved?.manifest, agent.devices, wire),
      countHits: options.stats,
      engine: options.engine,
      packing: nodePacking,
      host: nodePlatform,
    };
    guest = saved
      ? await restoreGuest(saved.bytes, {
          ...common,
          ...(saved.bases?.length && { base: saved.bases }),
          ...(pc && { drives: pc.firmware.drives, nics: pc.firmware.nics }),
        })
      : await createGuest({
          ...common,
          memoryBytes,
          ...(kernel && { kernel }),
          ...(pc && { firmware: pc.firmware }),
          time: deterministic ? 'deterministic' : 'real',
          seed: options.seed ?? (deterministic ? 0 : randomInt(2 ** 32)),
          optionalDevices: options.devices.filter((name) => name !== VIRTIO_RNG),
          gunzip,
        });

    await wire.listen();
    await display?.start(guest);
    const { screen, keyboard } = guest;
    if (screen !== undefined && keyboard !== undefined) terminalDisplay?.show({ screen, keyboard });
    await profile?.open();
    save = options.save === undefined ? undefined : await SaveFile.create(options.save);
    if (options.trace) {
      trace = await TraceFile.create(options.trace.file, {
        full: () => session.pauseFor('trace'),
        drained: () => session.resumeFrom('trace'),
        failed: (error) => fail({ by: 'host', message: error.message }),
      });
    }
    const serial = pcGiven?.serial;
    const file = serial === undefined ? undefined : await openNew(serial, 'log of the serial port');
    // Where the terminal shows the screen, it cannot show this as well.
    const stream = file ? file.createWriteStream() : terminalDisplay ? undefined : stdout;
    output = stream && new ConsoleOutput(stream, outputEvents);
  } catch (error) {
    // What refuses to run leaves no file behind.
    display?.close();
    await Promise.allSettled([profile?.discard(), wire.discard(), pc?.close(() => {}), save?.discard()]);
    throw error;
  }

  const control = await openControl(name, guest, notes, notice);
  const pass = (bytes: Uint8Array): void => (inputPort === 'console' ? guest.sendConsole(bytes) : held.send(bytes));
  // To firmware and boot loaders an end of file is a key like any other.
  const tellsEnd = pc === undefined && saved?.manifest.pc === undefined;
  if (!terminal && deterministic) pass(await gatherInput(stdin, tellsEnd));
  else if (!terminal) {
    const events = {
      input: pass,
      failed: (reason: string) => fail({ by: 'host', message: `Standard input cannot be read: ${reason}.` }),
    };
    passInput(stdin, events, tellsEnd);
  }
  const picture = async (): Promise<void> => {
    if (screenshot === undefined || guest.screen === undefined) return;
    await screenshot.take(guest.screen).catch((error: Error) => fail({ by: 'host', message: error.message }));
  };
  if (screenshot !== undefined) process.on('SIGUSR2', () => void picture());
  onEndingSignals((number) => session.end({ by: 'signal', number }));
  const written = Buffer.from(saved?.notes.console ?? '', 'latin1');
  tail.add(written);
  terminal?.start();
  if (terminal) output?.write(written);
  if (saved && terminal?.size && agent.devices.length === 0) events.resize(terminal.size);
  const told = terminal?.size;
  void agent.tell(!deterministic, told).then((problem) => {
    if (problem !== undefined) notice(problem);
    typed.release();
    // It may have changed meanwhile, and the guest have heard of that first.
    const size = terminal?.size;
    if (saved && size && (size.rows !== told?.rows || size.columns !== told.columns)) events.resize(size);
  });
  const { timeoutMs } = options;
  const timer = timeoutMs && setTimeout(() => session.end({ by: 'timeout', milliseconds: timeoutMs }), timeoutMs);

  startedMs = performance.now();
  let ending: Ending;
  try {
    ending = await session.run(guest);
    const written = output?.flush();
    await (ending.by === 'signal' ? Promise.race([written, sleep(LAST_WORDS_MS)]) : written);
  } finally {
    clearTimeout(timer);
    terminal?.restore();
    display?.close();
    agent.close();
    await control?.close();
  }

  await picture();
  await save?.write(guest, ending, notes(), options.copyDisks ?? false, (error) =>
    fail({ by: 'host', message: error.message }),
  );
  await wire.close();
  await pc?.close((message) => fail({ by: 'host', message }));
  await trace?.close();
  // The guest's cursor may be anywhere in a line.
  if (terminal && ending.by !== 'guest') stderr.write('\n');
  if (options.stats) stderr.write(statistics(deterministic ? guest.stateHash() : undefined));
  await profile?.write((error) => fail({ by: 'host', message: error.message }));
  return outcomeOf(failure ?? ending);
}
