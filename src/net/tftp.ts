/**
 * A TFTP server for guests that start from the network (RFC 1350): it gives files, and takes none.
 *
 * Each transfer has a port of its own on our side (§4 "Initial Connection Protocol"). What a name means is for whoever
 * has the files: names come as they were sent. Transfers are few, and each holds one file; a request that is one too many
 * ends the transfer that began first.
 *
 * Not modelled: netascii, mail, groups (RFC 2090).
 */

import type { Deadlines } from './deadlines.ts';
import type { NetworkStatistics } from './statistics.ts';
import { parseTftp, TFTP_ERROR, TFTP_PORT, type TftpErrorCode, type TftpRequest, tftpError } from './tftp-messages.ts';
import { type TftpFile, TftpTransfer } from './tftp-transfer.ts';
import type { Datagram } from './udp.ts';

export type { TftpFile } from './tftp-transfer.ts';

/** Why a file is not given. */
export type TftpRefusal = 'not-found' | 'denied';

/** What is offered to guests. */
export interface TftpFiles {
  /** By the name in the request. Never rejects. */
  open(name: string): Promise<TftpFile | TftpRefusal>;
}

const MOST_TRANSFERS = 16;
/** Requests that wait for the host to open their files. */
const MOST_OPENING = 16;
const FIRST_PORT = 32_768;
const LAST_PORT = 49_151;

const REFUSALS: Readonly<Record<TftpRefusal, readonly [TftpErrorCode, string]>> = {
  'not-found': [TFTP_ERROR.notFound, 'File not found'],
  denied: [TFTP_ERROR.access, 'Access violation'],
};

export interface TftpHost {
  readonly files: TftpFiles;
  readonly deadlines: Deadlines;
  readonly statistics: NetworkStatistics;
  /** A datagram from the server's address. */
  send(datagram: Datagram, to: number): void;
}

/** The client's side of a transfer. */
interface Client {
  readonly address: number;
  readonly port: number;
}

interface Session {
  readonly client: Client;
  /** Undefined while the file is being opened. */
  transfer: TftpTransfer | undefined;
}

export class TftpServer {
  readonly #host: TftpHost;
  /** By the port on our side, oldest first. */
  readonly #sessions = new Map<number, Session>();
  #opening = 0;
  #nextPort = FIRST_PORT;

  constructor(host: TftpHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The host is at work on a file. */
  get isWaiting(): boolean {
    return this.#opening > 0 || [...this.#sessions.values()].some(({ transfer }) => transfer?.isReading === true);
  }

  /** Whether a datagram to the server's address is for this server. */
  serves(port: number): boolean {
    return port === TFTP_PORT || this.#sessions.has(port);
  }

  clear(): void {
    for (const [port] of this.#sessions) this.#end(port);
  }

  receive(source: number, { sourcePort, destinationPort, payload }: Datagram): void {
    const client: Client = { address: source, port: sourcePort };
    const request = parseTftp(payload);
    if (request === undefined) this.#host.statistics.drop('malformed');
    else if (destinationPort === TFTP_PORT) this.#request(client, request);
    else this.#answered(client, destinationPort, request);
  }

  #request(client: Client, request: TftpRequest): void {
    const reply = (code: TftpErrorCode, text: string): void => this.#send(client, TFTP_PORT, tftpError(code, text));
    if (request.kind === 'write') reply(TFTP_ERROR.access, 'Files are only to be read');
    else if (request.kind !== 'read') this.#host.statistics.drop('protocol');
    else if (request.mode !== 'octet') reply(TFTP_ERROR.illegal, 'Only octet mode is served');
    else if (this.#opening === MOST_OPENING) this.#host.statistics.drop('limit');
    else void this.#open(client, request.name, request.options);
  }

  #answered(client: Client, port: number, request: TftpRequest): void {
    const session = this.#sessions.get(port);
    // RFC 1350 §4: somebody else's packet disturbs no transfer.
    if (session === undefined || !isSame(session.client, client)) {
      this.#send(client, port, tftpError(TFTP_ERROR.unknownTransfer, 'Unknown transfer'));
    } else if (request.kind === 'ack') session.transfer?.acknowledge(request.block);
    else if (request.kind === 'error') this.#end(port);
    else this.#host.statistics.drop('protocol');
  }

  async #open(client: Client, name: string, options: ReadonlyMap<string, string>): Promise<void> {
    const port = this.#begin(client);
    const session = this.#sessions.get(port) as Session;
    this.#opening++;
    const file = await this.#host.files.open(name);
    this.#opening--;
    // The client has asked again, or others have, or the guest has been reset.
    const isStale = this.#sessions.get(port) !== session;
    if (typeof file === 'string') {
      if (isStale) return;
      const [code, text] = REFUSALS[file];
      this.#send(client, port, tftpError(code, text));
      this.#sessions.delete(port);
    } else if (isStale) {
      file.close();
    } else {
      const { deadlines } = this.#host;
      const send = (packet: Uint8Array): void => this.#send(client, port, packet);
      session.transfer = new TftpTransfer(file, options, { deadlines, send, ended: () => this.#sessions.delete(port) });
      session.transfer.start();
    }
  }

  /** A port for a client, which has one transfer at a time on each of its ports. */
  #begin(client: Client): number {
    for (const [port, session] of this.#sessions) if (isSame(session.client, client)) this.#end(port);
    if (this.#sessions.size === MOST_TRANSFERS) {
      this.#host.statistics.drop('limit');
      this.#end(this.#sessions.keys().next().value as number);
    }
    while (this.#sessions.has(this.#nextPort)) this.#stepPort();
    const port = this.#nextPort;
    this.#stepPort();
    this.#sessions.set(port, { client, transfer: undefined });
    return port;
  }

  #stepPort(): void {
    this.#nextPort = this.#nextPort === LAST_PORT ? FIRST_PORT : this.#nextPort + 1;
  }

  #end(port: number): void {
    const session = this.#sessions.get(port);
    this.#sessions.delete(port);
    session?.transfer?.close();
  }

  #send({ address, port }: Client, from: number, payload: Uint8Array): void {
    this.#host.send({ sourcePort: from, destinationPort: port, payload }, address);
  }
}

function isSame(one: Client, other: Client): boolean {
  return one.address === other.address && one.port === other.port;
}
