/* reload: sends SIGHUP to the sidecar that is the first process of this container.
 *
 * The image holds no shell and no kill(1), so nobody inside could send a signal otherwise. A stranger gets none:
 * the first process must have our own name and have blocked SIGHUP, as the sidecar does. */
#ifndef QSTICKY_PROCESS_RELOAD_H
#define QSTICKY_PROCESS_RELOAD_H

#include <stdbool.h>

#include "base/fail.h"

/* Whether a process with this /proc/<pid>/status is one that reload_send() signals; `own` is our status. */
bool reload_fits(const char *status, const char *own);

/* Sends it. FAIL_IO: the first process is another one, or it may not be signalled. */
enum fail reload_send(struct failure *why);

#endif
