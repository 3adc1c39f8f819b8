/** A PC on the screen of a VNC client: what firmware shows is what the client sees, and its keys reach firmware. */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { MemoryDisk } from '../../src/block/memory-disk.ts';
import { VncServer } from '../../src/host/node/vnc-server.ts';
import { TestClient } from '../../src/host/rfb/test-client.ts';
import { startPc } from './pc.ts';

const ESCAPE = 0xff1b;

for (const [name, encodings] of [
  ['Raw', [0]],
  ['Hextile, changes of size', [5, -223]],
] as const) {
  test(`${name}: the client has the screen's picture, opens the boot menu and chooses from it`, async () => {
    const medium = new MemoryDisk(new Uint8Array(2 ** 20));
    const pc = await startPc(
      [{ bus: 'ide', unit: 0, kind: 'disk', backend: medium }],
      { optionalDevices: ['isa-debugcon'] },
      { bootMenuMs: 60_000 },
    );
    const { screen, keyboard, pointer } = pc.guest;
    assert.ok(screen);
    const server = await VncServer.listen(
      { screen, keyboard, pointer },
      { port: 0, name: 'Vivarium', dropped: (message) => assert.fail(message) },
    );
    const socket = connect(server.port, '127.0.0.1');
    const client = new TestClient((bytes) => socket.write(bytes), { encodings });
    let asked = -1;
    socket.on('data', (bytes) => {
      client.receive(bytes);
      if (!client.isReady || asked === client.updates.length) return;
      asked = client.updates.length;
      client.request(asked > 0);
    });
    const press = (keysym: number): void => {
      for (const isPressed of [true, false]) client.key(keysym, isPressed);
    };

    await pc.until(() => pc.screen().some((row) => row.includes('ESC for boot menu')));
    // The cursor blinks: one of them is ahead now and then.
    await pc.until(() => client.shows(screen.image()));
    press(ESCAPE);
    await pc.until(() => pc.screen().some((row) => row.startsWith('1. ')));
    await pc.until(() => client.shows(screen.image()));
    press('1'.charCodeAt(0));
    await pc.until(() => pc.console().includes('Booting from Hard Disk...'));
    socket.destroy();
    server.close();
    pc.guest.stop();
    assert.deepEqual(await pc.end, { kind: 'stopped' });
  });
}
