import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VivariumError } from '../base/errors.ts';
import { StructWriter } from '../machine/struct-writer.ts';
import { Guest } from './guest.ts';
import type { GuestOptions, HostPlatform } from './guest-options.ts';

/** Guests of a few bytes, entered in 32-bit protected mode; on a host whose clock the tests move. */

const MIB = 2 ** 20;
const LOAD_ADDRESS = 0x10_0000;
const HEADER_BYTES = 32;
const MULTIBOOT_MAGIC = 0x1bad_b002;
const HAS_ADDRESSES = 1 << 16;

/** A Multiboot image of `code`, given in hexadecimal. */
function image(code: string): Uint8Array {
  const checksum = -(MULTIBOOT_MAGIC + HAS_ADDRESSES) >>> 0;
  return new StructWriter()
    .u32(MULTIBOOT_MAGIC, HAS_ADDRESSES, checksum, LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, LOAD_ADDRESS + HEADER_BYTES)
    .bytes(Uint8Array.from(code.replaceAll(/\s/g, '').match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)))
    .finish();
}

/** More than any guest here sleeps. */
const MANY_SLEEPS = 1000;

/** A host that sleeps by moving its clock, and that runs what is due when the guest lets it. */
class FakeHost implements HostPlatform {
  ms = 1000;
  yields = 0;
  /** What sleeps there were, in milliseconds. */
  readonly sleeps: number[] = [];
  /** Runs at the next sleep, before it: for what happens while the guest waits. */
  whileAsleep: (() => void) | undefined;
  /** What a look at the clock costs: guests take time here, too. */
  tickMs = 0.01;

  nowMs(): number {
    this.ms += this.tickMs;
    return this.ms;
  }

  wallClockMs(): number {
    return 1_700_000_000_000 + this.ms;
  }

  yield(): Promise<void> {
    this.yields++;
    return new Promise((resolve) => setImmediate(resolve));
  }

  sleep(milliseconds: number): { done: Promise<void>; wake(): void } {
    this.sleeps.push(milliseconds);
    assert.ok(this.sleeps.length < MANY_SLEEPS, 'the guest is never woken');
    let woken = false;
    const happens = this.whileAsleep;
    this.whileAsleep = undefined;
    const done = new Promise<void>((resolve) => {
      setImmediate(() => {
        happens?.();
        if (!woken) this.ms += milliseconds;
        resolve();
      });
    });
    return {
      done,
      wake: () => {
        woken = true;
      },
    };
  }
}

interface Setup {
  readonly guest: Guest;
  readonly host: FakeHost;
  readonly console: () => string;
}

async function create(code: string, options: Partial<GuestOptions> = {}): Promise<Setup> {
  const host = new FakeHost();
  let console = '';
  const guest = await Guest.create({
    memoryBytes: 4 * MIB,
    kernel: { image: image(code), commandLine: '' },
    time: 'real',
    seed: 1,
    optionalDevices: ['isa-debug-exit'],
    onConsole: (bytes) => {
      console += new TextDecoder('latin1').decode(bytes);
    },
    host,
    ...options,
  });
  return { guest, host, console: () => console };
}

/** mov al, value; out 0xf4, al */
const EXIT = (value: string): string => `b0 ${value} e6 f4`;
/** mov dx, port; mov al, value; out dx, al */
const OUT = (port: string, value: string): string => `66 ba ${port} b0 ${value} ee`;
const SPIN = 'eb fe';
const COM1_DATA = 'f8 03';
const COM2_DATA = 'f8 02';
/** cli; hlt */
const HALT_FOR_GOOD = 'fa f4';

const PIC_VECTORS = 0x20;

const hex32 = (value: number): string => value.toString(16).padStart(8, '0').match(/../g)?.reverse().join('') ?? '';

