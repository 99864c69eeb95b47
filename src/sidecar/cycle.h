/* sidecar_cycle: one cycle. It compares the wanted port with qBittorrent's, repairs a difference,
 * and proves the result.
 *
 * sidecar/sidecar.c runs whole cycles. `qsticky check` takes the same steps and changes nothing. */
#ifndef QSTICKY_SIDECAR_CYCLE_H
#define QSTICKY_SIDECAR_CYCLE_H

#include "base/fail.h"
#include "base/wait.h"
#include "config/config.h"
#include "core/patience.h"
#include "http/http.h"
#include "sidecar/cycle_state.h"

/* Longest cycle, in milliseconds, while qBittorrent is quick (core/patience.h). It includes the look at the port
 * source before it. */
#define SIDECAR_CYCLE_MS PATIENCE_CYCLE_MS

/* Prepares `cycle`, which must be all zeros, for its first run. Borrows the other arguments for its
 * life. */
void sidecar_cycle_start(struct sidecar_cycle *cycle, const struct config *config,
                         const struct stop *stop, struct http_reply *reply);

/* The steps of a cycle, in their order. Each writes what it found to `cycle->step`; if it fails,
 * the reason. With `cycle->reach.dry` no step changes anything. */

/* Looks at the tunnel, and sets `cycle->wanted`: what qBittorrent is to be set to. Asks only the
 * kernel. FAIL_IO: the kernel does not list the interfaces. FAIL_CUT_OFF: nobody can connect
 * through the tunnel; or, with VERDICT_WARN, no interface was found to be the tunnel's. */
enum fail sidecar_cycle_tunnel(struct sidecar_cycle *cycle);

/* Reads qBittorrent's preferences into `cycle->view`, and logs in if necessary. Blocks until the
 * deadline given to qbittorrent_begin() at most. Fails as qbittorrent_read(). */
enum fail sidecar_cycle_read(struct sidecar_cycle *cycle);

/* Compares qBittorrent's port with the wanted one, and its interface if that is to be bound. Sets
 * what differs. Blocks as sidecar_cycle_read().
 * FAIL_OWN_PORT: the wanted port is the Web UI's. FAIL_UNPROVEN: the port differs in a dry cycle,
 * or still differs after it was set. Else as qbittorrent_set(). */
enum fail sidecar_cycle_set(struct sidecar_cycle *cycle);

/* Proves that the port accepts connections. Blocks as sidecar_cycle_read(). Fails as
 * reachability_prove(); if no port is wanted, as reachability_judge_missing(). */
enum fail sidecar_cycle_prove(struct sidecar_cycle *cycle);

/* Runs one cycle, for the port that port_source_look() found last. Blocks for
 * patience_cycle_ms() at most, less the time that look took.
 *
 * Writes the outcome to `cycle->now`; if the cycle fails, also the reason to its `cycle_why`. Logs
 * other news, and queues the webhook's message about a new port. The caller publishes the outcome, and then
 * calls qbittorrent_end().
 *
 * FAIL_STOPPED, FAIL_ORPHANED (as sync_is_orphan()): the cycle did not end, and none must follow.
 * FAIL_ANSWER: also if only the port source has failed. Else as qbittorrent_read(),
 * qbittorrent_set() and reachability_prove(). */
enum fail sidecar_cycle_run(struct sidecar_cycle *cycle);

#endif
