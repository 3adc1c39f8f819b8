/** The name server of the guest's network: asks the host's. A bounded number of questions is on its way at a time. */

import { isAnswerTo, isQuery, serverFailure, withIdentification } from './dns.ts';
import type { HostSockets } from './sockets.ts';
import type { NetworkStatistics } from './statistics.ts';

const LARGEST_COUNT = 64;

export class DnsForwarder {
  readonly #sockets: Pick<HostSockets, 'resolve'>;
  readonly #random: () => number;
  readonly #statistics: NetworkStatistics;
  #waiting = 0;

  /** `random` gives 32 bits that the outside cannot guess. */
  constructor(sockets: Pick<HostSockets, 'resolve'>, random: () => number, statistics: NetworkStatistics) {
    this.#sockets = sockets;
    this.#random = random;
    this.#statistics = statistics;
  }

  /** Questions that the host has not answered yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** `answered` is called later, once; false: never. */
  ask(message: Uint8Array, over: 'udp' | 'tcp', answered: (message: Uint8Array) => void): boolean {
    if (!isQuery(message)) {
      this.#statistics.drop('malformed');
      return false;
    }
    if (this.#waiting === LARGEST_COUNT) {
      this.#statistics.drop('limit');
      return false;
    }
    this.#waiting++;
    const query = withIdentification(message, this.#random() & 0xffff);
    const identification = (message[0] << 8) | message[1];
    void this.#sockets.resolve(query, over).then((answer) => {
      this.#waiting--;
      const isGood = answer !== undefined && isAnswerTo(answer, query);
      answered(withIdentification(isGood ? answer : serverFailure(message), identification));
    });
    return true;
  }
}
