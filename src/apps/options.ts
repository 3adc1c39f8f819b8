/** The command line's grammar: subcommands, options, their help, and what is said when they are wrong. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { ENGINE_CHOICES, type EngineChoice } from '../cpu/translator/statistics.ts';
import { OPTIONAL_DEVICES } from '../machine/pc.ts';
import { EXIT_STATUS_HELP, STATUS_OK, STATUS_USAGE } from './exit-status.ts';
import { addPcOptions, isWireAlone, PC_HELP, type PcOptions, pcOptions } from './pc-options.ts';
import { addScreenCommand, type ScreenOptions } from './screen.ts';
import { addShareOption, SHARE_HELP, type ShareOption, shareProblem } from './shares.ts';
import { addSnapshotCommand, namedFiles, type SnapshotCommand } from './snapshot.ts';
import { parseDurationMs, parseSize } from './units.ts';
import { VIRTIO_RNG } from './virtio.ts';
import type { WireOptions } from './wire.ts';

export const TRACE_KINDS = ['exits', 'irq'] as const;
export type TraceKind = (typeof TRACE_KINDS)[number];

/** The longest a timer can wait: 24 days and some hours. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
const DEFAULT_MEMORY_BYTES = 512 * 2 ** 20;
/** As much as its snapshot has: scripts/builtin-snapshot.ts. */
const BUILT_IN_MEMORY_BYTES = 256 * 2 ** 20;
const DEVICES: readonly string[] = [...OPTIONAL_DEVICES, VIRTIO_RNG];

/** What a restored guest is, it was before. */
const FIXED_BY_SNAPSHOT = [
  'kernel',
  'initrd',
  'append',
  'module',
  'memory',
  'device',
  'deterministic',
  'seed',
  'bios',
  'boot',
  'boot-menu',
] as const;

export interface RunOptions {
  /** What other commands call the guest. */
  readonly name?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly modules: readonly { readonly file: string; readonly commandLine: string }[];
  readonly memoryBytes: number;
  readonly devices: readonly string[];
  readonly shares: readonly ShareOption[];
  readonly engine: EngineChoice;
  readonly timeoutMs?: number;
  readonly stats: boolean;
  readonly profile?: string;
  readonly symbols: readonly string[];
  readonly trace?: { readonly kinds: ReadonlySet<TraceKind>; readonly file: string };
  readonly deterministic: boolean;
  /** The built-in guest boots, where it would start from its snapshot. */
  readonly cold?: boolean;
  readonly seed?: number;
  /** Snapshots: where this run is saved when it is ended, and what it starts from rather than a kernel or a drive. */
  readonly save?: string;
  /** What is saved has all that is on its disks. */
  readonly copyDisks?: boolean;
  readonly restore?: string;
  /** Snapshots that the one of `restore` says the differences to. */
  readonly base?: readonly string[];
  /** A whole PC, rather than a kernel. */
  readonly pc?: PcOptions;
  /** Network cards of a guest that starts without firmware. */
  readonly wire?: WireOptions;
}

export type Parsed =
  | { readonly command: 'run'; readonly options: RunOptions }
  | { readonly command: 'screen'; readonly options: ScreenOptions }
  | { readonly command: 'snapshot'; readonly options: SnapshotCommand }
  /** Help or version was shown, or a mistake told: nothing is left to do. */
  | { readonly command: 'none'; readonly status: number };

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

const RUN_HELP_TAIL = `
Without a kernel or a drive the built-in guest runs: at a terminal it starts from a snapshot at its prompt, unless other options
than those of that guest are given, or --cold. A Linux bzImage boots by the Linux boot protocol, an ELF file by PVH or by
Multiboot; no firmware is needed.

A guest that was saved, with --save or by "vivarium snapshot", goes on with --restore: in the same machine, with the same
images and network cards named again. What was written with --snapshot is saved, too. Disks that are written in place are not:
the guest goes on with the same image, or not at all if that has been written since; with --copy-disks all that is on them is
saved as well, and they are not named again.

At a terminal: Ctrl-A x leaves, Ctrl-A h shows all keys. When standard input is not a terminal, the built-in guest is a
filter: its shell runs what comes in as a script, and the guest ends with it. Any other guest finds the input on its
console, followed by end-of-file (Ctrl-D), but for a PC. With --deterministic all of it is read first.

${PC_HELP}

${SHARE_HELP}

A profile opens in Chrome's DevTools and in speedscope. Symbols are those of an ELF kernel, or of the files named with
--symbols: a System.map, what a guest has in /proc/kallsyms, or any ELF file with a symbol table.

Sizes take K, M, G or T (powers of 1024); durations take ms, s, m or h. Traces and profiles go to new files: one that
exists is not overwritten, unless it is a device or a pipe, such as /dev/stderr.

${EXIT_STATUS_HELP}

Examples:
  vivarium run
  echo 'uname -a; poweroff' | vivarium run
  vivarium run --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 quiet' --memory 1G
  vivarium run --cdrom debian.iso --disk disk.img --memory 1G --nic user --forward tcp:127.0.0.1:8022-:22
  vivarium run --kernel test.elf --device isa-debug-exit --timeout 10s --trace exits,irq=trace.txt`;

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Write a size such as 512M or 2G.');
  return bytes;
}

