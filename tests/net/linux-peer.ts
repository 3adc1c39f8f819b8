/**
 * The built-in guest's Linux under QEMU, with its card on our network: another's TCP/IP for ours to talk to. QEMU passes
 * frames over a socket, each with its length before it in four bytes, big end first (`-netdev stream`).
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from '../../src/base/clock.ts';
import type { NetworkDevice } from '../../src/base/network.ts';
import { TimerQueue } from '../../src/base/timer-queue.ts';
import { NodeSockets } from '../../src/host/node/sockets.ts';
import type { OpenedService } from '../../src/net/options.ts';
import { UserNetwork } from '../../src/net/user-network.ts';

const BUILT_IN = fileURLToPath(new URL('../../guests/builtin/', import.meta.url));
const QEMU = 'qemu-system-x86_64';
const PROMPT = ':~# ';

/** Why there can be no such peer here, if so. */
export function whyNoPeer(): string | false {
  const { stdout } = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(stdout ?? '')?.map(Number) ?? [0, 0, 0];
  return major > 7 || (major === 7 && minor >= 2) ? false : 'there is no QEMU of version 7.2 or later';
}

/** The host's time, as a guest outside of our hands sees it. */
class HostClock implements Clock {
  readonly #queue = new TimerQueue();
  #wait: NodeJS.Timeout | undefined;

  now(): number {
    return performance.now() * 1e6;
  }

  timer(expired: () => void): Timer {
    const timer = this.#queue.timer(expired);
    return {
      arm: (deadlineNs) => {
        timer.arm(deadlineNs);
        this.#next();
      },
      disarm: () => timer.disarm(),
      get deadlineNs() {
        return timer.deadlineNs;
      },
    };
  }

  #next(): void {
    clearTimeout(this.#wait);
    const ms = (this.#queue.nextDeadlineNs() - this.now()) / 1e6;
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#wait = setTimeout(
      () => {
        this.#queue.runExpired(this.now());
        this.#next();
      },
      Math.max(0, ms),
    ).unref();
  }
}

export class LinuxPeer {
  readonly network: UserNetwork;
  readonly #qemu: ChildProcess;
  readonly #folder: string;
  /** Which part of the frames is lost, either way. */
  loss = 0;
  #output = '';
  #heard: (() => void) | undefined;

  private constructor(network: UserNetwork, qemu: ChildProcess, folder: string) {
    this.network = network;
    this.#qemu = qemu;
    this.#folder = folder;
    qemu.stdout?.setEncoding('latin1').on('data', (text: string) => {
      this.#output += text;
      this.#heard?.();
    });
    qemu.on('exit', () => this.#heard?.());
  }

  /** Boots it and waits for its shell. */
  static async boot(
    options: { opened?: readonly OpenedService[]; capture?(frame: Uint8Array): void } = {},
  ): Promise<LinuxPeer> {
    const folder = await mkdtemp(join(tmpdir(), 'vivarium-peer-'));
    const path = join(folder, 'wire');
    const network = new UserNetwork({
      clock: new HostClock(),
      sockets: new NodeSockets(),
      random: () => Math.floor(Math.random() * 2 ** 32),
      ...options,
    });
    const wire = { isLost: () => false };
    const server = createServer((socket) => connectCard(network, socket, () => wire.isLost())).listen(path);
    await once(server, 'listening');
    const qemu = spawn(
      QEMU,
      [
        ...['-accel', 'tcg', '-cpu', 'Westmere', '-m', '256', '-display', 'none', '-monitor', 'none'],
        ...['-serial', 'stdio', '-no-reboot', '-device', 'virtio-net-pci,netdev=wire,romfile='],
        ...['-netdev', `stream,id=wire,addr.type=unix,addr.path=${path}`],
        ...['-kernel', join(BUILT_IN, 'vmlinuz'), '-initrd', join(BUILT_IN, 'initramfs.cpio.gz')],
        ...['-append', 'console=ttyS0 quiet'],
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const peer = new LinuxPeer(network, qemu, folder);
    wire.isLost = () => Math.random() < peer.loss;
    await peer.#until(PROMPT);
    server.close();
    await peer.run('stty -echo; ip link set lo up');
    return peer;
  }

  /** What the shell says to `command`, its status in the last line. */
  async run(command: string): Promise<string> {
    this.#output = '';
    this.#qemu.stdin?.write(`${command}; echo "[$?"]\n`);
    const text = await this.#until(/\[\d+\]\r?\n/);
    const from = text.indexOf('\n') >= 0 && text.startsWith(command) ? text.indexOf('\n') + 1 : 0;
    return text
      .slice(from)
      .replaceAll('\r', '')
      .replaceAll(/^.*:~# /gm, '');
  }

  async end(): Promise<void> {
    this.network.close();
    this.#qemu.kill('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #until(sign: string | RegExp): Promise<string> {
    while (typeof sign === 'string' ? !this.#output.includes(sign) : !sign.test(this.#output)) {
      if (this.#qemu.exitCode !== null) throw new Error(`QEMU ended: ${this.#output}`);
      await new Promise<void>((heard) => {
        this.#heard = heard;
      });
    }
    return this.#output;
  }
}

/** QEMU's end of the wire as a card. */
function connectCard(network: UserNetwork, socket: Socket, isLost: () => boolean): void {
  let gathered = Buffer.alloc(0);
  const device: NetworkDevice = {
    mac: new Uint8Array(6),
    canReceive: true,
    receive(frame) {
      if (socket.writableLength > 1 << 18) return false;
      if (isLost()) return true;
      const length = Buffer.alloc(4);
      length.writeUInt32BE(frame.length);
      socket.write(Buffer.concat([length, frame]));
      return true;
    },
  };
  network.attach(device);
  socket.on('drain', () => device.onReady?.());
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    gathered = Buffer.concat([gathered, bytes]);
    while (gathered.length >= 4 && gathered.length >= 4 + gathered.readUInt32BE(0)) {
      const end = 4 + gathered.readUInt32BE(0);
      if (!isLost()) network.send(Uint8Array.from(gathered.subarray(4, end)));
      gathered = gathered.subarray(end);
    }
  });
}
