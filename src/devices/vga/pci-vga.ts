/** The VGA as a PCI function, 1234:1111 (QEMU docs/specs/standard-vga): BAR 0 video memory, BAR 2 registers. */

import { PciConfig } from '../pci/pci-config.ts';
import { VGA_MMIO_BYTES, Vga, type VgaHost } from './vga.ts';

export class PciVga extends Vga {
  readonly config: PciConfig;

  constructor(host: VgaHost) {
    super(host);
    this.config = new PciConfig({
      identity: {
        vendor: 0x1234,
        device: 0x1111,
        revision: 2,
        classCode: 0x03_00_00,
        subsystemVendor: 0x1af4,
        subsystem: 0x1100,
      },
      bars: [
        { index: 0, space: 'memory', sizeBytes: host.memory.sizeBytes, prefetchable: true, video: host.memory },
        { index: 2, space: 'memory', sizeBytes: VGA_MMIO_BYTES, handler: this.mmio },
      ],
    });
  }
}
