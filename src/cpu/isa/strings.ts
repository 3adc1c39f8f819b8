/**
 * String instructions: SDM Vol. 1 §7.3.9 "String Operations". INS and OUTS are in `system/ports.ts`, and work alike.
 *
 * One execution of a repeated instruction handles one chunk and, where elements are left, ends as one to be run again:
 * interrupts are taken between chunks, and each counts as an instruction. The size of a chunk is architectural here,
 * for every engine must count alike: elements up to the end of the 4 KiB page of offsets that rSI or rDI is in,
 * whichever comes first, with an element that crosses that end belonging to it; with DF set, down to the start of the
 * page. With TF set it is one element. Registers move on with each element, so a fault leaves them at the one that
 * faulted. Flags are set when all is done: until then they are as they were before the instruction, also where the
 * first chunks have been done and a later one faults (SDM Vol. 2B "REP/REPE/REPZ/REPNE/REPNZ").
 */

import { type Address, type Algebra, ES, type Value } from '../algebra.ts';
import { RAX, RCX, RDI, RSI, vcpu } from '../state.ts';
import { subFlags } from './flag-writes.ts';
import { type Case, defineInstruction, type Instruction } from './instruction.ts';
import { DR7_ENABLES } from './system/control-bits.ts';
import { anySet } from './system/modes.ts';
import { FLAG_DF, FLAG_TF } from './system/rflags.ts';
import { unsigned, type Width } from './widths.ts';

export const PAGE = 4096;
/** Elements done one by one after which the run loop gets a look at the time: some microseconds' worth. */
const MANY_ELEMENTS = 512;

/** One execution of a string instruction: what it works with, known when decoded. */
export interface StringOperation {
  readonly m: Algebra;
  readonly element: Width;
  /** Which pointers it moves: RSI, RDI. */
  readonly pointers: readonly number[];
  readonly backwards: Value;
  /** Signed step of the pointers, of the address size. */
  readonly step: Value;
}

export function stringOperation(m: Algebra, element: Width, pointers: readonly number[]): StringOperation {
  const width = m.addressSize;
  const bytes = element / 8;
  const backwards = anySet(m, m.get(vcpu.rflags), FLAG_DF);
  return {
    m,
    element,
    pointers,
    backwards,
    step: m.select(backwards, m.const(width, -bytes), m.const(width, bytes)),
  };
}

export function source({ m }: StringOperation): Address {
  return m.at(m.dataSegment, m.getGpr(RSI, m.addressSize));
}

export function destination({ m }: StringOperation): Address {
  return m.at(ES, m.getGpr(RDI, m.addressSize));
}

function movePointers({ m, pointers, step }: StringOperation): void {
  for (const pointer of pointers) m.setGpr(pointer, m.add(m.getGpr(pointer, m.addressSize), step));
}

function countDown(m: Algebra, by: Value): void {
  m.setGpr(RCX, m.sub(m.getGpr(RCX, m.addressSize), by));
}

/** Elements from the pointer to the end (start) of its page, the one there included; type of the address size. */
function elementsInPage({ m, element, backwards }: StringOperation, pointer: number): Value {
  const width = m.addressSize;
  const bytes = element / 8;
  const shift = Math.log2(bytes);
  const within = m.and(m.getGpr(pointer, width), m.const(width, PAGE - 1));
  const forwards = m.shr(m.sub(m.const(width, PAGE + bytes - 1), within), shift);
  const downwards = m.add(m.shr(within, shift), m.const(width, 1));
  return m.select(backwards, downwards, forwards);
}

export function minimum(m: Algebra, a: Value, b: Value): Value {
  return m.select(m.ltU(a, b), a, b);
}

/** Number of elements in this chunk; 0 only where rCX is 0. Traps of single steps and breakpoints follow each element. */
function chunkLength(operation: StringOperation): Value {
  const { m, pointers } = operation;
  const width = m.addressSize;
  let length = m.getGpr(RCX, width);
  for (const pointer of pointers) length = minimum(m, length, elementsInPage(operation, pointer));
  const single = m.or(anySet(m, m.get(vcpu.rflags), FLAG_TF), anySet(m, m.getAt(vcpu.dr, 7), DR7_ENABLES));
  return m.select(single, minimum(m, length, m.const(width, 1)), length);
}

