/** The signals that ask this process to end. */

const ENDING_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** What a shell reports for a process that a signal ended. */
export const STATUS_SIGNAL = 128;

/**
 * Calls `end` with the number of the first such signal, to end in good order. A second one, or one for which `end`
 * answers that there is nothing left to end, exits at once.
 */
export function onEndingSignals(end: (number: number) => boolean): void {
  let isEnding = false;
  for (const [name, number] of Object.entries(ENDING_SIGNALS)) {
    process.on(name, () => {
      if (isEnding || !end(number)) process.exit(STATUS_SIGNAL + number);
      isEnding = true;
    });
  }
}