function duration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0 || ms > MAX_TIMEOUT_MS)
    throw new InvalidArgumentError('Write a duration such as 500ms, 60s, 5m or 1h.');
  return ms;
}

function seed(text: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffff_ffff)) throw new InvalidArgumentError('Write a whole number from 0 to 4294967295.');
  return value;
}

function trace(text: string): RunOptions['trace'] {
  const [, list, file] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const kinds = list?.split(',') ?? [];
  const known = (kind: string): kind is TraceKind => (TRACE_KINDS as readonly string[]).includes(kind);
  if (!kinds.every(known) || kinds.length === 0) {
    throw new InvalidArgumentError(`Write KINDS=FILE, where KINDS is one or more of ${TRACE_KINDS.join(',')}.`);
  }
  if (file === '' || file === '-') {
    throw new InvalidArgumentError("A trace needs a file; standard output is the guest's.");
  }
  return { kinds: new Set(kinds), file };
}

function outFile(file: string): string {
  if (file === '' || file === '-') {
    throw new InvalidArgumentError("A snapshot needs a file; standard output is the guest's.");
  }
  return file;
}

function profile(file: string): string {
  if (file === '' || file === '-') {
    throw new InvalidArgumentError("A profile needs a file; standard output is the guest's.");
  }
  return file;
}

function symbols(file: string, before: readonly string[] = []): string[] {
  return [...before, file];
}

function guestName(name: string): string {
  if (!/^[A-Za-z][\w.-]{0,63}$/.test(name)) {
    throw new InvalidArgumentError('Write a letter, then letters, digits, dots, dashes or underscores: 64 at most.');
  }
  return name;
}

function device(name: string, before: readonly string[] = []): string[] {
  if (!DEVICES.includes(name)) {
    throw new InvalidArgumentError(`Devices to choose from: ${DEVICES.join(', ')}.`);
  }
  return [...before, name];
}

function module(text: string, before: RunOptions['modules'] = []): RunOptions['modules'] {
  const comma = text.indexOf(',');
  const file = comma < 0 ? text : text.slice(0, comma);
  if (file === '') throw new InvalidArgumentError('Write FILE or FILE,ARGUMENTS.');
  return [...before, { file, commandLine: comma < 0 ? '' : text.slice(comma + 1) }];
}