/**
 * With 32-bit addresses in 64-bit mode registers lose their upper halves before anything else happens, even where rCX
 * is 0: rCX always, the pointers for MOVS and STOS (so Intel processors; the manual is silent).
 */
function clearUpperHalves({ m }: StringOperation, registers: readonly number[]): void {
  if (m.mode !== 64 || m.addressSize !== 32) return;
  for (const register of registers) m.setGpr(register, m.getGpr(register, 32));
}

/**
 * Runs `body` once, or for a chunk. `body` does what may fault; the pointers move after it. `fast`, if any, is tried
 * once after the first element, which has shown that the page can be reached: it may do some of the elements that are
 * left and returns how many it did.
 */
export function repeat(operation: StringOperation, body: () => void, fast?: (left: Value) => Value): void {
  const { m } = operation;
  if (m.repeat === 'none') {
    body();
    movePointers(operation);
    return;
  }
  clearUpperHalves(operation, fast ? [RCX, ...operation.pointers] : [RCX]);
  const width = m.addressSize;
  const one = m.const(width, 1);
  const zero = m.const(width, 0);
  const left = m.variable(chunkLength(operation));
  const element = () => {
    body();
    movePointers(operation);
    countDown(m, one);
    m.assign(left, m.sub(m.use(left), one));
  };
  if (fast) {
    m.if(m.ne(m.use(left), zero), () => {
      element();
      m.assign(left, m.sub(m.use(left), fast(m.use(left))));
    });
  }
  const slowly = m.use(left);
  m.while(() => m.ne(m.use(left), zero), element);
  m.if(m.ne(m.getGpr(RCX, width), zero), () => m.again());
  yieldAfter(m, slowly);
}

/** A slice of nothing but long chunks would take seconds. */
function yieldAfter(m: Algebra, elements: Value): void {
  m.if(m.leU(m.const(elements.type, MANY_ELEMENTS), elements), () => m.stop('yield'));
}

/** As `repeat`, for CMPS and SCAS: stops after an element where equality is not what the prefix asks for. */
function repeatWhile(operation: StringOperation, operands: () => [Value, Value]): void {
  const { m, element } = operation;
  if (m.repeat === 'none') {
    const [a, b] = operands();
    movePointers(operation);
    m.setFlags(subFlags(m, a, b, m.sub(a, b)));
    return;
  }
  clearUpperHalves(operation, [RCX]);
  const width = m.addressSize;
  const one = m.const(width, 1);
  const zero = m.const(width, 0);
  const length = chunkLength(operation);
  const left = m.variable(length);
  m.if(m.ne(m.use(left), zero), () => {
    const a = m.variable(m.const(element, 0));
    const b = m.variable(m.const(element, 0));
    const goesOn = m.variable(m.const(1, 1));
    m.while(
      () => m.and(m.ne(m.use(left), zero), m.use(goesOn)),
      () => {
        const [first, second] = operands();
        m.assign(a, first);
        m.assign(b, second);
        m.assign(goesOn, m.repeat === 'repne' ? m.ne(first, second) : m.eq(first, second));
        movePointers(operation);
        countDown(m, one);
        m.assign(left, m.sub(m.use(left), one));
      },
    );
    m.if(
      m.and(m.use(goesOn), m.ne(m.getGpr(RCX, width), zero)),
      () => m.again(),
      () => m.setFlags(subFlags(m, m.use(a), m.use(b), m.sub(m.use(a), m.use(b)))),
    );
    yieldAfter(m, m.sub(length, m.use(left)));
  });
}

