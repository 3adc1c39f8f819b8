/*
 * The guest agent: runs commands and does other work for the host, over a port of a virtio
 * console. docs/agent.md is the protocol. This file has the connection, the streams and the
 * loop; commands.c starts children, files.c is what children do for requests on files,
 * system.c has the port and what is done at once.
 *
 * Nothing here waits but epoll_wait. Descriptors are watched edge-triggered: `ready` remembers
 * an edge until a read or write says EAGAIN. Frames to the host are made from the state of
 * streams when there is room for them, so nothing has to be kept that the host has not taken.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT_NAME "vivarium.agent"
#define HELLO_BYTES (HEADER_BYTES + 8 + 16 + 4)
enum { VERSION = 2 };

/* The 17 bytes by which a HELLO is found: header and magic. */
static const char hello_start[] = "\x21\0\0\0\x01\0\0\0\0vivarium";
enum { HELLO_START_BYTES = sizeof hello_start - 1 };

/* A way out: the command's output or errors. */
struct way {
  int fd;        /* -1: ended */
  int ready;     /* may have something to read */
  int end_told;  /* the host knows of its end */
  uint32_t credit;
};

struct stream {
  uint32_t id; /* 0: free */
  pid_t pid;   /* of the command, and its process group; 0: nothing was started */
  int running, is_request, is_terminal;
  int exit_known, exit_told, exit_how;
  uint32_t exit_value;

  struct way ways[2];

  int in;                     /* -1: closed */
  int in_ready, in_ended;     /* ended by the host */
  int in_deaf, in_deaf_told;  /* the command has closed its input */
  char *in_buffer;            /* INPUT_WINDOW bytes, a ring, only while something waits in it */
  uint32_t in_start, in_length;
  uint32_t in_credit;         /* what the host may still send */
  uint32_t in_owed;           /* written, and not yet given back as credit */
};

static struct stream streams[MAX_STREAMS];
static int used_streams; /* all behind are free */
static unsigned next_served;
static int port, events;

/* Connected: frames are taken for what they are. Otherwise a HELLO is looked for. */
static int connected;
static char input[MAX_FRAME_BYTES];
static size_t input_length;
static char output[4 * MAX_FRAME_BYTES];
static size_t output_start, output_end;

/* A request in pieces: what its MORE frames had. */
static char request[MAX_REQUEST_BYTES];
static size_t request_length;
static int request_too_big;
static uint32_t request_stream;

/* --- Payloads --------------------------------------------------------------------------------- */

uint64_t take(struct reader *r, int bytes) {
  uint64_t value = 0;
  if (r->end - r->at < bytes) {
    r->bad = 1;
    return 0;
  }
  for (int i = 0; i < bytes; i++) value |= (uint64_t)(unsigned char)r->at[i] << (8 * i);
  r->at += bytes;
  return value;
}

const char *take_string(struct reader *r) {
  const char *string = r->at, *nul = memchr(r->at, 0, (size_t)(r->end - r->at));
  if (!nul) {
    r->bad = 1;
    return "";
  }
  r->at = nul + 1;
  return string;
}

static void put(char *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (char)(value >> (8 * i));
}

/* --- Frames to the host ------------------------------------------------------------------------- */

static void flush(void) {
  while (output_start < output_end) {
    ssize_t n = write(port, output + output_start, output_end - output_start);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    output_start += (size_t)n;
  }
  output_start = output_end = 0;
}

/* Room for a frame with this payload, at least; makes some if it can. */
static int has_room(size_t payload) {
  if (sizeof output - output_end >= HEADER_BYTES + payload) return 1;
  flush();
  if (output_start) {
    memmove(output, output + output_start, output_end - output_start);
    output_end -= output_start;
    output_start = 0;
  }
  return sizeof output - output_end >= HEADER_BYTES + payload;
}

/* The payload is at its place already: HEADER_BYTES behind output_end. */
static void finish_frame(int type, uint32_t stream, size_t payload) {
  char *frame = output + output_end;
  put(frame, (uint32_t)(5 + payload));
  frame[4] = (char)type;
  put(frame + 5, stream);
  output_end += HEADER_BYTES + payload;
}

