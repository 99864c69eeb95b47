/* no_port: writes the messages about a missing forwarded port. */
#ifndef QSTICKY_SIDECAR_NO_PORT_H
#define QSTICKY_SIDECAR_NO_PORT_H

#include <stdbool.h>

#include "base/fail.h"
#include "sidecar/situation.h"

/* How long the tunnel may be up without a port, in milliseconds. Gluetun (v3.41.3) asks the
 * provider once per connection. If that fails, it does not ask again. */
#define NO_PORT_RESTART_MS (2 * 60 * 1000)

/* Sets `text` to the fact: the source has no port, or fewer than QSTICKY_PORT_INDEX. */
void no_port_tell(const struct situation *now, struct failure *text);

/* Whether only a restart of Gluetun will bring a port: for NO_PORT_RESTART_MS the tunnel has been
 * up and no port was forwarded. */
bool no_port_needs_restart(const struct situation *now);

/* Sets `text` to what is wrong and what to do, for a port that has been missing for too long. The
 * text stays the same from cycle to cycle. */
void no_port_explain(const struct situation *now, struct failure *text);

#endif
