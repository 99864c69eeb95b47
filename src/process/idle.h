/* idle: waits for events with as little memory as possible.
 *
 * A sleeping program needs only the one page of code with its sleep. The kernel maps the others
 * again from the page cache when they are used, within microseconds. */
#ifndef QSTICKY_PROCESS_IDLE_H
#define QSTICKY_PROCESS_IDLE_H

#include <poll.h>

/* As poll(2). Before a wait it drops the pages of the program's code and the unused stack below the
 * caller, unless `timeout_ms` is 0. A build with sanitizers keeps them: dropping code would lose a
 * debugger's breakpoints. */
int idle(struct pollfd *fds, nfds_t count, int timeout_ms);

#endif
