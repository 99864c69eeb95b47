/* reachability: whether peers get through to the port, and what is done about it where they do not.
 *
 * The part of a cycle that comes when qBittorrent's settings are right. It says nothing of the way
 * from the provider to here. */
#ifndef QSTICKY_SIDECAR_REACHABILITY_H
#define QSTICKY_SIDECAR_REACHABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "qbittorrent/client.h"
#include "sidecar/publish.h"
#include "vpn/tunnel.h"

/* Longest wait for a port to open that was set just now: 12 ms are usual (qBittorrent 4.5.2). */
#define REACHABILITY_OPEN_MS 2000

/* qBittorrent's own words are asked for that long after a change, since they lag, and as seldom
 * without one: they cost a request. */
#define REACHABILITY_HINTS_LAG_MS 3000
#define REACHABILITY_HINTS_EVERY_MS (10 * 60 * 1000)

/* A tunnel that was here and cannot be used counts as lost after so long, whether a port is forwarded or
 * not: a reconnect takes less. */
#define REACHABILITY_LOST_MS (30 * 1000)

struct reachability {
	struct tunnel tunnel;
	bool dry; /* it is only looked: nothing is repaired, and a closed port given a moment at once */
	struct tunnel_view view;
	bool named;            /* the user says that there is this interface */
	int64_t grace_ms;      /* for which a named one may be missing from the start */
	bool unreadable;       /* the kernel does not tell what there is */
	bool seen;             /* the tunnel was here once */
	int64_t missing_at_ms; /* since when it cannot be used; MONO_NEVER: it can */
	bool failed;           /* the last cycle has proved nothing */
	int64_t hints_at_ms;
	int64_t disconnected_at_ms; /* since when it has called itself disconnected; MONO_NEVER: it does not */
};

/* For the interface that `config` names, if it names one. */
struct reachability reachability_on(const struct config *config);

/* Begins to hear of its changes. FAIL_IO: it will be looked at in each cycle only. */
enum fail reachability_listen(struct reachability *reach, struct failure *why);

/* Looks at the network namespace, for this cycle, and tells `now->sync`. FAIL_IO: it is unreadable. */
enum fail reachability_look(struct reachability *reach, struct situation *now, struct failure *why);

/* The tunnel has changed, or may have: what qBittorrent said of itself before is forgotten. */
void reachability_changed(struct reachability *reach, struct situation *now);

/* What qBittorrent is to be set to for `port`; borrows from `reach` and `config`. */
struct qbittorrent_wanted reachability_wanted(const struct reachability *reach,
                                              const struct config *config, uint16_t port);

/* Whether the tunnel itself is what is missing, as seen at the last look, whether it was ever here or not.
 * `alone`: nothing but loopback is left here. FAIL_CUT_OFF. */
enum fail reachability_judge_tunnel(const struct reachability *reach, bool alone,
                                    struct failure *why);

/* Whether the tunnel has been missing for too long, whether a port is forwarded or not: one that was here,
 * for REACHABILITY_LOST_MS; one that the user has named and that never was, for the grace. FAIL_CUT_OFF. */
enum fail reachability_judge_missing(const struct reachability *reach, int64_t now_ms,
                                     struct failure *why);

/* Proves that connections to what is `wanted` are accepted, with one rebind where that may help and
 * is allowed. `just_set`: the port may still be opening. Notes in `now` what it found.
 * FAIL_PORT_CLOSED, FAIL_CUT_OFF, FAIL_STOPPED; FAIL_TIMEOUT: no answer; FAIL_IO: the tunnel has
 * changed meanwhile. Else as qbittorrent_rebind(). */
enum fail reachability_prove(struct reachability *reach, struct qbittorrent *qb,
                             struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted,
                             bool just_set, struct situation *now, struct publish *publish,
                             struct failure *why);

#endif
