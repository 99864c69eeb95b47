/* idle: wait for events with as little memory as possible.
 *
 * Asleep, all that is needed of a program's code are the few pages around its sleep; the rest, TLS
 * above all, is mapped again from the page cache when it is called, in microseconds. */
#ifndef QSTICKY_PROCESS_IDLE_H
#define QSTICKY_PROCESS_IDLE_H

#include <poll.h>

/* As poll(2). Before it waits it drops the pages of the program's code, and the stack below the caller
 * with what the last cycle left there; not in a build with sanitizers, which is the one to debug: a
 * debugger's breakpoints would go with them. */
int idle(struct pollfd *fds, nfds_t count, int timeout_ms);

#endif
