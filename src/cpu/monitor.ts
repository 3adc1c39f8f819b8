/** What the CPU asks of the machine around it. Every call is an exit; values are unsigned. None may throw. */
export interface Monitor {
  portRead(port: number, bytes: 1 | 2 | 4): number;
  portWrite(port: number, bytes: 1 | 2 | 4, value: number): void;
  /** Fast path: as so many accesses of `bytes` each, one after the other; false, with nothing done, where there is none. */
  portReadMany(port: number, bytes: 1 | 2 | 4, into: Uint8Array): boolean;
  portWriteMany(port: number, bytes: 1 | 2 | 4, from: Uint8Array): boolean;
  /** Guest-physical address, below 2^52. `bytes` is 1, 2, 4 or 8. */
  deviceRead(physical: number, bytes: number): bigint;
  deviceWrite(physical: number, bytes: number, value: bigint): void;
  cpuid(): void;
  /** Leaves the value in the vCPU's `msrValue`; false is #GP. */
  readMsr(index: number): boolean;
  writeMsr(index: number, value: bigint): boolean;
  /** Task priority, 0 to 15. */
  readCr8(): number;
  writeCr8(priority: number): void;
  /** SMIACT#: the processor enters or leaves system-management mode, where it may see other memory. */
  managementMode(active: boolean): void;
  /** FERR#: an x87 exception waits to be handled, and CR0.NE is clear. */
  numericError(): void;
  /** Time-stamp counter before the guest's offset. */
  tsc(): bigint;
  random(): bigint;
  /** An exception or interrupt is about to be delivered; only asked for in traces. */
  eventDelivered(vector: number, errorCode: number): void;
  /** Gives the page a frame (one of its own, if `write`); returns the new frame-table entry. */
  assignFrame(physical: number, write: boolean): number;
}
