/*
 * Requests on files, each in a child of its own: it may wait as long as a disk or a shared
 * folder takes. Input is descriptor 0, output descriptor 1; the result is an error number.
 */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CREATE = 1, TRUNCATE = 2, EXCLUSIVE = 4, APPEND = 8 }; /* WRITE */
enum { FOLLOW = 1, PARENTS = 1, RECURSIVE = 1, READ_ONLY = 1 };
enum { RECORD_BYTES = 48, MAX_DEPTH = 500 };

static char buffer[65536];

static int write_all(int fd, const char *bytes, size_t length) {
  while (length) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes += n;
    length -= (size_t)n;
  }
  return 0;
}

/* Until the end, or `most` bytes. */
static int copy(int from, int to, uint64_t most) {
  while (most) {
    ssize_t n = read(from, buffer, most < sizeof buffer ? (size_t)most : sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    int error = write_all(to, buffer, (size_t)n);
    if (error) return error;
    most -= (uint64_t)n;
  }
  return 0;
}

static int read_file(const char *path, uint64_t offset, uint64_t length) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) < 0) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (offset && lseek(file, (off_t)offset, SEEK_SET) < 0) return errno;
  return copy(file, 1, length);
}

static int write_file(uint32_t flags, mode_t mode, uint64_t offset, const char *path) {
  int how = O_WRONLY | O_CLOEXEC;
  if (flags & CREATE) how |= O_CREAT;
  if (flags & TRUNCATE) how |= O_TRUNC;
  if (flags & EXCLUSIVE) how |= O_CREAT | O_EXCL;
  if (flags & APPEND) how |= O_APPEND;
  umask(0);
  int file = open(path, how, mode & 07777);
  if (file < 0) return errno;
  if (offset && lseek(file, (off_t)offset, SEEK_SET) < 0) return errno;
  int error = copy(0, file, UINT64_MAX);
  return error ? error : close(file) < 0 ? errno : 0;
}

static char *put(char *to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) *to++ = (char)(value >> (8 * i));
  return to;
}

static char *put_record(char *to, const struct stat *s) {
  to = put(to, s->st_mode, 4);
  to = put(to, s->st_uid, 4);
  to = put(to, s->st_gid, 4);
  to = put(to, s->st_nlink, 4);
  to = put(to, (uint64_t)s->st_size, 8);
  to = put(to, (uint64_t)s->st_mtim.tv_sec * 1000000000u + (uint64_t)s->st_mtim.tv_nsec, 8);
  to = put(to, s->st_ino, 8);
  return put(to, s->st_dev, 8);
}

static int is_dots(const char *name) {
  return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int list(const char *path) {
  static char entries[16384];
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return errno;
  size_t used = 0;
  for (;;) {
    ssize_t n = getdents64(directory, entries, sizeof entries);
    if (n < 0) return errno;
    if (n == 0) return write_all(1, buffer, used);
    for (ssize_t at = 0; at < n;) {
      const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
      size_t name = strlen(entry->d_name) + 1;
      struct stat status;
      at += entry->d_reclen;
      if (is_dots(entry->d_name)) continue;
      if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) continue; /* gone by now */
      if (used + RECORD_BYTES + name > sizeof buffer) {
        int error = write_all(1, buffer, used);
        if (error) return error;
        used = 0;
      }
      put_record(buffer + used, &status);
      memcpy(buffer + used + RECORD_BYTES, entry->d_name, name);
      used += RECORD_BYTES + name;
    }
  }
}

