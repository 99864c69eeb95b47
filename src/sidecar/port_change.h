/* port_change: sets in qBittorrent what is wanted, and does what follows from a new port. */
#ifndef QSTICKY_SIDECAR_PORT_CHANGE_H
#define QSTICKY_SIDECAR_PORT_CHANGE_H

#include <stdint.h>

#include "base/fail.h"
#include "qbittorrent/client.h"
#include "sidecar/cycle_state.h"

/* Has publish_health_if_changed() called before anything may block (wait_put_off()). So qBittorrent works on the first
 * request of a cycle while the file is written. Not later than sidecar_cycle_run() has its result, it is written. */
void port_change_put_off_health(struct sidecar_cycle *cycle);

/* Sets `cycle->wanted`, which `cycle->view` differs from, and reads it back into `cycle->view`. The log says so before
 * anything may block. Blocks until the deadline given to qbittorrent_begin() at most.
 * FAIL_OWN_PORT: the port turned out to be the Web UI's, and the old one was set again. Else as qbittorrent_set(). */
enum fail port_change_set(struct sidecar_cycle *cycle, struct failure *why);

/* Returns FAIL_OWN_PORT, and says in `why` that `port` is the Web UI's own. */
enum fail port_change_refuse(const struct qbittorrent_view *view, uint16_t port,
                             struct failure *why);

/* Handles a new port that is set and read back: queues the webhook's message and the announce to trackers. */
void port_change_done(struct sidecar_cycle *cycle);

/* Has the torrents announced two seconds from now, if the user wants that. */
void port_change_announce_soon(struct sidecar_cycle *cycle);

/* Asks qBittorrent to announce all torrents, if that is due. Logs a failure; the next cycle tries again. Blocks as
 * port_change_set(). */
void port_change_announce(struct sidecar_cycle *cycle);

#endif