static int send_frame(int type, uint32_t stream, const void *payload, size_t length) {
  if (!has_room(length)) return 0;
  memcpy(output + output_end + HEADER_BYTES, payload, length);
  finish_frame(type, stream, length);
  return 1;
}

/* --- Streams ------------------------------------------------------------------------------------- */

static struct stream *find_stream(uint32_t id) {
  for (int i = 0; i < used_streams; i++)
    if (streams[i].id == id) return &streams[i];
  return NULL;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void drop_input(struct stream *s) {
  close_fd(&s->in);
  if (s->in_buffer) munmap(s->in_buffer, INPUT_WINDOW);
  s->in_buffer = NULL;
  s->in_length = 0;
}

static void free_stream(struct stream *s) {
  drop_input(s);
  close_fd(&s->ways[0].fd);
  close_fd(&s->ways[1].fd);
  s->id = 0;
  while (used_streams && !streams[used_streams - 1].id) used_streams--;
}

/* A forked child may not have its group yet, so it is named by itself as well. */
static void signal_stream(struct stream *s, int signal) {
  if (!s->pid) return;
  kill(-s->pid, signal);
  if (s->running) kill(s->pid, signal);
}

/* With what it has started and what leads a session of its own by now. */
static void kill_stream(struct stream *s) {
  if (s->running) kill_trees(&s->pid, 1);
  signal_stream(s, SIGKILL);
}

static void kill_all(void) {
  pid_t running[MAX_STREAMS];
  int count = 0;
  for (int i = 0; i < used_streams; i++)
    if (streams[i].id && streams[i].running) running[count++] = streams[i].pid;
  kill_trees(running, count);
  for (int i = 0; i < used_streams; i++) {
    if (!streams[i].id) continue;
    signal_stream(&streams[i], SIGKILL);
    free_stream(&streams[i]);
  }
}

void close_streams(void) {
  for (int i = 0; i < used_streams; i++) {
    if (!streams[i].id) continue;
    close_fd(&streams[i].in);
    close_fd(&streams[i].ways[0].fd);
    close_fd(&streams[i].ways[1].fd);
  }
  close(events);
  close(port);
}

static void set_exit(struct stream *s, int how, uint32_t value) {
  s->exit_known = 1;
  s->exit_how = how;
  s->exit_value = value;
}

static void watch(int fd, uint32_t mask, int index, int which) {
  struct epoll_event event = {.events = mask | EPOLLET, .data.u32 = (uint32_t)(index << 2 | which)};
  if (fd >= 0) epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
}

/* Gives the command what waits for it. */
static void feed(struct stream *s) {
  while (s->in >= 0 && s->in_ready && s->in_length) {
    size_t chunk = INPUT_WINDOW - s->in_start;
    if (chunk > s->in_length) chunk = s->in_length;
    ssize_t n = write(s->in, s->in_buffer + s->in_start, chunk);
    if (n > 0) {
      s->in_start = (s->in_start + (uint32_t)n) % INPUT_WINDOW;
      s->in_length -= (uint32_t)n;
      s->in_owed += (uint32_t)n;
    } else if (errno == EAGAIN) {
      s->in_ready = 0;
    } else if (errno != EINTR) {
      s->in_deaf = 1;
      drop_input(s);
    }
  }
  if (!s->in_length && s->in_ended && s->in >= 0) {
    if (s->is_terminal && s->in_ready && write(s->in, "\x04", 1) < 0 && errno == EAGAIN) {
      s->in_ready = 0;
      return;
    }
    drop_input(s);
  }
}

/* Sends what there is and may be sent, one frame a way at most. Whether it sent anything. */
static int serve(struct stream *s) {
  int sent = 0;
  feed(s);
  if (s->in_owed >= INPUT_WINDOW / 2 && !s->in_ended && !s->in_deaf) {
    char credit[4];
    put(credit, s->in_owed);
    if (send_frame(INPUT_CREDIT, s->id, credit, 4)) {
      s->in_credit += s->in_owed;
      s->in_owed = 0;
      sent = 1;
    }
  }
  if (s->in_deaf && !s->in_deaf_told) s->in_deaf_told = sent = send_frame(INPUT_CREDIT, s->id, "\0\0\0", 4);
  for (int i = 0; i < 2; i++) {
    struct way *way = &s->ways[i];
    if (way->fd >= 0 && way->ready && way->credit && has_room(4096)) {
      size_t most = sizeof output - output_end - HEADER_BYTES;
      if (most > MAX_PAYLOAD_BYTES) most = MAX_PAYLOAD_BYTES;
      if (most > way->credit) most = way->credit;
      ssize_t n = read(way->fd, output + output_end + HEADER_BYTES, most);
      if (n > 0) {
        finish_frame(OUTPUT + i, s->id, (size_t)n);
        way->credit -= (uint32_t)n;
        sent = 1;
      } else if (n < 0 && errno == EAGAIN) {
        way->ready = 0;
      } else if (n == 0 || errno != EINTR) {
        close_fd(&way->fd); /* EIO: a terminal without its command */
      }
    }
    if (way->fd < 0 && !way->end_told && send_frame(OUTPUT + i, s->id, "", 0)) way->end_told = sent = 1;
  }
  if (s->exit_known && !s->exit_told) {
    char exit[5] = {(char)s->exit_how};
    put(exit + 1, s->exit_value);
    if (send_frame(EXIT, s->id, exit, 5)) s->exit_told = sent = 1;
  }
  if (s->exit_told && s->ways[0].end_told && s->ways[1].end_told) free_stream(s);
  return sent;
}

/* A frame from each stream in turn, as long as there are any and room for them. */
static void serve_all(void) {
  int sent = 1;
  while (sent && has_room(4096)) {
    sent = 0;
    for (unsigned i = 0, count = (unsigned)used_streams; i < count; i++) {
      unsigned index = (next_served + i) % count;
      if (streams[index].id && serve(&streams[index])) sent = 1;
    }
    next_served++;
  }
  flush();
}

static void reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    for (int i = 0; i < used_streams; i++) {
      struct stream *s = &streams[i];
      if (!s->id || !s->running || s->pid != pid) continue;
      s->running = 0;
      if (WIFSIGNALED(status)) set_exit(s, KILLED, (uint32_t)WTERMSIG(status));
      else if (s->is_request && WEXITSTATUS(status)) set_exit(s, FAILED, (uint32_t)WEXITSTATUS(status));
      else set_exit(s, ENDED, (uint32_t)WEXITSTATUS(status));
    }
  }
}

