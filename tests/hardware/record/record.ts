/**
 * Records all vectors on this machine's processor: draws the cases, runs the recorder over them, twice, and packs the
 * answers. See `README.md`; `record.sh` builds the recorder and calls this.
 *
 * Cases file:   u32 number of local descriptors, then { u32 entry, base, limit, bits } of each; the contents of all pages;
 *               per case { u32 size of the record, u16 patches, u16 code length, state,
 *               patches of { u16 offset, u16 length, bytes } }.
 * Answers file: per case { u32 size of the record, u16 runs, u8 faulted, u8 vector, u64 error code, u64 CR2, state,
 *               runs of { u16 offset, u16 length, bytes } }.
 * Offsets count through all pages in the order of `PAGES`; the state is that of `state.ts`.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { caseCount, type Form } from '../form.ts';
import { CaseInputs } from '../inputs/inputs.ts';
import { WINDOW_BYTES, windowOffset } from '../layout.ts';
import { userDescriptors } from '../segments.ts';
import { MachineState, STATE_BYTES } from '../state.ts';
import { undefinedFlags, undefinedMemory, undefinedStatus } from '../undefined.ts';
import { type Answer, predict, VectorFileWriter } from '../vector-file.ts';
import { type GroupedForm, listForms } from './forms.ts';
import { listRawForms } from './raw-forms.ts';
import { listRawLegacyForms } from './raw-legacy-forms.ts';
import type { Group } from './rules.ts';

const DESCRIPTOR_WORDS = 4;
const CASE_HEADER = 8;
const ANSWER_HEADER = 24;
const RUN_HEADER = 4;
/** RFLAGS.RF, which faults set in the saved image and which is no state of the program (SDM Vol. 3B §18.3.1.1). */
const RESUME = 0x1_0000;
const PAGE_FAULT = 14;
/** Linux hides what is mapped in its half: it reports each fault there as one of a present page. The cases have none. */
const KERNEL_HALF = 0xffff_8000_0000_0000n;
const PRESENT = 1;

function writeCases(path: string, forms: readonly Form[]): void {
  const file = openSync(path, 'w');
  const inputs = new CaseInputs();
  // 64-bit mode has none, so that selectors of a local table name nothing.
  const descriptors = forms[0]?.mode === undefined ? new Uint32Array() : userDescriptors();
  writeSync(file, Uint32Array.of(descriptors.length / DESCRIPTOR_WORDS));
  writeSync(file, descriptors);
  writeSync(file, inputs.background);
  for (const form of forms) {
    const parts: Buffer[] = [];
    for (let index = 0; index < caseCount(form); index++) {
      inputs.draw(form, index);
      const header = Buffer.alloc(CASE_HEADER);
      const start = parts.length;
      parts.push(header, Buffer.from(inputs.state.bytes));
      for (let i = 0; i < inputs.touched.length; i += 2) {
        const [offset, length] = [inputs.touched[i], inputs.touched[i + 1]];
        const run = Buffer.alloc(RUN_HEADER);
        run.writeUInt16LE(offset, 0);
        run.writeUInt16LE(length, 2);
        parts.push(run, Buffer.from(inputs.window.slice(offset, offset + length)));
      }
      header.writeUInt32LE(
        parts.slice(start).reduce((sum, part) => sum + part.length, 0),
        0,
      );
      header.writeUInt16LE(inputs.touched.length / 2, 4);
      header.writeUInt16LE(inputs.encoding.code.length, 6);
    }
    writeSync(file, Buffer.concat(parts));
  }
  closeSync(file);
}

