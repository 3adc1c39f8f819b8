/**
 * A vCPU as the monitor sees it: running it for a number of instructions, and what comes to it between them.
 */

import { CS, GP } from '../algebra.ts';
import { NO_FAULT } from '../emit/emitter.ts';
import { CR4_DE, WRITTEN_CR3, WRITTEN_CR3_KEEP, WRITTEN_DR7 } from '../isa/system/control-bits.ts';
import { SOURCE_EXCEPTION, SOURCE_EXTERNAL } from '../isa/system/deliver.ts';
import { FRAME_MASK } from '../layout.ts';
import { DEVICE, NO_TRANSLATION } from '../mmu/translate.ts';
import { ACCESS_FETCH, ACCESS_USER } from '../mmu/walk.ts';
import type { Monitor } from '../monitor.ts';
import { STEP_GOES_ON, vcpu } from '../state.ts';
import type { BlockRequest } from './blocks.ts';
import { type Breakpoints, dataHits, instructionHits, portHits, watchesInstructions } from './breakpoints.ts';
import { CODE_64, CODE_SIZE_MASK } from './code-mode.ts';
import { EVENT_ANY, EVENT_INTERRUPT } from './core.ts';
import type { Engine } from './engine.ts';
import * as exits from './exits.ts';
import {
  BLOCK_COUNT,
  BLOCK_SECOND_FRAME,
  OPERATION_DISPLACEMENT,
  OPERATION_FALLTHROUGH,
  OPERATION_IP,
  OPERATION_LENGTH,
  OPERATION_TAKEN,
} from './operation.ts';
import { Translations } from './translations.ts';
import { SAVED_BYTES, VcpuBlock } from './vcpu-block.ts';

export type StopReason = 'budget' | 'event' | 'halt' | 'yield' | 'shutdown';

const RFLAGS_TF = 0x100;
const RFLAGS_RF = 1 << 16;
const DR7 = 7;
/** `interruptShadow` right after MOV SS or POP SS. */
const SHADOW_STACK_LOAD = 2;
/** `shadowBudget` while nothing casts a shadow, or it has just begun. */
const NO_SHADOW = 0xffffffff;
const A20_PASSES = 2n ** 64n - 1n;
const A20_CLEARS = A20_PASSES ^ (1n << 20n);
const CALLABLE = ['run', 'runBlock', 'deliver', 'enterManagementMode', 'contextChanged', 'translate'] as const;

export class Vcpu extends VcpuBlock {
  readonly monitor: Monitor;
  readonly translations: Translations;
  readonly #engine: Engine;
  readonly #call: Record<(typeof CALLABLE)[number], (...args: (number | bigint)[]) => number>;
  /** Instructions retired before the present slice, and the slice's length. */
  #retired = 0;
  #slice = 0;
  replays = 0;

