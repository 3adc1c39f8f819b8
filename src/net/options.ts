/**
 * What people write to describe a network. Each function gives what the text says, or a sentence on why it says
 * nothing.
 *
 *     user                             the kind of network
 *     user,model=e1000                 and the card
 *     user,tftp=FOLDER,bootfile=NAME   what a guest may load that starts from it; a comma in a name is written twice
 *     tcp:127.0.0.1:8022-:22           a forward: listen there, pass on to the guest's port
 *     udp:[::1]:5353-10.0.2.16:53      ... in IPv6, to the second guest
 *     tcp:8080                         a service of the host's loopback that is to be reached as 10.0.2.2:8080
 */

import { FIRST_GUEST, isGuestAddress, parseIpv4 } from './addresses.ts';
import { LONGEST_BOOT_FILE_BYTES } from './dhcp.ts';
import type { ListenAddress } from './sockets.ts';

export type Transport = 'tcp' | 'udp';

export interface Forward {
  readonly transport: Transport;
  readonly host: ListenAddress;
  readonly guest: { readonly address: number; readonly port: number };
}

export interface OpenedService {
  readonly transport: Transport;
  readonly port: number;
}

export const NIC_MODELS = ['rtl8139', 'pcnet', 'e1000', 'virtio'] as const;
export type NicModel = (typeof NIC_MODELS)[number];

export interface NicOption {
  readonly network: 'user';
  readonly model: NicModel;
  /** Six bytes, or undefined to choose one. */
  readonly mac: Uint8Array | undefined;
  /** A file: the card's boot ROM. */
  readonly rom?: string;
  /** A folder: what guests can read by TFTP. */
  readonly tftp?: string;
  /** What DHCP tells them to load: a name in that folder, or a URL. */
  readonly bootFile?: string;
}

/** A sentence for the user. */
export type Problem = { readonly problem: string };

export const DEFAULT_NIC_MODEL: NicModel = 'e1000';
/** Without an address, forwards listen where only programs of the host can reach them. */
const DEFAULT_LISTEN_ADDRESS = '127.0.0.1';

export function isProblem(value: object): value is Problem {
  return 'problem' in value;
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port > 0 && port <= 0xffff ? port : undefined;
}

function parseTransport(text: string): Transport | undefined {
  return text === 'tcp' || text === 'udp' ? text : undefined;
}

/** What listeners can be given: dotted IPv4, or IPv6 in brackets. The host has the last word on IPv6. */
function parseListenHost(text: string): string | undefined {
  if (text === '') return DEFAULT_LISTEN_ADDRESS;
  const ipv6 = /^\[([0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:%[\w.-]+)?)\]$/.exec(text);
  if (ipv6 !== null) return ipv6[1];
  return parseIpv4(text) === undefined ? undefined : text;
}

/** `tcp:[HOST]:PORT-[GUEST]:PORT`. */
export function parseForward(text: string): Forward | Problem {
  const match = /^([^:]*):(\[[^\]]*\]|[^:]*):([^:-]*)-([^:]*):([^:]*)$/.exec(text);
  if (match === null) {
    return {
      problem: `'${text}' is no forward: write protocol, host address and port, guest port, as in tcp:127.0.0.1:8022-:22.`,
    };
  }
  const transport = parseTransport(match[1]);
  if (transport === undefined) return { problem: `'${match[1]}' in '${text}' is neither tcp nor udp.` };
  const address = parseListenHost(match[2]);
  if (address === undefined) return { problem: `'${match[2]}' in '${text}' is not an address of the host.` };
  const port = parsePort(match[3]);
  const guestPort = parsePort(match[5]);
  if (port === undefined || guestPort === undefined) {
    return { problem: `'${port === undefined ? match[3] : match[5]}' in '${text}' is not a port: 1 to 65535.` };
  }
  const guest = match[4] === '' ? FIRST_GUEST : parseIpv4(match[4]);
  if (guest === undefined || !isGuestAddress(guest)) {
    return { problem: `'${match[4]}' in '${text}' is not an address that a guest can have: 10.0.2.4 to 10.0.2.254.` };
  }
  return { transport, host: { address, port }, guest: { address: guest, port: guestPort } };
}

/** `tcp:PORT` or `udp:PORT`. */
export function parseOpen(text: string): OpenedService | Problem {
  const match = /^([^:]*):([^:]*)$/.exec(text);
  const transport = parseTransport(match?.[1] ?? '');
  const port = parsePort(match?.[2] ?? '');
  if (transport === undefined || port === undefined) {
    return { problem: `'${text}' is no service of the host: write protocol and port, as in tcp:8080.` };
  }
  return { transport, port };
}

/** `user[,model=...][,mac=...][,rom=...][,tftp=...][,bootfile=...]`. */
export function parseNic(text: string): NicOption | Problem {
  const [network, ...settings] = splitAtCommas(text);
  if (network !== 'user') return { problem: `'${network}' is not a kind of network: there is user.` };
  let nic: NicOption = { network, model: DEFAULT_NIC_MODEL, mac: undefined };
  for (const setting of settings) {
    const [name, value] = splitOnce(setting);
    const parsed = parseNicSetting(name, value);
    if (parsed === undefined) {
      const problem = `'${setting}' means nothing to a network card: there are model=, mac=, rom=, tftp= and bootfile=.`;
      return { problem };
    }
    if (isProblem(parsed)) return parsed;
    nic = { ...nic, ...parsed };
  }
  const { bootFile, tftp } = nic;
  if (bootFile !== undefined && tftp === undefined && !isUrl(bootFile)) {
    return { problem: `bootfile=${bootFile} is to be had from nowhere: add tftp=FOLDER, or write a URL.` };
  }
  return nic;
}

function parseNicSetting(name: string, value: string): Partial<NicOption> | Problem | undefined {
  const list = NIC_MODELS.join(', ');
  switch (name) {
    case 'model': {
      const model = NIC_MODELS.find((candidate) => candidate === value);
      return model === undefined ? { problem: `'${value}' is not a network card: there are ${list}.` } : { model };
    }
    case 'mac': {
      const mac = parseMac(value);
      if (mac !== undefined) return { mac };
      return { problem: `'${value}' is not the address of a card, as in 52:54:00:12:34:56.` };
    }
    case 'rom':
      return value === '' ? { problem: 'rom= needs a file.' } : { rom: value };
    case 'tftp':
      return value === '' ? { problem: 'tftp= needs a folder.' } : { tftp: value };
    case 'bootfile': {
      const { length } = new TextEncoder().encode(value);
      if (length > 0 && length <= LONGEST_BOOT_FILE_BYTES) return { bootFile: value };
      return { problem: `bootfile= needs a name of up to ${LONGEST_BOOT_FILE_BYTES} bytes.` };
    }
    default:
      return undefined;
  }
}

function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}

/** A comma that is written twice is part of a name. */
function splitAtCommas(text: string): string[] {
  return text
    .replaceAll(',,', '\0')
    .split(',')
    .map((part) => part.replaceAll('\0', ','));
}

function splitOnce(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Of one station, not of a group, and not zero. */
function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  const mac = Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
  return (mac[0] & 1) === 1 || mac.every((byte) => byte === 0) ? undefined : mac;
}