/** Read one record of the answers into `answer`, whose window starts as the input's; returns the next offset. */
function readAnswer(bytes: Buffer, at: number, inputs: CaseInputs, answer: Answer): number {
  const runs = bytes.readUInt16LE(at + 4);
  const vector = bytes[at + 7];
  const cr2 = vector === PAGE_FAULT ? bytes.readBigUInt64LE(at + 16) : undefined;
  const reported = Number(bytes.readBigUInt64LE(at + 8));
  const errorCode = cr2 !== undefined && cr2 >= KERNEL_HALF ? reported & ~PRESENT : reported;
  answer.fault = bytes[at + 6] ? { vector, errorCode, cr2 } : undefined;
  answer.state.bytes.set(bytes.subarray(at + ANSWER_HEADER, at + ANSWER_HEADER + STATE_BYTES));
  answer.window.set(inputs.window);
  let from = at + ANSWER_HEADER + STATE_BYTES;
  for (let i = 0; i < runs; i++) {
    const [offset, length] = [bytes.readUInt16LE(from), bytes.readUInt16LE(from + 2)];
    answer.window.set(bytes.subarray(from + RUN_HEADER, from + RUN_HEADER + length), offset);
    from += RUN_HEADER + length;
  }
  if (from !== at + bytes.readUInt32LE(at)) throw new Error('answers are out of step');
  return from;
}

/** What is undefined gets its predicted value, so that files do not depend on it. */
function normalise(inputs: CaseInputs, predicted: MachineState, answer: Answer): void {
  const { form, encoding } = inputs;
  const { state, window } = answer;
  state.rflags &= ~RESUME;
  const flags = undefinedFlags(form, encoding.code, inputs.state);
  state.rflags = (state.rflags & ~flags) | (predicted.rflags & flags);
  const status = undefinedStatus(form, state);
  state.status = (state.status & ~status) | (predicted.status & status);
  const address = inputs.operandAddress();
  if (address === undefined) return;
  for (const [offset, length] of undefinedMemory(form)) {
    for (let i = 0; i < length; i++) {
      const at = windowOffset(address + BigInt(offset + i));
      if (at >= 0) window[at] = inputs.window[at];
    }
  }
}

function pack(processor: string, forms: readonly Form[], answers: Buffer): Uint8Array {
  const writer = new VectorFileWriter(processor);
  const inputs = new CaseInputs();
  const predicted = new MachineState();
  const answer: Answer = { fault: undefined, state: new MachineState(), window: new Uint8Array(WINDOW_BYTES) };
  let at = 0;
  for (const form of forms) {
    writer.form(form);
    for (let index = 0; index < caseCount(form); index++) {
      inputs.draw(form, index);
      at = readAnswer(answers, at, inputs, answer);
      predict(inputs, answer.fault !== undefined, predicted);
      normalise(inputs, predicted, answer);
      writer.answer(inputs, predicted, answer);
    }
  }
  if (at !== answers.length) throw new Error('more answers than cases');
  return writer.finish();
}

function processorName(): string {
  return /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';
}

const [recorder, directory, ...only] = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), 'vectors-'));
const groups = new Map<Group, Form[]>();
const all: GroupedForm[] = [...listForms(64), ...listRawForms()];
for (const mode of [32, 16] as const) all.push(...listForms(mode), ...listRawLegacyForms(mode));
for (const { group, form } of all) {
  if (only.length === 0 || only.includes(group)) groups.set(group, [...(groups.get(group) ?? []), form]);
}
for (const [group, forms] of groups) {
  const cases = join(scratch, 'cases');
  writeCases(cases, forms);
  const [first, second] = ['first', 'second'].map((name) => {
    const path = join(scratch, name);
    execFileSync(recorder, [cases, path], { stdio: 'inherit' });
    return readFileSync(path);
  });
  const packed = pack(processorName(), forms, first);
  if (Buffer.compare(packed, pack(processorName(), forms, second)) !== 0) throw new Error(`${group}: not repeatable`);
  writeFileSync(join(directory, `${group}.bin.br`), packed);
  const count = forms.reduce((sum, form) => sum + caseCount(form), 0);
  console.log(`${group}: ${forms.length} forms, ${count} cases, ${packed.length} bytes`);
}
rmSync(scratch, { recursive: true });
