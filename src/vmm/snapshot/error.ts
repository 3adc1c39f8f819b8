import { VivariumError } from '../../base/errors.ts';

/** These bytes are no snapshot that can be restored here. */
export class SnapshotError extends VivariumError {
  override readonly name = 'SnapshotError';

  /** `problem` ends the sentence. */
  constructor(section: string | undefined, problem: string, options?: { readonly cause?: unknown }) {
    const where = section === undefined ? 'it' : `its section "${section}"`;
    super(
      { kind: 'bad-snapshot', ...(section !== undefined && { section }) },
      `The snapshot cannot be restored: ${where} ${problem}.`,
      options,
    );
  }
}
