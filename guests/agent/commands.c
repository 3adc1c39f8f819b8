/*
 * Children: commands by vfork and exec, which need no copy of this process, and requests by
 * fork. Each leads a session of its own, so that its process group can be signalled.
 */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TERMINAL = 1, OWN_ENVIRONMENT = 2, MAX_STRINGS = 16384 };
/* A user or group that stays the agent's. */
#define UNCHANGED UINT32_MAX

extern char **environ;

struct command {
  const char *directory, *name, *path;
  char **arguments, **environment;
  uint32_t user, group;
  int in, out, err; /* the child's ends */
  int is_terminal;
};

static char *strings[2 * MAX_STRINGS];

static void close_all(const int *fds, int count) {
  for (int i = 0; i < count; i++)
    if (fds[i] >= 0) close(fds[i]);
}

/* A pair of pipes' ends: the child's is left blocking. `ours` is 0 for the reading end. */
static int make_pipe(int ours, int *parent, int *child) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -1;
  *parent = ends[ours];
  *child = ends[!ours];
  fcntl(*parent, F_SETFL, O_NONBLOCK);
  return 0;
}

static int make_terminal(struct child *child, struct winsize *size, int *theirs) {
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), unlock = 0;
  if (master < 0) return -1;
  child->out = master;
  child->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
  if (child->in < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0) return -1;
  *theirs = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*theirs < 0) return -1;
  return ioctl(master, TIOCSWINSZ, size);
}

/* Looks through PATH as a shell does. Returns only if nothing could be run. */
static int exec_in_path(struct command *c) {
  static char file[4096];
  size_t name = strlen(c->name);
  int error = ENOENT;
  if (!name) return ENOENT;
  if (strchr(c->name, '/')) {
    execve(c->name, c->arguments, c->environment);
    return errno;
  }
  for (const char *at = c->path;; at++) {
    size_t length = strcspn(at, ":");
    if (length + name + 2 <= sizeof file) {
      memcpy(file, at, length);
      if (length) file[length] = '/';
      memcpy(file + length + !!length, c->name, name + 1);
      /* Fast path: execve makes an address space before it looks for the file. */
      if (access(file, X_OK) == 0) execve(file, c->arguments, c->environment);
      if (errno == EACCES) error = EACCES; /* found, if nothing better is */
      else if (errno != ENOENT && errno != ENOTDIR) return errno;
    }
    at += length;
    if (!*at) return error;
  }
}

/* In the child, which has its parent's memory until it runs something. Returns an error number. */
static int become(struct command *c) {
  sigset_t none;
  setsid();
  if (dup2(c->in, 0) < 0 || dup2(c->out, 1) < 0 || dup2(c->err, 2) < 0) return errno;
  if (c->is_terminal && ioctl(0, TIOCSCTTY, 0) < 0) return errno;
  if (c->directory[0] && chdir(c->directory) < 0) return errno;
  if (c->user != UNCHANGED || c->group != UNCHANGED) {
    if (setgroups(0, NULL) < 0) return errno;
    if (c->group != UNCHANGED && setresgid(c->group, c->group, c->group) < 0) return errno;
    if (c->user != UNCHANGED && setresuid(c->user, c->user, c->user) < 0) return errno;
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  return exec_in_path(c);
}

static int run(struct command *c, struct child *child) {
  /* Written by the child before it ends, in memory that is ours. */
  static volatile int error;
  error = 0;
  pid_t pid = vfork();
  if (pid < 0) return errno;
  if (pid == 0) {
    error = become(c);
    _exit(127);
  }
  if (error) return error; /* reaped as anybody's child */
  child->pid = pid;
  return 0;
}

static const char *value_of(char **environment, const char *name) {
  size_t length = strlen(name);
  const char *value = NULL;
  for (; *environment; environment++)
    if (!strncmp(*environment, name, length) && (*environment)[length] == '=') value = *environment + length + 1;
  return value;
}

/* Whether `variable` is set in the list, which ends with NULL. */
static int is_set(char **list, const char *variable) {
  size_t length = strcspn(variable, "=");
  for (; *list; list++)
    if (!strncmp(*list, variable, length + 1)) return 1;
  return 0;
}

int start_command(struct reader *r, struct child *child) {
  struct command c = {.in = -1, .out = -1, .err = -1};
  uint32_t flags = (uint32_t)take(r, 4);
  c.user = (uint32_t)take(r, 4);
  c.group = (uint32_t)take(r, 4);
  struct winsize size = {.ws_row = (unsigned short)take(r, 2), .ws_col = (unsigned short)take(r, 2)};
  uint32_t arguments = (uint32_t)take(r, 4), variables = (uint32_t)take(r, 4);
  if (arguments < 1 || arguments >= MAX_STRINGS || variables >= MAX_STRINGS) return arguments ? E2BIG : EINVAL;

  c.directory = take_string(r);
  c.arguments = strings;
  for (uint32_t i = 0; i < arguments; i++) strings[i] = (char *)take_string(r);
  strings[arguments] = NULL;
  c.environment = strings + arguments + 1;
  for (uint32_t i = 0; i < variables; i++) c.environment[i] = (char *)take_string(r);
  c.environment[variables] = NULL;
  if (r->bad) return EINVAL;
  if (!(flags & OWN_ENVIRONMENT)) {
    for (char **own = environ; *own && variables < MAX_STRINGS - 1; own++) {
      if (is_set(c.environment, *own)) continue;
      c.environment[variables++] = *own;
      c.environment[variables] = NULL;
    }
  }
  c.name = c.arguments[0];
  c.path = value_of(c.environment, "PATH");
  if (!c.path) c.path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

  int theirs[3] = {-1, -1, -1}, error = 0;
  c.is_terminal = child->is_terminal = flags & TERMINAL;
  if (c.is_terminal) {
    if (make_terminal(child, &size, &theirs[0]) < 0) error = errno;
    c.in = c.out = c.err = theirs[0];
  } else {
    if (make_pipe(1, &child->in, &theirs[0]) < 0 || make_pipe(0, &child->out, &theirs[1]) < 0 ||
        make_pipe(0, &child->err, &theirs[2]) < 0)
      error = errno;
    c.in = theirs[0];
    c.out = theirs[1];
    c.err = theirs[2];
  }
  if (!error) error = run(&c, child);
  close_all(theirs, 3);
  if (error) {
    int ours[3] = {child->in, child->out, child->err};
    close_all(ours, 3);
    child->in = child->out = child->err = -1;
  }
  return error;
}

int start_request(int type, struct reader *r, struct child *child) {
  int in = -1, out = -1;
  if ((type == WRITE && make_pipe(1, &child->in, &in) < 0) || make_pipe(0, &child->out, &out) < 0) return errno;
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    close_streams();
    if (in >= 0) dup2(in, 0);
    dup2(out, 1);
    close(child->out);
    if (in >= 0) {
      close(child->in);
      close(in);
    }
    close(out);
    _exit(do_request(type, r));
  }
  int error = pid < 0 ? errno : 0;
  if (in >= 0) close(in);
  close(out);
  child->pid = pid < 0 ? 0 : pid;
  return error;
}