/* --- Frames from the host ------------------------------------------------------------------------ */

static void refuse(const char *why) {
  kill_all();
  send_frame(REFUSED, 0, why, strlen(why));
  connected = 0;
}

static void open_stream(int type, uint32_t id, uint32_t window, struct reader *r, int error) {
  int index = 0;
  while (index < MAX_STREAMS && streams[index].id) index++;
  if (index == MAX_STREAMS) return refuse("There are more streams than HELLO allowed.");
  if (index >= used_streams) used_streams = index + 1;
  struct stream *s = &streams[index];
  memset(s, 0, sizeof *s);
  s->id = id;
  s->in = s->ways[0].fd = s->ways[1].fd = -1;
  s->in_credit = INPUT_WINDOW;
  s->ways[0].credit = s->ways[1].credit = window;
  s->is_request = type != EXEC;

  struct child child = {.in = -1, .out = -1, .err = -1};
  if (!error) {
    if (type == EXEC) error = start_command(r, &child);
    else if (type == CLOCK) error = set_clock(r);
    else if (type == ENTROPY) error = add_entropy(r);
    else if (type == RESIZE) error = resize_console(r);
    else if (type == NETWORK) error = set_network(r);
    else error = start_request(type, r, &child);
  }
  s->pid = child.pid;
  s->running = child.pid > 0;
  s->is_terminal = child.is_terminal;
  s->in = child.in;
  s->ways[0].fd = child.out;
  s->ways[1].fd = child.err;
  s->in_ready = s->ways[0].ready = s->ways[1].ready = 1;
  /* Only a command with pipes has a way for errors. */
  s->ways[1].end_told = s->is_request || s->is_terminal;
  if (!s->running) set_exit(s, error ? FAILED : ENDED, (uint32_t)error);
  watch(s->in, EPOLLOUT, index, 0);
  watch(s->ways[0].fd, EPOLLIN, index, 1);
  watch(s->ways[1].fd, EPOLLIN, index, 2);
}

