/**
 * Local APIC of one vCPU, in xAPIC and x2APIC mode (Intel SDM Vol. 3A chapter 11 "Advanced Programmable Interrupt
 * Controller", order number 325462-079).
 *
 *     messages, LVT -> IRR -> (priority above PPR) -> interruptChanged -> acknowledge -> ISR -> EOI
 *     PIC -> LINT0 as ExtINT ----------------------^
 *
 * The vCPU asks `pending` and, when it takes the interrupt, `acknowledge` for the vector.
 * The ID register is read-only (the SDM leaves that to the model). Interrupts sent by ICR are edges, whatever the
 * trigger mode bit says, as since the Pentium 4. Not modelled: CMCI, extended registers of AMD, focus processors;
 * thermal and performance counter entries exist and are never raised.
 */

import type { AccessSize, IoHandler } from '../base/bus.ts';
import type { IrqLine } from '../base/irq.ts';
import {
  type ApicTarget,
  DELIVER_EXTINT,
  DELIVER_FIXED,
  DELIVER_INIT,
  DELIVER_LOWEST_PRIORITY,
  DELIVER_NMI,
  DELIVER_SMI,
  DELIVER_STARTUP,
  EVERYONE,
  widenDestination,
} from './apic-bus.ts';
import { Device } from './device.ts';
import * as reg from './local-apic-registers.ts';
import { type LocalApicHost, type LocalApicState, localApicState } from './local-apic-state.ts';
import { ApicTimer } from './local-apic-timer.ts';
import { ApicVectors } from './local-apic-vectors.ts';

export class LocalApic extends Device<LocalApicState> implements IoHandler, ApicTarget {
  /** Wired to the PIC's output. */
  readonly lint0: IrqLine;
  /** Wired to NMI sources. */
  readonly lint1: IrqLine;
  readonly #host: LocalApicHost;
  readonly #timer: ApicTimer;
  readonly #vectors: ApicVectors;
  #wasPending = false;