/** Outside 64-bit mode a segment may end within a chunk: only one that spans everything allows going fast. */
function unlimited(m: Algebra, segments: readonly number[]): Value {
  let result = m.const(1, 1);
  if (m.mode === 64) return result;
  for (const segment of segments) {
    const limit = m.getAt(vcpu.segmentLimit, segment);
    result = m.and(result, m.eq(limit, m.const(32, -1)));
  }
  return result;
}

/** All of `bytes` from the linear address on lie in its page. */
function withinPage(m: Algebra, linear: Value, bytes: Value): Value {
  const start = m.and(m.trunc(linear, 32), m.const(32, PAGE - 1));
  return m.leU(m.add(start, bytes), m.const(32, PAGE));
}

/** After a fast path over `count` elements. */
export function advance({ m, element, pointers }: StringOperation, count: Value): void {
  const bytes = m.shl(count, Math.log2(element / 8));
  for (const pointer of pointers) m.setGpr(pointer, m.add(m.getGpr(pointer, m.addressSize), bytes));
  countDown(m, count);
}

/**
 * `count` elements of a forward MOVS as one memory.copy, many times faster than element by element. Not where the
 * destination begins within the source: there each element must be copied before it is read.
 */
function blockCopy(operation: StringOperation, count: Value): Case {
  const { m, element } = operation;
  const bytes = m.shl(unsigned(m, count, 32), Math.log2(element / 8));
  const from = m.linear(source(operation), element / 8, 'read');
  const to = m.linear(destination(operation), element / 8, 'write');
  const machineFrom = m.machineAddress(from, 'read');
  const machineTo = m.machineAddress(to, 'write');
  const zero = m.const(32, 0);
  const reachable = m.and(m.ne(machineFrom, zero), m.ne(machineTo, zero));
  const apart = m.leU(bytes, m.sub(machineTo, machineFrom));
  return {
    holds: m.and(m.and(withinPage(m, from, bytes), withinPage(m, to, bytes)), m.and(reachable, apart)),
    run: () => {
      m.machineCopy(machineTo, machineFrom, bytes);
      advance(operation, count);
    },
  };
}

/** `count` elements of a forward STOS as one memory.fill, where all bytes of the element are alike. */
function blockFill(operation: StringOperation, value: Value, count: Value): Case {
  const { m, element } = operation;
  // Alike means that turning by a byte changes nothing.
  const turned = m.or(m.shl(value, 8 % element), m.shr(value, (element - 8) % element));
  const alike = element === 8 ? m.const(1, 1) : m.eq(turned, value);
  const bytes = m.shl(unsigned(m, count, 32), Math.log2(element / 8));
  const to = m.linear(destination(operation), element / 8, 'write');
  const machineTo = m.machineAddress(to, 'write');
  return {
    holds: m.and(m.and(alike, withinPage(m, to, bytes)), m.ne(machineTo, m.const(32, 0))),
    run: () => {
      m.machineFill(machineTo, m.trunc(value, 8), bytes);
      advance(operation, count);
    },
  };
}

/** The rest of a forward chunk at once, if that is possible: how many elements of it are done. */
function chunkAtOnce(operation: StringOperation, segments: readonly number[], left: Value, block: () => Case): Value {
  const { m, backwards } = operation;
  const done = m.variable(m.const(m.addressSize, 0));
  const possible = m.and(m.not(backwards), unlimited(m, segments));
  m.if(m.and(possible, m.ne(left, m.const(m.addressSize, 0))), () => {
    const { holds, run } = block();
    m.if(holds, () => {
      run();
      m.assign(done, left);
    });
  });
  return m.use(done);
}

/** An instruction that is one chunk, which is done at once. */
function allAtOnce(operation: StringOperation, segments: readonly number[], block: (count: Value) => Case): Case {
  const { m, element, pointers } = operation;
  const count = m.getGpr(RCX, m.addressSize);
  const plain = m.not(anySet(m, m.get(vcpu.rflags), FLAG_DF | FLAG_TF));
  let holds = m.and(plain, m.not(anySet(m, m.getAt(vcpu.dr, 7), DR7_ENABLES)));
  holds = m.and(holds, unlimited(m, segments));
  holds = m.and(holds, m.leU(count, m.const(m.addressSize, PAGE / (element / 8))));
  const bytes = m.shl(unsigned(m, count, 32), Math.log2(element / 8));
  for (const pointer of pointers) holds = m.and(holds, withinPage(m, m.getGpr(pointer, m.addressSize), bytes));
  const rest = block(count);
  return { holds: m.and(holds, rest.holds), run: rest.run };
}

