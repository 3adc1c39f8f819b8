/**
 * What connects local APICs, I/O APICs and message-signalled interrupts: finds the local APICs a message is for
 * (SDM Vol. 3A §11.6.2 "Determining IPI Destination") and tells I/O APICs of ends of interrupts.
 *
 * Destinations are 32 bits wide here, and all ones means everyone: senders with 8-bit destinations widen 0xff to that.
 * Not modelled: focus processors; arbitration among equals is by order of attachment.
 */

/** Delivery modes, as ICR, LVT entries, redirection entries and MSI data encode them. */
export const DELIVER_FIXED = 0;
export const DELIVER_LOWEST_PRIORITY = 1;
export const DELIVER_SMI = 2;
export const DELIVER_NMI = 4;
export const DELIVER_INIT = 5;
export const DELIVER_STARTUP = 6;
export const DELIVER_EXTINT = 7;

export const EVERYONE = 0xffff_ffff;

/** An 8-bit destination, as xAPIC, I/O APIC and MSI have them, in 32 bits. */
export function widenDestination(destination: number): number {
  return destination === 0xff ? EVERYONE : destination;
}

/** A local APIC as messages see it. */
export interface ApicTarget {
  matches(destination: number, logical: boolean): boolean;
  /** Takes fixed interrupts: enabled by hardware and software. */
  readonly acceptsFixed: boolean;
  /** For the choice of the lowest. */
  readonly processorPriority: number;
  /** False when it did not take the message. */
  accept(deliveryMode: number, vector: number, levelTriggered: boolean): boolean;
}

/** An I/O APIC as ends of interrupts see it. */
export interface EndOfInterruptTarget {
  endOfInterrupt(vector: number): void;
}

/** What APICs need of the bus. */
export interface Interconnect {
  /** False when nobody took the message. */
  send(deliveryMode: number, vector: number, levelTriggered: boolean, destination: number, logical: boolean): boolean;
  /** To all, but for `except`. */
  broadcast(deliveryMode: number, vector: number, except?: ApicTarget): void;
  endOfInterrupt(vector: number): void;
}

export class ApicBus implements Interconnect {
  readonly #locals: ApicTarget[] = [];
  readonly #ios: EndOfInterruptTarget[] = [];

  attachLocal(apic: ApicTarget): void {
    this.#locals.push(apic);
  }

  attachIo(apic: EndOfInterruptTarget): void {
    this.#ios.push(apic);
  }

  send(deliveryMode: number, vector: number, levelTriggered: boolean, destination: number, logical: boolean): boolean {
    if (deliveryMode === DELIVER_LOWEST_PRIORITY) {
      const target = this.#lowest(destination, logical);
      return target?.accept(DELIVER_FIXED, vector, levelTriggered) ?? false;
    }
    let taken = false;
    for (const apic of this.#locals) {
      if (apic.matches(destination, logical)) taken = apic.accept(deliveryMode, vector, levelTriggered) || taken;
    }
    return taken;
  }

  broadcast(deliveryMode: number, vector: number, except?: ApicTarget): void {
    for (const apic of this.#locals) if (apic !== except) apic.accept(deliveryMode, vector, false);
  }

  endOfInterrupt(vector: number): void {
    for (const apic of this.#ios) apic.endOfInterrupt(vector);
  }

  /**
   * A message-signalled interrupt: a write of `data` to `address` in 0xfee00000-0xfeefffff
   * (SDM Vol. 3A §11.11 "Message Signalled Interrupts").
   */
  messageSignalled(address: number, data: number): void {
    const destination = widenDestination((address >>> 12) & 0xff);
    const logical = (address & 0x4) !== 0;
    this.send((data >>> 8) & 7, data & 0xff, (data & 0x8000) !== 0, destination, logical);
  }

  #lowest(destination: number, logical: boolean): ApicTarget | undefined {
    let lowest: ApicTarget | undefined;
    for (const apic of this.#locals) {
      if (!apic.acceptsFixed || !apic.matches(destination, logical)) continue;
      if (lowest === undefined || apic.processorPriority < lowest.processorPriority) lowest = apic;
    }
    return lowest;
  }
}