  constructor(host: LocalApicHost) {
    super(localApicState);
    this.#host = host;
    this.#vectors = new ApicVectors(this.state);
    this.#timer = new ApicTimer(this.state, host, () => this.#raiseLocal(reg.LVT_TIMER));
    this.lint0 = { set: (level) => this.#setLint(0, level) };
    this.lint1 = { set: (level) => this.#setLint(1, level) };
    this.#powerOn();
  }

  /** Guest-physical address of the registers, or undefined while they are not there. */
  get mmioBase(): number | undefined {
    if (!this.#isXapic()) return undefined;
    const { baseLow, baseHigh } = this.state;
    return baseHigh * 0x1_0000_0000 + (baseLow - (baseLow % 4096));
  }

  get isX2apic(): boolean {
    return (this.state.baseLow & reg.BASE_X2APIC) !== 0;
  }

  /** An interrupt waits that the vCPU would take with IF set. */
  pending(): boolean {
    return this.#vectors.deliverable() >= 0 || this.#externalPending();
  }

  /** The vCPU takes an interrupt: its vector. The spurious vector when there is none after all. */
  acknowledge(): number {
    const s = this.state;
    if (this.#externalPending()) {
      s.externalMessage = false;
      const vector = this.#host.acknowledgeExternal();
      this.#update();
      return vector;
    }
    const vector = this.#vectors.deliverable();
    if (vector < 0) return s.svr & 0xff;
    this.#vectors.take(vector);
    this.#update();
    return vector;
  }

  /** CR8: the high half of TPR. */
  get cr8(): number {
    return this.state.tpr >> 4;
  }

  set cr8(value: number) {
    this.state.tpr = (value & 15) << 4;
    this.#update();
  }

  /** What firmware does on a PC: enabled, PIC interrupts come through LINT0, NMIs through LINT1. */
  enterVirtualWireMode(): void {
    const s = this.state;
    s.svr |= reg.SVR_ENABLED;
    s.lvt[reg.LVT_LINT0] = DELIVER_EXTINT << 8;
    s.lvt[reg.LVT_LINT1] = DELIVER_NMI << 8;
    this.#update();
  }

  override reset(): void {
    this.#powerOn();
    this.derive();
  }

  protected override derive(): void {
    this.#host.relocated();
    this.#timer.arm();
    this.#wasPending = this.pending();
    this.#host.interruptChanged(this.#wasPending);
  }

  // --- As a target of messages ---------------------------------------------------------------------------------------

  get acceptsFixed(): boolean {
    return (this.state.baseLow & reg.BASE_ENABLED) !== 0 && (this.state.svr & reg.SVR_ENABLED) !== 0;
  }

  get processorPriority(): number {
    return this.#vectors.processorPriority;
  }

  /** SDM §11.6.2 "Determining IPI Destination", §11.12.10 "Determining IPI Destination in x2APIC Mode". */
  matches(destination: number, logical: boolean): boolean {
    const s = this.state;
    if (destination === EVERYONE) return true;
    if (!logical) return destination === s.id;
    const ldr = this.#logicalId();
    if (this.isX2apic) return destination >>> 16 === ldr >>> 16 && (destination & ldr & 0xffff) !== 0;
    const id = ldr >>> 24;
    if (s.dfr >>> 28 === 0xf) return (destination & id) !== 0; // flat model
    return destination >>> 4 === id >>> 4 && (destination & id & 15) !== 0; // cluster model
  }

  accept(deliveryMode: number, vector: number, levelTriggered: boolean): boolean {
    if (!(this.state.baseLow & reg.BASE_ENABLED)) return false;
    switch (deliveryMode) {
      case DELIVER_FIXED:
      case DELIVER_LOWEST_PRIORITY:
        return this.acceptsFixed && this.#request(vector, levelTriggered);
      case DELIVER_SMI:
        this.#host.smi();
        return true;
      case DELIVER_NMI:
        this.#host.nmi();
        return true;
      case DELIVER_INIT:
        this.#resetByInit();
        this.#host.init();
        return true;
      case DELIVER_STARTUP:
        this.#host.startup(vector);
        return true;
      case DELIVER_EXTINT:
        this.state.externalMessage = true;
        this.#update();
        return true;
      default:
        return false;
    }
  }

  // --- Registers -----------------------------------------------------------------------------------------------------

  /** MMIO: registers are 32 bits wide on 16-byte boundaries. */
  read(offset: number, _size: AccessSize): number {
    if (offset & 0xc) return 0;
    return this.#checked(offset >>> 4, reg.XAPIC_READ) ? this.#readRegister(offset >>> 4) >>> ((offset & 3) * 8) : 0;
  }

  write(offset: number, value: number, size: AccessSize): void {
    if (size !== 4 || offset & 0xf) return;
    const register = offset >>> 4;
    if (this.#checked(register, reg.XAPIC_WRITE)) this.#writeRegister(register, value & reg.writable[register]);
  }

  /** RDMSR of IA32_APIC_BASE, IA32_TSC_DEADLINE or an x2APIC register, low and high half; false for #GP. */
  readMsr(msr: number, value: Uint32Array): boolean {
    const s = this.state;
    value[1] = 0;
    if (msr === reg.MSR_APIC_BASE) {
      value[0] = s.baseLow;
      value[1] = s.baseHigh;
    } else if (msr === reg.MSR_TSC_DEADLINE) {
      value[0] = s.deadlineLow;
      value[1] = s.deadlineHigh;
    } else {
      const register = msr - reg.MSR_X2APIC;
      if (!this.isX2apic || !(reg.access[register] & reg.X2APIC_READ)) return false;
      value[0] = this.#readRegister(register);
      if (register === reg.ICR_LOW) value[1] = s.icrHigh;
    }
    return true;
  }

  /** WRMSR of the same; false for #GP. */
  writeMsr(msr: number, low: number, high: number): boolean {
    if (msr === reg.MSR_APIC_BASE) return this.#writeBase(low, high);
    if (msr === reg.MSR_TSC_DEADLINE) {
      this.#timer.writeDeadline(low, high);
      return true;
    }
    const register = msr - reg.MSR_X2APIC;
    if (!this.isX2apic || !(reg.access[register] & reg.X2APIC_WRITE)) return false;
    if (low & reg.reserved[register]) return false;
    if (register === reg.ICR_LOW) this.state.icrHigh = high;
    else if (high !== 0) return false;
    this.#writeRegister(register, low & reg.writable[register]);
    return true;
  }

  /** Whether the register is there in xAPIC mode; an error of the guest's if not. */
  #checked(register: number, right: number): boolean {
    if (!this.#isXapic()) return false;
    if (reg.access[register] & right) return true;
    this.#error(reg.ERROR_REGISTER);
    return false;
  }

  #readRegister(register: number): number {
    const s = this.state;
    if (register >= reg.ISR && register < reg.ISR + 8) return s.isr[register - reg.ISR];
    if (register >= reg.TMR && register < reg.TMR + 8) return s.tmr[register - reg.TMR];
    if (register >= reg.IRR && register < reg.IRR + 8) return s.irr[register - reg.IRR];
    if (register >= reg.LVT && register < reg.LVT + reg.LVT_ENTRIES) return s.lvt[register - reg.LVT];
    switch (register) {
      case reg.ID:
        return this.isX2apic ? s.id : (s.id << 24) >>> 0;
      case reg.VERSION:
        return reg.VERSION_VALUE;
      case reg.TPR:
        return s.tpr;
      case reg.APR:
        return this.#vectors.arbitrationPriority;
      case reg.PPR:
        return this.processorPriority;
      case reg.LDR:
        return this.#logicalId();
      case reg.DFR:
        return s.dfr;
      case reg.SVR:
        return s.svr;
      case reg.ESR:
        return s.esr;
      case reg.ICR_LOW:
        return s.icrLow;
      case reg.ICR_HIGH:
        return s.icrHigh;
      case reg.INITIAL_COUNT:
        return s.initialCount;
      case reg.CURRENT_COUNT:
        return this.#timer.currentCount();
      case reg.DIVIDE:
        return s.divide;
      default: // RRD: nothing has been read from another's registers
        return 0;
    }
  }

  #writeRegister(register: number, value: number): void {
    const s = this.state;
    if (register >= reg.LVT && register < reg.LVT + reg.LVT_ENTRIES) {
      this.#writeLvt(register - reg.LVT, value);
      return;
    }
    switch (register) {
      case reg.EOI:
        this.#endOfInterrupt();
        return;
      case reg.TPR:
        s.tpr = value;
        this.#update();
        return;
      case reg.ICR_LOW:
        s.icrLow = value >>> 0;
        this.#sendIpi();
        return;
      case reg.ICR_HIGH:
        s.icrHigh = value >>> 0;
        return;
      case reg.SELF_IPI:
        this.#sendSelf(value);
        return;
      case reg.LDR:
        s.ldr = value >>> 0;
        return;
      case reg.DFR:
        s.dfr = (value | 0x0fff_ffff) >>> 0;
        return;
      case reg.SVR:
        s.svr = value;
        // SDM §11.4.7.2: while disabled by software, LVT entries are masked and stay so.
        if (!(value & reg.SVR_ENABLED)) for (let i = 0; i < reg.LVT_ENTRIES; i++) this.#writeLvt(i, s.lvt[i]);
        return;
      case reg.ESR:
        s.esr = s.errors;
        s.errors = 0;
        return;
      case reg.INITIAL_COUNT:
        this.#timer.writeInitialCount(value >>> 0);
        return;
      case reg.DIVIDE:
        this.#timer.writeDivide(value);
        return;
      default: // all other registers are read-only
    }
  }

  #writeLvt(index: number, value: number): void {
    const s = this.state;
    let entry = value & reg.writable[reg.LVT + index];
    if (!(s.svr & reg.SVR_ENABLED)) entry |= reg.LVT_MASKED;
    if (index === reg.LVT_TIMER) {
      this.#timer.writeEntry(entry);
      return;
    }
    const isLint = index === reg.LVT_LINT0 || index === reg.LVT_LINT1;
    if (isLint && entry & reg.LVT_LEVEL) entry |= s.lvt[index] & reg.LVT_REMOTE_IRR;
    s.lvt[index] = entry;
    if (isLint) this.#raiseLevel(index);
    this.#update();
  }

  /** SDM §11.4.4 "Local APIC Status and Location", figure 11-27 "Local x2APIC State Transitions". */
  #writeBase(low: number, high: number): boolean {
    const s = this.state;
    const highBits = this.#host.physicalAddressBits - 32;
    const mode = low & (reg.BASE_ENABLED | reg.BASE_X2APIC);
    const oldMode = s.baseLow & (reg.BASE_ENABLED | reg.BASE_X2APIC);
    if (low & reg.BASE_RESERVED || high >= 2 ** highBits || mode === reg.BASE_X2APIC) return false;
    if (mode !== oldMode) {
      // x2APIC mode is entered from xAPIC mode only, and left only by disabling.
      if (mode & reg.BASE_X2APIC && !(oldMode & reg.BASE_ENABLED)) return false;
      if (oldMode & reg.BASE_X2APIC && mode !== 0) return false;
      if (mode === 0) this.#clear();
    }
    s.baseLow = (low & ~reg.BASE_BOOTSTRAP) | (s.baseLow & reg.BASE_BOOTSTRAP);
    s.baseLow >>>= 0;
    s.baseHigh = high;
    this.#host.relocated();
    this.#update();
    return true;
  }