/** One definition for bytes and one for the operand size. */
function both(
  name: string,
  sdm: string,
  byteForm: string,
  form: string,
  pointers: readonly number[],
  execute: (operation: StringOperation) => void,
  usual?: (operation: StringOperation) => Case,
): Instruction[] {
  const define = (mnemonic: string, one: string, elementOf: (m: Algebra) => Width): Instruction => {
    const operation = (m: Algebra): StringOperation => stringOperation(m, elementOf(m), pointers);
    const once = (m: Algebra): Case => ({ holds: m.const(1, 1), run: () => execute(operation(m)) });
    return defineInstruction({
      name: mnemonic,
      sdm,
      forms: [one],
      semantics: (m) => execute(operation(m)),
      ...(usual && { usual: (m) => (m.repeat === 'none' ? once(m) : usual(operation(m))) }),
    });
  };
  return [define(`${name}B`, byteForm, () => 8), define(name, form, (m) => m.operandSize)];
}

export const strings: readonly Instruction[] = [
  ...both(
    'MOVS',
    'Vol. 2B "MOVS/MOVSB/MOVSW/MOVSD/MOVSQ - Move Data From String to String"',
    'A4 rep ends',
    'A5 rep ends',
    [RSI, RDI],
    (operation) => {
      const { m, element } = operation;
      const move = () => m.store(destination(operation), m.load(element, source(operation)));
      const segments = [m.dataSegment, ES];
      repeat(operation, move, (left) => chunkAtOnce(operation, segments, left, () => blockCopy(operation, left)));
    },
    (operation) => allAtOnce(operation, [operation.m.dataSegment, ES], (count) => blockCopy(operation, count)),
  ),
  ...both(
    'CMPS',
    'Vol. 2A "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ - Compare String Operands"',
    'A6 rep ends',
    'A7 rep ends',
    [RSI, RDI],
    (operation) => {
      const { m, element } = operation;
      // Processors reach ES:rDI first: it decides which fault is reported where both operands have one.
      repeatWhile(operation, () => {
        const b = m.load(element, destination(operation));
        return [m.load(element, source(operation)), b];
      });
    },
  ),
  ...both(
    'STOS',
    'Vol. 2B "STOS/STOSB/STOSW/STOSD/STOSQ - Store String"',
    'AA rep ends',
    'AB rep ends',
    [RDI],
    (operation) => {
      const { m, element } = operation;
      const value = m.getGpr(RAX, element);
      repeat(
        operation,
        () => m.store(destination(operation), value),
        (left) => chunkAtOnce(operation, [ES], left, () => blockFill(operation, value, left)),
      );
    },
    (operation) => {
      const value = operation.m.getGpr(RAX, operation.element);
      return allAtOnce(operation, [ES], (count) => blockFill(operation, value, count));
    },
  ),
  ...both(
    'LODS',
    'Vol. 2A "LODS/LODSB/LODSW/LODSD/LODSQ - Load String"',
    'AC rep ends',
    'AD rep ends',
    [RSI],
    (operation) => {
      const { m, element } = operation;
      repeat(operation, () => m.setGpr(RAX, m.load(element, source(operation))));
    },
  ),
  ...both(
    'SCAS',
    'Vol. 2B "SCAS/SCASB/SCASW/SCASD - Scan String"',
    'AE rep ends',
    'AF rep ends',
    [RDI],
    (operation) => {
      const { m, element } = operation;
      const value = m.getGpr(RAX, element);
      repeatWhile(operation, () => [value, m.load(element, destination(operation))]);
    },
  ),
];
