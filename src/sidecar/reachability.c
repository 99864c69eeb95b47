#include "sidecar/reachability.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"

void reachability_start(struct reachability *reach, const struct config *config)
{
	const char *name = config->vpn_interface;

	*reach = (struct reachability){
		.off = strcasecmp(name, CONFIG_INTERFACE_NONE) == 0,
		.grace_ms = (int64_t)config->no_port_grace_s * 1000,
		.missing_at_ms = MONO_NEVER,
		.hints_at_ms = mono_now_ms() + REACHABILITY_HINTS_LAG_MS,
		.disconnected_at_ms = MONO_NEVER,
		.firewalled_at_ms = MONO_NEVER,
		.probed.probes = { PROBE_OF(AF_INET), PROBE_OF(AF_INET6) },
	};
	tunnel_start(&reach->tunnel, name);
}

enum fail reachability_listen(struct reachability *reach, struct failure *why)
{
	return reach->off ? FAIL_NONE : tunnel_listen(&reach->tunnel, why);
}

bool reachability_is_unfound(const struct reachability *reach)
{
	return !reach->off && !reach->unreadable && !reach->tunnel.name[0];
}

/* Forgets the hints, which are out of date. New ones would be too for a while, so asks later. */
static void forget_hints(struct reachability *reach, struct situation *now)
{
	reach->hints_at_ms = mono_now_ms() + REACHABILITY_HINTS_LAG_MS;
	reach->disconnected_at_ms = MONO_NEVER;
	now->hints = (struct qbittorrent_hints){ 0 };
}

/* Whether a port can be open on the tunnel at all. */
static bool is_usable(const struct tunnel_view *view)
{
	return view->exists && view->up && (view->has_v4 || view->has_v6);
}

/* tunnel_look() zeroes the whole view first, so its padding is equal too. */
static bool is_same(const struct tunnel_view *one, const struct tunnel_view *other)
{
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
	return memcmp(one, other, sizeof *one) == 0;
}

/* An IPv6 address may be renewed every few seconds. That must not postpone the hints for ever. */
bool reachability_changed(struct reachability *reach, struct situation *now)
{
	int64_t hints_at_ms = reach->hints_at_ms;
	struct tunnel tunnel = reach->tunnel; /* which to look at is for a cycle to choose */
	struct tunnel_view view;
	struct failure why;

	reach->early_until_ms = mono_earlier(reach->early_until_ms, 1); /* look again */
	forget_hints(reach, now);
	reach->hints_at_ms = mono_earlier(reach->hints_at_ms, hints_at_ms);
	tunnel.settled = false; /* what `events_fd` reports is for the other to read */
	(void)tunnel_look(&tunnel, &view, &why); /* all zeros if it fails */
	return is_usable(&view) && !is_same(&view, &reach->view);
}

/* Returns when the missing tunnel begins to count as lost; MONO_NEVER: it does not. */
static int64_t lost_at_ms(const struct reachability *reach)
{
	if (reach->missing_at_ms == MONO_NEVER || (!reach->seen && reach->tunnel.sought))
		return MONO_NEVER;
	return reach->missing_at_ms + (reach->seen ? REACHABILITY_LOST_MS : reach->grace_ms);
}

static void note_missing(struct reachability *reach, struct sync *sync, int64_t now_ms)
{
	reach->seen |= reach->view.exists;
	reach->cut_off &= !is_usable(&reach->view);
	if (is_usable(&reach->view))
		reach->missing_at_ms = MONO_NEVER;
	else if (reach->missing_at_ms == MONO_NEVER)
		reach->missing_at_ms = now_ms;
	if (now_ms < lost_at_ms(reach))
		sync_cycle_at(sync, lost_at_ms(reach));
}

/* Keeps the figures of the moment when the traffic turned one-way. Else the message would change,
 * and be logged, each time. */
