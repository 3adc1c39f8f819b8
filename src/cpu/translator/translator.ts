/**
 * The translator tier of a process: makes regions of blocks that are entered often, and has them run in place of the
 * blocks' counting operations. So dispatch, jump caches and links between blocks know nothing of it, and taking a region
 * away is one store.
 *
 *     counting operation --hot--> plan --> region --end of slice--> module, instance --> counting operation's handler
 *            ^                                                                                  |
 *            +--------- a block of the region is written over, or code memory is full ----------+
 *
 * From the plan to the module another thread may do the work, which knows nothing of the guest (region-thread.ts).
 */

import type { FunctionRef } from '../emit/nodes.ts';
import { type Block, blockKey, countingOperation } from '../interpreter/blocks.ts';
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
import type { FlagNeed } from './flag-emitter.ts';
import { OperationPool } from './operation-pool.ts';
import type { RegionOutcome } from './region-maker.ts';
import { type Aside, RegionModules } from './region-modules.ts';
import { branchAt, type CodeSource, isRecorded, NARROW, planRegion, type RegionPlan, WIDE } from './region-plan.ts';
import { packRegion } from './region-request.ts';
import type { EngineChoice, TranslatorStats } from './statistics.ts';

/** Entries after which a block is hot. */
const HOT = 5_000;
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
  /** 0 until it is made. */
  codeBytes: number;
  readonly operations: number;
  readonly operationBytes: number;
  /** Room for the links of its ways out, and operations that the interpreter links. */
  readonly links: { readonly address: number; readonly bytes: number };
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
  readonly #modules: RegionModules<Region>;
  readonly #batching = new Batching();
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

  constructor(engine: Engine, choice: EngineChoice, aside: Aside) {
    this.#engine = engine;
    this.#atFirstSight = choice === 'translator';
    this.#modules = new RegionModules(engine, this.#atFirstSight ? { compile: false } : aside, {
      made: (region, outcome) => this.#made(region, outcome),
      lost: (region) => this.#remove(region),
      isWanted: ({ state }) => state === 'waiting',
    });
    this.#pool = new OperationPool(engine.memory);
    this.#sites = new BranchSites(engine.memory, this.#pool);
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
    if (this.#atFirstSight || this.#batching.isFull(this.#modules.waiting.length, this.#regions.size)) this.flush();
  }

  /**
   * A slice has ended in the region, or before the block, with this counting operation. No generated code is running.
   */
  sliceEnded(vcpu: Vcpu, operation: number): void {
    const block = this.#engine.blocks.counted(operation);
    const region = block && this.#regions.get(blockKey(block));
    this.#batching.sliceEnded(this.#modules.waiting.length);
    if (region !== undefined) this.#sample(vcpu, region);
    this.flush();
  }

  #sample(vcpu: Vcpu, region: Region): void {
    const grows = ++region.samples >= samplesToGrow(region) && region.head.address !== 0;
    const busy = this.#batching.isBusy(region.burst);
    if (busy && (grows || this.#modules.waiting.includes(region))) this.#batching.hurry();
    if (!grows) return;
    region.samples = Number.NEGATIVE_INFINITY;
    this.#timed(() => this.#translate({ vcpu, base: vcpu.get(fields.regionBase) }, region.head, region.wide + 1));
  }

  /** Has the regions that wait compiled, and starts those that are. */
  flush(): void {
    const { waiting, isAside } = this.#modules;
    const due = !isAside || this.#batching.isDue(waiting.length, this.#regions.size);
    if (waiting.length > 0 && due) {
      this.#batching.begun();
      this.#stats.modules++;
      this.#timed(() => this.#modules.finish());
    }
    if (!this.#modules.hasCompiled) return;
    this.#timed(() => {
      this.#modules.placeCompiled((region) => this.#start(region));
      this.#makeRoom();
    });
  }

  /** Nothing is translated any more. */
  close(): void {
    this.#modules.close();
  }

  /** Whether the region is wanted that has been made. */
  #made(region: Region, { made, declined, needs }: RegionOutcome): boolean {
    for (const [machine, need] of needs) this.#require(machine, need);
    if (declined !== undefined) this.#decline(declined);
    if (region.state === 'gone') return false;
    if (made === undefined) {
      this.#tryAgain(region);
      return false;
    }
    region.codeBytes = made.bytes;
    this.#stats.codeBytes += made.bytes;
    this.#stats.links += made.links;
    return true;
  }

  /** An instruction of the region declined, which is known now. */
  #tryAgain(region: Region): void {
    const { head } = region;
    this.#remove(region);
    const narrow = this.#regions.get(region.key);
    if (narrow !== undefined) narrow.samples = samplesToGrow(narrow) - 1;
    else this.#setHandler(head, this.#engine.pseudo.count.slot, WARM);
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
    const source = this.#source(view, head, wide > 0);
    const plan = planRegion(head, source, wide > 0 ? WIDE : NARROW);
    const [first] = plan.blocks;
    if (first === undefined || first.instructions.length === (first.ending === 'other' ? 1 : 0)) return;
    const { operations, links, address, bytes } = this.#placeOperations(plan);
    const sites = new Map(plan.blocks.filter(isRecorded).map((block) => [block, branchAt(block)]));
    const request = packRegion(
      plan,
      {
        operations,
        links,
        recordOf: (block) => this.#recordOf(sites.get(block)),
        needOf: ({ block }) => this.#needs.get(block.machine) ?? 0,
        isRare: source.isRare,
      },
      (machine, size) => this.#engine.memory.u8.subarray(machine, machine + size),
    );
    const region: Region = {
      head,
      code: this.#engine.reserve([], []),
      codeBytes: 0,
      operations: address,
      operationBytes: bytes,
      wide,
      samples: 0,
      burst: this.#batching.newBurst(),
      state: 'waiting',
      sites: [...sites.values()],
      key: blockKey(head),
      links: { address: links, bytes: plan.blocks.length * LINK_BYTES },
      branches: plan.blocks.flatMap(({ number, count, linked: branches }) =>
        branches ? [(operations[number] as number) + (count - 1) * OPERATION_BYTES] : [],
      ),
      blocks: [...new Set(plan.blocks.map(({ block }) => blockKey(block)))],
    };
    this.#add(plan, region);
    this.#modules.ask(request, region);
  }

  #recordOf(branch: number | undefined): number {
    return branch === undefined ? 0 : this.#sites.use(branch);
  }

  #decline(machine: number): void {
    if (this.#declined.size === MOST_DECLINED) this.#declined.clear();
    this.#declined.add(machine);
  }

  #require(machine: number, need: FlagNeed): void {
    if (this.#needs.size === MOST_DECLINED) this.#needs.clear();
    this.#needs.set(machine, need);
  }

  #add(plan: RegionPlan, region: Region): void {
    const { blocks } = region;
    // A narrow region of this head runs on until the wide one can start.
    if (!this.#regions.has(region.key)) this.#regions.set(region.key, region);
    for (const key of blocks) {
      const users = this.#users.get(key);
      if (users === undefined) this.#users.set(key, new Set([region]));
      else users.add(region);
    }
    this.#stats.translations++;
    this.#stats.instructions += plan.instructions;
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
      u8.fill(0, links.address, links.address + links.bytes);
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
