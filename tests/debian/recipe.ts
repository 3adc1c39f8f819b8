/**
 * What is on the Debian disk: a small Debian 12 of Debian's own packages, which starts by GRUB with systemd, a DHCP client
 * and logins on the first serial port and on the screen.
 */

export const SUITE = 'bookworm';
export const ROOT_PASSWORD = 'debian';
export const HOST_NAME = 'vivarium-debian';

export const PACKAGES = ['systemd-sysv', 'udev', 'linux-image-amd64', 'initramfs-tools', 'zstd', 'iproute2'];

/**
 * Of the kernel's 4,000 modules those that a PC like this one or QEMU's has a use for: the rest is 400 MB. As dpkg's
 * patterns have it, a star stands for folders, too.
 */
const MODULES = [
  ...['block/t10-pi', 'crypto/crc*', 'drivers/acpi/button', 'drivers/cdrom/', 'drivers/dax/', 'lib/*crc*'],
  ...['ahci', 'ata_generic', 'ata_piix', 'libahci', 'libata'].map((name) => `drivers/ata/${name}`),
  ...[
    'drivers/block/floppy',
    'drivers/block/loop',
    'drivers/firmware/',
    'drivers/md/dm-mod',
    'drivers/parport/parport',
  ],
  ...['drivers/gpu/drm/drm', 'drivers/gpu/drm/tiny/bochs', 'drivers/gpu/drm/ttm/', 'drivers/i2c/busses/i2c-piix4'],
  ...['evdev', 'misc/pcspkr', 'mouse/psmouse', 'serio/'].map((name) => `drivers/input/${name}`),
  ...['ethernet/amd/pcnet', 'ethernet/intel/e1000/', 'ethernet/realtek/8139', 'mii'].map(
    (name) => `drivers/net/${name}`,
  ),
  ...['drivers/scsi/scsi_', 'drivers/scsi/s[dgr]', 'fs/autofs/', 'fs/binfmt_misc', 'fs/configfs/', 'fs/ext4/'],
  ...['fs/fuse/', 'fs/isofs/', 'fs/jbd2/', 'fs/mbcache'],
];

/** Settings for dpkg: what of the packages stays out. */
export const DPKG_OPTIONS = [
  ...['doc', 'info', 'locale', 'lintian', 'man'].map((name) => `path-exclude=/usr/share/${name}/*`),
  'path-exclude=/lib/modules/*/kernel/*',
  ...MODULES.map((name) => `path-include=/lib/modules/*/kernel/${name}*`),
];

export const FILE_SYSTEM_UUID = '6f1c1f5e-3a0e-4b52-9f0e-d2b1a6c7e801';

/** Files beside those of the packages. */
export const FILES: Readonly<Record<string, string>> = {
  'etc/fstab': `UUID=${FILE_SYSTEM_UUID} / ext4 errors=remount-ro 0 1\n`,
  'etc/hostname': `${HOST_NAME}\n`,
  'etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${HOST_NAME}\n`,
  // Of a machine that has been started before: the first boot of all would set up services anew each time.
  'etc/machine-id': '5d1f6a0c3b2e4f708192a3b4c5d6e7f8\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/apt/sources.list': '',
  'etc/systemd/network/wired.network': '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n',
  // A busy host must not make services fail.
  'etc/systemd/system.conf.d/patience.conf': `[Manager]
DefaultTimeoutStartSec=15min
DefaultTimeoutStopSec=15min
DefaultDeviceTimeoutSec=15min
`,
  'boot/grub/grub.cfg': `serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
menuentry Debian {
  echo "Loading Linux ..."
  linux /vmlinuz root=UUID=${FILE_SYSTEM_UUID} ro quiet console=tty0 console=ttyS0,115200
  echo "Loading initial ramdisk ..."
  initrd /initrd.img
}
`,
};

/** Run inside when everything is installed. apt's own timers would take its lock while a test wants it. */
export const COMMANDS = [
  `echo root:${ROOT_PASSWORD} | chpasswd`,
  'systemctl enable systemd-networkd',
  'systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer',
];

/** What a boot would otherwise do once for packages that are new. */
export const UPDATED = ['etc/.updated', 'var/.updated'];

export const DISK_BYTES = 1 << 30;
/** The first partition, where partitioning tools place it: 1 MiB, in the gap before which GRUB lies. */
export const PARTITION_SECTOR = 2048;
export const DISK_LABEL_ID = '0x5669764d';

/** Modules of GRUB's core image; it needs none from the disk. */
export const GRUB_MODULES = ['biosdisk', 'part_msdos', 'ext2', 'normal', 'linux', 'serial', 'terminal', 'echo', 'gzio'];
export const GRUB_PREFIX = '(hd0,msdos1)/boot/grub';