/* --- Ends -------------------------------------------------------------------------------------- */

/* Linux has no process numbers above. */
enum { PIDS = 1 << 22 };
static unsigned char chosen[PIDS / 8];
static pid_t first_chosen, last_chosen;

static int is_chosen(pid_t pid) {
  return pid > 0 && pid < PIDS && chosen[pid / 8] >> (pid % 8) & 1;
}

/* 0 for what is no number. */
static pid_t number_of(const char *text) {
  pid_t number = 0;
  for (; *text >= '0' && *text <= '9' && number < PIDS; text++) number = number * 10 + (*text - '0');
  return *text && *text != ' ' ? 0 : number;
}

static pid_t parent_of(const char *pid) {
  char path[32] = "/proc/", line[512];
  int file = open(strcat(strcat(path, pid), "/stat"), O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? -1 : read(file, line, sizeof line - 1);
  if (file >= 0) close(file);
  if (n < 0) return 0;
  line[n] = 0;
  const char *name_end = strrchr(line, ')'); /* a state of one letter is next */
  return name_end && strlen(name_end) > 4 ? number_of(name_end + 4) : 0;
}

/* Calls `visit` for each process, until all have been seen. */
static void each_process(void (*visit)(pid_t pid, const char *name)) {
  char entries[2048];
  int directory = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ssize_t n;
  while (directory >= 0 && (n = getdents64(directory, entries, sizeof entries)) > 0) {
    for (ssize_t at = 0; at < n;) {
      const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
      at += entry->d_reclen;
      pid_t pid = strlen(entry->d_name) < 8 ? number_of(entry->d_name) : 0;
      if (pid) visit(pid, entry->d_name);
    }
  }
  close(directory);
}

static int found;

/* What is stopped starts nothing more, and stays its children's parent. */
static void choose(pid_t pid) {
  chosen[pid / 8] |= (unsigned char)(1 << pid % 8);
  if (pid < first_chosen) first_chosen = pid;
  if (pid > last_chosen) last_chosen = pid;
  kill(pid, SIGSTOP);
  found = 1;
}

static void choose_child(pid_t pid, const char *name) {
  if (!is_chosen(pid) && is_chosen(parent_of(name))) choose(pid);
}

static void end_chosen(pid_t pid, const char *name) {
  (void)name;
  if (is_chosen(pid)) kill(pid, SIGKILL);
}

void kill_trees(const pid_t *roots, int count) {
  if (!count) return;
  first_chosen = PIDS;
  last_chosen = 0;
  for (int i = 0; i < count; i++)
    if (roots[i] > 0 && roots[i] < PIDS) choose(roots[i]);
  for (found = 1; found;) {
    found = 0;
    each_process(choose_child);
  }
  each_process(end_chosen);
  /* Only what was used: all of it would take more memory than the rest of the agent. */
  if (last_chosen) memset(chosen + first_chosen / 8, 0, (size_t)(last_chosen / 8 - first_chosen / 8 + 1));
}