static void take_input(struct stream *s, const char *bytes, size_t length) {
  if (length > s->in_credit || s->in_ended) return refuse("There is more input than its credit.");
  s->in_credit -= (uint32_t)length;
  if (!length) s->in_ended = 1;
  if (s->in < 0) return;
  if (!s->in_length && length && s->in_ready) { /* Fast path: most input never waits. */
    ssize_t n = write(s->in, bytes, length);
    if (n > 0) {
      s->in_owed += (uint32_t)n;
      bytes += n;
      length -= (size_t)n;
    } else if (errno == EAGAIN) {
      s->in_ready = 0;
    }
  }
  if (length && !s->in_buffer) {
    void *ring = mmap(NULL, INPUT_WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) return refuse("There is no memory for input.");
    s->in_buffer = ring;
    s->in_start = 0;
  }
  while (length) {
    size_t at = (s->in_start + s->in_length) % INPUT_WINDOW, chunk = INPUT_WINDOW - at;
    if (chunk > length) chunk = length;
    memcpy(s->in_buffer + at, bytes, chunk);
    s->in_length += (uint32_t)chunk;
    bytes += chunk;
    length -= chunk;
  }
  feed(s);
}

static void cancel(struct stream *s) {
  kill_stream(s);
  drop_input(s);
  s->in_deaf = s->in_deaf_told = 1;
  close_fd(&s->ways[0].fd);
  close_fd(&s->ways[1].fd);
}

static void control(int type, struct stream *s, struct reader *r) {
  if (type == INPUT) return take_input(s, r->at, (size_t)(r->end - r->at));
  if (type == CANCEL) return cancel(s);
  if (type == SIGNAL) {
    uint32_t number = (uint32_t)take(r, 4);
    if (!r->bad && number > 0 && number <= 64) signal_stream(s, (int)number);
  } else if (type == CREDIT) {
    uint32_t way = (uint32_t)take(r, 1) - 1, more = (uint32_t)take(r, 4);
    if (r->bad || way > 1 || more > INT32_MAX - s->ways[way].credit) return refuse("CREDIT means nothing.");
    s->ways[way].credit += more;
  } else { /* WINDOW */
    struct winsize size = {.ws_row = (unsigned short)take(r, 2), .ws_col = (unsigned short)take(r, 2)};
    if (!r->bad && s->is_terminal && s->ways[0].fd >= 0) ioctl(s->ways[0].fd, TIOCSWINSZ, &size);
  }
}

static void take_frame(int type, uint32_t id, const char *payload, size_t length) {
  struct reader r = {payload, payload + length, 0};
  if (type >= INPUT && type <= CANCEL) {
    struct stream *s = id ? find_stream(id) : NULL;
    if (s) control(type, s, &r);
    return;
  }
  if (type != MORE && !(type >= EXEC && type <= READLINK) && !(type >= MOUNT && type <= NETWORK))
    return refuse("There is no such frame.");
  if (!id || find_stream(id)) return refuse("The stream is in use.");
  int error = 0;
  if (type == MORE || request_length) {
    if (request_length && request_stream != id) return refuse("A request in pieces was interrupted.");
    request_stream = id;
    if (length > sizeof request - request_length) {
      request_too_big = 1;
    } else {
      memcpy(request + request_length, payload, length);
      request_length += length;
    }
    if (type == MORE) return;
    if (request_too_big) error = E2BIG;
    r.at = request;
    r.end = request + request_length;
    request_length = 0;
    request_too_big = 0;
  }
  uint32_t window = (uint32_t)take(&r, 4);
  open_stream(type, id, window > INT32_MAX ? INT32_MAX : window, &r, r.bad ? EINVAL : error);
}