static void note_traffic(struct reachability *reach, struct sync *sync, int64_t now_ms)
{
	struct traffic *traffic = &reach->traffic;
	bool before = traffic->one_way;

	traffic_see(traffic, &reach->tunnel.counts, now_ms);
	if (traffic->one_way && !before) {
		reach->unanswered = traffic->unanswered;
		reach->silent_s = (now_ms - traffic->silent_at_ms) / 1000;
	}
	sync_cycle_at(sync, traffic->look_at_ms);
}

void reachability_look_early(struct reachability *reach)
{
	struct failure why;

	if (!reach->off && !tunnel_look(&reach->tunnel, &reach->view, &why))
		reach->early_until_ms = mono_now_ms() + REACHABILITY_EARLY_MS;
}

enum fail reachability_look(struct reachability *reach, struct situation *now, struct failure *why)
{
	struct tunnel_view before = reach->view;
	int64_t now_ms = mono_now_ms();
	bool is_first = reach->early_until_ms > 0;
	enum fail f = FAIL_NONE;

	if (reach->off)
		return FAIL_NONE;
	if (now_ms >= reach->early_until_ms)
		f = tunnel_look(&reach->tunnel, &reach->view, why);
	reach->early_until_ms = 0;
	reach->unreadable = f;
	if (!f) {
		sync_links_seen(&now->sync, reach->view.lo_only, now_ms);
		note_missing(reach, &now->sync, now_ms);
		note_traffic(reach, &now->sync, now_ms);
	}
	if (is_first || !is_same(&before, &reach->view)) {
		sync_tunnel_differs(&now->sync, now_ms);
		forget_hints(reach, now);
	}
	return f;
}

void reachability_release(struct reachability *reach)
{
	probe_close(&reach->probed.probes[0]);
	probe_close(&reach->probed.probes[1]);
}

struct qbittorrent_wanted reachability_wanted(const struct reachability *reach,
                                              const struct config *config, uint16_t port)
{
	struct qbittorrent_wanted wanted = { .port = port };

	if (config->bind_interface && reach->view.exists && reach->view.has_v4) {
		wanted.interface = reach->tunnel.name;
		wanted.address = reach->view.v4_text;
	}
	return wanted;
}

/* ---- causes that a rebind cannot repair ---- */

enum fail reachability_judge_tunnel(const struct reachability *reach, bool alone,
                                    struct failure *why)
{
	const struct tunnel_view *view = &reach->view;
	const char *name = reach->tunnel.name;

	if (alone)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, FAIL_ORPHANED),
		                "only the loopback interface is left here: was Gluetun's container "
		                "restarted? Then restart all that share its network");
	if (!view->exists && !reach->seen)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_NEVER),
		                "there is no %s here, which QSTICKY_VPN_INTERFACE names (unset, "
		                "qsticky finds it): is the VPN connected, and is this Gluetun's "
		                "network (network_mode: \"service:gluetun\")?",
		                name);
	if (!view->exists)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_GONE),
		                "%s is gone: the VPN is down or reconnecting, nobody can connect",
		                name);
	if (!view->up)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_DOWN),
		                "%s is down: nobody can connect", name);
	if (!view->has_v4 && !view->has_v6)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_ADDRESS),
		                "%s has no address: nobody can connect", name);
	if (reach->traffic.one_way)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_ONE_WAY),
		                "%s sends, and nothing comes back: no answer to %llu packets in "
		                "%lld s; if it stays so, restart Gluetun",
		                name, (unsigned long long)reach->unanswered,
		                (long long)reach->silent_s);
	return FAIL_NONE;
}

enum fail reachability_judge_missing(const struct reachability *reach, int64_t now_ms,
                                     struct failure *why)
{
	bool counts = reach->traffic.one_way || reach->cut_off || now_ms >= lost_at_ms(reach);

	if (reach->unreadable || !counts)
		return FAIL_NONE;
	return reachability_judge_tunnel(reach, reach->seen && reach->view.lo_only, why);
}

/* ---- a port that is closed ---- */

/* What a proof works with. */
struct proof {
	struct reachability *reach;
	struct qbittorrent *qb;
	struct qbittorrent_view *view;
	const struct qbittorrent_wanted *wanted;
	struct situation *now;
};

