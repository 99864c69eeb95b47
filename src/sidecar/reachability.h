/* reachability: whether peers can connect to the port, and the repair where they cannot.
 *
 * This part of a cycle follows when qBittorrent's settings are right. Of the way from the provider to here
 * it knows one thing: whether packets come back through the tunnel. */
#ifndef QSTICKY_SIDECAR_REACHABILITY_H
#define QSTICKY_SIDECAR_REACHABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "qbittorrent/client.h"
#include "sidecar/situation.h"
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
	bool off; /* the user wants no look at any interface */
	bool dry; /* it is only looked: nothing is repaired, and a closed port given a moment at once */
	struct tunnel_view view;
	struct traffic traffic;
	uint64_t unanswered;   /* packets that got no answer, when `traffic` found that */
	int64_t silent_s;      /* and for how long, in seconds */
	int64_t grace_ms;      /* for which a named interface may be missing from the start */
	bool unreadable;       /* the kernel does not tell what there is */
	bool seen;             /* the tunnel was here once */
	int64_t missing_at_ms; /* since when it cannot be used; MONO_NEVER: it can */
	bool cut_off; /* its absence has failed a cycle, so it counts until it can be used again */
	bool failed;  /* the last cycle has proved nothing */
	int64_t hints_at_ms;
	int64_t disconnected_at_ms; /* since when it has called itself disconnected; MONO_NEVER: it does not */
};

/* For the interface that `config` names, or else for the one that is found. */
struct reachability reachability_on(const struct config *config);

/* Begins to hear of its changes. FAIL_IO: only the cycles look at it. */
enum fail reachability_listen(struct reachability *reach, struct failure *why);

/* Whether the tunnel is sought, was never found, and the last look could tell why: `choice_made()` of
 * `reach->tunnel.choice` says so. */
bool reachability_is_unfound(const struct reachability *reach);

/* Looks at the network namespace, for this cycle, and tells `now->sync`. FAIL_IO: it is unreadable. */
enum fail reachability_look(struct reachability *reach, struct situation *now, struct failure *why);

/* The tunnel has changed, or may have: what qBittorrent said of itself before is forgotten. */
void reachability_changed(struct reachability *reach, struct situation *now);

/* What qBittorrent is to be set to for `port`; borrows from `reach` and `config`. */
struct qbittorrent_wanted reachability_wanted(const struct reachability *reach,
                                              const struct config *config, uint16_t port);

/* Whether the tunnel itself is the cause, as seen at the last look: it is missing, or nothing comes back
 * through it. `alone`: nothing but loopback is left here. FAIL_CUT_OFF. */
enum fail reachability_judge_tunnel(const struct reachability *reach, bool alone,
                                    struct failure *why);

/* The same without a probe, so whether a port is forwarded or not. A missing tunnel counts after
 * REACHABILITY_LOST_MS, or at once if it has failed a cycle; one that the user has named and that never was
 * here, after the grace. FAIL_CUT_OFF. */
enum fail reachability_judge_missing(const struct reachability *reach, int64_t now_ms,
                                     struct failure *why);

/* Proves that connections to what is `wanted` are accepted, with one rebind where that may help and
 * is allowed. `just_set`: the port may still be opening. Notes in `now` what it found.
 * FAIL_PORT_CLOSED, FAIL_CUT_OFF, FAIL_STOPPED; FAIL_TIMEOUT: no answer; FAIL_IO: the tunnel has
 * changed meanwhile. Else as qbittorrent_rebind(). */
enum fail reachability_prove(struct reachability *reach, struct qbittorrent *qb,
                             struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted,
                             bool just_set, struct situation *now, struct failure *why);

#endif
