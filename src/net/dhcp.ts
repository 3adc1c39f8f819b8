/**
 * A DHCP server (RFC 2131, options of RFC 2132) for the guest's network: the first client gets 10.0.2.15, as many more
 * as there is room for the addresses behind it. Plain BOOTP clients (RFC 1497) are answered, too. Leases are told to
 * last a day, and are kept as long as there is room. Clients that start from the network are told what to load: by the
 * header's field, as BOOTP has it, and by options.
 *
 * Not modelled: relays, overloaded fields.
 */

import { FIRST_GUEST, formatIpv4, GATEWAY, LIMITED_BROADCAST, NAME_SERVER, NETMASK } from './addresses.ts';
import { get16, get32, put16, put32 } from './bytes.ts';
import { BROADCAST_MAC, isUnicast, MAC_BYTES } from './ethernet.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const LEASES = 16;
const LEASE_SECONDS = 86_400;

const OP_REQUEST = 1;
const OP_REPLY = 2;
const BROADCAST_FLAG = 0x8000;
const MAGIC = 0x6382_5363;
/** Where fields are (RFC 2131 §2). */
const FLAGS = 10;
const CIADDR = 12;
const YIADDR = 16;
const SIADDR = 20;
const CHADDR = 28;
const FILE = 108;
const FILE_BYTES = 128;
const COOKIE = 236;
const OPTIONS = 240;
/** BOOTP's size, which some clients want (RFC 1542 §2.1). */
const SHORTEST_REPLY_BYTES = 300;

const OPTION = {
  pad: 0,
  netmask: 1,
  router: 3,
  nameServer: 6,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  server: 54,
  parameters: 55,
  clientId: 61,
  serverName: 66,
  bootFile: 67,
  etherboot: 175,
  end: 255,
} as const;

/** iPXE's setting `no-pxedhcp`: it need not wait for offers of others, of whom there are none on this wire. */
const NO_OTHER_SERVERS = [176, 1, 1];

const TYPE = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7, inform: 8 } as const;

export interface DhcpReply {
  readonly message: Uint8Array;
  /** The station, or all of them, and its address; neither is in a table yet. */
  readonly mac: Uint8Array;
  readonly address: number;
}

interface Request {
  readonly bytes: Uint8Array;
  readonly mac: Uint8Array;
  readonly options: ReadonlyMap<number, Uint8Array>;
  /** Undefined for BOOTP. */
  readonly type: number | undefined;
}

/** What options have room for. */
export const LONGEST_BOOT_FILE_BYTES = 255;

export class DhcpServer {
  readonly #bootFile: Uint8Array | undefined;
  /** Hardware address to IPv4 address. */
  readonly #leases = new Map<string, number>();