static enum fail probe(struct proof *proof, int64_t patience_ms, struct failure *why)
{
	struct reachability *reach = proof->reach;

	return reachability_probe(&reach->tunnel, proof->qb, proof->view, proof->wanted->port,
	                          patience_ms, &reach->probed, why);
}

static enum fail rebind(struct proof *proof, struct failure *why)
{
	sync_rebound(&proof->now->sync, proof->reach->probed.partly_open, mono_now_ms());
	proof->now->rebinds++;
	forget_hints(proof->reach, proof->now);
	reachability_release(proof->reach);
	return qbittorrent_rebind(proof->qb, proof->wanted, proof->view, why);
}

/* Handles a refused port: finds the setting that is the cause, or rebinds if allowed. */
static enum fail repair(struct proof *proof, bool may_rebind, struct failure *why)
{
	const struct reachability_probed *probed = &proof->reach->probed;
	struct failure refusal = *why;
	enum fail f = reachability_judge_settings(&proof->reach->tunnel, proof->view, why);

	if (f)
		return f;
	if (may_rebind) {
		f = rebind(proof, why);
		/* Here FAIL_REFUSED is about qBittorrent's Web UI, below about the port. */
		if (f)
			return f;
		f = probe(proof, REACHABILITY_REOPEN_MS, why);
		/* INFO, since each reconnect may need a rebind. */
		if (!f)
			log_line(LEVEL_INFO, "had qBittorrent reopen its port: %s", refusal.text);
		if (f != FAIL_REFUSED)
			return f;
		refusal = *why;
	}
	if (proof->wanted->port < 1024)
		return fail_set(why, FAIL_PORT_CLOSED,
		                "%s: only root may open a port below 1024; have Gluetun forward "
		                "another, or set the sysctl net.ipv4.ip_unprivileged_port_start=0 "
		                "for its container",
		                refusal.text);
	if (!proof->now->config->rebind)
		return fail_set(why, FAIL_PORT_CLOSED,
		                "%s; QSTICKY_REBIND=false: restart qBittorrent to repair it",
		                refusal.text);
	refusal.word = probed->another ? WORD_TAKEN : FAIL_PORT_CLOSED;
	*why = refusal;
	if (proof->now->sync.rebinds_failed_in_a_row == 0)
		return FAIL_PORT_CLOSED;
	return fail_set(why, FAIL_AS(FAIL_PORT_CLOSED, refusal.word),
	                "%s, and a rebind does not help: %s", refusal.text,
	                probed->another
	                        ? "end that program, or give it another port, unless a firewall "
	                          "refuses UDP"
	                        : "another program has that port, or an outgoing connection has "
	                          "it as its source port, until a minute after its end");
}

static enum fail prove_open(struct proof *proof, bool just_set, struct failure *why)
{
	struct reachability *reach = proof->reach;
	struct situation *now = proof->now;
	const bool may_rebind =
		!reach->dry && now->config->rebind && sync_may_rebind(&now->sync, mono_now_ms());
	enum fail f = reachability_judge_tunnel(reach, sync_is_alone(&now->sync), why);

	reach->cut_off = f && reach->seen;
	reach->probed.udp = REACHABLE_UNKNOWN;
	if (!f)
		f = probe(proof,
		          just_set     ? REACHABILITY_OPEN_MS
		          : reach->dry ? SYNC_CLOSED_MS
		          : may_rebind ? REACHABILITY_HEAL_MS
		                       : 0,
		          why);
	if (f == FAIL_REFUSED)
		f = repair(proof, may_rebind, why);
	now->reachable_udp = reach->probed.udp;
	return f;
}

/* ---- hints ---- */

