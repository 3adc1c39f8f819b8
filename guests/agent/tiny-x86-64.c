/*
 * What the agent needs of a C library, on system calls: for a program of a few pages. The
 * headers are the usual library's, which is what to link on other processors.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

char **environ;
int tiny_errno;

int *__errno_location(void) {
  return &tiny_errno;
}

/*
 * A function's arguments are where a system call wants them, but for the fourth. A result of
 * -4095 to -1 is an error number.
 */
__asm__(
    ".globl _start\n"
    "_start: mov (%rsp), %rdi\n lea 8(%rsp), %rsi\n lea 16(%rsp,%rdi,8), %rax\n mov %rax, environ(%rip)\n"
    " and $-16, %rsp\n call main\n mov %eax, %edi\n jmp _exit\n"
    "system_call: mov %rcx, %r10\n syscall\n"
    "result: cmp $-4095, %rax\n jae 1f\n ret\n"
    "1: neg %eax\n mov %eax, tiny_errno(%rip)\n or $-1, %rax\n ret\n"
    /* The child's calls overwrite the return address on the stack they share. */
    ".globl vfork\n"
    "vfork: pop %rdx\n mov $58, %eax\n syscall\n push %rdx\n jmp result\n");

#define SYSTEM_CALL(name, number) __asm__(".globl " #name "\n" #name ": mov $" #number ", %eax\n jmp system_call")
SYSTEM_CALL(read, 0);
SYSTEM_CALL(write, 1);
SYSTEM_CALL(open, 2);
SYSTEM_CALL(close, 3);
SYSTEM_CALL(stat, 4);
SYSTEM_CALL(fstat, 5);
SYSTEM_CALL(lseek, 8);
SYSTEM_CALL(mmap, 9);
SYSTEM_CALL(munmap, 11);
SYSTEM_CALL(rt_sigaction, 13);
SYSTEM_CALL(rt_sigprocmask, 14);
SYSTEM_CALL(ioctl, 16);
SYSTEM_CALL(access, 21);
SYSTEM_CALL(dup2, 33);
SYSTEM_CALL(nanosleep, 35);
SYSTEM_CALL(socket, 41);
SYSTEM_CALL(fork, 57);
SYSTEM_CALL(execve, 59);
SYSTEM_CALL(_exit, 60);
SYSTEM_CALL(wait4, 61);
SYSTEM_CALL(kill, 62);
SYSTEM_CALL(fcntl, 72);
SYSTEM_CALL(chdir, 80);
SYSTEM_CALL(rename, 82);
SYSTEM_CALL(mkdir, 83);
SYSTEM_CALL(symlink, 88);
SYSTEM_CALL(readlink, 89);
SYSTEM_CALL(chmod, 90);
SYSTEM_CALL(lchown, 94);
SYSTEM_CALL(umask, 95);
SYSTEM_CALL(setsid, 112);
SYSTEM_CALL(setgroups, 116);
SYSTEM_CALL(setresuid, 117);
SYSTEM_CALL(setresgid, 119);
SYSTEM_CALL(sync, 162);
SYSTEM_CALL(mount, 165);
SYSTEM_CALL(sys_reboot, 169);
SYSTEM_CALL(getdents64, 217);
SYSTEM_CALL(clock_settime, 227);
SYSTEM_CALL(epoll_wait, 232);
SYSTEM_CALL(epoll_ctl, 233);
SYSTEM_CALL(openat, 257);
SYSTEM_CALL(fstatat, 262);
SYSTEM_CALL(unlinkat, 263);
SYSTEM_CALL(signalfd4, 289);
SYSTEM_CALL(epoll_create1, 291);
SYSTEM_CALL(pipe2, 293);

/* --- Calls that the kernel knows in another shape ---------------------------------------------- */

enum { KERNEL_SIGSET_BYTES = 8 };

int rt_sigaction(int, const void *, void *, size_t);
int rt_sigprocmask(int, const sigset_t *, sigset_t *, size_t);
int signalfd4(int, const sigset_t *, size_t, int);
int sys_reboot(unsigned, unsigned, int, void *);

/* For SIG_DFL and SIG_IGN: a handler would need a way back. */
__sighandler_t signal(int number, __sighandler_t handler) {
  struct {
    __sighandler_t handler;
    unsigned long flags;
    void *restorer;
    unsigned long mask;
  } action = {handler, 0, NULL, 0};
  return rt_sigaction(number, &action, NULL, KERNEL_SIGSET_BYTES) < 0 ? SIG_ERR : SIG_DFL;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
  return rt_sigprocmask(how, set, old, KERNEL_SIGSET_BYTES);
}

int sigemptyset(sigset_t *set) {
  memset(set, 0, sizeof *set);
  return 0;
}

int sigaddset(sigset_t *set, int number) {
  set->__val[0] |= 1ul << (number - 1);
  return 0;
}

int signalfd(int fd, const sigset_t *mask, int flags) {
  return signalfd4(fd, mask, KERNEL_SIGSET_BYTES, flags);
}

pid_t waitpid(pid_t pid, int *status, int options) {
  return wait4(pid, status, options, NULL);
}

int reboot(int action) {
  return sys_reboot(0xfee1dead, 672274793, action, NULL);
}

/* --- Bytes and strings ---------------------------------------------------------------------------- */

void *memcpy(void *to, const void *from, size_t count) {
  void *start = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
  return start;
}

void *memset(void *to, int value, size_t count) {
  void *start = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
  return start;
}

void *memmove(void *to, const void *from, size_t count) {
  char *t = to;
  const char *f = from;
  if (t <= f || t >= f + count) return memcpy(to, from, count);
  while (count--) t[count] = f[count];
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const unsigned char *x = a, *y = b;
  for (; count; count--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

void *memchr(const void *bytes, int value, size_t count) {
  for (const char *at = bytes; count; count--, at++)
    if (*at == (char)value) return (void *)at;
  return NULL;
}

size_t strlen(const char *s) {
  size_t length = 0;
  while (s[length]) length++;
  return length;
}

int strncmp(const char *a, const char *b, size_t count) {
  for (; count; count--, a++, b++)
    if (*a != *b || !*a) return (unsigned char)*a - (unsigned char)*b;
  return 0;
}

int strcmp(const char *a, const char *b) {
  return strncmp(a, b, (size_t)-1);
}

char *strchr(const char *s, int c) {
  for (; *s != (char)c; s++)
    if (!*s) return NULL;
  return (char *)s;
}

char *strrchr(const char *s, int c) {
  const char *found = NULL;
  do
    if (*s == (char)c) found = s;
  while (*s++);
  return (char *)found;
}

size_t strcspn(const char *s, const char *stops) {
  size_t length = 0;
  while (s[length] && !strchr(stops, s[length])) length++;
  return length;
}

char *strcat(char *to, const char *from) {
  memcpy(to + strlen(to), from, strlen(from) + 1);
  return to;
}
