/* The guest agent: what its files share. docs/agent.md is the protocol. */
#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  HEADER_BYTES = 9,
  MAX_FRAME_BYTES = 32768,
  MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - HEADER_BYTES,
  MAX_REQUEST_BYTES = 256 << 10,
  INPUT_WINDOW = 65536,
  /* Three descriptors each stay below the usual limit of 1024. */
  MAX_STREAMS = 256,
};

enum { /* to the agent */
  HELLO = 0x01, MORE = 0x02,
  EXEC = 0x10, READ, WRITE, LIST, STAT, MKDIR, REMOVE, RENAME, CHMOD, CHOWN, SYMLINK, READLINK,
  MOUNT = 0x20, SYNC, POWER, CLOCK, ENTROPY, RESIZE, BIND, NETWORK,
  INPUT = 0x40, CREDIT, SIGNAL, WINDOW, CANCEL,
};
enum { /* from the agent */
  HELLO_ANSWER = 0x81, REFUSED = 0x82, INPUT_CREDIT = 0xc0, OUTPUT = 0xc1, ERRORS = 0xc2, EXIT = 0xc3,
};
enum { ENDED, KILLED, FAILED };

/* --- Payloads: a reader that stays inside, and remembers having been asked for more --------- */

struct reader {
  const char *at, *end;
  int bad;
};

uint64_t take(struct reader *r, int bytes);
/* A string with its NUL; "" if there is none. */
const char *take_string(struct reader *r);

/* --- commands.c ----------------------------------------------------------------------------- */

/* What a command or a request done in a child needs; -1 where there is none. */
struct child {
  pid_t pid;
  int in, out, err; /* our ends, not blocking */
  int is_terminal;
};

/* Runs what an EXEC asks for. 0, or an error number. */
int start_command(struct reader *request, struct child *child);
/* Does a request on files in a child, whose exit code is an error number. 0, or why there is none. */
int start_request(int type, struct reader *request, struct child *child);
/* Ends all that these processes have started and that has not been left behind by its parent, and them. */
void kill_trees(const pid_t *roots, int count);
/* In a child that goes on with this program: closes what belongs to other streams. */
void close_streams(void);

/* --- files.c -------------------------------------------------------------------------------- */

/* Input and output are descriptors 0 and 1. Returns 0 or an error number. */
int do_request(int type, struct reader *request);

/* --- system.c ------------------------------------------------------------------------------- */

/* The port's descriptor, or -1 if this guest has none. */
int open_port(const char *name);
/* These take no time and are done at once. 0 or an error number. */
int set_clock(struct reader *request);
int add_entropy(struct reader *request);
int resize_console(struct reader *request);
int set_network(struct reader *request);

#endif