/** `main` with interrupt `irq` going to `handler`, through the PIC, whose other inputs are masked. */
function withInterrupt(irq: number, main: string, handler: string): string {
  const bytes = (code: string): number => code.replaceAll(/\s/g, '').length / 2;
  const gate = 0x11_0000 + 8 * (PIC_VECTORS + irq);
  const mask = (0xff & ~(1 << irq)).toString(16);
  const pic = `b0 11 e6 20 b0 ${PIC_VECTORS.toString(16)} e6 21 b0 04 e6 21 b0 01 e6 21 b0 ${mask} e6 21`;
  const before = (handlerAt: number, idtr: number): string =>
    [
      'fa bc 00 00 20 00', // cli; mov esp, 0x200000
      `c7 05 ${hex32(gate)} ${hex32((8 << 16) | (handlerAt & 0xffff))}`, // the interrupt gate, in two halves
      `c7 05 ${hex32(gate + 4)} ${hex32((LOAD_ADDRESS & 0xffff0000) | 0x8e00)}`,
      `0f 01 1d ${hex32(idtr)}`, // lidt
      pic,
      main,
    ].join(' ');
  const handlerAt = LOAD_ADDRESS + HEADER_BYTES + bytes(before(0, 0));
  return `${before(handlerAt, handlerAt + bytes(handler))} ${handler} ff 07 00 00 11 00`;
}

/** Interrupts of COM1 on (RTS and OUT2, received data), then STI, HLT; the handler exits with the byte received. */
const WAIT_FOR_INPUT = withInterrupt(
  4,
  `${OUT('fc 03', '0a')} ${OUT('f9 03', '01')} fb f4 ${SPIN}`,
  `66 ba ${COM1_DATA} ec e6 f4 ${SPIN}`,
);

/**
 * 25 timer interrupts, each of which mixes registers into memory, while a loop does the same with the time, fills
 * memory backwards with REP STOSB, and halts now and then.
 */
const BUSY_WITH_INTERRUPTS = withInterrupt(
  0,
  // PIT mode 2, 60 ticks; std; sti; again: inc ebx; rdtsc; add [0x120000], eax; mov edi, 0x130fff; mov ecx, 100;
  // rep stosb; test bx, 0x3fff; jnz again; hlt; jmp again
  'b0 34 e6 43 b0 3c e6 40 b0 00 e6 40 fd fb 43 0f31 0105 00001200 bf ff0f1300 b9 64000000 f3aa 66f7c3ff3f 75e4 f4 ebe1',
  // push eax; inc dword [0x120010]; xor [0x120014], ebx; xor [0x120018], ecx; cmp dword [0x120010], 25; jb over;
  // mov al, 7; out 0xf4, al; over: end of interrupt; pop eax; iret
  '50 ff05 10001200 311d 14001200 310d 18001200 833d 10001200 19 7204 b007 e6f4 b020 e620 58 cf',
);

describe('a run ends', () => {
  const ends: readonly (readonly [name: string, code: string, end: object])[] = [
    ['by the debug-exit port, with its value', EXIT('2a'), { kind: 'exit-code', value: 0x2a }],
    ['by reset through port 0xcf9', OUT('f9 0c', '06'), { kind: 'reset' }],
    ['by reset through the keyboard controller', 'b0 fe e6 64', { kind: 'reset' }],
    ['by pvpanic', OUT('05 05', '01'), { kind: 'panicked' }],
    // mov dx, 0x604; mov ax, 0x2000; out dx, ax
    ['by ACPI power-off', '66 ba 04 06 66 b8 00 20 66 ef', { kind: 'powered-off' }],
  ];
  for (const [name, code, end] of ends) {
    it(name, async () => {
      const { guest } = await create(`${code} ${SPIN}`);
      assert.deepEqual(await guest.run(), end);
    });
  }

  it('by a triple fault, which says where', async () => {
    // lidt [an IDT without entries] at address 0; ud2
    const { guest } = await create('0f 01 1d 00 00 00 00 0f 0b');
    const end = await guest.run();
    assert.equal(end.kind, 'triple-fault');
    assert.match(end.kind === 'triple-fault' ? end.detail : '', /0x100027$/);
  });

  it('for the first reason only', async () => {
    const { guest } = await create(`${EXIT('01')} ${EXIT('02')} ${SPIN}`);
    assert.deepEqual(await guest.run(), { kind: 'exit-code', value: 1 });
  });

  it('at the instruction that ends it', async () => {
    const { guest } = await create(`${EXIT('01')} 43 43 43 ${SPIN}`);
    await guest.run();
    assert.equal(guest.stats().instructions, 2);
  });

  it('when it is stopped, halting for good or spinning', async () => {
    for (const code of [SPIN, HALT_FOR_GOOD]) {
      const { guest, host } = await create(code);
      const stop = (): void => guest.stop();
      host.whileAsleep = stop;
      if (code === SPIN) setImmediate(stop);
      assert.deepEqual(await guest.run(), { kind: 'stopped' });
    }
  });

  it('before it begins when it was stopped already', async () => {
    const { guest } = await create(SPIN);
    guest.stop();
    assert.deepEqual(await guest.run(), { kind: 'stopped' });
    assert.equal(guest.stats().instructions, 0);
  });

  it('with an error when what receives the output throws, not with a lost promise', async () => {
    const { guest } = await create(`${OUT(COM1_DATA, '41')} ${SPIN}`, {
      onConsole: () => {
        throw new Error('no room');
      },
    });
    await assert.rejects(guest.run(), /no room/);
  });
});

