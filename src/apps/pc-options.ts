/** Options of a guest that starts with firmware: drives, network, screen. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  DEFAULT_NIC_MODEL,
  type Forward,
  isProblem,
  type NicOption,
  type OpenedService,
  type Problem,
  parseForward,
  parseNic,
  parseOpen,
} from '../net/options.ts';
import { TFTP_PORT } from '../net/tftp-messages.ts';
import { type DisplayOption, parseDisplay } from './display.ts';
import { parseDurationMs } from './units.ts';
import type { WireOptions } from './wire.ts';

export interface DiskOption {
  readonly file: string;
  readonly bus: 'ide' | 'ahci' | 'virtio';
}

/** What asks for a whole PC. */
export interface PcOptions extends WireOptions {
  readonly disks: readonly DiskOption[];
  readonly cdrom?: string;
  readonly floppies: readonly string[];
  readonly bios?: string;
  readonly boot?: string;
  /** How long firmware offers its menu; not at all if not said. */
  readonly bootMenuMs?: number;
  readonly snapshot: boolean;
  readonly serial?: string;
  readonly screenshot?: string;
  readonly display?: DisplayOption;
}

/** Of a PC that is restored, and of which nothing was said. */
export const BARE_PC: PcOptions = { disks: [], floppies: [], snapshot: false, nics: [], forwards: [], opened: [] };

/** Options that have a say in what a PC can be. */
interface DirectOptions {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly module?: unknown;
  readonly deterministic?: boolean;
  readonly restore?: string;
}

/** As commander gives them. */
interface Given {
  readonly disk?: readonly DiskOption[];
  readonly cdrom?: string;
  readonly floppy?: readonly string[];
  readonly bios?: string;
  readonly boot?: string;
  readonly bootMenu?: number;
  readonly snapshot?: boolean;
  readonly nic?: readonly NicOption[];
  readonly forward?: readonly Forward[];
  readonly open?: readonly OpenedService[];
  readonly pcap?: string;
  readonly serial?: string;
  readonly screenshot?: string;
  readonly display?: DisplayOption;
}

export const PC_HELP = `With --cdrom, --disk, --floppy or --bios the guest is a whole PC, which SeaBIOS starts from those. Writes reach the
files, which are locked against other guests, unless --snapshot throws them away. A network card sees 10.0.2.0/24: the
guest is 10.0.2.15 by DHCP, 10.0.2.2 leads out, 10.0.2.3 answers DNS. It reaches the outside, and of this machine only
what --open names, at 10.0.2.2; what is to reach the guest needs --forward. With --boot n it starts from the network, by
the card's boot ROM (iPXE's, if it is installed): DHCP tells it the bootfile=, which it can read by TFTP if it is in the
folder of tftp=. At a terminal, the screen is shown in it and its keys are the guest's; with --display none the terminal is
the first serial port. With --display vnc the screen is shown to VNC clients of this machine, and their keys and pointers
are the guest's. A screenshot is taken when the guest ends, and whenever this process gets the signal USR2; see also
"vivarium help screen".`;

const IDE_UNITS = 4;
const AHCI_UNITS = 6;
const VIRTIO_DISKS = 6;
const FLOPPIES = 2;
const NICS = 4;
const LONGEST_BOOT_MENU_MS = 3_600_000;

function some<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => T[] {
  return (text, before = []) => [...before, parse(text)];
}

function known<T extends object>(result: T | Problem): T {
  if (isProblem(result)) throw new InvalidArgumentError(result.problem);
  return result;
}

function disk(text: string): DiskOption {
  const [, file = '', bus = 'ide'] = /^(.*?)(?:,bus=([^,]*))?$/s.exec(text) ?? [];
  if (file === '' || (bus !== 'ide' && bus !== 'ahci' && bus !== 'virtio')) {
    throw new InvalidArgumentError('Write FILE, FILE,bus=ahci or FILE,bus=virtio.');
  }
  return { file, bus };
}

