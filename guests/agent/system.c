/* The agent's port, and what it does itself: the clock, random numbers, the console's size, addresses. */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS "/sys/class/virtio-ports/"
#define DRIVER "/sys/bus/virtio/drivers/virtio_console"

/* The whole of a small file, with a NUL instead of the newline. */
static int read_line(const char *path, char *line, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? -1 : read(file, line, size - 1);
  if (file >= 0) close(file);
  if (n < 0) return -1;
  line[n] = 0;
  line[strcspn(line, "\n")] = 0;
  return 0;
}

/* Calls `wanted` for each entry of a directory until it says yes, and copies that one's name. */
static int find_entry(const char *path, int (*wanted)(const char *entry, const char *what), const char *what, char *name,
                      size_t size) {
  char entries[1024];
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
  ssize_t n;
  if (directory < 0) return 0;
  while (!found && (n = getdents64(directory, entries, sizeof entries)) > 0) {
    for (ssize_t at = 0; at < n && !found;) {
      const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
      size_t length = strlen(entry->d_name) + 1;
      at += entry->d_reclen;
      if (length > size || !wanted(entry->d_name, what)) continue;
      memcpy(name, entry->d_name, length);
      found = 1;
    }
  }
  close(directory);
  return found;
}

static int is_device(const char *entry, const char *what) {
  return !strncmp(entry, what, strlen(what));
}

static int is_port(const char *entry, const char *what) {
  char path[128] = PORTS, line[80];
  if (entry[0] == '.' || strlen(entry) > 32) return 0;
  strcat(strcat(path, entry), "/name");
  return read_line(path, line, sizeof line) == 0 && !strcmp(line, what);
}

int open_port(const char *name) {
  char entry[33], path[64] = "/dev/";
  if (!find_entry(DRIVER, is_device, "virtio", entry, sizeof entry)) return -1;
  /* The ports of a console come a moment after the console. */
  for (int tries = 0; tries < 500; tries++) {
    if (find_entry(PORTS, is_port, name, entry, sizeof entry)) {
      int port = open(strcat(path, entry), O_RDWR | O_NONBLOCK | O_CLOEXEC);
      if (port >= 0 || errno != ENOENT) return port;
      path[sizeof "/dev"] = 0;
    }
    struct timespec pause = {0, (tries < 20 ? 1 : 20) * 1000000};
    nanosleep(&pause, NULL);
  }
  return -1;
}

int set_clock(struct reader *r) {
  int64_t ns = (int64_t)take(r, 8);
  if (r->bad || ns < 0) return EINVAL;
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  return clock_settime(CLOCK_REALTIME, &time) < 0 ? errno : 0;
}

int add_entropy(struct reader *r) {
  static struct {
    int bits, bytes;
    char data[4096];
  } pool;
  size_t length = (size_t)(r->end - r->at);
  if (length > sizeof pool.data) return EINVAL;
  int device = open("/dev/urandom", O_RDWR | O_CLOEXEC), error = 0;
  if (device < 0) return errno;
  memcpy(pool.data, r->at, length);
  pool.bytes = (int)length;
  pool.bits = 8 * pool.bytes;
  if (ioctl(device, RNDADDENTROPY, &pool) < 0) error = errno;
  if (!error && ioctl(device, RNDRESEEDCRNG) < 0 && errno != EINVAL && errno != ENOTTY) error = errno;
  memset(pool.data, 0, length);
  close(device);
  return error;
}

/* The last of the active consoles is the one behind /dev/console. A change signals its foreground group. */
int resize_console(struct reader *r) {
  char line[128], path[160] = "/dev/";
  struct winsize size = {.ws_row = (unsigned short)take(r, 2), .ws_col = (unsigned short)take(r, 2)};
  if (r->bad) return EINVAL;
  if (read_line("/sys/class/tty/console/active", line, sizeof line) < 0) return errno;
  const char *last = strrchr(line, ' ');
  int console = open(strcat(path, last ? last + 1 : line), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (console < 0) return errno;
  int error = ioctl(console, TIOCSWINSZ, &size) < 0 ? errno : 0;
  close(console);
  return error;
}

static void put_address(struct sockaddr *at, uint32_t address) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  const unsigned char bytes[4] = {address >> 24, address >> 16, address >> 8, address};
  memcpy(&in.sin_addr, bytes, 4);
  memcpy(at, &in, sizeof in);
}

/* Decimal, with what comes behind it. Returns the end. */
static char *put_number(char *to, unsigned number, char then) {
  if (number >= 10) to = put_number(to, number / 10, 0);
  *to++ = (char)('0' + number % 10);
  if (then) *to++ = then;
  return to;
}

static int name_server(uint32_t address) {
  char line[32] = "nameserver ", *end = line + strlen(line);
  for (int shift = 24; shift >= 0; shift -= 8) end = put_number(end, address >> shift & 255, shift ? '.' : '\n');
  int file = open("/etc/resolv.conf", O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0644), error = 0;
  if (file < 0) return errno;
  if (write(file, line, (size_t)(end - line)) < 0) error = errno;
  close(file);
  return error;
}

/* What a DHCP client would do with a lease, in no time. */
int set_network(struct reader *r) {
  uint32_t address = (uint32_t)take(r, 4), bits = (uint32_t)take(r, 4);
  uint32_t gateway = (uint32_t)take(r, 4), server = (uint32_t)take(r, 4);
  const char *name = take_string(r);
  struct ifreq card = {0};
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
  size_t length = strlen(name);
  if (r->bad || bits > 32 || !length || length >= IFNAMSIZ) return EINVAL;
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;
  if (control < 0) return errno;
  memcpy(card.ifr_name, name, length);
  put_address(&card.ifr_addr, address);
  if (ioctl(control, SIOCSIFADDR, &card) < 0) error = errno;
  put_address(&card.ifr_netmask, bits ? ~0u << (32 - bits) : 0);
  if (!error && ioctl(control, SIOCSIFNETMASK, &card) < 0) error = errno;
  card.ifr_flags = 0;
  if (!error && ioctl(control, SIOCGIFFLAGS, &card) < 0) error = errno;
  card.ifr_flags |= IFF_UP;
  if (!error && ioctl(control, SIOCSIFFLAGS, &card) < 0) error = errno;
  put_address(&route.rt_dst, 0);
  put_address(&route.rt_genmask, 0);
  put_address(&route.rt_gateway, gateway);
  if (!error && gateway && ioctl(control, SIOCADDRT, &route) < 0 && errno != EEXIST) error = errno;
  close(control);
  return !error && server ? name_server(server) : error;
}