static int status_of(uint32_t flags, const char *path) {
  struct stat status;
  if (fstatat(AT_FDCWD, path, &status, flags & FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return errno;
  put_record(buffer, &status);
  return write_all(1, buffer, RECORD_BYTES);
}

static int make_directory(uint32_t flags, mode_t mode, const char *path) {
  size_t length = strlen(path);
  struct stat status;
  umask(0);
  if (flags & PARENTS && length < sizeof buffer) {
    memcpy(buffer, path, length + 1);
    for (char *at = buffer + 1; length && *at; at++) {
      if (*at != '/') continue;
      *at = 0;
      mkdir(buffer, 0755); /* one that failed makes the last fail, too */
      *at = '/';
    }
  }
  if (mkdir(path, mode & 07777) == 0) return 0;
  int error = errno;
  if (flags & PARENTS && error == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return 0;
  return error;
}

/* Follows no links, so what is removed is what the path named. */
static int remove_tree(int parent, const char *name, dev_t device, int depth) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  int error = errno, directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), found;
  struct stat status;
  if (directory < 0) return errno == ENOTDIR || errno == ELOOP ? error : errno;
  error = fstat(directory, &status) < 0 ? errno : 0;
  if (!error && depth && status.st_dev != device) error = EXDEV;
  if (!error && depth > MAX_DEPTH) error = ENAMETOOLONG;
  do { /* again until nothing is found: removing may move what comes behind */
    char entries[2048];
    ssize_t n;
    found = 0;
    if (!error && lseek(directory, 0, SEEK_SET) < 0) error = errno;
    while (!error && (n = getdents64(directory, entries, sizeof entries)) != 0) {
      if (n < 0) error = errno;
      for (ssize_t at = 0; at < n && !error;) {
        const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
        at += entry->d_reclen;
        if (is_dots(entry->d_name)) continue;
        error = remove_tree(directory, entry->d_name, status.st_dev, depth + 1);
        found = 1;
      }
    }
  } while (found && !error);
  close(directory);
  if (!error && unlinkat(parent, name, AT_REMOVEDIR) < 0) error = errno;
  return error;
}

static int remove_path(uint32_t flags, const char *path) {
  if (flags & RECURSIVE) return remove_tree(AT_FDCWD, path, 0, 0);
  if (unlinkat(AT_FDCWD, path, 0) == 0) return 0;
  if (errno != EISDIR && errno != EPERM) return errno;
  return unlinkat(AT_FDCWD, path, AT_REMOVEDIR) < 0 ? errno : 0;
}

static int read_link(const char *path) {
  ssize_t n = readlink(path, buffer, PATH_MAX);
  return n < 0 ? errno : write_all(1, buffer, (size_t)n);
}

static int mount_tag(uint32_t flags, const char *tag, const char *path, const char *more) {
  static const char options[] = "trans=virtio,version=9p2000.L";
  size_t length = strlen(more);
  int error = make_directory(PARENTS, 0755, path);
  if (error) return error;
  if (sizeof options + length + 1 > sizeof buffer) return E2BIG;
  memcpy(buffer, options, sizeof options);
  if (length) {
    buffer[sizeof options - 1] = ',';
    memcpy(buffer + sizeof options, more, length + 1);
  }
  return mount(tag, path, "9p", flags & READ_ONLY ? MS_RDONLY : 0, buffer) < 0 ? errno : 0;
}

static int bind_directory(uint32_t flags, const char *from, const char *path) {
  struct stat source, there;
  int error = make_directory(PARENTS, 0755, path);
  if (error) return error;
  if (stat(from, &source) < 0 || stat(path, &there) < 0) return errno;
  if (source.st_dev == there.st_dev && source.st_ino == there.st_ino) return 0;
  if (mount(from, path, NULL, MS_BIND, NULL) < 0) return errno;
  if (!(flags & READ_ONLY)) return 0;
  return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0 ? errno : 0;
}

static int power(uint32_t restart) {
  sync();
  return reboot(restart ? RB_AUTOBOOT : RB_POWER_OFF) < 0 ? errno : 0;
}

int do_request(int type, struct reader *r) {
  uint32_t flags = 0;
  mode_t mode = 0;
  uint64_t offset = 0, length = 0;
  uid_t user = 0;
  gid_t group = 0;
  const char *first = "", *second = "", *third = "";

  if (type == WRITE || type == STAT || type == MKDIR || type == REMOVE || type == MOUNT || type == BIND ||
      type == POWER)
    flags = (uint32_t)take(r, 4);
  if (type == WRITE || type == MKDIR || type == CHMOD) mode = (mode_t)take(r, 4);
  if (type == READ || type == WRITE) offset = take(r, 8);
  if (type == READ) length = take(r, 8);
  if (type == CHOWN) {
    user = (uid_t)take(r, 4);
    group = (gid_t)take(r, 4);
  }
  if (type != SYNC && type != POWER) first = take_string(r);
  if (type == RENAME || type == SYMLINK || type == MOUNT || type == BIND) second = take_string(r);
  if (type == MOUNT) third = take_string(r);
  if (r->bad) return EINVAL;

  switch (type) {
    case READ: return read_file(first, offset, length);
    case WRITE: return write_file(flags, mode, offset, first);
    case LIST: return list(first);
    case STAT: return status_of(flags, first);
    case MKDIR: return make_directory(flags, mode, first);
    case REMOVE: return remove_path(flags, first);
    case RENAME: return rename(first, second) < 0 ? errno : 0;
    case CHMOD: return chmod(first, mode & 07777) < 0 ? errno : 0;
    case CHOWN: return lchown(first, user, group) < 0 ? errno : 0;
    case SYMLINK: return symlink(first, second) < 0 ? errno : 0;
    case READLINK: return read_link(first);
    case MOUNT: return mount_tag(flags, first, second, third);
    case BIND: return bind_directory(flags, first, second);
    case SYNC: sync(); return 0;
    case POWER: return power(flags);
    default: return ENOSYS;
  }
}
