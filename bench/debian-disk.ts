/** Debian on an IDE disk: from the start of the process to its login, and reading the disk by DMA. */

import { DebianGuest } from '../tests/debian/debian-guest.ts';
import type { Benchmark, Contender } from './benchmark.ts';

/** The name for --only. */
export const DEBIAN_DISK = 'debian-disk';

const MIB_READ = 256;
const READ = `dd if=/dev/sda of=/dev/null bs=1M count=${MIB_READ}`;
const MEGABYTES_READ = (MIB_READ * 2 ** 20) / 1e6;

export function debianDiskBenchmark(
  image: string,
  starts: Readonly<Record<Contender, (image: string) => string[]>>,
): Benchmark {
  return {
    name: DEBIAN_DISK,
    figures: [
      { name: 'Debian on a disk, from SeaBIOS to its login', unit: 's', better: 'less', atMostTimes: 1.5 },
      { name: 'IDE disk read past the page cache (O_DIRECT)', unit: 'MB/s', better: 'more', atMostTimes: 2 },
      { name: 'IDE disk read into the page cache', unit: 'MB/s', better: 'more', atMostTimes: 2 },
    ],
    async measure(machine) {
      const guest = new DebianGuest(starts[machine](image));
      try {
        const bootMs = await guest.loginPrompt();
        await guest.logIn();
        await guest.run('systemctl is-system-running --wait');
        // The first pass is for the host's cache.
        await megabytesPerSecond(guest, `${READ} iflag=direct`);
        const direct = await megabytesPerSecond(guest, `${READ} iflag=direct`);
        await guest.run('echo 3 >/proc/sys/vm/drop_caches');
        const buffered = await megabytesPerSecond(guest, READ);
        return [bootMs / 1000, direct, buffered];
      } finally {
        await guest.kill();
      }
    },
  };
}

async function megabytesPerSecond(guest: DebianGuest, line: string): Promise<number> {
  const { status, output, seconds } = await guest.time(line);
  if (status !== 0) throw new Error(`reading the disk failed: ${output}`);
  return MEGABYTES_READ / seconds;
}
