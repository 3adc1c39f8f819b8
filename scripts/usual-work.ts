/** What a guest with an agent is asked for first, by whoever starts it: what is worth having ready. */

import type { AgentClient } from '../src/agent/client.ts';
import { readAll } from '../src/agent/files.ts';

const COMMANDS = [['true'], ['uname', '-a'], ['sh', '-c', 'echo one | cat; test -d /proc && ls /']];

/** A connection as to a guest that was restored, then commands and files. */
export async function doUsualWork(agent: AgentClient): Promise<void> {
  agent.opened(true);
  await agent.ready();
  await agent.setClock(Date.now());
  await agent.addEntropy(new Uint8Array(64));
  await agent.resize(24, 80);
  for (const argv of COMMANDS) {
    const { stdin, stdout, stderr, exit } = agent.exec({ argv });
    await stdin.getWriter().close();
    await Promise.all([readAll(stdout), readAll(stderr), exit]);
  }
  const { files } = agent;
  await files.write('/tmp/usual', new Uint8Array(100_000));
  await files.read('/tmp/usual');
  await files.stat('/tmp/usual');
  await files.list('/tmp');
  await files.remove('/tmp/usual');
}
