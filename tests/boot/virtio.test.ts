/** Virtio devices of a kernel that is loaded directly: channels with back-pressure; saved in the midst of requests. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ChannelBackend, ChannelPort } from '../../src/base/channel.ts';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import type { GuestOptions, GuestVirtio } from '../../src/vmm/guest-options.ts';
import { builtIn, runScript } from './booted.ts';

const KIB = 1024;
const POWERED_OFF = { kind: 'powered-off' };

class Channel implements ChannelBackend {
  readonly name = 'org.test';
  port!: ChannelPort;
  readonly #received: (bytes: Uint8Array, port: ChannelPort) => void;

  constructor(received: (bytes: Uint8Array, port: ChannelPort) => void) {
    this.#received = received;
  }

  attach(port: ChannelPort): void {
    this.port = port;
  }

  received(bytes: Uint8Array): void {
    this.#received(bytes, this.port);
  }

  opened(): void {}
  drained(): void {}
}

test('a channel carries megabytes both ways at the pace of whoever is slower', async () => {
  const total = 8192 * KIB;
  const pattern = new Uint8Array(64 * KIB).map((_, i) => (i * 31) ^ (i >> 8));
  const came = createHash('md5');
  let count = 0;
  const channel = new Channel((bytes, port) => {
    came.update(bytes);
    count += bytes.length;
    // Now and then it has enough, for a while.
    if (count % 7 !== 0) return;
    port.accepting = false;
    setTimeout(() => {
      port.accepting = true;
    }, 1);
  });
  const script = `
exec 3<>/dev/vport0p1
cat /sys/class/virtio-ports/vport0p1/name
dd bs=64k iflag=fullblock count=128 <&3 2>/dev/null | tee /tmp/in | md5sum
cat /tmp/in >&3
exec 3>&-
poweroff`;
  const { console, end } = await runScript(
    builtIn(),
    script,
    { virtio: [{ kind: 'console', ports: [channel] }] },
    () => {
      for (let sent = 0; sent < total; sent += pattern.length) channel.port.send(pattern);
    },
  );
  assert.deepEqual(end, POWERED_OFF, console);
  const whole = createHash('md5');
  for (let sent = 0; sent < total; sent += pattern.length) whole.update(pattern);
  const digest = whole.digest('hex');
  assert.equal(console, `org.test\n${digest}  -\n`);
  assert.deepEqual([count, came.digest('hex')], [total, digest]);
  assert.equal(channel.port.pendingBytes, 0);
});

const SCRIPT = `
exec 3<>/dev/vport2p1
for i in 1 2 3 4 5 6; do
  dd if=/dev/vda bs=64k skip=$i count=8 2>/dev/null | md5sum
  echo "line $i" >&3; read -r line <&3; echo "$line"
  head -c 8 /dev/hwrng | od -An -tx1
  sleep 0.02
done
poweroff`;

/** The same devices each time, as who restores a snapshot has to give. */
function devices(): GuestVirtio[] {
  const echo = new Channel((bytes, port) => port.send(bytes.map((byte) => (byte >= 0x61 ? byte - 0x20 : byte))));
  const contents = new Uint8Array(2048 * KIB).map((_, i) => (i * 7) ^ (i >> 9));
  const backend = Object.assign(new MemoryDisk(contents), { readOnly: true });
  return [{ kind: 'rng' }, { kind: 'block', backend }, { kind: 'console', ports: [echo] }];
}

test('a deterministic guest saved among its requests ends as one that never was', async () => {
  const options: Partial<GuestOptions> = { time: 'deterministic', packing: nodePacking };
  const whole = await runScript(builtIn(), SCRIPT, { ...options, virtio: devices() });
  assert.deepEqual(whole.end, POWERED_OFF, whole.console);
  assert.match(whole.console, /LINE 6/);
  const { instructions } = whole.guest.stats();
  for (const part of [0.3, 0.85, 0.92]) {
    let snapshot: Promise<Uint8Array> | undefined;
    await runScript(builtIn(), SCRIPT, { ...options, virtio: devices() }, (guest) => {
      const { cpu } = guest.debug;
      const run = cpu.run.bind(cpu);
      const mark = Math.floor(part * instructions);
      cpu.run = (budget) => {
        const reason = run(snapshot ? budget : Math.min(budget, Math.max(1, mark - cpu.instructions)));
        if (snapshot === undefined && cpu.instructions >= mark) {
          snapshot = guest.snapshot();
          snapshot.then(() => guest.stop());
        }
        return reason;
      };
    });
    assert.ok(snapshot);
    let sent = false;
    const guest: Guest = await Guest.restore(await snapshot, {
      virtio: devices(),
      onConsole: () => {},
      onSecondSerial: () => {
        if (!sent && part < 0.5) guest.sendSecondSerial(new TextEncoder().encode(`${SCRIPT}\n\x04`));
        sent = true;
      },
      packing: nodePacking,
      host: nodePlatform,
    });
    assert.deepEqual(await guest.run(), POWERED_OFF);
    assert.equal(guest.stateHash(), whole.guest.stateHash(), `saved at ${part}`);
  }
});

test('a snapshot wants the virtio devices that it is of', async () => {
  const guest = await Guest.create({
    memoryBytes: 64 << 20,
    kernel: builtIn(),
    virtio: [{ kind: 'rng' }],
    time: 'deterministic',
    seed: 0,
    optionalDevices: [],
    onConsole: () => {},
    host: nodePlatform,
  });
  const snapshot = await guest.snapshot();
  const options = { onConsole: () => {}, host: nodePlatform };
  await assert.rejects(Guest.restore(snapshot, options), /other virtio devices: rng/);
  await Guest.restore(snapshot, { ...options, virtio: [{ kind: 'rng' }] });
});
