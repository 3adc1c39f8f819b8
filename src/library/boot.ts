/** `boot`, for whatever platform. */

import { endOf, type PostsMessages, type WorkerEnd } from '../base/message-end.ts';
import { packOptions } from './options.ts';
import type { CallerPlatform } from './platform.ts';
import type { MakeDevice } from './types/backends.ts';
import type { BootOptions } from './types/boot-options.ts';
import type { Vm } from './types/vm.ts';
import { Uploads } from './uploads.ts';
import { AgentSession } from './vm/agent-session.ts';
import { MachineVm } from './vm/machine-vm.ts';
import { Served } from './vm/served.ts';
import { within } from './wait.ts';

export async function bootOn(platform: CallerPlatform, given: BootOptions): Promise<Vm> {
  given.signal?.throwIfAborted();
  const served = new Served();
  const uploads = new Uploads();
  const { options, functions, mounts, joinsNetwork } = packOptions(given, platform, served, uploads);
  const hasAgent = options.rng;
  const agent = new AgentSession({ mounts, joinsNetwork, hasAgent });
  // The agent's port is the first, so that it is found whatever else there is.
  const channels = hasAgent
    ? [{ remote: served.channel(agent.client), name: agent.client.name }, ...options.channels]
    : options.channels;
  const { worker = true, assets } = given;
  const end = worker ? platform.startWorker(assets?.worker?.toString()) : await machineHere(platform, functions);
  const vm = new MachineVm(end, agent, served, uploads);
  const { boot } = options;
  const isAhead = worker && boot.kind === 'built-in' && !boot.cold && assets?.snapshot === undefined;
  const ahead = isAhead && platform.shipped ? { boot: { ...boot, saved: uploads.give(platform.shipped()) } } : {};
  const started = vm.start({ ...options, ...ahead, channels }).catch(async (error) => {
    await vm.close();
    throw error;
  });
  await within(started, 'Booting', given, () => void vm.close());
  return vm;
}

/** The machine in the caller's thread, by way of the same messages. */
async function machineHere(platform: CallerPlatform, functions: readonly MakeDevice[]): Promise<WorkerEnd> {
  // Not before it is wanted: whoever has a worker need not load all of the machine.
  const [machine, { serveMachine }] = await Promise.all([platform.machine(), import('./serve-machine.ts')]);
  const { port1, port2 } = new MessageChannel();
  serveMachine(endOf(port2 as unknown as PostsMessages), machine, functions);
  return {
    ...endOf(port1 as unknown as PostsMessages),
    failed() {},
    async terminate() {
      port1.close();
      port2.close();
    },
  };
}
