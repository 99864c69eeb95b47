/* reachability: proves that peers can connect to the port, and repairs it if they cannot.
 *
 * A cycle does this once qBittorrent's settings are right. The way from the VPN provider to here
 * cannot be probed. Only one thing is known about it: whether packets come back through the
 * tunnel. */
#ifndef QSTICKY_SIDECAR_REACHABILITY_H
#define QSTICKY_SIDECAR_REACHABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "qbittorrent/client.h"
#include "sidecar/probe_port.h"
#include "sidecar/situation.h"
#include "vpn/tunnel.h"

/* Longest wait for a port that was just set to open, in milliseconds. It usually takes 12 ms
 * (qBittorrent 4.5.2). */
#define REACHABILITY_OPEN_MS 2000

/* The same after a rebind. Less than SYNC_REBIND_AGAIN_MS, so that the next rebind is in time. */
#define REACHABILITY_REOPEN_MS 1000

/* How long a port must stay closed just before a rebind, in milliseconds: a rebind drops the uTP
 * peers, so what is about to open by itself gets this time. */
#define REACHABILITY_HEAL_MS 100

/* Pauses before asking for the hints, in milliseconds. Hints are what qBittorrent reports about its
 * own connection. LAG: after a change, since they lag behind it. EVERY: otherwise, since they cost
 * a request. */
#define REACHABILITY_HINTS_LAG_MS 3000
#define REACHABILITY_HINTS_EVERY_MS (10 * 60 * 1000)

/* How long qBittorrent must say "firewalled", and transfer data, before that is told. */
#define REACHABILITY_FIREWALLED_MS (60 * 60 * 1000)

/* How long the look of the start holds for the first cycle, in milliseconds. A cycle's own look holds for
 * the cycle, which takes longer. */
#define REACHABILITY_EARLY_MS 50

/* How long a tunnel that once existed must be unusable before it counts as lost, in milliseconds.
 * This holds with and without a forwarded port. A reconnect takes less. */
#define REACHABILITY_LOST_MS (30 * 1000)

struct reachability {
	bool off; /* QSTICKY_VPN_INTERFACE=none: look at no interface */
	bool dry; /* look only: change nothing, and wait a moment for a closed port */
	struct traffic traffic;
	uint64_t unanswered;   /* packets without an answer when `traffic` turned one-way */
	int64_t silent_s;      /* for how long there was none then, in seconds */
	int64_t grace_ms;      /* how long a named interface may be missing after the start */
	bool unreadable;       /* the kernel does not list the interfaces */
	bool seen;             /* the tunnel existed at some look */
	int64_t missing_at_ms; /* since when the tunnel is unusable; MONO_NEVER: it is usable */
	bool cut_off;          /* the tunnel has failed a cycle, and was not usable since */
	bool failed;           /* the last reachability_prove() has failed */
	int64_t hints_at_ms;   /* when to ask for the hints */
	/* Since when qBittorrent reports "disconnected"; MONO_NEVER: it does not. */
	int64_t disconnected_at_ms;
	int64_t firewalled_at_ms; /* the same for "firewalled" */
	int64_t transferred;      /* bytes that it had transferred then */
	struct tunnel_view view;
	int64_t early_until_ms; /* until when the next look is that of the start; 0: it was used */
	struct tunnel tunnel;
	struct reachability_probed probed;
};

/* Makes one for the interface that `config` names, or else for the one that looks find. */
void reachability_start(struct reachability *reach, const struct config *config);

/* Begins to listen for changes of the tunnel. FAIL_IO: the kernel refuses; only cycles look. */
enum fail reachability_listen(struct reachability *reach, struct failure *why);

/* Whether the tunnel is looked for but was never found, and the last look did not fail.
 * choice_made() of `reach->tunnel.choice` gives the reason. */
bool reachability_is_unfound(const struct reachability *reach);

/* Looks at the network namespace before the first cycle, to find the tunnel's name. The next
 * reachability_look() takes what was found, unless something has changed since. */
void reachability_look_early(struct reachability *reach);

/* Looks at the network namespace, and passes the result to `now->sync`. Asks only the kernel.
 * FAIL_IO: the kernel does not list the interfaces. */
enum fail reachability_look(struct reachability *reach, struct situation *now, struct failure *why);

/* Forgets qBittorrent's hints. Call this when the tunnel has changed, or may have. Returns whether it
 * is usable now, and not as at the last reachability_look(). */
bool reachability_changed(struct reachability *reach, struct situation *now);

/* Closes what the last probes have left open. Call it before qBittorrent is set to another port. */
void reachability_release(struct reachability *reach);

/* Returns what qBittorrent is to be set to for `port`. Borrows from `reach` and `config`. */
struct qbittorrent_wanted reachability_wanted(const struct reachability *reach,
                                              const struct config *config, uint16_t port);

/* Judges the tunnel as last looked at. `alone`: only the loopback interface is left here.
 * FAIL_CUT_OFF: the tunnel is missing or unusable, or nothing comes back through it. */
enum fail reachability_judge_tunnel(const struct reachability *reach, bool alone,
                                    struct failure *why);

/* The same for a cycle that does not probe. One-way traffic counts at once. A missing tunnel counts
 * after REACHABILITY_LOST_MS, or at once if it has already failed a cycle. A tunnel that the user
 * has named and that never existed counts after the grace. Fails as reachability_judge_tunnel(). */
enum fail reachability_judge_missing(const struct reachability *reach, int64_t now_ms,
                                     struct failure *why);

/* Proves that connections to what is `wanted` are accepted. Rebinds once if that may help and is
 * allowed. `just_set`: the port may still be opening. Writes what it found to `now`. Blocks until
 * the deadline of `qb` at most.
 * FAIL_PORT_CLOSED: connections are refused. FAIL_CUT_OFF: the cause is one that a rebind cannot
 * repair. FAIL_TIMEOUT: no answer. FAIL_IO: the tunnel has changed meanwhile. FAIL_STOPPED. Else as
 * qbittorrent_rebind(). */
enum fail reachability_prove(struct reachability *reach, struct qbittorrent *qb,
                             struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted,
                             bool just_set, struct situation *now, struct failure *why);

#endif
