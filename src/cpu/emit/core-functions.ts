/**
 * References to the functions of the core module, which all other generated code calls: slow paths of memory accesses,
 * dispatch, exceptions and the wrappers of host calls. `mmu/` and `interpreter/core.ts` define them.
 */

import type { HostCall, Type } from '../algebra.ts';
import type { FunctionRef } from './nodes.ts';

const accessTypes = [8, 16, 32, 64, 128] as const;
type AccessType = (typeof accessTypes)[number];

export const hostSignatures: Readonly<Record<HostCall, { params: readonly Type[]; results: readonly Type[] }>> = {
  portRead: { params: [32, 32], results: [32] },
  portWrite: { params: [32, 32, 32], results: [] },
  portReadMany: { params: [32, 32, 32, 32], results: [32] },
  portWriteMany: { params: [32, 32, 32, 32], results: [32] },
  cpuid: { params: [], results: [] },
  rdmsr: { params: [32], results: [32] },
  wrmsr: { params: [32, 64], results: [32] },
  tsc: { params: [], results: [64] },
  random: { params: [], results: [64] },
  controlWritten: { params: [32], results: [] },
  invalidatePage: { params: [64], results: [] },
  invalidateContext: { params: [32, 32, 64], results: [] },
  readCr8: { params: [], results: [64] },
  writeCr8: { params: [64], results: [] },
  managementMode: { params: [32], results: [] },
  numericError: { params: [], results: [] },
};

interface ReservesSlots {
  reserve(params: readonly Type[], results: readonly Type[]): FunctionRef;
}

export class CoreFunctions {
  readonly #loads = new Map<Type, FunctionRef>();
  readonly #stores = new Map<Type, FunctionRef>();
  readonly #systemLoads = new Map<Type, FunctionRef>();
  readonly #systemStores = new Map<Type, FunctionRef>();
  readonly #host = new Map<HostCall, FunctionRef>();

  /** (linear, bytes) -> machine address, or 0 where the access must go through load and store. Write access. */
  readonly probe: FunctionRef;
  /** (linear, bytes): faults unless all of it can be written. */
  readonly probeRange: FunctionRef;
  readonly loadPhysical: FunctionRef;
  readonly storePhysical32: FunctionRef;
  readonly storePhysical64: FunctionRef;
  /** (linear, access as in `mmu/walk.ts`) -> machine address, NO_TRANSLATION with a fault set, or DEVICE. */
  readonly translate: FunctionRef;
  /** (segment, offset: 64, bytes, write) -> linear: segmentation outside 64-bit mode's flat segments. */
  readonly segmentLinear: FunctionRef;
  /** Monitor: (guest-physical, write) -> frame-table entry, now with a frame (of its own, for a write). */
  readonly assignFrame: FunctionRef;
  /** Monitor: (guest-physical, bytes) -> value. */
  readonly deviceRead: FunctionRef;
  /** Monitor: (guest-physical, bytes, value). */
  readonly deviceWrite: FunctionRef;
  /** Monitor: (machine address, bytes) decoded code was written over. */
  readonly codeWritten: FunctionRef;
  /** Monitor: (vector, error code), for traces. */
  readonly eventDelivered: FunctionRef;
  /** Monitor: (linear, bytes, write) -> 1 when a data breakpoint of DR7 matches. */
  readonly dataAccess: FunctionRef;
  readonly contextChanged: FunctionRef;
  /** Continues at `rip`: tail-called by handlers. */
  readonly dispatch: FunctionRef;
  /** Enters a block by its header, or leaves when the budget does not cover it: (block). Tail-called. */
  readonly enter: FunctionRef;
  /** As `enter`, for the block a branch is linked to, which it leaves to link again if it is stale: (block, taken). */
  readonly follow: FunctionRef;
  /** Delivers the fault of the operation, or leaves for a replay. Tail-called. */
  readonly fault: FunctionRef;
  /**
   * Continues at `rip`, which is in the page that `ipBase` is for, at the block in the link given (machine address; 0
   * where it has none yet). Tail-called by regions.
   */
  readonly chain: FunctionRef;
  /** Continues at the instruction pointer given, in 64-bit code. Tail-called by regions. */
  readonly jump: FunctionRef;
  /** Runs the operation given, which a region leaves to its handler. Tail-called. */
  readonly resume: FunctionRef;
  /** A region's cold end (`translator/leaving.ts`): (place, offset, kind of flags, three inputs). Tail-called. */
  readonly leaveRegion: FunctionRef;
  /** Monitor: (operation) the block with this counting operation has been entered often. */
  readonly hot: FunctionRef;
  /** The linked branch has no block yet: leaves to the run loop. (taken: 0 or 1) */
  readonly unlinked: FunctionRef;

  constructor(space: ReservesSlots) {
    for (const type of accessTypes) {
      this.#loads.set(type, space.reserve([64], [type]));
      this.#stores.set(type, space.reserve([64, type], []));
      this.#systemLoads.set(type, space.reserve([64], [type]));
      this.#systemStores.set(type, space.reserve([64, type], []));
    }
    for (const [name, { params, results }] of Object.entries(hostSignatures)) {
      this.#host.set(name as HostCall, space.reserve(params, results));
    }
    this.probe = space.reserve([64, 32], [32]);
    this.probeRange = space.reserve([64, 32], []);
    this.loadPhysical = space.reserve([64], [64]);
    this.storePhysical32 = space.reserve([64, 32], []);
    this.storePhysical64 = space.reserve([64, 64], []);
    this.translate = space.reserve([64, 32], [32]);
    this.assignFrame = space.reserve([64, 32], [32]);
    this.deviceRead = space.reserve([64, 32], [64]);
    this.deviceWrite = space.reserve([64, 32, 64], []);
    this.codeWritten = space.reserve([32, 32], []);
    this.eventDelivered = space.reserve([32, 32], []);
    this.dataAccess = space.reserve([64, 32, 32], [32]);
    this.segmentLinear = space.reserve([32, 64, 32, 32], [64]);
    this.contextChanged = space.reserve([], []);
    this.dispatch = space.reserve([], []);
    this.enter = space.reserve([32], []);
    this.follow = space.reserve([32, 32], []);
    this.fault = space.reserve([], []);
    this.chain = space.reserve([32], []);
    this.jump = space.reserve([64], []);
    this.resume = space.reserve([], []);
    this.leaveRegion = space.reserve([32, 32, 32, 64, 64, 64], []);
    this.hot = space.reserve([32], []);
    this.unlinked = space.reserve([32], []);
  }

  load(type: Type): FunctionRef {
    return this.#loads.get(type) as FunctionRef;
  }
  store(type: Type): FunctionRef {
    return this.#stores.get(type) as FunctionRef;
  }
  loadSystem(type: Type): FunctionRef {
    return this.#systemLoads.get(type) as FunctionRef;
  }
  storeSystem(type: Type): FunctionRef {
    return this.#systemStores.get(type) as FunctionRef;
  }
  host(call: HostCall): FunctionRef {
    return this.#host.get(call) as FunctionRef;
  }
}

export type { AccessType };