/** Understands the words after the program's name. Says what is to be said, and never ends the process. */
export function parseCommandLine(words: readonly string[], output: Output): Parsed {
  let parsed: Parsed = { command: 'none', status: STATUS_USAGE };

  const program = new Command('vivarium')
    .description('A hypervisor in TypeScript: boots x86-64 kernels, byte for byte as they come, in Node.js.')
    .version(packageJson.version, '--version', 'show the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .configureHelp({ helpWidth: 120 })
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.err(text),
      outputError: (text, write) =>
        write(
          `${text
            .replace(/^error: /, 'vivarium: ')
            .trim()
            .replaceAll('\n', ' ')}\n`,
        ),
    })
    .addHelpText('after', `\n${EXIT_STATUS_HELP}`);

  const runCommand = program.command('run');
  const isGiven = (option: string): boolean => {
    const name = option.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
    return runCommand.getOptionValueSource(name) === 'cli';
  };
  runCommand
    .description('boot a guest, with this terminal as its console')
    .option('--kernel <file>', 'kernel to boot (bzImage, or ELF with PVH or Multiboot), rather than the built-in guest')
    .option('--initrd <file>', 'initial RAM disk')
    .option(
      '--append <text>',
      'kernel command line; added to its own for the built-in guest; "console=ttyS0" for a bzImage if not given',
    )
    .option('--module <file[,args]>', 'Multiboot module with its command line; may be repeated', module)
    .addOption(
      new Option('--memory <size>', "the guest's memory")
        .argParser(size)
        .default(undefined, '512M, or 256M for the built-in guest'),
    )
    .option('--device <name>', `add a device: ${DEVICES.join(', ')}; may be repeated`, device)
    .addOption(
      new Option('--engine <name>', 'what runs guest code; auto translates what is hot, and interprets the rest')
        .choices(ENGINE_CHOICES)
        .default('auto'),
    )
    .option('--timeout <duration>', 'stop the guest after this much wall time', duration)
    .option('--name <name>', 'what other commands call this guest, rather than after what it boots', guestName)
    .option('--stats', 'end with statistics on standard error')
    .option('--trace <kinds=file>', `write events to a new file; kinds: ${TRACE_KINDS.join(',')}`, trace)
    .option('--profile <file>', 'write where guest time goes to a new file, a .cpuprofile', profile)
    .option(
      '--symbols <file>',
      "names for the profile, rather than the kernel's own: a System.map or an ELF file; may be repeated",
      symbols,
    )
    .option('--cold', 'boot the built-in guest, rather than start it from a snapshot at its prompt')
    .option('--deterministic', 'let time follow the instruction count, so that the same input gives the same run')
    .addOption(
      new Option(
        '--seed <number>',
        "where the guest's random numbers start (0 when deterministic, else arbitrary)",
      ).argParser(seed),
    )
    .option(
      '--save <file>',
      'save the guest to a new file when you leave it, or a signal or --timeout ends it',
      outFile,
    )
    .option('--copy-disks', 'with --save: save what is on disks that the guest can write to, too')
    .option('--restore <file>', 'go on with a guest that was saved, rather than booting one')
    .option('--base <file>', 'snapshot that the one to be restored is against; may be repeated', namedFiles)
    .addHelpText('after', RUN_HELP_TAIL)
    .action((given) => {
      const {
        module: modules = [],
        memory,
        device: devices = [],
        share: shares = [],
        timeout: timeoutMs,
        ...rest
      } = given;
      if (rest.symbols && rest.profile === undefined) program.error('error: --symbols needs --profile.');
      if (rest.copyDisks && rest.save === undefined) program.error('error: --copy-disks needs --save.');
      if (rest.base && rest.restore === undefined) program.error('error: --base needs --restore.');
      const fixed = given.restore === undefined ? undefined : FIXED_BY_SNAPSHOT.find(isGiven);
      if (fixed !== undefined) {
        program.error(`error: --${fixed} contradicts --restore: the snapshot says what the guest is.`);
      }
      const asked = pcOptions(given, given);
      if (typeof asked === 'string') program.error(`error: ${asked}`);
      // Of a guest that was saved, only its snapshot says what it is.
      const isDirect = typeof asked === 'object' && given.restore === undefined && isWireAlone(asked);
      const [pc, wire] = isDirect ? [undefined, asked] : [asked, undefined];
      const isBuiltIn = !pc && rest.kernel === undefined && rest.initrd === undefined && rest.restore === undefined;
      const memoryBytes = memory ?? (isBuiltIn ? BUILT_IN_MEMORY_BYTES : DEFAULT_MEMORY_BYTES);
      const problem = shareProblem(shares, { isBuiltIn, deterministic: rest.deterministic === true });
      if (problem !== undefined) program.error(`error: ${problem}`);
      parsed = {
        command: 'run',
        options: {
          stats: false,
          deterministic: false,
          symbols: [],
          ...rest,
          modules,
          memoryBytes,
          devices,
          shares,
          timeoutMs,
          ...(pc && { pc }),
          ...(wire && { wire }),
        },
      };
    });
  addShareOption(runCommand);
  addPcOptions(runCommand);
  addScreenCommand(program, (options) => {
    parsed = { command: 'screen', options };
  });
  addSnapshotCommand(program, (options) => {
    parsed = { command: 'snapshot', options };
  });

  try {
    program.parse(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { command: 'none', status: error.exitCode === 0 ? STATUS_OK : STATUS_USAGE };
  }
  return parsed;
}
