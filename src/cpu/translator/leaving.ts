/**
 * The rare ways out of a region, from its cold end: registers are written back, and this does the rest for all regions.
 * A place says how to go on:
 *
 *     operation        the interpreter runs it: the region could not
 *     operation | 1    the budget does not cover the block that begins there
 *     link | 2         to the code at the offset, in the page of the branch
 */

import type { ModuleBuilder } from '../emit/code-space.ts';
import { type EmitterContext, NO_FAULT } from '../emit/emitter.ts';
import { LOAD32_16U } from '../emit/nodes.ts';
import { wrapIp } from '../interpreter/core.ts';
import { EXIT_BUDGET } from '../interpreter/exits.ts';
import { OPERATION_IP } from '../interpreter/operation.ts';
import { defineCore } from '../mmu/core-emitter.ts';
import { vcpu } from '../state.ts';
import { materializeFlags, NO_KIND } from './flag-kinds.ts';

export const PLACE_OPERATION = 0;
export const PLACE_BUDGET = 1;
export const PLACE_LINK = 2;
const PLACE_KINDS = 3;

/** (place, offset relative to the region's first page, kind of flags and their inputs) */
export function defineLeaving(module: ModuleBuilder, context: EmitterContext): void {
  const { core } = context;
  defineCore(module, context, 'leaveRegion', core.leaveRegion, (m, place, offset, kind, ...inputs) => {
    if (place === undefined || offset === undefined || kind === undefined) return undefined;
    const { builder: b } = m;
    m.if(m.ne(kind, m.number(NO_KIND)), () =>
      b.call(context.routine(materializeFlags), [m.vcpuBlock, m.operation, kind, ...inputs]),
    );
    const base = m.get(vcpu.ipBase);
    const page = m.add(base, m.sext(m.and(offset, m.number(-4096)), 64));
    m.set(vcpu.ipBase, page);
    const how = m.and(place, m.number(PLACE_KINDS));
    m.if(m.isZero(how), () => {
      m.set(vcpu.faultVector, m.number(NO_FAULT));
      m.set(vcpu.pendingDebug, m.number(0));
      b.tailCall(core.resume, [m.vcpuBlock, place]);
    });
    m.if(m.eq(how, m.number(PLACE_LINK)), () => {
      m.set(vcpu.rip, wrapIp(m, m.add(base, m.sext(offset, 64))));
      b.tailCall(core.chain, [m.vcpuBlock, m.operation, m.sub(place, m.number(PLACE_LINK))]);
    });
    const inPage = b.load(32, place, OPERATION_IP - PLACE_BUDGET, LOAD32_16U);
    m.set(vcpu.rip, wrapIp(m, m.add(page, m.zext(inPage, 64))));
    m.set(vcpu.exitOperation, m.operation);
    m.set(vcpu.regionBase, base);
    m.set(vcpu.exitReason, m.number(EXIT_BUDGET));
    return [];
  });
}
