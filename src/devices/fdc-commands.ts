/** Commands of the 82077AA (Intel 82077AA data sheet, order number 290166-007, §5.0 "Command Set/Descriptions"). */

export type FdcCommandName =
  | 'read-track'
  | 'specify'
  | 'sense-drive'
  | 'write'
  | 'read'
  | 'recalibrate'
  | 'sense-interrupt'
  | 'read-id'
  | 'read-deleted'
  | 'format'
  | 'dump-registers'
  | 'seek'
  | 'version'
  | 'perpendicular'
  | 'configure'
  | 'lock'
  | 'verify';

export interface FdcCommand {
  readonly name: FdcCommandName;
  /** Bytes after the first. */
  readonly parameters: number;
  /** Bits of the first byte that are options. */
  readonly options: number;
}

export const MULTI_TRACK = 0x80;
export const MFM = 0x40;
const SKIP = 0x20;

const command = (name: FdcCommandName, parameters: number, options = 0): FdcCommand => ({ name, parameters, options });

const COMMANDS = new Map<number, FdcCommand>([
  [0x02, command('read-track', 8, MFM)],
  [0x03, command('specify', 2)],
  [0x04, command('sense-drive', 1)],
  [0x05, command('write', 8, MULTI_TRACK | MFM)],
  [0x06, command('read', 8, MULTI_TRACK | MFM | SKIP)],
  [0x07, command('recalibrate', 1)],
  [0x08, command('sense-interrupt', 0)],
  [0x09, command('write', 8, MULTI_TRACK | MFM)], // WRITE DELETED DATA
  [0x0a, command('read-id', 1, MFM)],
  [0x0c, command('read-deleted', 8, MULTI_TRACK | MFM | SKIP)],
  [0x0d, command('format', 5, MFM)],
  [0x0e, command('dump-registers', 0)],
  [0x0f, command('seek', 2, 0xc0)],
  [0x10, command('version', 0)],
  [0x12, command('perpendicular', 1)],
  [0x13, command('configure', 3)],
  [0x14, command('lock', 0, 0x80)],
  [0x16, command('verify', 8, MULTI_TRACK | MFM | SKIP)],
]);

/** The command that begins with that byte; undefined if it is none. */
export function fdcCommand(first: number): FdcCommand | undefined {
  const found = COMMANDS.get(first & 0x1f);
  return found && (first & 0xe0 & ~found.options) === 0 ? found : undefined;
}
