/**
 * The board "pc": which devices there are, where they sit and how they are wired (`pc-layout.ts`, `memory-map.ts`).
 *
 *     PIT ----+---> PIC IRQ 0, IOAPIC 2        PIC ---> LINT0 of the bootstrap LAPIC
 *     COM1 ---+---> PIC and IOAPIC 4           IOAPIC, LAPICs ---> ApicBus ---> LAPICs ---> vCPUs
 *     ...
 */

import { Bus, type IoHandler } from '../base/bus.ts';
import type { Clock } from '../base/clock.ts';
import type { Keyboard, Pointer } from '../base/input.ts';
import { fanOut, type IrqLine, OrGate } from '../base/irq.ts';
import { AcpiPm } from '../devices/acpi-pm.ts';
import { ApicBus } from '../devices/apic-bus.ts';
import { DebugConsole } from '../devices/debug-console.ts';
import { DebugExit } from '../devices/debug-exit.ts';
import type { Stateful } from '../devices/device.ts';
import { HPET_BYTES, Hpet } from '../devices/hpet.ts';
import { I8042 } from '../devices/i8042.ts';
import { Ioapic82093 } from '../devices/ioapic-82093.ts';
import type { LocalApic } from '../devices/local-apic.ts';
import { NumericError } from '../devices/numeric-error.ts';
import { PcTestdev, TESTDEV_MEMORY_BYTES } from '../devices/pc-testdev.ts';
import { Pic8259 } from '../devices/pic-8259.ts';
import { Pit8254 } from '../devices/pit-8254.ts';
import { Port92 } from '../devices/port92.ts';
import { Pvpanic } from '../devices/pvpanic.ts';
import { ResetControl } from '../devices/reset-control.ts';
import { RtcMc146818 } from '../devices/rtc-mc146818.ts';
import { Serial16550 } from '../devices/serial-16550.ts';
import { type FirmwarePc, PciDevices } from './pc-firmware.ts';
import * as at from './pc-layout.ts';
import { type BoardVirtio, PciRoot } from './pci-root.ts';

/** Devices that a guest gets only when they are asked for. */
export const OPTIONAL_DEVICES = ['isa-debug-exit', 'isa-debugcon', 'pc-testdev'] as const;
export type OptionalDevice = (typeof OPTIONAL_DEVICES)[number];

/** Why the machine stops. */
export type BoardEnd =
  | { kind: 'powered-off' }
  | { kind: 'reset' }
  | { kind: 'panicked' }
  | { kind: 'exit-code'; value: number };

export interface PcHost {
  readonly clock: Clock;
  /** Milliseconds since 1970 in virtual time. */
  wallClockMs(): number;
  /** Bytes that the guest wrote to COM1 (or the debug console) and COM2. */
  serialOutput(port: 0 | 1, byte: number): void;
  end(end: BoardEnd): void;
  /** Whether address line 20 leaves the processors. */
  a20Changed?(passes: boolean): void;
  /** SMI# of the processor. */
  smi?(): void;
  /** IGNNE# of the processor whose error was told of. */
  ignoreNumericErrors?(): void;
  /** An interrupt line changed, for traces. */
  lineChanged?(irq: number, level: boolean): void;
  /** The board is a whole PC, with firmware and PCI. */
  readonly firmware?: FirmwarePc;
  /** Of a board without firmware, which has PCI for these only. */
  readonly virtio?: BoardVirtio;
}

const LOCAL_APIC_BYTES = 0x1000;

export class PcBoard {
  readonly ports = new Bus();
  readonly mmio = new Bus();
  readonly apics = new ApicBus();
  readonly pic: Pic8259;
  readonly ioapic: Ioapic82093;
  readonly com1: Serial16550;
  readonly com2: Serial16550;
  readonly rtc: RtcMc146818;
  readonly numericError: NumericError;
  readonly keyboard: Keyboard;
  readonly pointer: Pointer;
  /** What only a board with firmware has. */
  readonly pci: PciDevices | undefined;
  readonly pciRoot: PciRoot | undefined;
  /** Sources of ISA interrupts share a line. */
  readonly #isa: readonly OrGate[];
  #bootstrap: LocalApic | undefined;
  /** Every part with state, by name, in a fixed order. */
  readonly parts = new Map<string, Stateful>();