static void greet(const char *hello) {
  char answer[8 + 16 + 4 + 4];
  struct reader r = {hello + HELLO_BYTES - 4, hello + HELLO_BYTES, 0};
  uint32_t version = (uint32_t)take(&r, 4);
  kill_all();
  output_start = output_end = 0;
  request_length = 0;
  request_too_big = 0;
  memcpy(answer, hello + HEADER_BYTES, 8 + 16);
  put(answer + 24, version < VERSION ? version : VERSION);
  put(answer + 28, MAX_STREAMS);
  send_frame(HELLO_ANSWER, 0, answer, sizeof answer);
  connected = 1;
}

/* Takes the frames that are whole. Returns how many bytes that were. */
static size_t take_frames(void) {
  size_t at = 0;
  for (;;) {
    const char *frame = input + at;
    size_t left = input_length - at;
    if (!connected) {
      size_t start = 0;
      while (start < left && memcmp(frame + start, hello_start, left - start < HELLO_START_BYTES ? left - start : HELLO_START_BYTES))
        start++;
      at += start;
      if (left - start < HELLO_BYTES) return at;
      greet(input + at);
      at += HELLO_BYTES;
      continue;
    }
    if (left < 4) return at;
    struct reader r = {frame, frame + left, 0};
    uint32_t length = (uint32_t)take(&r, 4);
    if (length < 5 || length > MAX_FRAME_BYTES - 4) {
      if (length) refuse("There is no frame of this length.");
      connected = 0;
      continue;
    }
    if (left < 4 + length) return at;
    uint32_t type = (uint32_t)take(&r, 1), stream = (uint32_t)take(&r, 4);
    take_frame((int)type, stream, frame + HEADER_BYTES, length - 5);
    at += 4 + length;
  }
}

/* Reads what the port has. Whether there may be more. */
static int take_port(void) {
  for (int turns = 0; turns < 16; turns++) {
    ssize_t n = read(port, input + input_length, sizeof input - input_length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENODEV) _exit(0); /* unplugged */
    if (n <= 0) return 0;
    input_length += (size_t)n;
    size_t taken = take_frames();
    memmove(input, input + taken, input_length - taken);
    input_length -= taken;
  }
  return 1;
}

/* --- The loop -------------------------------------------------------------------------------------- */

enum { PORT_EVENT = MAX_STREAMS << 2, CHILD_EVENT };

int main(void) {
  port = open_port(PORT_NAME);
  if (port < 0) return 0;

  /* A shell in the background leaves SIGINT ignored; commands shall not inherit that. */
  for (int i = 1; i <= 31; i++) signal(i, SIG_DFL);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  int children = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  sigaddset(&mask, SIGPIPE);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  setsid();
  int null = open("/dev/null", O_RDWR);
  for (int i = 0; i < 3; i++) dup2(null, i);
  if (null > 2) close(null);

  events = epoll_create1(EPOLL_CLOEXEC);
  watch(port, EPOLLIN | EPOLLOUT, PORT_EVENT >> 2, PORT_EVENT & 3);
  watch(children, EPOLLIN, CHILD_EVENT >> 2, CHILD_EVENT & 3);

  for (int port_ready = 1;;) {
    struct epoll_event list[64];
    int count = epoll_wait(events, list, 64, port_ready ? 0 : -1);
    for (int i = 0; i < count; i++) {
      uint32_t what = list[i].data.u32;
      if (what == PORT_EVENT) {
        port_ready = 1;
      } else if (what == CHILD_EVENT) {
        struct signalfd_siginfo info;
        while (read(children, &info, sizeof info) > 0) continue;
        reap();
      } else {
        struct stream *s = &streams[what >> 2];
        if ((what & 3) == 0) s->in_ready = 1;
        else s->ways[(what & 3) - 1].ready = 1;
      }
    }
    if (port_ready) port_ready = take_port();
    serve_all();
  }
}