describe('a guest', () => {
  it('is refused memory that no guest can have', async () => {
    for (const memoryBytes of [MIB, 4 * MIB + 1, 3585 * MIB]) {
      await assert.rejects(
        create(SPIN, { memoryBytes }),
        (error) => error instanceof VivariumError && error.fault.kind === 'bad-memory',
      );
    }
  });

  it('has its output given out in order, all of it before the end', async () => {
    const text = 'Hello, world';
    const code = [...text].map((letter) => OUT(COM1_DATA, letter.charCodeAt(0).toString(16))).join(' ');
    const { guest, console } = await create(`${code} ${EXIT('00')}`);
    await guest.run();
    assert.equal(console(), text);
  });

  it('has its second serial port apart from the console, and answered within the instruction', async () => {
    const seen: number[] = [];
    const host = new FakeHost();
    let console = '';
    const guest: Guest = await Guest.create({
      memoryBytes: 4 * MIB,
      // The byte written; then wait for the answer (bit 0 of the line status) and print it on COM1.
      kernel: {
        image: image(
          `${OUT(COM2_DATA, '3f')} 66 ba fd 02 ec a8 01 74 fb 66 ba ${COM2_DATA} ec 66 ba ${COM1_DATA} ee ${EXIT('00')}`,
        ),
        commandLine: '',
      },
      time: 'deterministic',
      seed: 1,
      optionalDevices: ['isa-debug-exit'],
      onConsole: (bytes) => {
        console += new TextDecoder().decode(bytes);
      },
      onSecondSerial: (byte) => {
        seen.push(byte);
        guest.sendSecondSerial(Uint8Array.of(0x21));
      },
      host,
    });
    await guest.run();
    assert.deepEqual(seen, [0x3f]);
    assert.equal(console, '!');
  });

  it('lets other work of the host run while it computes', async () => {
    const { guest, host } = await create(SPIN);
    let turns = 0;
    const turn = (): void => {
      turns++;
      if (turns < 20) setImmediate(turn);
      else guest.stop();
    };
    host.tickMs = 3;
    setImmediate(turn);
    await guest.run();
    assert.equal(turns, 20);
    assert.ok(host.yields >= 10);
  });

  it('sleeps while it halts, no longer than to its next timer', async () => {
    // The PIT's channel 0 in mode 2 every 65536 ticks (54.9 ms), IRQ 0 masked: time passes, nothing wakes it.
    const { guest, host } = await create(`b0 ff e6 21 b0 34 e6 43 b0 00 e6 40 b0 00 e6 40 ${HALT_FOR_GOOD}`);
    const wait = (): void => {
      if (host.sleeps.length < 4) host.whileAsleep = wait;
      else guest.stop();
    };
    host.whileAsleep = wait;
    await guest.run();
    assert.equal(guest.stats().instructions, 10);
    assert.ok(host.sleeps.length >= 4);
    for (const milliseconds of host.sleeps) assert.ok(milliseconds > 0 && milliseconds < 55);
  });

  it('is woken from its sleep by console input', async () => {
    for (const time of ['real', 'deterministic'] as const) {
      const { guest, host } = await create(WAIT_FOR_INPUT, { time });
      const before = host.ms;
      host.whileAsleep = () => guest.sendConsole(Uint8Array.of(0x5a));
      assert.deepEqual(await guest.run(), { kind: 'exit-code', value: 0x5a });
      assert.deepEqual(host.sleeps.slice(0, 1), [1000]);
      assert.ok(host.ms - before < 100, 'the sleep was cut short');
      assert.equal(guest.stats().exits.HLT, 1);
    }
  });

  it('gets input that was sent before it began', async () => {
    const { guest } = await create(WAIT_FOR_INPUT);
    guest.sendConsole(Uint8Array.of(0x33, 0x44));
    assert.deepEqual(await guest.run(), { kind: 'exit-code', value: 0x33 });
  });

  it('stands still while paused, time included, and goes on where it was', async () => {
    const { guest, host } = await create(SPIN);
    const seen: { instructions: number; ns: number }[] = [];
    const look = (): void => {
      const { instructions, virtualNs } = guest.stats();
      seen.push({ instructions, ns: virtualNs });
    };
    setImmediate(() => {
      guest.pause();
      host.whileAsleep = () => {
        look();
        host.ms += 3_600_000;
        host.whileAsleep = () => {
          look();
          guest.resume();
          setImmediate(() => setImmediate(() => guest.stop()));
        };
      };
    });
    assert.deepEqual(await guest.run(), { kind: 'stopped' });
    look();
    const [paused, later, after] = seen;
    assert.ok(paused && later && after);
    assert.deepEqual(later, paused);
    assert.ok(paused.instructions > 0 && after.instructions > paused.instructions);
    assert.ok(after.ns > paused.ns && after.ns - paused.ns < 3_600_000e6);
  });

  it('can be stopped while paused', async () => {
    const { guest, host } = await create(SPIN);
    guest.pause();
    host.whileAsleep = () => guest.stop();
    assert.deepEqual(await guest.run(), { kind: 'stopped' });
    assert.equal(guest.stats().instructions, 0);
  });

  it('that its reader pauses or stops from within the output is not left asleep', async () => {
    let writes = 0;
    const { guest, host } = await create(`${OUT(COM1_DATA, '41')} ${HALT_FOR_GOOD}`, {
      onConsole: () => {
        writes++;
        guest.stop();
      },
    });
    assert.deepEqual(await guest.run(), { kind: 'stopped' });
    assert.equal(writes, 1);
    assert.deepEqual(host.sleeps, []);
  });

  it('tells an exit trace what the guest did', async () => {
    const lines: string[] = [];
    const trace = { kinds: new Set(['exits'] as const), line: (text: string) => void lines.push(text) };
    // xor eax, eax; cpuid; out 0xf4, al
    const { guest } = await create(`31 c0 0f a2 b0 09 e6 f4 ${SPIN}`, { trace });
    await guest.run();
    assert.ok(lines.some((line) => /^\d+ CPUID leaf 0x0$/.test(line)));
    assert.ok(lines.some((line) => /^\d+ I\/O port out 0xf4 1 <- 0x9$/.test(line)));
  });
});

