/* sidecar_cycle: compares once what is wanted with what qBittorrent has, repairs the difference, and
 * proves it. For sidecar/sidecar.c, which runs whole cycles, and for `qsticky check`, which takes the same
 * steps and changes nothing. */
#ifndef QSTICKY_SIDECAR_CYCLE_H
#define QSTICKY_SIDECAR_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "config/config.h"
#include "http/http.h"
#include "qbittorrent/client.h"
#include "sidecar/login_gate.h"
#include "sidecar/port_source.h"
#include "sidecar/publish.h"
#include "sidecar/reachability.h"
#include "sidecar/step.h"
#include "webhook/queue.h"

/* Longest cycle, in milliseconds, with the look for the port before it. */
#define SIDECAR_CYCLE_MS 15000

/* What cycles work on, and what one leaves to the next. */
struct sidecar_cycle {
	struct situation now;
	struct publish publish;
	struct webhook webhook;
	struct port_source source; /* the caller looks there first */
	struct qbittorrent qbittorrent;
	struct reachability reach; /* the caller polls and drains its tunnel */

	struct step step; /* what the last step has found */

	enum choice_verdict
		said_choice; /* why no tunnel was found, as it was said; CHOICE_ONE: not */
	struct qbittorrent_wanted wanted;
	bool just_set;                /* by this cycle: it may still be opening its port */
	struct qbittorrent_view view; /* as the last cycle found or left qBittorrent */
	bool view_is_recent;          /* and that was the cycle before this one */
	int64_t reannounce_at_ms;     /* MONO_NEVER: not */
	uint16_t unproved_port;       /* set, but not read back; 0: none */
	int64_t previous_port;        /* the one before that */
	struct login_gate gate;       /* the caller may set it up further */
	bool said_gate_trouble;
};

/* Makes a `cycle` of zeros ready for the first. Borrows the others. */
void sidecar_cycle_start(struct sidecar_cycle *cycle, const struct config *config,
                         const struct stop *stop, struct http_reply *reply);

/* The steps, in their order. Each leaves in `cycle->step` what it has found, the reason where it fails. With
 * `cycle->reach.dry` they change nothing. */

/* Looks at the tunnel, and for what qBittorrent is wanted to be set to. FAIL_IO: it cannot be seen.
 * FAIL_CUT_OFF: nobody can connect, or (a warning) no interface was found to be the tunnel's. */
enum fail sidecar_cycle_tunnel(struct sidecar_cycle *cycle);

/* Reads the preferences into `cycle->view`, with a login where it takes one. As qbittorrent_read(). */
enum fail sidecar_cycle_read(struct sidecar_cycle *cycle);

/* Compares the port, and the interface where that is to be bound, and sets what differs. FAIL_OWN_PORT: it is
 * the Web UI's. FAIL_UNPROVEN: it differs, or does so still. Else as qbittorrent_set(). */
enum fail sidecar_cycle_set(struct sidecar_cycle *cycle);

/* Proves that the port accepts connections. As reachability_prove() and reachability_judge_missing(). */
enum fail sidecar_cycle_prove(struct sidecar_cycle *cycle);

/* Runs one, for the port that is wanted after the last look. Blocks for SIDECAR_CYCLE_MS at most, less
 * what that look took. Notes in `cycle->now` how it went, with the reason in `cycle_why` where it failed;
 * says in the log what else is news, and tells the webhook of a new port. The caller tells of the rest.
 * FAIL_STOPPED, or FAIL_ORPHANED as sync_is_orphan(): it has not ended, and nothing is to follow.
 * FAIL_ANSWER: also where only the source has failed. Else as qbittorrent_read(), qbittorrent_set() and
 * reachability_prove(). */
enum fail sidecar_cycle_run(struct sidecar_cycle *cycle);

#endif