function boot(letters: string): string {
  if (!/^[acdn]{1,3}$/.test(letters) || new Set(letters).size !== letters.length) {
    throw new InvalidArgumentError('Write up to three of c (disk), d (CD-ROM), a (floppy), n (network), in order.');
  }
  return letters;
}

function bootMenu(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0 || ms > LONGEST_BOOT_MENU_MS) {
    throw new InvalidArgumentError('Write a duration such as 3s, of an hour at most.');
  }
  return ms;
}

function picture(file: string): string {
  if (!/\.png$/i.test(file)) throw new InvalidArgumentError('Write the name of a file that ends in .png.');
  return file;
}

function serial(file: string): string {
  if (file === '' || file === '-') throw new InvalidArgumentError('Write the name of a file.');
  return file;
}

/** Adds them to a command. */
export function addPcOptions(command: Command): void {
  command
    .addOption(
      new Option('--disk <file[,bus=ahci|virtio]>', 'hard disk, a raw image; may be repeated').argParser(some(disk)),
    )
    .option('--cdrom <file>', 'CD-ROM, an ISO image')
    .option('--floppy <file>', 'floppy disk, a raw image; may be repeated once', some(String))
    .option('--bios <file>', 'firmware, rather than SeaBIOS')
    .option('--boot <letters>', 'what to start from, in order: c disk, d CD-ROM, a floppy, n network (cda)', boot)
    .option('--boot-menu <duration>', 'have Escape open a menu of what to start from, for this long', bootMenu)
    .option('--snapshot', 'throw away at the end what the guest writes to its disks')
    .option(
      '--nic <user[,...]>',
      'network card: user[,model=e1000|rtl8139|pcnet|virtio][,mac=ADDRESS][,rom=FILE][,tftp=FOLDER][,bootfile=NAME|URL]; ' +
        'may be repeated',
      some((text: string) => known(parseNic(text))),
    )
    .option(
      '--forward <rule>',
      'let others reach the guest, as tcp:127.0.0.1:8022-:22; may be repeated',
      some((text: string) => known(parseForward(text))),
    )
    .option(
      '--open <service>',
      'let the guest reach a service of this machine, as tcp:8080; may be repeated',
      some((text: string) => known(parseOpen(text))),
    )
    .option('--pcap <file>', 'write what the network carries to a new file, a pcap capture')
    .option(
      '--display <none|terminal|vnc[=:port]>',
      'show the screen in the terminal (what is done at one if nothing is said), or to VNC clients of this machine, at ' +
        'the first free port from 5900 on or at the TCP port given',
      parseDisplay,
    )
    .option('--serial <file>', 'write what comes from the first serial port to a new file', serial)
    .option('--screenshot <file.png>', 'write the screen to a file, at the end and on the signal USR2', picture);
}

/** These ask for network cards, and for nothing that only a PC has. */
export function isWireAlone({ disks, cdrom, floppies, bios, boot, bootMenuMs, snapshot, ...more }: PcOptions): boolean {
  const { serial, screenshot, display } = more;
  const others = [cdrom, bios, boot, bootMenuMs, serial, screenshot, display].every((one) => one === undefined);
  return others && disks.length === 0 && floppies.length === 0 && !snapshot;
}

/** The first of the options that was given. */
function firstOf(options: Readonly<Record<string, boolean>>): string | undefined {
  return Object.entries(options).find(([, isGiven]) => isGiven)?.[0];
}

