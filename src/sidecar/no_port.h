/* no_port: what to say about a forwarded port that is not there. */
#ifndef QSTICKY_SIDECAR_NO_PORT_H
#define QSTICKY_SIDECAR_NO_PORT_H

#include <stdbool.h>

#include "base/fail.h"
#include "sidecar/situation.h"

/* How long the tunnel may be up without a port. Gluetun (v3.41.3) asks the provider once per connection. If that
 * fails, it does not ask again. */
#define NO_PORT_RESTART_MS (2 * 60 * 1000)

/* Sets `text` to the fact: where none is, or how many there are. */
void no_port_tell(const struct situation *now, struct failure *text);

/* Whether only a restart of Gluetun will bring a port. */
bool no_port_needs_restart(const struct situation *now);

/* Sets `text` to what is wrong once there has been none for too long, and what to do. It stays the same from one
 * cycle to the next. */
void no_port_explain(const struct situation *now, struct failure *text);

#endif