  constructor(engine: Engine, monitor: Monitor, frameTable: number, framePages: number) {
    super(engine.memory);
    this.#engine = engine;
    this.monitor = monitor;
    engine.attach(this);
    const { core, exports } = engine;
    this.#call = {
      run: engine.callable(exports.run),
      runBlock: engine.callable(exports.runBlock),
      deliver: engine.callable(exports.deliver),
      enterManagementMode: engine.callable(exports.enterManagementMode),
      contextChanged: engine.callable(core.contextChanged),
      translate: engine.callable(core.translate),
    };
    this.set32(vcpu.frameTable, frameTable);
    this.set32(vcpu.framePages, framePages);
    this.set(vcpu.a20Mask, A20_PASSES);
    this.set32(vcpu.faultVector, NO_FAULT);
    this.set32(vcpu.shadowBudget, NO_SHADOW);
    this.translations = new Translations(engine.memory, this.base, () => this.contextChanged());
    this.translations.flushAll();
  }

  // ---- State -------------------------------------------------------------------------------------------------------

  /** Instructions retired so far; exact whenever the monitor is asked something. */
  get instructions(): number {
    return this.#retired + this.#slice - this.get32(vcpu.budget);
  }

  /** After the state was written from outside. */
  contextChanged(): void {
    this.#call.contextChanged(this.base, 0);
  }

  /** A control register, or what it stands for, was written by the guest. */
  controlWritten(register: number): void {
    if (register === WRITTEN_CR3) this.translations.addressSpaceChanged(false);
    else if (register === WRITTEN_CR3_KEEP) this.translations.addressSpaceChanged(true);
    else if (register === WRITTEN_DR7) this.attention = true;
    else this.translations.flushAll();
  }

  /** Ends the slice at the next instruction that can tell: something wants the run loop. */
  set interruptRequested(level: boolean) {
    this.#event(EVENT_INTERRUPT, level);
  }

  set attention(level: boolean) {
    this.#event(EVENT_ANY, level);
  }

  /** The A20 gate: whether addresses have a bit 20 on their way out of the processor. */
  set a20(passes: boolean) {
    const mask = passes ? A20_PASSES : A20_CLEARS;
    if (this.get(vcpu.a20Mask) === mask) return;
    this.set(vcpu.a20Mask, mask);
    this.remapped();
  }

  /** What guest-physical addresses lead to has changed. */
  remapped(): void {
    this.translations.flushAll();
    // Code that runs holds on to what it knows of translations until it is called away.
    this.attention = true;
  }

  #event(bit: number, level: boolean): void {
    const events = this.get32(vcpu.pendingEvents);
    this.set32(vcpu.pendingEvents, level ? events | bit : events & ~bit);
  }

  /** IF is set and no shadow of STI or MOV SS is over the next instruction. */
  get interruptible(): boolean {
    return (this.get32(vcpu.rflags) & 0x200) !== 0 && !this.#inShadow();
  }

  /** MOV SS or POP SS was the last instruction: debug exceptions wait for the next one (SDM Vol. 3A §6.8.3). */
  get debugHeld(): boolean {
    return this.get32(vcpu.interruptShadow) === SHADOW_STACK_LOAD && this.#inShadow();
  }

  #inShadow(): boolean {
    if (this.get32(vcpu.interruptShadow) === 0) return false;
    const started = this.get32(vcpu.shadowBudget);
    return started === NO_SHADOW || started === this.get32(vcpu.budget);
  }

  /** Architectural state as bytes; flags in one canonical encoding, whatever instruction set them. */
  stateBytes(): Uint8Array {
    const { memory } = this.#engine;
    this.set(vcpu.instructions, BigInt(this.instructions));
    const bytes = memory.u8.slice(this.base, this.base + SAVED_BYTES);
    const view = new DataView(bytes.buffer);
    const result = this.get(vcpu.flagResult);
    const even = parity(Number(result & 0xffn));
    view.setBigUint64(vcpu.flagZero.offset, this.get(vcpu.flagZero) === 0n ? 0n : 1n, true);
    view.setBigUint64(vcpu.flagResult.offset, ((result >> 63n) << 63n) | (even ? 0n : 1n), true);
    view.setUint32(vcpu.flagOverflow.offset, this.get32(vcpu.flagOverflow) & 0x80000000, true);
    view.setUint32(vcpu.flagAdjust.offset, this.get32(vcpu.flagAdjust) & 0x10, true);
    if (!this.#inShadow()) view.setUint32(vcpu.interruptShadow.offset, 0, true);
    return bytes;
  }

  /** Takes over `bytes`, as `stateBytes` gave them and `decodeCpuState` has approved of. */
  restoreState(bytes: Uint8Array): void {
    this.#engine.memory.u8.set(bytes, this.base);
    this.#retired = Number(this.get(vcpu.instructions));
    this.#slice = 0;
    this.set32(vcpu.budget, 0);
    this.set32(vcpu.shadowBudget, NO_SHADOW);
    this.set32(vcpu.faultVector, NO_FAULT);
    this.translations.flushAll();
    this.attention = true;
  }

  // ---- Running -----------------------------------------------------------------------------------------------------

  /**
   * Runs up to `count` instructions (below 2^31); one that faults counts too. 'event': `pendingEvents` has something
   * that can be taken now, or the last instruction ran with TF set. Unless it is to be `exact`, it may end before a block
   * for which there is too little left: what is left of a block has to be decoded, to be run once.
   */
  run(count: number, exact = true): StopReason {
    const shadow = this.#inShadow();
    if (!shadow) this.set32(vcpu.interruptShadow, 0);
    this.set32(vcpu.shadowBudget, shadow ? count : NO_SHADOW);
    this.#slice = count;
    this.set32(vcpu.budget, count);
    this.set32(vcpu.exitOperation, 0);
    const reason = this.#runSlice(exact ? 1 : count);
    this.#retired += this.#slice - this.get32(vcpu.budget);
    // `budget` keeps saying where the shadow began.
    this.#slice = this.get32(vcpu.budget);
    this.#engine.blocks.frames.sliceEnded();
    this.#engine.translator?.sliceEnded(this, reason === 'budget' ? this.get32(vcpu.exitOperation) : 0);
    return reason;
  }

  /** `enough`: with less than that left, it may end before a block that does not fit. */
  #runSlice(enough: number): StopReason {
    const watching = watchesInstructions(this.get32(vcpu.dr, 2 * DR7));
    if (watching || (this.get32(vcpu.rflags) & RFLAGS_TF) !== 0) return this.#step(watching);
    this.#call.run(this.base, 0);
    for (;;) {
      switch (this.get32(vcpu.exitReason)) {
        case exits.EXIT_HALT:
          return 'halt';
        case exits.EXIT_YIELD:
          return 'yield';
        case exits.EXIT_SHUTDOWN:
          return 'shutdown';
        case exits.EXIT_EVENT:
          return 'event';
        case exits.EXIT_TAKEN:
        case exits.EXIT_FALLTHROUGH:
          this.#link();
          break;
        case exits.EXIT_LIMIT:
          this.#runAlone();
          this.#proceed();
          break;
        case exits.EXIT_REPLAY:
          this.#replay();
          break;
        case exits.EXIT_SHADOW:
          if (this.get32(vcpu.budget) === 0) return 'budget';
          this.#runAlone();
          this.#proceed();
          break;
        case exits.EXIT_BUDGET:
          if (this.get32(vcpu.budget) < enough) return 'budget';
          this.#enterUnknown();
          break;
        default:
          if (this.get32(vcpu.budget) === 0) return 'budget';
          this.#enterUnknown();
      }
    }
  }

  /**
   * One instruction, for TF or while instruction breakpoints are `watching`: the breakpoint before it (a fault, so with
   * RF clear only, and not right after MOV SS), the single-step trap after it. Either is left in `pendingDebug`.
   */
  #step(watching: boolean): StopReason {
    const flags = this.get32(vcpu.rflags);
    const resumes = (flags & RFLAGS_RF) !== 0;
    const hits =
      watching && !resumes && !this.debugHeld
        ? instructionHits(this.#breakpoints(), BigInt.asUintN(64, this.#linearRip()))
        : 0;
    if (hits !== 0) {
      this.set32(vcpu.pendingDebug, this.get32(vcpu.pendingDebug) | hits);
      return 'event';
    }
    const rest = this.get32(vcpu.budget);
    this.set32(vcpu.stepEnded, 0);
    this.#runAlone();
    const retired = rest - this.get32(vcpu.budget);
    const end = this.get32(vcpu.stepEnded);
    const ended = end !== 0 && end !== STEP_GOES_ON;
    if (resumes && end === 0) this.set32(vcpu.rflags, this.get32(vcpu.rflags) & ~RFLAGS_RF);
    if ((flags & RFLAGS_TF) !== 0 && retired === 1 && !ended && !this.debugHeld) {
      this.set32(vcpu.pendingDebug, this.get32(vcpu.pendingDebug) | DR6_BS);
    }
    const reason = this.get32(vcpu.exitReason);
    if (reason === exits.EXIT_HALT) return 'halt';
    return reason === exits.EXIT_SHUTDOWN ? 'shutdown' : 'event';
  }

  #breakpoints(): Breakpoints {
    return { addresses: [0, 1, 2, 3].map((i) => this.get(vcpu.dr, i)), control: this.get32(vcpu.dr, 2 * DR7) };
  }

  /** Runs the instruction at `rip` alone; it reaches a device or writes over code. */
  #replay(): void {
    this.replays++;
    const request = this.#request();
    if (request === undefined) this.set32(vcpu.faultVector, NO_FAULT);
    else this.#engine.blocks.split(request.machine);
    this.#runAlone();
    this.#proceed();
  }

  /** Goes on behind an instruction that ran alone, with a look at pending events. */
  #proceed(): void {
    const reason = this.get32(vcpu.exitReason);
    const ended = reason === exits.EXIT_BUDGET || reason === exits.EXIT_DELIVERED;
    if (ended && this.get32(vcpu.budget) > 0) this.#call.run(this.base, 0);
  }

  /** One instruction with a budget of one; the rest is set aside so that `instructions` stays exact meanwhile. */
  #runAlone(): void {
    const aside = this.get32(vcpu.budget) - 1;
    this.#setAside(aside);
    this.#runOnce(1);
    this.#setAside(-aside);
  }

  #setAside(count: number): void {
    this.#slice -= count;
    this.set32(vcpu.budget, this.get32(vcpu.budget) - count);
    // The shadow of STI is known by the budget it began with.
    const shadow = this.get32(vcpu.shadowBudget);
    if (shadow !== NO_SHADOW) this.set32(vcpu.shadowBudget, shadow - count);
  }

  /** Runs at most `limit` instructions from `rip`, whatever blocks there are. The budget must not be larger. */
  #runOnce(limit: number): void {
    const request = this.#request();
    const block = request && this.#engine.blocks.once(request, limit);
    if (block === undefined) {
      this.#deliverFault();
      return;
    }
    this.#call.runBlock(this.base, 0, block);
    const reason = this.get32(vcpu.exitReason);
    if (reason === exits.EXIT_TAKEN || reason === exits.EXIT_FALLTHROUGH) {
      this.#followBranch();
      this.set32(vcpu.exitReason, exits.EXIT_BUDGET);
    }
  }

  /** `rip` has no block that the caches know or that the budget covers. */
  #enterUnknown(): void {
    const request = this.#request();
    const block = request && this.#engine.blocks.find(request);
    if (block === undefined) {
      this.#deliverFault();
      if (this.get32(vcpu.exitReason) !== exits.EXIT_SHUTDOWN) this.#call.run(this.base, 0);
      return;
    }
    this.#enter(block);
  }

  #enter(block: number): void {
    const budget = this.get32(vcpu.budget);
    const length = this.#engine.memory.view.getUint32(block + BLOCK_COUNT, true);
    if (length <= budget) this.#call.runBlock(this.base, 0, block);
    else this.#runOnce(budget);
  }

  /** Sets `rip` as the branch at which generated code left has it; gives where the operation keeps that link. */
  #followBranch(): number {
    const { view } = this.#engine.memory;
    const operation = this.get32(vcpu.exitOperation);
    const taken = this.get32(vcpu.exitReason) === exits.EXIT_TAKEN;
    const next = view.getUint16(operation + OPERATION_IP, true) + view.getUint8(operation + OPERATION_LENGTH);
    const offset = taken ? next + view.getInt32(operation + OPERATION_DISPLACEMENT, true) : next;
    const target = this.get(vcpu.ipBase) + BigInt(offset);
    const long = (this.get32(vcpu.codeMode) & CODE_SIZE_MASK) === CODE_64;
    this.set(vcpu.rip, long ? target : target & 0xffffffffn);
    return operation + (taken ? OPERATION_TAKEN : OPERATION_FALLTHROUGH);
  }

  /** A branch within a page reaches its target for the first time. */
  #link(): void {
    const place = this.#followBranch();
    const { blocks, memory } = this.#engine;
    const request = this.#request();
    // What cannot be fetched faults when its turn comes.
    if (request === undefined) this.set32(vcpu.faultVector, NO_FAULT);
    const { generation } = blocks;
    const block = request && blocks.find(request);
    const standsAlone = block !== undefined && memory.view.getUint32(block + BLOCK_SECOND_FRAME, true) !== 0;
    if (block !== undefined && !standsAlone && blocks.generation === generation) {
      memory.view.setUint32(place, block, true);
    }
    if (block !== undefined && this.get32(vcpu.budget) > 0) this.#enter(block);
    else this.set32(vcpu.exitReason, exits.EXIT_DECODE);
  }

  // ---- Code and faults ---------------------------------------------------------------------------------------------

  /** Where the instruction at `rip` is in machine memory; undefined with a fault set when it cannot be fetched. */
  #request(): BlockRequest | undefined {
    const mode = this.get32(vcpu.codeMode);
    const linear = this.#linearRip();
    const machine = this.#fetch(linear);
    if (machine === undefined) return undefined;
    const nextFrame = (): number | undefined => {
      const next = this.#fetch(((linear >> 12n) + 1n) << 12n);
      return next === undefined ? undefined : (next & FRAME_MASK) >>> 0;
    };
    const within = (bytes: number): boolean => {
      const size = mode & CODE_SIZE_MASK;
      if (size === CODE_64 || this.get(vcpu.rip) + BigInt(bytes - 1) <= BigInt(this.get32(vcpu.segmentLimit, CS))) {
        return true;
      }
      this.#refuse();
      return false;
    };
    return { machine, mode, nextFrame, within };
  }

  #linearRip(): bigint {
    const rip = this.get(vcpu.rip);
    const long = (this.get32(vcpu.codeMode) & CODE_SIZE_MASK) === CODE_64;
    return long ? rip : (rip + this.get(vcpu.segmentBase, CS)) & 0xffffffffn;
  }

  #fetch(linear: bigint): number | undefined {
    const user = this.get32(vcpu.cpl) === 3 ? ACCESS_USER : 0;
    const found = this.#call.translate(this.base, 0, BigInt.asIntN(64, linear), ACCESS_FETCH | user);
    if (found === NO_TRANSLATION) return undefined;
    if (found === DEVICE) {
      // Fetching from a device, or from nowhere: what real buses answer is no code that anybody could mean to run.
      this.#refuse();
      return undefined;
    }
    return found >>> 0;
  }

  /** #GP(0) is why the instruction at `rip` cannot be fetched. */
  #refuse(): void {
    this.set32(vcpu.faultVector, GP);
    this.set32(vcpu.faultHasCode, 1);
    this.set32(vcpu.faultCode, 0);
  }

  /** The instruction at `rip` cannot be fetched. */
  #deliverFault(): void {
    this.set32(vcpu.budget, this.get32(vcpu.budget) - 1);
    const vector = this.get32(vcpu.faultVector) & 0xff;
    this.#deliver(vector, this.get32(vcpu.faultHasCode) !== 0, this.get32(vcpu.faultCode), SOURCE_EXCEPTION);
    if (this.get32(vcpu.exitReason) !== exits.EXIT_SHUTDOWN) this.set32(vcpu.exitReason, exits.EXIT_DELIVERED);
  }

  #deliver(vector: number, hasCode: boolean, code: number, source: number): void {
    this.#call.deliver(this.base, 0, vector, hasCode ? 1 : 0, code, source);
  }

  /** Delivers an external interrupt or NMI; false when that ended in a triple fault. */
  interrupt(vector: number): boolean {
    this.#deliver(vector, false, 0, SOURCE_EXTERNAL);
    return this.get32(vcpu.exitReason) !== exits.EXIT_SHUTDOWN;
  }

  /** Delivers an exception between instructions; false when that ended in a triple fault. */
  exception(vector: number, code?: number): boolean {
    this.#deliver(vector, code !== undefined, code ?? 0, SOURCE_EXCEPTION);
    return this.get32(vcpu.exitReason) !== exits.EXIT_SHUTDOWN;
  }

  /** SMI#: taken once, between instructions; one more can wait while it is handled. */
  requestManagement(): void {
    this.set32(vcpu.smiPending, 1);
    this.attention = true;
  }

  /** An SMI waits that the processor would take, but for the shadow of STI or MOV SS. */
  get managementHeld(): boolean {
    return this.get32(vcpu.smiPending) !== 0 && this.get32(vcpu.managementMode) === 0;
  }

  /** Takes an SMI that waits, where that can be now. */
  takeManagementInterrupt(): void {
    if (this.managementHeld && !this.#inShadow()) this.#call.enterManagementMode(this.base, 0);
  }

  /** INIT, which the handler of an SMI holds back. */
  requestInit(): void {
    this.set32(vcpu.initPending, 1);
    this.attention = true;
  }

  get initDue(): boolean {
    return this.get32(vcpu.initPending) !== 0 && this.get32(vcpu.managementMode) === 0;
  }

  /** The processor has come to a stop before an x87 instruction, until an interrupt. */
  numericError(): void {
    this.attention = true;
    this.monitor.numericError();
  }

  /** A data access while DR7 has breakpoints. */
  dataBreakpoint(linear: bigint, bytes: number, write: boolean): boolean {
    return this.#breakpointTrap(dataHits(this.#breakpoints(), BigInt.asUintN(64, linear), bytes, write));
  }

  /** An access to ports. */
  portBreakpoint(port: number, bytes: number): void {
    if ((this.get32(vcpu.dr, 2 * DR7) & 0xff) === 0 || (this.get32(vcpu.cr4) & CR4_DE) === 0) return;
    this.#breakpointTrap(portHits(this.#breakpoints(), port, bytes));
  }

  /** Has the debug exception taken behind this instruction. */
  #breakpointTrap(hits: number): boolean {
    if (hits === 0) return false;
    this.set32(vcpu.pendingDebug, this.get32(vcpu.pendingDebug) | hits);
    this.attention = true;
    return true;
  }
}

const DR6_BS = 1 << 14;

function parity(byte: number): boolean {
  let ones = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) ones++;
  return ones % 2 === 0;
}