/** A whole PC, if these options ask for one; a sentence if they contradict each other. */
export function pcOptions(given: Given, others: DirectOptions): PcOptions | string | undefined {
  const { disk: disks = [], floppy: floppies = [], nic: nics = [], forward: forwards = [], open: opened = [] } = given;
  const { cdrom, bios, boot: letters, bootMenu: bootMenuMs, snapshot = false } = given;
  const { pcap, serial, screenshot, display } = given;
  const needsPc = {
    boot: letters !== undefined,
    'boot-menu': bootMenuMs !== undefined,
    snapshot,
    serial: serial !== undefined,
    screenshot: screenshot !== undefined,
    display: display !== undefined && display.kind !== 'none',
  };
  const lonely = firstOf(needsPc);
  const fromNetwork = letters?.includes('n') ?? false;
  if (fromNetwork && nics.length === 0) return '--boot n needs a network card: add --nic user.';
  const hasPc = disks.length > 0 || floppies.length > 0 || cdrom !== undefined || bios !== undefined || fromNetwork;
  // A snapshot may be of one without a drive.
  const isPc = hasPc || (others.restore !== undefined && (lonely !== undefined || nics.length > 0));
  if (!isPc && lonely !== undefined) return `--${lonely} needs a PC: name a --disk, a --cdrom, a --floppy or a --bios.`;
  const wire = firstOf({ forward: forwards.length > 0, open: opened.length > 0, pcap: pcap !== undefined });
  if (wire !== undefined && nics.length === 0) return `--${wire} needs a network card: add --nic user.`;
  if (others.deterministic && nics.length > 0) {
    return 'A deterministic run has no network: what comes from there is never the same.';
  }
  if (nics.length > NICS) return `There is room for ${NICS} network cards.`;
  if (!isPc) {
    if (nics.length === 0) return undefined;
    const other = nics.some(
      ({ model, rom, tftp, bootFile }) =>
        (model !== DEFAULT_NIC_MODEL && model !== 'virtio') ||
        rom !== undefined ||
        tftp !== undefined ||
        bootFile !== undefined,
    );
    if (other)
      return 'Without firmware the cards are virtio, and start nothing: leave out model=, rom=, tftp= and bootfile=.';
    return { nics, forwards, opened, ...(pcap !== undefined && { pcap }), disks, floppies, snapshot };
  }
  const direct = firstOf({
    kernel: others.kernel !== undefined,
    initrd: others.initrd !== undefined,
    append: others.append !== undefined,
    module: others.module !== undefined,
  });
  if (direct !== undefined)
    return `--${direct} is for kernels that start without firmware: leave out the PC's options.`;
  const tftp = opened.some(({ transport, port }) => transport === 'udp' && port === TFTP_PORT);
  if (tftp && nics.some((nic) => nic.tftp !== undefined)) {
    return 'Both --open udp:69 and tftp= would answer at 10.0.2.2: leave out one of them.';
  }
  const writable = [...disks.map(({ file }) => file), ...floppies];
  const twice = writable.find((file, i) => writable.indexOf(file) !== i);
  if (twice !== undefined) return `${twice} can be in one drive only.`;
  const ideDisks = disks.filter(({ bus }) => bus === 'ide').length;
  if (ideDisks + (cdrom === undefined ? 0 : 1) > IDE_UNITS) {
    return `There is room for ${IDE_UNITS} disks and CD-ROMs: put more on AHCI or virtio, with bus=ahci or bus=virtio.`;
  }
  if (disks.filter(({ bus }) => bus === 'ahci').length > AHCI_UNITS) return `AHCI takes ${AHCI_UNITS} disks.`;
  if (disks.filter(({ bus }) => bus === 'virtio').length > VIRTIO_DISKS) {
    return `There is room for ${VIRTIO_DISKS} virtio disks.`;
  }
  if (floppies.length > FLOPPIES) return `There is room for ${FLOPPIES} floppy disks.`;
  return {
    disks,
    floppies,
    nics,
    forwards,
    opened,
    snapshot,
    ...(cdrom !== undefined && { cdrom }),
    ...(bios !== undefined && { bios }),
    ...(letters !== undefined && { boot: letters }),
    ...(bootMenuMs !== undefined && { bootMenuMs }),
    ...(pcap !== undefined && { pcap }),
    ...(serial !== undefined && { serial }),
    ...(screenshot !== undefined && { screenshot }),
    ...(display !== undefined && { display }),
  };
}
