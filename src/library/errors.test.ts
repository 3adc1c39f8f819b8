import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AgentLostError,
  AgentProtocolError,
  BlockError,
  FileError,
  GuestError,
  OutputLimitError,
  packError,
  SnapshotError,
  unpackError,
  VivariumError,
  VmEndedError,
  VmTimeoutError,
} from './errors.ts';

const ALL: readonly Error[] = [
  new VivariumError({ kind: 'bad-file', path: '/x' }, 'The file /x cannot be read.'),
  new VmTimeoutError('The command', 250),
  new VmEndedError({ kind: 'triple-fault', detail: 'at instruction pointer 0x7c00' }),
  new GuestError('ENOENT', 'Cannot read /x in the guest', '/x'),
  new AgentLostError('It is gone.'),
  new AgentProtocolError('it stutters'),
  new OutputLimitError(64),
  new SnapshotError('memory/0', 'is damaged'),
  new BlockError('full', 'There is no room left.'),
  new FileError('ENOTEMPTY'),
  new TypeError('A bug.'),
];

for (const error of ALL) {
  test(`${error.name} is the same on the other side`, () => {
    const arrived = unpackError(structuredClone(packError(error)));
    assert.equal(arrived.name, error.name);
    assert.equal(arrived.message, error.message);
    assert.equal(arrived.stack, error.stack);
    if (!(error instanceof TypeError)) assert.equal(arrived.constructor, error.constructor);
    const fields = ({ stack, message, ...rest }: Error) => rest;
    assert.deepEqual(fields(arrived), fields(error));
  });
}

test('an end by an error of ours keeps it', () => {
  const error = new VmEndedError({ kind: 'failed', error: new RangeError('A bug.') });
  const arrived = unpackError(structuredClone(packError(error)));
  assert.ok(arrived instanceof VmEndedError && arrived.end.kind === 'failed');
  assert.equal(arrived.end.error.message, 'A bug.');
});

test('what is thrown and is no error becomes one', () => {
  assert.equal(unpackError(structuredClone(packError('text'))).message, 'text');
});
