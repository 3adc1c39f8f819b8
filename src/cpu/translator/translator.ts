/**
 * The translator tier of a process: makes regions of blocks that are entered often, and has them run in place of the
 * blocks' counting operations. So dispatch, jump caches and links between blocks know nothing of it, and taking a region
 * away is one store.
 *
 *     counting operation --hot--> plan, emit --end of slice--> module, instances --> counting operation's handler
 *            ^                                                                              |
 *            +------- a block of the region is written over, or code memory is full --------+
 */

import type { Routine } from '../algebra.ts';
import type { ImportingModule } from '../emit/code-space.ts';
import type { FunctionRef } from '../emit/nodes.ts';
import { type Block, blockKey, codeSizeOf, countingOperation } from '../interpreter/blocks.ts';
import { CODE_FLAT, CODE_STACK_32 } from '../interpreter/core.ts';
import type { Engine } from '../interpreter/engine.ts';
import {
  OPERATION_BYTES,
  OPERATION_FALLTHROUGH,
  OPERATION_HANDLER,
  OPERATION_IMMEDIATE,
  OPERATION_TAKEN,
} from '../interpreter/operation.ts';
import type { Vcpu } from '../interpreter/vcpu.ts';
import { TLB_ADDEND, TLB_ENTRIES, TLB_ENTRY_BYTES, TLB_FETCH } from '../layout.ts';
import { vcpu as fields } from '../state.ts';
import { Batching, type Burst } from './batching.ts';
import { BranchSites } from './branch-sites.ts';
import { type FlagNeed, FlagsNeeded } from './flag-emitter.ts';
import { OperationPool } from './operation-pool.ts';
import { DeclinedAt, emitRegion } from './region-code.ts';
import type { RegionContext } from './region-emitter.ts';
import {
  branchAt,
  type CodeSource,
  NARROW,
  type PlannedBlock,
  planRegion,
  type RegionPlan,
  WIDE,
} from './region-plan.ts';
import type { EngineChoice, TranslatorStats } from './statistics.ts';

/** Entries after which a block is hot. */
const HOT = 10_000;
/** A region in which so many slices have ended is where the guest's time goes: it is made anew, and wide. */
const SAMPLES = 12;
const MOST_WIDE = 3;
/** Entries after which a region that was set aside comes back. */
const WARM = 4;
const CODE_LIMIT = 96 << 20;
/** Each module takes a mapping or two of the process's memory, of which Linux allows 65,530. */
const MOST_REGIONS = 8_000;
/** Room for the links of a block: it has two ends at most. */
const LINK_BYTES = 8;
/** Machine addresses of instructions known to decline, before all are forgotten. */
const MOST_DECLINED = 1 << 16;

/** Regions of one module. */
interface Batch {
  readonly module: ImportingModule;
  readonly regions: readonly Region[];
}

/** From where code is looked at: a vCPU, and what `ipBase` is for the page in which the region begins. */
interface View {
  readonly vcpu: Vcpu;
  readonly base: bigint;
}

/** A translated region. */
interface Region {
  /** Where it is entered: changes when the block is decoded again. */
  head: Block;
  /** Of the head, and of all blocks in it. */
  readonly key: number;
  readonly blocks: readonly number[];
  readonly code: FunctionRef;
  readonly codeBytes: number;
  readonly operations: number;
  readonly operationBytes: number;
  /** Its ways out that are linked, and operations that the interpreter links. */
  readonly links: { readonly address: number; readonly count: number };
  readonly branches: readonly number[];
  /** 0 for a narrow region, else how often a wide one has been made of it. */
  readonly wide: number;
  /** Indirect branches whose targets are recorded for it, by machine address. */
  readonly sites: readonly number[];
  samples: number;
  readonly burst: Burst;
  /** Compiled and standing in its head's counting operation; else waiting, or set aside to see whether it is needed. */
  state: 'waiting' | 'running' | 'aside' | 'gone';
}

/**
 * How many samples it takes for a region to be made anew. A wide one is, once or twice, if it has indirect branches of
 * which nothing was known when it was made.
 */