/* Notes how long qBittorrent has been without a peer from outside. A restart begins again. */
static void note_firewalled(struct reachability *reach, struct situation *now, int64_t now_ms)
{
	const struct qbittorrent_hints *hints = &now->hints;

	if (!hints->connection_status[0])
		return;
	if (strcmp(hints->connection_status, "firewalled") != 0)
		reach->firewalled_at_ms = MONO_NEVER;
	else if (reach->firewalled_at_ms == MONO_NEVER || hints->transferred < reach->transferred)
		reach->firewalled_at_ms = now_ms;
	if (reach->firewalled_at_ms >= now_ms)
		reach->transferred = hints->transferred;
	now->firewalled = now_ms - REACHABILITY_FIREWALLED_MS >= reach->firewalled_at_ms &&
	                  hints->transferred > reach->transferred;
}

static void ask_hints(struct reachability *reach, struct qbittorrent *qb, struct situation *now)
{
	int64_t now_ms = mono_now_ms();

	if (reach->dry || now_ms < reach->hints_at_ms)
		return;
	reach->hints_at_ms = now_ms + REACHABILITY_HINTS_EVERY_MS;
	qbittorrent_ask_hints(qb, &now->hints);
	note_firewalled(reach, now, now_ms);
}

/* Whether qBittorrent reports that it listens nowhere, although the probe got through. Then another
 * program has TCP and UDP of the port.
 *
 * qBittorrent reports this in its first 1.5 s too (5.1.0 and 5.3.0). So only the second report
 * counts, REACHABILITY_HINTS_LAG_MS after the first. */
static bool is_disconnected(struct reachability *reach, const struct situation *now)
{
	int64_t now_ms = mono_now_ms();

	if (strcmp(now->hints.connection_status, "disconnected") != 0) {
		reach->disconnected_at_ms = MONO_NEVER;
		return false;
	}
	reach->disconnected_at_ms = mono_earlier(reach->disconnected_at_ms, now_ms);
	reach->hints_at_ms = mono_earlier(reach->hints_at_ms,
	                                  reach->disconnected_at_ms + REACHABILITY_HINTS_LAG_MS);
	return now_ms >= reach->disconnected_at_ms + REACHABILITY_HINTS_LAG_MS;
}

/* Drops hints from an outage: they are no evidence after it. `f`: how this cycle's proof ended. */
static void weigh_hints(struct reachability *reach, struct situation *now, enum fail f)
{
	if (f)
		reach->disconnected_at_ms = MONO_NEVER;
	else if (reach->failed)
		forget_hints(reach, now);
	reach->failed = f;
}

enum fail reachability_prove(struct reachability *reach, struct qbittorrent *qb,
                             struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted,
                             bool just_set, struct situation *now, struct failure *why)
{
	/* If the tunnel never existed, there is nothing to probe. But if this namespace has
	 * lost all interfaces but loopback, the port is known to be unreachable. */
	bool known = !reach->unreadable && (reach->seen || sync_is_alone(&now->sync));
	struct proof proof = {
		.reach = reach,
		.qb = qb,
		.view = view,
		.wanted = wanted,
		.now = now,
	};
	enum fail f = FAIL_NONE;

	if (just_set)
		forget_hints(reach, now);
	if (known)
		f = prove_open(&proof, just_set, why);
	else
		f = reachability_judge_missing(reach, mono_now_ms(), why);
	/* Whatever the cause, the next look is at all there is. */
	reach->tunnel.settled &= !f;
	if (f == FAIL_STOPPED)
		return f;
	if (f == FAIL_NONE)
		now->reachable = known ? REACHABLE_YES : REACHABLE_UNKNOWN;
	else if (f == FAIL_PORT_CLOSED || f == FAIL_CUT_OFF || f == FAIL_TIMEOUT)
		now->reachable = REACHABLE_NO;
	weigh_hints(reach, now, f);
	ask_hints(reach, qb, now);
	if (!f && known && is_disconnected(reach, now)) {
		now->reachable = REACHABLE_NO;
		f = fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_TAKEN),
		             "qBittorrent says that it is disconnected, while somebody accepts "
		             "connections to port %u: another program uses it",
		             (unsigned)wanted->port);
	}
	return f;
}