  /** `bootFile`: up to LONGEST_BOOT_FILE_BYTES bytes of UTF-8; a RangeError is thrown for more. */
  constructor(bootFile?: string) {
    this.#bootFile = bootFile === undefined ? undefined : new TextEncoder().encode(bootFile);
    if ((this.#bootFile?.length ?? 0) > LONGEST_BOOT_FILE_BYTES)
      throw new RangeError('The boot file’s name is too long');
  }

  /** Undefined when there is nothing to say. */
  answer(bytes: Uint8Array): DhcpReply | undefined {
    const request = parse(bytes);
    if (request === undefined) return undefined;
    const client = get32(bytes, CIADDR);
    switch (request.type) {
      case undefined: {
        const address = this.#lease(request.mac);
        return address === undefined ? undefined : this.#reply(request, undefined, address);
      }
      case TYPE.discover: {
        const address = this.#lease(request.mac);
        return address === undefined ? undefined : this.#reply(request, TYPE.offer, address);
      }
      case TYPE.request: {
        const server = addressIn(request, OPTION.server);
        if (server !== undefined && server !== GATEWAY) return undefined; // it has chosen another
        const wanted = addressIn(request, OPTION.requestedAddress) ?? client;
        const address = this.#lease(request.mac);
        return address === wanted ? this.#reply(request, TYPE.ack, address) : this.#reply(request, TYPE.nak, 0);
      }
      case TYPE.inform:
        return this.#reply(request, TYPE.ack, 0);
      case TYPE.release:
      case TYPE.decline:
        this.#leases.delete(request.mac.join());
        return undefined;
      default:
        return undefined;
    }
  }

  #reply(request: Request, type: number | undefined, address: number): DhcpReply {
    return reply(request, { type, address, bootFile: type === TYPE.nak ? undefined : this.#bootFile });
  }

  #lease(mac: Uint8Array): number | undefined {
    const key = mac.join();
    const known = this.#leases.get(key);
    if (known !== undefined) return known;
    const taken = new Set(this.#leases.values());
    for (let address = FIRST_GUEST; address < FIRST_GUEST + LEASES; address++) {
      if (taken.has(address)) continue;
      this.#leases.set(key, address);
      return address;
    }
    return undefined;
  }
}

function parse(bytes: Uint8Array): Request | undefined {
  // Hardware type 1, addresses of six bytes: Ethernet.
  if (bytes.length < OPTIONS || bytes[0] !== OP_REQUEST || bytes[1] !== 1 || bytes[2] !== MAC_BYTES) return undefined;
  const mac = bytes.slice(CHADDR, CHADDR + MAC_BYTES);
  if (!isUnicast(mac)) return undefined;
  const options = get32(bytes, COOKIE) === MAGIC ? parseOptions(bytes.subarray(OPTIONS)) : new Map();
  return { bytes, mac, options, type: options.get(OPTION.messageType)?.[0] };
}

/** Up to where they are intact. The first of several with the same code counts. */
function parseOptions(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length && bytes[at] !== OPTION.end; ) {
    const code = bytes[at++];
    if (code === OPTION.pad) continue;
    const value = bytes.subarray(at + 1, at + 1 + bytes[at]);
    if (at >= bytes.length || value.length < bytes[at]) break;
    at += 1 + value.length;
    if (!options.has(code)) options.set(code, value);
  }
  return options;
}

function addressIn(request: Request, option: number): number | undefined {
  const value = request.options.get(option);
  return value?.length === 4 ? get32(value, 0) : undefined;
}

function addressBytes(address: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, address);
  return bytes;
}

interface Answer {
  readonly type: number | undefined;
  readonly address: number;
  readonly bootFile: Uint8Array | undefined;
}

function reply(request: Request, { type, address, bootFile }: Answer): DhcpReply {
  const options: [code: number, value: ArrayLike<number>][] = [];
  if (type !== undefined) options.push([OPTION.messageType, [type]], [OPTION.server, addressBytes(GATEWAY)]);
  if (type !== TYPE.nak) {
    if (type !== undefined && address !== 0) options.push([OPTION.leaseTime, addressBytes(LEASE_SECONDS)]);
    options.push([OPTION.netmask, addressBytes(NETMASK)], [OPTION.router, addressBytes(GATEWAY)]);
    options.push([OPTION.nameServer, addressBytes(NAME_SERVER)]);
  }
  // RFC 2132 §9.4, §9.5: of use to who asks for them; BOOTP's clients may have no room for more than its 64 bytes.
  const wanted: readonly number[] = [...(request.options.get(OPTION.parameters) ?? [])];
  if (bootFile !== undefined) {
    const server = new TextEncoder().encode(formatIpv4(GATEWAY));
    if (wanted.includes(OPTION.serverName)) options.push([OPTION.serverName, server]);
    if (wanted.includes(OPTION.bootFile)) options.push([OPTION.bootFile, bootFile]);
    if (wanted.includes(OPTION.etherboot)) options.push([OPTION.etherboot, NO_OTHER_SERVERS]);
  }
  // RFC 6842 §3: given back as it came.
  const clientId = request.options.get(OPTION.clientId);
  if (clientId !== undefined) options.push([OPTION.clientId, clientId]);

  const length = options.reduce((sum, [, value]) => sum + 2 + value.length, OPTIONS + 1);
  const message = new Uint8Array(Math.max(length, SHORTEST_REPLY_BYTES));
  // Transaction, flags, relay and hardware address are the request's.
  message.set(request.bytes.subarray(0, CHADDR + 16));
  message[0] = OP_REPLY;
  message[3] = 0;
  put16(message, 8, 0);
  put32(message, YIADDR, address);
  put32(message, SIADDR, type === TYPE.nak ? 0 : GATEWAY);
  if (type === TYPE.nak) put32(message, CIADDR, 0);
  // Ends with a zero byte.
  if (bootFile !== undefined && bootFile.length < FILE_BYTES) message.set(bootFile, FILE);
  put32(message, COOKIE, MAGIC);
  let at = OPTIONS;
  for (const [code, value] of options) {
    message.set([code, value.length], at);
    message.set(value, at + 2);
    at += 2 + value.length;
  }
  message[at] = OPTION.end;
  return { message, ...destinationOf(request, type, address) };
}

/** RFC 2131 §4.1: to the address in use; else to the new one, unless the client cannot take it so. */
function destinationOf(request: Request, type: number | undefined, address: number): Omit<DhcpReply, 'message'> {
  const client = get32(request.bytes, CIADDR);
  const isBroadcast = (get16(request.bytes, FLAGS) & BROADCAST_FLAG) !== 0;
  if (type !== TYPE.nak && client !== 0) return { mac: request.mac, address: client };
  if (type === TYPE.nak || isBroadcast || address === 0) return { mac: BROADCAST_MAC, address: LIMITED_BROADCAST };
  return { mac: request.mac, address };
}
