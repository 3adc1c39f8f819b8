/**
 * Whole DNS messages to the name servers that the host is configured with, and their answers (RFC 1035 §4.2). What is
 * in them is the business of whoever asks.
 */

import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns';
import { connect, isIPv6 } from 'node:net';
import { isAnswerTo } from '../../net/dns.ts';

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

const DNS_PORT = 53;
const ANSWER_MS = 2500;
const LARGEST_SERVER_COUNT = 3;
const ROUNDS = 2;

/** As Node has them: `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`. */
export function parseNameServer(text: string): NameServer {
  const bracketed = /^\[(.*)\](?::(\d+))?$/.exec(text);
  const [address, port] = bracketed?.slice(1) ?? (isIPv6(text) ? [text] : text.split(':'));
  return { address, port: Number(port ?? DNS_PORT) };
}

/** The host's, as they are configured now. */
function nameServers(): NameServer[] {
  return new Resolver().getServers().slice(0, LARGEST_SERVER_COUNT).map(parseNameServer);
}

/** The first answer of one of the servers; undefined when there is none in time. Never rejects. */
export async function resolve(
  message: Uint8Array,
  over: 'udp' | 'tcp',
  servers: readonly NameServer[] = nameServers(),
): Promise<Uint8Array | undefined> {
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of servers) {
      const answer = await (over === 'udp' ? askByDatagram(message, server) : askByStream(message, server));
      if (answer !== undefined) return answer;
    }
  }
  return undefined;
}

function askByDatagram(message: Uint8Array, { address, port }: NameServer): Promise<Uint8Array | undefined> {
  return new Promise((done) => {
    const socket = createSocket(isIPv6(address.replace(/%.*/, '')) ? 'udp6' : 'udp4');
    const finish = (answer: Uint8Array | undefined): void => {
      clearTimeout(timer);
      done(answer);
      if (!isClosed) socket.close();
      isClosed = true;
    };
    let isClosed = false;
    const timer = setTimeout(() => finish(undefined), ANSWER_MS).unref();
    socket.unref();
    socket.on('error', () => finish(undefined));
    socket.on('message', (answer) => {
      if (isAnswerTo(answer, message)) finish(answer);
    });
    socket.connect(port, address, (error?: Error) => {
      if (error !== undefined) finish(undefined);
      else if (!isClosed) socket.send(message, (problem) => problem && finish(undefined));
    });
  });
}

function askByStream(message: Uint8Array, { address, port }: NameServer): Promise<Uint8Array | undefined> {
  return new Promise((done) => {
    const socket = connect({ host: address, port });
    let gathered = Buffer.alloc(0);
    const finish = (answer: Uint8Array | undefined): void => {
      clearTimeout(timer);
      done(answer);
      socket.destroy();
    };
    const timer = setTimeout(() => finish(undefined), ANSWER_MS).unref();
    socket.unref();
    socket.on('error', () => finish(undefined));
    socket.on('close', () => finish(undefined));
    socket.on('data', (bytes) => {
      gathered = Buffer.concat([gathered, bytes]);
      const length = gathered.length < 2 ? Number.POSITIVE_INFINITY : gathered.readUInt16BE(0);
      if (gathered.length < 2 + length) return;
      const answer = gathered.subarray(2, 2 + length);
      finish(isAnswerTo(answer, message) ? answer : undefined);
    });
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16BE(message.length);
    socket.write(Buffer.concat([prefix, message]));
  });
}
