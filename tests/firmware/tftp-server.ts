/**
 * A TFTP server for a guest (RFC 1350, with the options of RFC 2348 and 2349): reads only. Unlike the usual ones it sends
 * from the port that was asked, which is all that is open to the guest.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const [RRQ, DATA, ACK, ERROR, OACK] = [1, 3, 4, 5, 6];
const DEFAULT_BLOCK_BYTES = 512;

export interface TftpServer {
  readonly port: number;
  /** Names that were read to their end. */
  readonly sent: readonly string[];
  close(): void;
}

interface Transfer {
  readonly name: string;
  readonly content: Uint8Array;
  readonly blockBytes: number;
}

function packet(code: number, number: number, content: Uint8Array | string): Buffer {
  return Buffer.concat([Uint8Array.of(0, code, number >> 8, number), Buffer.from(content)]);
}

export async function serveTftp(files: Readonly<Record<string, Uint8Array>>): Promise<TftpServer> {
  const socket = createSocket('udp4');
  const transfers = new Map<number, Transfer>();
  const sent: string[] = [];

  const begin = (request: Buffer, reply: (packet: Buffer) => void, port: number): void => {
    const [name = '', , ...words] = request.toString('latin1', 2).split('\0');
    const content = files[name.replace(/^\/*/, '')];
    if (content === undefined) return reply(packet(ERROR, 1, 'File not found\0'));
    const options = new Map<string, string>();
    for (let i = 0; i + 1 < words.length; i += 2) options.set(words[i].toLowerCase(), words[i + 1]);
    const blockBytes = Number(options.get('blksize') ?? DEFAULT_BLOCK_BYTES);
    const transfer = { name, content, blockBytes };
    transfers.set(port, transfer);
    const answers = [
      ...(options.has('blksize') ? ['blksize', String(blockBytes)] : []),
      ...(options.has('tsize') ? ['tsize', String(content.length)] : []),
    ];
    if (answers.length === 0) reply(block(transfer, 1));
    else reply(Buffer.concat([Uint8Array.of(0, OACK), Buffer.from(answers.map((word) => `${word}\0`).join(''))]));
  };
  const block = ({ content, blockBytes }: Transfer, number: number): Buffer =>
    packet(DATA, number & 0xffff, content.subarray((number - 1) * blockBytes, number * blockBytes));

  socket.on('message', (message, { address, port }) => {
    const reply = (bytes: Buffer): void => socket.send(bytes, port, address);
    const transfer = transfers.get(port);
    if (message[1] === RRQ) begin(message, reply, port);
    else if (message[1] === ACK && transfer) {
      const number = message.readUInt16BE(2);
      if (number * transfer.blockBytes <= transfer.content.length) reply(block(transfer, number + 1));
      else sent.push(transfer.name);
    }
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, sent, close: () => socket.close() };
}
