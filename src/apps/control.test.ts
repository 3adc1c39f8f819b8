import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestScreen } from '../host/rfb/test-screen.ts';
import type { RunnableGuest } from '../vmm/guest-options.ts';
import { commandsFor, guestName } from './control.ts';
import { parseCommandLine } from './options.ts';

function nameOf(...words: string[]): string | undefined {
  const parsed = parseCommandLine(['run', ...words], { out: () => {}, err: () => {} });
  return parsed.command === 'run' ? guestName(parsed.options) : undefined;
}

test('a guest is called as the user says, or after what it boots', () => {
  assert.equal(nameOf(), 'built-in guest');
  assert.equal(nameOf('--kernel', '/boot/vmlinuz'), 'vmlinuz');
  assert.equal(nameOf('--cdrom', 'a.iso', '--disk', 'x/disk.img'), 'disk.img');
  assert.equal(nameOf('--cdrom', 'a.iso', '--floppy', 'b.img'), 'a.iso');
  assert.equal(nameOf('--disk', 'x/disk.img', '--name', 'web'), 'web');
  assert.equal(nameOf('--disk', 'x/\u001b[2J\n.img'), '?[2J?.img');
});

const notes = () => ({ input: 'console', takesInput: 'yes', size: 'nowhere', console: '' }) as const;

test('a guest without a screen, or with one in graphics, says so', () => {
  const without = commandsFor('a', {} as RunnableGuest, notes);
  assert.throws(() => without.screen?.({}), {
    message: 'This guest has no screen: it was started without firmware.',
  });
  const screen = new TestScreen(4, 4);
  const commands = commandsFor('a', { screen } as unknown as RunnableGuest, notes);
  assert.throws(() => commands.screen?.({ format: 'text' }), /^VivariumError: The screen shows graphics: /);
  const answer = commands.screen?.({}) as { readonly png: string } | undefined;
  assert.equal(Buffer.from(answer?.png ?? '', 'base64').toString('latin1', 1, 4), 'PNG');
  assert.deepEqual(commands.info?.({}), { name: 'a' });
});

test('a blank screen has no text', () => {
  const screen = { mode: 'blank', text: () => undefined };
  assert.deepEqual(commandsFor('a', { screen } as unknown as RunnableGuest, notes).screen?.({ format: 'text' }), {
    text: '',
  });
});
