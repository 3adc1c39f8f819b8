import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteStream } from 'node:tty';
import type { Screen, TextScreen } from '../../base/screen.ts';
import { TestTerminal } from '../ansi/test-terminal.ts';
import { TerminalDisplay } from './terminal-display.ts';

const folder = mkdtempSync(join(tmpdir(), 'vivarium-display-'));
after(() => rmSync(folder, { recursive: true }));

/** A pipe in place of a terminal that reads when it is told to. */
function terminal(name: string) {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(path, constants.O_WRONLY);
  const shown = new TestTerminal(80, 25);
  let text = '';
  const buffer = Buffer.alloc(1 << 20);
  const output = { fd, columns: 80, rows: 25, getColorDepth: () => 24 };
  return {
    display: new TerminalDisplay(output as unknown as WriteStream & { fd: number }),
    /** Reads what there is: how many bytes. */
    read(): number {
      let count = 0;
      try {
        count = readSync(reader, buffer);
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      }
      text += buffer.toString('utf8', 0, count);
      return count;
    },
    /** What all that was read has left on it. */
    rows(): readonly string[] {
      shown.write(text);
      text = '';
      return shown.text;
    },
    close(): void {
      closeSync(fd);
      closeSync(reader);
    },
  };
}

/** Full of one letter, which changes at each look. */
class RestlessScreen implements Screen {
  readonly mode = 'text';
  generation = 0;
  isOver = false;

  text(): TextScreen {
    if (!this.isOver) this.generation++;
    const letter = 0x41 + (this.generation % 26);
    return {
      columns: 80,
      rows: 25,
      cells: new Uint16Array(80 * 25).map((_, i) => ((i % 128) << 8) | letter),
      cursor: { column: 0, row: 0, visible: true },
      palette: Uint32Array.from({ length: 16 }, (_, i) => i * 0x0f0f0f),
      isBlinking: false,
    };
  }

  image(): never {
    throw new Error('this screen is text');
  }
}

test('a terminal that stops reading holds nothing up, and shows the latest screen when it goes on', async () => {
  const { display, read, rows, close } = terminal('slow');
  const screen = new RestlessScreen();
  display.show({ screen, keyboard: { key: () => {} } });
  display.enter();
  // Frames of 50 KB fill the pipe soon; from then on the screen is not looked at.
  let looks = -1;
  while (looks !== screen.generation) {
    looks = screen.generation;
    await sleep(500);
  }
  assert.ok(looks < 10, `${looks} looks`);
  screen.isOver = true;
  const latest = String.fromCharCode(0x41 + ((looks + 1) % 26));
  screen.generation++;
  for (let quiet = 0; quiet < 20; ) {
    quiet = read() === 0 ? quiet + 1 : 0;
    await sleep(20);
  }
  assert.deepEqual(rows(), new Array(25).fill(latest.repeat(80)));
  display.leave();
  close();
});

test('what is typed reaches the keyboard in order, and an Escape on its own after a while', async () => {
  const { display, read, close } = terminal('typed');
  const keys: string[] = [];
  display.show({
    screen: new RestlessScreen(),
    keyboard: { key: (code, pressed) => void (pressed && keys.push(code)) },
  });
  display.enter();
  display.input(Buffer.from('ab\x1b'));
  while (keys.length < 3) {
    read();
    await sleep(5);
  }
  assert.deepEqual(keys, ['KeyA', 'KeyB', 'Escape']);
  display.leave();
  close();
});