  constructor(host: PcHost, optional: readonly string[]) {
    const { clock } = host;
    this.pic = this.part('pic', new Pic8259({ output: { set: (level) => this.#bootstrap?.lint0.set(level) } }));
    this.ioapic = this.part('ioapic', new Ioapic82093({ interconnect: this.apics }));
    this.apics.attachIo(this.ioapic);
    this.#isa = Array.from({ length: at.ISA_INTERRUPTS }, (_, n) => new OrGate(this.#isaLine(n, host)));
    const irq = (number: number): IrqLine => this.irq(number);

    this.ports.map(at.PIC_MASTER_PORT, 2, this.pic.master);
    this.ports.map(at.PIC_SLAVE_PORT, 2, this.pic.slave);
    this.ports.map(at.PIC_ELCR_PORT, 2, this.pic.edgeLevelControl);
    this.mmio.map(at.IOAPIC_BASE, 0x1000, this.ioapic);

    const hpet = host.firmware && this.#hpet(clock);
    const pit = this.part('pit', new Pit8254({ clock, irq: hpet?.pitInput ?? irq(at.TIMER_IRQ) }));
    this.ports.map(at.PIT_PORT, 4, pit);
    this.ports.map(at.SYSTEM_CONTROL_B_PORT, 1, pit.portB);

    this.rtc = this.part(
      'rtc',
      new RtcMc146818({ clock, irq: hpet?.rtcInput ?? irq(at.RTC_IRQ), wallClockMs: () => host.wallClockMs() }),
    );
    this.ports.map(at.RTC_PORT, 2, this.rtc);

    const reset = (): void => host.end({ kind: 'reset' });
    // Either port opens the gate (82371SB data sheet, 290550, §2.5.4.2 "PORT 92").
    const a20 = new OrGate({ set: (level) => host.a20Changed?.(level) });
    const lines = { irq: irq(at.KEYBOARD_IRQ), auxIrq: irq(at.MOUSE_IRQ), a20: a20.input() };
    const controller = this.part('i8042', new I8042({ ...lines, clock, reset }));
    this.keyboard = this.part('keyboard', controller.keyboard);
    this.pointer = this.part('mouse', controller.mouse);
    this.ports.map(at.I8042_PORT, 1, controller.data);
    this.ports.map(at.I8042_PORT + 4, 1, controller.command);
    this.ports.map(at.SYSTEM_CONTROL_A_PORT, 1, this.part('port92', new Port92({ a20: a20.input(), reset })));
    const resetControl = this.part('reset', new ResetControl({ reset }));

    const ignoreErrors = (): void => host.ignoreNumericErrors?.();
    this.numericError = this.part('numeric-error', new NumericError({ irq: irq(at.NUMERIC_ERROR_IRQ), ignoreErrors }));
    this.ports.map(at.NUMERIC_ERROR_PORT, 1, this.numericError);

    const serial = (name: string, port: 0 | 1, base: number, line: IrqLine): Serial16550 => {
      const uart = this.part(
        name,
        new Serial16550({ clock, irq: line, output: (byte) => host.serialOutput(port, byte) }),
      );
      this.ports.map(base, 8, uart);
      return uart;
    };
    this.com1 = serial('com1', 0, at.COM1_PORT, irq(at.COM1_IRQ));
    this.com2 = serial('com2', 1, at.COM2_PORT, irq(at.COM2_IRQ));

    const sci = irq(at.SCI_IRQ);
    const powerOff = (): void => host.end({ kind: 'powered-off' });
    const pm = this.part('acpi-pm', new AcpiPm({ clock, sci, powerOff, timerBits: at.PM_TIMER_BITS }));
    if (host.firmware === undefined) {
      if (host.virtio === undefined) this.ports.map(at.RESET_PORT, 1, resetControl);
      else this.pciRoot = this.#pciForVirtio(host.virtio, resetControl);
      this.ports.map(at.PM1_EVENT_PORT, 4, pm.event);
      this.ports.map(at.PM1_CONTROL_PORT, 2, pm.control);
      this.ports.map(at.PM_TIMER_PORT, 4, pm.pmTimer);
    } else {
      const smi = (): void => host.smi?.();
      this.pci = new PciDevices(this, { clock, resetControl, pm, smi }, host.firmware);
      this.pciRoot = this.pci.root;
    }

    const panicked = (): void => host.end({ kind: 'panicked' });
    this.ports.map(at.PVPANIC_PORT, 1, this.part('pvpanic', new Pvpanic({ panicked })));
    if (optional.includes('isa-debug-exit')) {
      const exit = new DebugExit({ exit: (value) => host.end({ kind: 'exit-code', value }) });
      this.ports.map(at.DEBUG_EXIT_PORT, 4, exit);
    }
    if (optional.includes('isa-debugcon')) {
      const port = new DebugConsole({ output: (byte) => host.serialOutput(0, byte) });
      this.ports.map(at.DEBUG_CONSOLE_PORT, 1, this.part('debug-console', port));
    }
    if (optional.includes('pc-testdev')) this.#testdev(irq);
  }

  /** All of the space below 1 MiB is memory, whatever the host bridge is told. */
  #pciForVirtio(virtio: BoardVirtio, resetControl: ResetControl): PciRoot {
    const root = new PciRoot(this, { resetControl, shadow: () => {}, mapVideo: () => {} });
    root.plugVirtio(virtio);
    root.placeVirtio();
    return root;
  }

  #testdev(irq: (number: number) => IrqLine): void {
    const irqs = Array.from({ length: at.IOAPIC_INPUTS }, (_, n) => (n < 16 ? irq(n) : this.ioapic.line(n)));
    const testdev = this.part('pc-testdev', new PcTestdev({ irqs, flushPage: () => {} }));
    this.ports.map(at.TESTDEV_PORT, 4, testdev.register);
    this.ports.map(at.TESTDEV_PORT + 4, 4, testdev.flush);
    this.ports.map(at.TESTDEV_PORT + 8, 4, testdev.registerBytes);
    this.ports.map(at.TESTDEV_LINES_PORT, at.IOAPIC_INPUTS, testdev.irqLines);
    this.mmio.map(at.TESTDEV_MEMORY_BASE, TESTDEV_MEMORY_BYTES, testdev.memory);
  }

  /** An input of an ISA interrupt, for a source of its own. */
  irq(number: number): IrqLine {
    return (this.#isa[number] as OrGate).input();
  }

  #isaLine(number: number, { lineChanged }: PcHost): IrqLine {
    const pin = number === at.TIMER_IRQ ? at.TIMER_IOAPIC_INPUT : number;
    const line = fanOut(this.pic.line(number), this.ioapic.line(pin));
    if (lineChanged === undefined) return line;
    let last = false;
    const traced: IrqLine = {
      set(level) {
        if (level !== last) lineChanged(number, level);
        last = level;
      },
    };
    return fanOut(line, traced);
  }

  #hpet(clock: Clock): Hpet {
    const lines = new Map(at.HPET_IOAPIC_INPUTS.map((pin) => [pin, this.ioapic.line(pin)]));
    const hpet = new Hpet({ clock, pitLine: this.irq(at.TIMER_IRQ), rtcLine: this.irq(at.RTC_IRQ), lines });
    this.mmio.map(at.HPET_BASE, HPET_BYTES, hpet);
    return this.part('hpet', hpet);
  }

  /** Registers a part under a name of its own. */
  part<T extends Stateful>(name: string, device: T): T {
    this.parts.set(name, device);
    return device;
  }

  /** A vCPU's local APIC; the first one attached is the bootstrap processor's. */
  attachLocalApic(apic: LocalApic): void {
    this.apics.attachLocal(apic);
    this.parts.set(`lapic${this.parts.size}`, apic);
    if (this.#bootstrap !== undefined) return;
    this.#bootstrap = apic;
    apic.enterVirtualWireMode();
  }

  /** Memory-mapped registers as a vCPU sees them: its own local APIC is in the way of the bus. */
  handlerAt(physical: number, apic: LocalApic): { handler: IoHandler | undefined; offset: number } {
    const base = apic.mmioBase;
    if (base !== undefined && physical >= base && physical < base + LOCAL_APIC_BYTES) {
      return { handler: apic, offset: physical - base };
    }
    return { handler: undefined, offset: physical };
  }
}
