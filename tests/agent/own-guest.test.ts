/** The agent of the built-in guest, in a guest of ours. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AgentClient } from '../../src/agent/client.ts';
import type { ChannelPort } from '../../src/base/channel.ts';
import { nodePacking, nodePlatform } from '../../src/host/node/platform.ts';
import { Guest } from '../../src/vmm/guest.ts';
import { boot, builtIn } from '../boot/booted.ts';
import {
  checkCommands,
  checkFiles,
  checkGreatOutput,
  checkNewConnection,
  checkSystem,
  goneSoon,
  pattern,
  run,
} from './checks.ts';

/** A client whose port a test can write to by itself. */
class OpenClient extends AgentClient {
  port!: ChannelPort;

  override attach(port: ChannelPort): void {
    this.port = port;
    super.attach(port);
  }
}

async function started(t: TestContext) {
  const agent = new OpenClient();
  const virtio = [{ kind: 'console', ports: [agent] }, { kind: 'rng' }] as const;
  const booted = await boot({ kernel: builtIn(), virtio, packing: nodePacking });
  t.after(() => booted.guest.stop());
  await agent.ready();
  return { agent, booted };
}

test('the agent serves a guest of ours', async (t) => {
  const { agent, booted } = await started(t);
  await checkCommands(t, agent);
  await checkFiles(t, agent);
  await checkSystem(t, agent);
  await t.test('hundreds of megabytes of output arrive', () => checkGreatOutput(agent, 300_000_000));
  await t.test('a new connection ends what the old one started', () =>
    checkNewConnection(agent, () => {
      agent.opened(true);
      return agent.ready();
    }),
  );
  await t.test('bytes that mean nothing end the connection, and the next one is as good as any', async () => {
    const sleeper = agent.exec({ argv: ['sleep', '4321'] });
    agent.port.send(pattern(100_000));
    await assert.rejects(sleeper.exit, { name: 'AgentProtocolError' });
    agent.opened(true);
    await agent.ready();
    await goneSoon(agent, 'sleep 432[1]');
  });
  await agent.power('off').catch(() => undefined);
  assert.deepEqual(await booted.end, { kind: 'powered-off' });
});

test('a guest restored while commands ran and frames were on their way serves the next host', async (t) => {
  const { agent, booted } = await started(t);
  agent.exec({ argv: ['yes'] });
  agent.exec({ argv: ['sleep', '1234'] });
  agent.files.write('/tmp/big', pattern(3_000_000)).catch(() => undefined);
  await run(agent, ['true']);
  const snapshot = await booted.guest.snapshot();
  booted.guest.stop();
  await booted.end;

  const next = new AgentClient();
  const virtio = [{ kind: 'console', ports: [next] }, { kind: 'rng' }] as const;
  const guest = await Guest.restore(snapshot, {
    virtio,
    packing: nodePacking,
    host: nodePlatform,
    onConsole: () => {},
  });
  t.after(() => guest.stop());
  const end = guest.run();
  await next.ready();
  await goneSoon(next, 'sleep 123[4]|yes$');
  await next.files.write('/tmp/again', pattern(100_000));
  assert.deepEqual(await next.files.read('/tmp/again'), pattern(100_000));
  guest.stop();
  await end;
});

test('a guest without the port boots as ever, and has no agent running', async (t) => {
  const booted = await boot({ kernel: builtIn() });
  t.after(() => booted.guest.stop());
  await booted.shows('vivarium:~# ');
  booted.type('pidof vivarium-agent; echo status $?\n');
  await booted.shows('status 1');
  booted.guest.stop();
  await booted.end;
});