describe('deterministic guests', () => {
  const run = async (tickMs: number, seed = 1) => {
    const { guest, host } = await create(BUSY_WITH_INTERRUPTS, { time: 'deterministic', seed });
    host.tickMs = tickMs;
    const end = await guest.run();
    assert.deepEqual(end, { kind: 'exit-code', value: 7 });
    return { hash: guest.stateHash(), stats: guest.stats(), host };
  };

  it('end in the same state, bit for bit, on a host that is slow and cuts them into other slices', async () => {
    const fast = await run(0.001);
    const slow = await run(40);
    assert.ok(slow.host.yields > fast.host.yields, 'the slices were others');
    assert.equal(slow.hash, fast.hash);
    // When code is translated is the host's affair.
    const { translator: _slow, ...slowStats } = slow.stats;
    const { translator: _fast, ...fastStats } = fast.stats;
    assert.deepEqual(slowStats, fastStats);
    assert.equal(fast.stats.exits.interrupt, 25);
  });

  it('never sleep where a timer will wake them', async () => {
    const { host } = await run(0.01);
    assert.deepEqual(host.sleeps, []);
  });

  it('differ in state where their seeds differ', async () => {
    assert.notEqual((await run(0.01, 2)).hash, (await run(0.01)).hash);
  });
});

describe('real time', () => {
  it('brings timer interrupts at the rate of the host’s clock', async () => {
    const { guest, host } = await create(BUSY_WITH_INTERRUPTS);
    const before = host.ms;
    assert.deepEqual(await guest.run(), { kind: 'exit-code', value: 7 });
    // Periods of 60 ticks at 1.193182 MHz; the counter's start is the first of the 25 edges.
    assert.ok(host.ms - before >= 1.2, `${host.ms - before} ms`);
  });
});
