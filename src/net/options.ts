/**
 * What people write to describe a network. Each function gives what the text says, or a sentence on why it says
 * nothing.
 *
 *     user                             the kind of network
 *     user,model=e1000                 and the card
 *     tcp:127.0.0.1:8022-:22           a forward: listen there, pass on to the guest's port
 *     udp:[::1]:5353-10.0.2.16:53      ... in IPv6, to the second guest
 *     tcp:8080                         a service of the host's loopback that is to be reached as 10.0.2.2:8080
 */

import { FIRST_GUEST, isGuestAddress, parseIpv4 } from './addresses.ts';
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

/** `user[,model=...][,mac=...]`. */
export function parseNic(text: string): NicOption | Problem {
  const [network, ...settings] = text.split(',');
  if (network !== 'user') return { problem: `'${network}' is not a kind of network: there is user.` };
  let model: NicModel = DEFAULT_NIC_MODEL;
  let mac: Uint8Array | undefined;
  for (const setting of settings) {
    const [name, value] = splitOnce(setting);
    if (name === 'model') {
      const known = NIC_MODELS.find((candidate) => candidate === value);
      if (known === undefined)
        return { problem: `'${value}' is not a network card: there are ${NIC_MODELS.join(', ')}.` };
      model = known;
    } else if (name === 'mac') {
      mac = parseMac(value);
      if (mac === undefined) return { problem: `'${value}' is not the address of a card, as in 52:54:00:12:34:56.` };
    } else {
      return { problem: `'${setting}' means nothing to a network card: there are model= and mac=.` };
    }
  }
  return { network, model, mac };
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
