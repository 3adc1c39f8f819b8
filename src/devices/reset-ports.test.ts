import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Port92 } from './port92.ts';
import { ResetControl } from './reset-control.ts';
import { TestLine } from './test-clock.ts';

test('port 0x92 gates A20 and resets on a rising bit 0', () => {
  const a20 = new TestLine();
  let resets = 0;
  const port = new Port92({ a20, reset: () => resets++ });
  assert.equal(a20.level, true);
  port.write(0, 0x00);
  assert.equal(a20.level, false);
  port.write(0, 0x03);
  port.write(0, 0x03);
  assert.equal(a20.level, true);
  assert.equal(port.read(), 0x03);
  assert.equal(resets, 1);
});

test('port 0xcf9 resets when RST_CPU rises, with or without SYS_RST set first', () => {
  let resets = 0;
  const port = new ResetControl({ reset: () => resets++ });
  port.write(0, 0x02);
  assert.equal(resets, 0);
  port.write(0, 0x06);
  port.write(0, 0x06);
  assert.equal(resets, 1);
  port.reset();
  port.write(0, 0xfe);
  assert.equal(resets, 2);
  assert.equal(port.read(), 0x0e);
});
