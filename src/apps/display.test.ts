import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DisplayOption } from './display.ts';
import { parseCommandLine } from './options.ts';

function parse(...words: string[]): { display: DisplayOption | undefined; err: string } {
  let err = '';
  const parsed = parseCommandLine(['run', ...words], {
    out: () => {},
    err: (text) => {
      err += text;
    },
  });
  return { display: parsed.command === 'run' ? parsed.options.pc?.display : undefined, err };
}

test('a port is a TCP port, however small; without one any of VNC will do', () => {
  for (const [text, display] of [
    ['none', { kind: 'none' }],
    ['terminal', { kind: 'terminal' }],
    ['vnc', { kind: 'vnc' }],
    ['vnc=:5901', { kind: 'vnc', port: 5901 }],
    ['vnc=:1', { kind: 'vnc', port: 1 }],
    ['vnc=:0', { kind: 'vnc', port: 0 }],
    ['vnc=:65535', { kind: 'vnc', port: 65_535 }],
  ] as const) {
    assert.deepEqual(parse('--disk', 'a', '--display', text), { display, err: '' });
  }
});

test('displays and ports that there are not are told in a sentence', () => {
  for (const text of [
    '',
    'gtk',
    'terminal=x',
    'vnc=',
    'vnc=:',
    'vnc=5901',
    'vnc=:65536',
    'vnc=:-1',
    'vnc=0.0.0.0:5901',
    'vnc=:1x',
  ]) {
    const { display, err } = parse('--disk', 'a', `--display=${text}`);
    assert.equal(display, undefined);
    assert.match(err, /^vivarium: .* Write none, terminal, vnc, or vnc=:PORT with a TCP port such as 5901\.\n$/);
  }
});

test('a kernel without firmware has nothing to display, and may say so', () => {
  const needsPc = 'vivarium: --display needs a PC: name a --disk, a --cdrom, a --floppy or a --bios.\n';
  assert.equal(parse('--display', 'vnc').err, needsPc);
  assert.equal(parse('--display', 'terminal').err, needsPc);
  assert.equal(parse('--display', 'none').err, '');
});