function samplesToGrow({ wide, sites }: Region): number {
  if (wide === 0) return SAMPLES;
  return wide < MOST_WIDE && sites.length > 0 ? SAMPLES * 4 ** wide : Number.POSITIVE_INFINITY;
}

export class Translator {
  readonly #engine: Engine;
  readonly #context: RegionContext;
  readonly #atFirstSight: boolean;
  readonly #pool: OperationPool;
  /** By key of the head block; oldest first. */
  readonly #regions = new Map<number, Region>();
  /** By key of any block in them. */
  readonly #users = new Map<number, Set<Region>>();
  readonly #sites: BranchSites;
  readonly #declined = new Set<number>();
  /** By machine address, blocks that read flags which others have left. */
  readonly #needs = new Map<number, FlagNeed>();
  #module: ImportingModule | undefined;
  #waiting: Region[] = [];
  readonly #batching = new Batching();
  /** Modules are compiled on other threads, and start at the end of some later slice. */
  readonly #aside: boolean;
  #compiled: (Batch & { compiled(): WebAssembly.Module })[] = [];
  /** Most bytes of WebAssembly in regions; lower in tests. */
  codeLimit = CODE_LIMIT;
  readonly #stats = {
    translations: 0,
    instructions: 0,
    links: 0,
    invalidations: 0,
    evictions: 0,
    modules: 0,
    codeBytes: 0,
    milliseconds: 0,
  };

  constructor(engine: Engine, choice: EngineChoice, aside: boolean) {
    this.#engine = engine;
    this.#aside = aside && choice !== 'translator';
    this.#atFirstSight = choice === 'translator';
    this.#pool = new OperationPool(engine.memory);
    this.#sites = new BranchSites(engine.memory, this.#pool);
    this.#context = {
      core: engine.core,
      countHits: engine.countHits,
      traceEvents: engine.traceEvents,
      routine: (routine) => engine.routineNow(routine),
      reserve: (params, results) => engine.reserve(params, results),
      touchOf: (routine: Routine) => engine.touchOf(routine),
    };
    engine.blocks.countdown = this.#atFirstSight ? 1 : HOT;
    engine.blocks.watcher = {
      decoded: (block) => this.#decoded(block),
      invalidated: (block) => this.#invalidated(block),
      wants: (block) => this.#users.has(blockKey(block)),
      dropped: () => this.#unlink(),
    };
  }

  get stats(): TranslatorStats {
    return { ...this.#stats, regions: this.#regions.size };
  }

  /** The block with this counting operation has been entered often. Generated code may be running. */
  hot(vcpu: Vcpu, operation: number): void {
    const block = this.#engine.blocks.counted(operation);
    if (block === undefined) return;
    const known = this.#regions.get(blockKey(block));
    if (known?.state === 'aside') this.#start(known);
    if (known !== undefined) return;
    this.#timed(() => this.#translate({ vcpu, base: vcpu.get(fields.ipBase) }, block, 0));
    if (this.#atFirstSight || this.#batching.isFull(this.#waiting.length, this.#regions.size)) this.flush();
  }

  /**
   * A slice has ended in the region, or before the block, with this counting operation. No generated code is running.
   */
  sliceEnded(vcpu: Vcpu, operation: number): void {
    const block = this.#engine.blocks.counted(operation);
    const region = block && this.#regions.get(blockKey(block));
    this.#batching.sliceEnded(this.#waiting.length);
    if (region !== undefined) this.#sample(vcpu, region);
    this.flush();
  }

  #sample(vcpu: Vcpu, region: Region): void {
    const grows = ++region.samples >= samplesToGrow(region) && region.head.address !== 0;
    const busy = this.#batching.isBusy(region.burst);
    if (busy && (grows || this.#waiting.includes(region))) this.#batching.hurry();
    if (!grows) return;
    region.samples = Number.NEGATIVE_INFINITY;
    this.#timed(() => this.#translate({ vcpu, base: vcpu.get(fields.regionBase) }, region.head, region.wide + 1));
  }

  /** Has the regions that wait compiled, and starts those that are. */
  flush(): void {
    const module = this.#module;
    const due = !this.#aside || this.#batching.isDue(this.#waiting.length, this.#regions.size);
    if (module !== undefined && due) {
      this.#batching.begun();
      const batch = { module, regions: this.#waiting };
      this.#module = undefined;
      this.#waiting = [];
      this.#stats.modules++;
      this.#timed(() => this.#compile(batch));
    }
    if (this.#compiled.length > 0) this.#timed(() => this.#startCompiled());
  }

  #compile(batch: Batch): void {
    const bytes = batch.module.bytes();
    if (!this.#aside) {
      this.#compiled.push({ ...batch, compiled: () => new WebAssembly.Module(bytes) });
      return;
    }
    WebAssembly.compile(bytes).then(
      (compiled) => this.#compiled.push({ ...batch, compiled: () => compiled }),
      (error: unknown) =>
        this.#compiled.push({
          ...batch,
          compiled: () => {
            throw error;
          },
        }),
    );
  }

  #startCompiled(): void {
    const batches = this.#compiled;
    this.#compiled = [];
    for (const { module, regions, compiled } of batches) {
      const wanted = regions.filter(({ state }) => state === 'waiting');
      const codes = new Set(wanted.map(({ code }) => code));
      module.instantiate(compiled(), (ref) => codes.has(ref));
      for (const region of wanted) this.#start(region);
    }
    this.#makeRoom();
  }

  #timed(work: () => void): void {
    const started = performance.now();
    work();
    this.#stats.milliseconds += performance.now() - started;
  }

  #start(region: Region): void {
    const narrow = this.#regions.get(region.key);
    if (narrow !== undefined && narrow !== region) {
      region.head = narrow.head;
      this.#remove(narrow);
    }
    region.state = 'running';
    this.#setHandler(region.head, region.code.slot, 0);
    // Youngest last.
    this.#regions.delete(region.key);
    this.#regions.set(region.key, region);
  }

  #setHandler(head: Block, slot: number, countdown: number): void {
    // Only watched: it has no operation now.
    if (head.address === 0) return;
    const { view } = this.#engine.memory;
    const operation = countingOperation(head);
    view.setUint32(operation + OPERATION_IMMEDIATE, countdown, true);
    view.setUint32(operation + OPERATION_HANDLER, slot, true);
  }

  // ---- Translating -------------------------------------------------------------------------------------------------

  #translate(view: View, head: Block, wide: number): void {
    const { space } = this.#engine;
    const source = this.#source(view, head, wide > 0);
    for (;;) {
      const plan = planRegion(head, source, wide > 0 ? WIDE : NARROW);
      const [first] = plan.blocks;
      if (first === undefined || first.instructions.length === (first.ending === 'other' ? 1 : 0)) return;
      const module = this.#module ?? space.importingModule();
      const code = space.reserve([], []);
      const { operations, links, address, bytes } = this.#placeOperations(plan);
      let linked = 0;
      const sites: number[] = [];
      const mode = {
        flat: (plan.mode & CODE_FLAT) !== 0,
        stackAddressSize: codeSizeOf(plan.mode) === 64 ? 64 : (plan.mode & CODE_STACK_32) !== 0 ? 32 : 16,
      } as const;
      try {
        const codeBytes = module.define(code, `region ${head.machine.toString(16)}`, (builder) =>
          emitRegion(builder, this.#context, {
            plan,
            mode,
            operations,
            link: () => links + 4 * linked++,
            recordAt: (block) => {
              const branch = branchAt(block);
              sites.push(branch);
              return this.#sites.use(branch);
            },
            needs: (block) => this.#needOf(block.block),
            isRare: source.isRare,
          }),
        );
        this.#module = module;
        this.#add(plan, {
          head,
          code,
          codeBytes,
          operations: address,
          operationBytes: bytes,
          wide,
          samples: 0,
          burst: this.#batching.newBurst(),
          state: 'waiting',
          sites,
          key: blockKey(head),
          links: { address: links, count: linked },
          branches: plan.blocks.flatMap(({ number, count, linked: branches }) =>
            branches ? [(operations[number] as number) + (count - 1) * OPERATION_BYTES] : [],
          ),
          blocks: [...new Set(plan.blocks.map(({ block }) => blockKey(block)))],
        });
        this.#stats.links += linked;
        return;
      } catch (error) {
        space.release(code);
        this.#pool.release(address, bytes);
        for (const branch of sites) this.#sites.release(branch);
        if (error instanceof DeclinedAt) this.#decline(error);
        else if (error instanceof FlagsNeeded) this.#require(plan.blocks[error.block] as PlannedBlock, error.need);
        else throw error;
      }
    }
  }

  #decline({ block, index }: DeclinedAt): void {
    if (this.#declined.size === MOST_DECLINED) this.#declined.clear();
    this.#declined.add(block.block.machine + (block.offsets[index] as number) - block.offset);
  }

  #needOf(block: Block): FlagNeed {
    return this.#needs.get(block.machine) ?? 0;
  }

  #require({ block }: PlannedBlock, need: FlagNeed): void {
    if (this.#needs.size === MOST_DECLINED) this.#needs.clear();
    this.#needs.set(block.machine, need);
  }

  #add(plan: RegionPlan, region: Region): void {
    const { blocks } = region;
    // A narrow region of this head runs on until the wide one can start.
    if (!this.#regions.has(region.key)) this.#regions.set(region.key, region);
    this.#waiting.push(region);
    for (const key of blocks) {
      const users = this.#users.get(key);
      if (users === undefined) this.#users.set(key, new Set([region]));
      else users.add(region);
    }
    this.#stats.translations++;
    this.#stats.instructions += plan.instructions;
    this.#stats.codeBytes += region.codeBytes;
  }

  /**
   * Copies of the blocks' operations, with what closes each: the interpreter goes on there where the region cannot.
   * Their branches are not linked yet. Behind them is room for the region's own links.
   */
  #placeOperations(plan: RegionPlan): { operations: number[]; links: number; address: number; bytes: number } {
    const operationBytes = plan.blocks.reduce((sum, { count }) => sum + (count + 1) * OPERATION_BYTES, 0);
    const bytes = operationBytes + plan.blocks.length * LINK_BYTES;
    const address = this.#pool.allocate(bytes);
    const { u8, view } = this.#engine.memory;
    const operations: number[] = [];
    let at = address;
    for (const { block, count, linked } of plan.blocks) {
      const from = countingOperation(block) + OPERATION_BYTES;
      u8.copyWithin(at, from, from + (count + 1) * OPERATION_BYTES);
      operations.push(at);
      at += (count + 1) * OPERATION_BYTES;
      if (!linked) continue;
      view.setUint32(at - 2 * OPERATION_BYTES + OPERATION_TAKEN, 0, true);
      view.setUint32(at - 2 * OPERATION_BYTES + OPERATION_FALLTHROUGH, 0, true);
    }
    const links = address + operationBytes;
    u8.fill(0, links, address + bytes);
    return { operations, links, address, bytes };
  }

  #source(view: View, head: Block, wide: boolean): CodeSource {
    const { blocks } = this.#engine;
    const frame = head.machine - head.start;
    const sequences = new Map<Block, ReturnType<typeof blocks.sequenceOf>>();
    const known = (offset: number): Block | undefined => {
      const page = Math.floor(offset / 4096) * 4096;
      const pageFrame = page === 0 ? frame : this.#frameOf(view, page);
      return pageFrame === undefined ? undefined : blocks.known(pageFrame + offset - page, head.mode);
    };
    return {
      blockAt: (offset) => {
        const block = known(offset);
        return block !== undefined && (block === head || this.#isWanted(block, wide)) ? block : undefined;
      },
      isRare: (offset) => {
        const block = known(offset);
        return block === undefined || !this.#isWanted(block, true);
      },
      instructionsOf: (block) => {
        let sequence = sequences.get(block);
        if (sequence === undefined) {
          sequence = blocks.sequenceOf(block);
          sequences.set(block, sequence);
        }
        return sequence;
      },
      seenTargets: (machine) => (wide ? this.#sites.targets(machine, view.base) : []),
      declines: (machine) => this.#declined.has(machine),
    };
  }

  /**
   * What has hardly ever been entered stays out of regions, to keep them small; so does, of narrow ones, what begins
   * another region.
   */
  #isWanted(block: Block, wide: boolean): boolean {
    if (this.#atFirstSight) return true;
    if (this.#regions.has(blockKey(block))) return wide;
    return this.#engine.blocks.countdownOf(block) < HOT - HOT / 16;
  }

  /** The frame of a page of code, relative to the one that runs, if the TLB has it: nothing may be touched for it. */
  #frameOf({ vcpu, base }: View, page: number): number | undefined {
    const { view } = this.#engine.memory;
    const linear = BigInt.asUintN(64, base + BigInt(page));
    const index = Number((linear >> 12n) & BigInt(TLB_ENTRIES - 1));
    const entry = vcpu.get32(fields.tlbBase) + index * TLB_ENTRY_BYTES;
    const tag = (linear >> 12n) | vcpu.get(fields.tlbTag);
    if (view.getBigUint64(entry + TLB_FETCH, true) !== tag) return undefined;
    return (Number(linear & 0xffffffffn) + view.getInt32(entry + TLB_ADDEND, true)) >>> 0;
  }

  // ---- Giving up regions -------------------------------------------------------------------------------------------

  /** A region that was there before stands in the block's new counting operation. */
  #decoded(block: Block): void {
    const region = this.#regions.get(blockKey(block));
    if (region === undefined) return;
    region.head = block;
    if (region.state === 'running') this.#setHandler(block, region.code.slot, 0);
  }

  /** Blocks that regions are linked to are gone, and those in which they are entered. */
  #unlink(): void {
    const { u8, view } = this.#engine.memory;
    for (const region of new Set([...this.#users.values()].flatMap((users) => [...users]))) {
      const { links, branches } = region;
      region.head = { ...region.head, address: 0 };
      u8.fill(0, links.address, links.address + 4 * links.count);
      for (const branch of branches) {
        view.setUint32(branch + OPERATION_TAKEN, 0, true);
        view.setUint32(branch + OPERATION_FALLTHROUGH, 0, true);
      }
    }
  }

  #invalidated(block: Block): void {
    const users = this.#users.get(blockKey(block));
    if (users === undefined) return;
    for (const region of [...users]) {
      this.#remove(region);
      this.#stats.invalidations++;
    }
    // One of them may be running: it leaves when it sees this.
    for (const vcpu of this.#engine.vcpus) vcpu.attention = true;
  }

  #remove(region: Region): void {
    const { head, blocks } = region;
    if (this.#regions.get(region.key) === region) this.#regions.delete(region.key);
    for (const key of blocks) {
      const users = this.#users.get(key);
      users?.delete(region);
      if (users?.size === 0) this.#users.delete(key);
    }
    this.#engine.space.release(region.code);
    region.state = 'gone';
    // A narrow region runs on where its wide successor is given up before it starts.
    if (!this.#regions.has(region.key)) {
      this.#setHandler(head, this.#engine.pseudo.count.slot, this.#engine.blocks.countdown);
    }
    this.#pool.release(region.operations, region.operationBytes);
    for (const branch of region.sites) this.#sites.release(branch);
    this.#stats.codeBytes -= region.codeBytes;
  }

  /** The oldest regions are set aside; those that are not entered again until their next turn are given up. */
  #makeRoom(): void {
    // Each region once: what is set aside has until the next call to be entered again.
    for (const region of [...this.#regions.values()]) {
      if (this.#stats.codeBytes <= this.codeLimit && this.#regions.size <= MOST_REGIONS) return;
      if (region.state === 'aside') {
        this.#remove(region);
        this.#stats.evictions++;
      } else if (region.state === 'running') {
        region.state = 'aside';
        this.#setHandler(region.head, this.#engine.pseudo.count.slot, WARM);
        this.#regions.delete(region.key);
        this.#regions.set(region.key, region);
      }
    }
  }
}