  // --- Interrupts ----------------------------------------------------------------------------------------------------

  #update(): void {
    const isPending = this.pending();
    if (isPending === this.#wasPending) return;
    this.#wasPending = isPending;
    this.#host.interruptChanged(isPending);
  }

  /** The PIC is heard through LINT0 in ExtINT mode, or directly while the local APIC is off. */
  #externalPending(): boolean {
    const s = this.state;
    if (s.externalMessage) return true;
    if (s.lint[0] === 0) return false;
    if (!(s.baseLow & reg.BASE_ENABLED)) return true;
    const entry = s.lvt[reg.LVT_LINT0];
    return !(entry & reg.LVT_MASKED) && ((entry >>> 8) & 7) === DELIVER_EXTINT;
  }

  /** SDM §11.5.2 "Valid Interrupt Vectors": 0 to 15 are errors. */
  #request(vector: number, levelTriggered: boolean): boolean {
    if (vector < 16) {
      this.#error(reg.ERROR_RECEIVE_VECTOR);
      return false;
    }
    this.#vectors.request(vector, levelTriggered);
    this.#update();
    return true;
  }

  #endOfInterrupt(): void {
    const s = this.state;
    const vector = this.#vectors.end();
    if (vector < 0) return;
    if (this.#vectors.isLevelTriggered(vector)) {
      for (const index of [reg.LVT_LINT0, reg.LVT_LINT1]) {
        if ((s.lvt[index] & 0xff) === vector) s.lvt[index] &= ~reg.LVT_REMOTE_IRR;
        this.#raiseLevel(index);
      }
      if (!(s.svr & reg.SVR_SUPPRESS_EOI_BROADCAST)) this.#host.interconnect.endOfInterrupt(vector);
    }
    this.#update();
  }

  #sendSelf(vector: number): void {
    if (vector < 16) this.#error(reg.ERROR_SEND_VECTOR);
    else this.accept(DELIVER_FIXED, vector, false);
  }

  /** SDM §11.6.1 "Interrupt Command Register (ICR)". */
  #sendIpi(): void {
    const { icrLow, icrHigh } = this.state;
    const { interconnect } = this.#host;
    const vector = icrLow & 0xff;
    const mode = (icrLow >>> 8) & 7;
    const logical = (icrLow & (1 << 11)) !== 0;
    const isInitDeassert = mode === DELIVER_INIT && (icrLow & 0xc000) === 0x8000;
    if (isInitDeassert || mode === 3 || mode === DELIVER_EXTINT) return; // no meaning on this bus, or reserved
    if (mode <= DELIVER_LOWEST_PRIORITY && vector < 16) {
      this.#error(reg.ERROR_SEND_VECTOR);
      return;
    }
    switch ((icrLow >>> 18) & 3) {
      case 0: {
        const destination = this.isX2apic ? icrHigh : widenDestination(icrHigh >>> 24);
        interconnect.send(mode, vector, false, destination, logical);
        return;
      }
      case 1:
        this.accept(mode, vector, false);
        return;
      case 2:
        interconnect.broadcast(mode, vector);
        return;
      default:
        interconnect.broadcast(mode, vector, this);
    }
  }

  /** Delivers what a local vector table entry says, unless it is masked. */
  #raiseLocal(index: number): void {
    const entry = this.state.lvt[index];
    if (entry & reg.LVT_MASKED) return;
    // Timer and error entries have no delivery mode: those bits are zero, which is fixed.
    const mode = (entry >>> 8) & 7;
    if (mode === DELIVER_FIXED) this.#request(entry & 0xff, false);
    else if (mode !== DELIVER_EXTINT) this.accept(mode, 0, false);
  }

  /** A fixed, level-triggered LINT that is high and not being served. */
  #raiseLevel(index: number): void {
    const s = this.state;
    const entry = s.lvt[index];
    const isIdle = (entry & (reg.LVT_MASKED | reg.LVT_LEVEL | reg.LVT_REMOTE_IRR | 0x700)) === reg.LVT_LEVEL;
    if (!isIdle || s.lint[index - reg.LVT_LINT0] === 0) return;
    s.lvt[index] |= reg.LVT_REMOTE_IRR;
    this.#request(entry & 0xff, true);
  }

  #setLint(input: number, level: boolean): void {
    const s = this.state;
    const index = reg.LVT_LINT0 + input;
    const rises = level && s.lint[input] === 0;
    s.lint[input] = level ? 1 : 0;
    if (!(s.baseLow & reg.BASE_ENABLED)) {
      if (rises && input === 1) this.#host.nmi();
    } else if (s.lvt[index] & reg.LVT_LEVEL && (s.lvt[index] & 0x700) === 0) {
      this.#raiseLevel(index);
    } else if (rises) {
      this.#raiseLocal(index);
    }
    this.#update();
  }

  #error(bit: number): void {
    const s = this.state;
    s.errors |= bit;
    // An entry whose own vector is illegal would be an error each time: it ends here.
    if ((s.lvt[reg.LVT_ERROR] & 0xff) >= 16) this.#raiseLocal(reg.LVT_ERROR);
    else if (!(s.lvt[reg.LVT_ERROR] & reg.LVT_MASKED)) s.errors |= reg.ERROR_RECEIVE_VECTOR;
  }

  #isXapic(): boolean {
    return (this.state.baseLow & (reg.BASE_ENABLED | reg.BASE_X2APIC)) === reg.BASE_ENABLED;
  }

  // --- State ---------------------------------------------------------------------------------------------------------

  /** SDM §11.12.10.2 "Deriving Logical x2APIC ID from the Local x2APIC ID". */
  #logicalId(): number {
    const { id, ldr } = this.state;
    return this.isX2apic ? (((id >>> 4) << 16) | (1 << (id & 15))) >>> 0 : ldr;
  }

  #powerOn(): void {
    const { id, isBootstrap } = this.#host;
    this.#clear();
    const s = this.state;
    s.id = id;
    s.baseLow = (reg.BASE_ADDRESS | reg.BASE_ENABLED | (isBootstrap ? reg.BASE_BOOTSTRAP : 0)) >>> 0;
    s.baseHigh = 0;
  }

  /** The time-stamp counter was written: a deadline is at another time now. */
  counterWritten(): void {
    this.#timer.arm();
  }

  /** Not switched off by IA32_APIC_BASE: what CPUID.01H:EDX.APIC says. */
  get isPresent(): boolean {
    return (this.state.baseLow & reg.BASE_ENABLED) !== 0;
  }

  /** SDM §11.4.7.1 "Local APIC State After Power-Up or Reset"; the lines of LINT0 and LINT1 are not its to change. */
  #clear(): void {
    const s = this.state;
    const { baseLow, baseHigh, id } = s;
    const lint = s.lint.slice();
    localApicState.assign(s, localApicState.create());
    Object.assign(s, { baseLow, baseHigh, id });
    s.lint.set(lint);
    s.lvt.fill(reg.LVT_MASKED);
    this.#timer.arm();
  }

  /** SDM §11.4.7.3 "Local APIC State After an INIT Reset": as after power-up, but for the ID and the mode. */
  #resetByInit(): void {
    this.#clear();
    this.#update();
  }
}
