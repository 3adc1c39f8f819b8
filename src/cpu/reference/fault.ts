import { vcpu } from '../state.ts';
import type { StateBlock } from './state-block.ts';

/** An exception that an instruction ends with. Thrown inside the reference only: its callers get it as a value. */
export class GuestFault {
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** For #PF: the linear address. */
  readonly linear: bigint | undefined;

  constructor(vector: number, errorCode?: number, linear?: bigint) {
    this.vector = vector;
    this.errorCode = errorCode;
    this.linear = linear;
  }
}

/** Leaves an exception in the state, where delivery looks for it. */
export function recordFault(state: StateBlock, fault: GuestFault): void {
  state.set(vcpu.faultVector, BigInt(fault.vector));
  state.set(vcpu.faultHasCode, fault.errorCode === undefined ? 0n : 1n);
  state.set(vcpu.faultCode, BigInt(fault.errorCode ?? 0));
  if (fault.linear !== undefined) state.set(vcpu.faultLinear, fault.linear);
}
