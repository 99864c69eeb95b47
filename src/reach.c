#include "reach.h"

#include <string.h>

#include "ip.h"
#include "log.h"
#include "mono.h"
#include "redact.h"
#include "resolve_address.h"

struct reach reach_on(const struct config *config)
{
	struct reach reach = {
		.tunnel = tunnel_on(config->vpn_interface),
		.hints_at_ms = mono_now_ms() + REACH_HINTS_LAG_MS,
		.deaf_at_ms = MONO_NEVER,
	};
	struct failure why;

	if (config->vpn_interface[0] && tunnel_listen(&reach.tunnel, &why))
		log_line(LEVEL_INFO, "%s: the VPN's interface is looked at every %u s only",
		         why.text, config->interval_s);
	return reach;
}

void reach_look(struct reach *reach, struct situation *now)
{
	struct tunnel_view before = reach->view;
	bool was_blind = reach->blind;
	struct failure why;

	if (!reach->tunnel.name[0])
		return;
	reach->blind = tunnel_look(&reach->tunnel, &reach->view, &why);
	if (!reach->blind)
		sync_links_seen(&now->sync, reach->view.lo_only, mono_now_ms());
	else if (!was_blind)
		log_line(LEVEL_WARN, "%s: whether the port is open is not probed", why.text);
	/* tunnel_look() clears all of it first, so that what lies between its members is the same, too.
	 * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
	if (memcmp(&before, &reach->view, sizeof before) != 0)
		sync_tunnel_differs(&now->sync);
	reach->seen |= reach->view.exists;
}

struct qbittorrent_wanted reach_wanted(const struct reach *reach, const struct config *config,
                                       uint16_t port)
{
	struct qbittorrent_wanted wanted = { .port = port };

	if (config->bind_interface && reach->view.exists && reach->view.has_v4) {
		wanted.interface = reach->tunnel.name;
		wanted.address = reach->view.v4_text;
	}
	return wanted;
}

/* ---- why not, where to open it anew would not help ---- */

enum fail reach_judge_tunnel(const struct reach *reach, bool alone, struct failure *why)
{
	const struct tunnel_view *view = &reach->view;
	const char *name = reach->tunnel.name;

	if (alone)
		return fail_set(
			why, FAIL_CUT_OFF,
			"only the loopback interface is left here: was Gluetun's container "
			"restarted? Then all that share its network are in the old one, and "
			"have to be restarted too");
	if (!view->exists)
		return fail_set(why, FAIL_CUT_OFF,
		                "%s is gone: the VPN is down or reconnecting, nobody can connect",
		                name);
	if (!view->up)
		return fail_set(why, FAIL_CUT_OFF, "%s is down: nobody can connect", name);
	if (!view->has_v4 && !view->has_v6)
		return fail_set(why, FAIL_CUT_OFF, "%s has no address: nobody can connect", name);
	return FAIL_NONE;
}

/* Whether the tunnel has the address that is set in qBittorrent: one of its own, or all of a family
 * of which it has one. */
static bool covers(const char *set, const struct tunnel_view *view, sa_family_t family)
{
	unsigned char ip[IP_MAX];
	size_t len = ip_parse(ip, set);

	if (family == AF_INET)
		return view->has_v4 &&
		       (!*set || strcmp(set, "0.0.0.0") == 0 ||
		        (len == sizeof view->v4 && memcmp(ip, &view->v4, len) == 0));
	return view->has_v6 && (!*set || strcmp(set, "::") == 0 ||
	                        (len == sizeof view->v6 && memcmp(ip, &view->v6, len) == 0));
}

static bool is_here(const char *interface)
{
	return resolve_interface(interface) != 0;
}

enum fail reach_judge_settings(const struct reach *reach, const struct qbittorrent_view *set,
                               struct failure *why)
{
	const struct tunnel_view *view = &reach->view;
	const char *name = reach->tunnel.name;
	char shown[64];
	struct text text = text_on(shown, sizeof shown);

	if (set->peer_proxy)
		return fail_set(why, FAIL_CUT_OFF,
		                "qBittorrent uses a proxy for peers: it does not listen for them "
		                "at all");
	/* What it says may be any string; the name of an interface that is here holds no secret. */
	if (set->interface[0] && strcmp(set->interface, name) != 0)
		return fail_set(why, FAIL_CUT_OFF,
		                "qBittorrent is bound to %s%s, not to %s, on which peers "
		                "come: change its network interface (Advanced), or set "
		                "QSTICKY_BIND_INTERFACE=true",
		                is_here(set->interface) ? "interface "
		                                        : "an interface that is not here",
		                is_here(set->interface) ? set->interface : "", name);
	redact_put_address(&text, set->address);
	if (!covers(set->address, view, AF_INET) && !covers(set->address, view, AF_INET6))
		return fail_set(why, FAIL_CUT_OFF,
		                "qBittorrent is bound to address %s, but %s has %s: change its "
		                "address to bind to (Advanced), or set QSTICKY_BIND_INTERFACE=true",
		                shown, name, view->has_v4 ? view->v4_text : view->v6_text);
	return FAIL_NONE;
}

/* ---- the probe ---- */

/* Probes one address, until `until_ms` if it is refused. */
static enum fail probe_one(const struct tunnel_view *view, sa_family_t family, uint16_t port,
                           const struct qbittorrent *qb, int64_t until_ms, struct failure *why)
{
	int64_t pause_ms = 5;

	for (;;) {
		enum fail f = tunnel_probe(view, family, port, qb->stop, qb->deadline_ms, why);
		int64_t now_ms = mono_now_ms();

		if (f != FAIL_REFUSED || now_ms >= until_ms)
			return f;
		f = stop_sleep(qb->stop, mono_earlier(now_ms + pause_ms, until_ms), why);
		if (f)
			return f;
		pause_ms = mono_earlier(2 * pause_ms, 100);
	}
}

/* Where it should listen on none, all are probed. */
enum fail reach_probe(const struct reach *reach, const struct qbittorrent *qb,
                      const struct qbittorrent_view *set, uint16_t port, int64_t patience_ms,
                      struct failure *why)
{
	static const sa_family_t families[] = { AF_INET, AF_INET6 };
	const struct tunnel_view *view = &reach->view;
	const char *setting = set->address;
	int64_t until_ms = mono_earlier(mono_now_ms() + patience_ms, qb->deadline_ms);

	if (!covers(setting, view, AF_INET) && !covers(setting, view, AF_INET6))
		setting = "";
	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
		const char *address = families[i] == AF_INET ? view->v4_text : view->v6_text;
		enum fail f;

		if (!covers(setting, view, families[i]))
			continue;
		f = probe_one(view, families[i], port, qb, until_ms, why);
		if (f == FAIL_REFUSED)
			return fail_set(why, f,
			                "%s (%s) refuses connections to port %u, although "
			                "qBittorrent has it set",
			                reach->tunnel.name, address, (unsigned)port);
		if (f == FAIL_TIMEOUT)
			return fail_set(why, f,
			                "no answer from port %u at %s (%s): qBittorrent hangs, or "
			                "a firewall drops what this machine sends to itself",
			                (unsigned)port, reach->tunnel.name, address);
		if (f) {
			if (f != FAIL_STOPPED)
				fail_in(why, "port %u at %s (%s)", (unsigned)port,
				        reach->tunnel.name, address);
			return f;
		}
	}
	return FAIL_NONE;
}

/* What qBittorrent says of itself is not true any more, and will not be for a while. */
static void forget_hints(struct reach *reach)
{
	reach->hints_at_ms = mono_now_ms() + REACH_HINTS_LAG_MS;
	reach->deaf_at_ms = MONO_NEVER;
}

static enum fail rebind(struct reach *reach, struct qbittorrent *qb, struct qbittorrent_view *view,
                        const struct qbittorrent_wanted *wanted, struct situation *now,
                        struct tell *tell, struct failure *why)
{
	fail_in(why, "having qBittorrent open its port anew");
	tell_news(tell, LEVEL_WARN, why->text);
	sync_rebound(&now->sync, false, mono_now_ms());
	now->rebinds++;
	forget_hints(reach);
	return qbittorrent_rebind(qb, wanted, view, why);
}

/* A port that is refused: what is to blame, or can be done. */
static enum fail repair(struct reach *reach, struct qbittorrent *qb, struct qbittorrent_view *view,
                        const struct qbittorrent_wanted *wanted, struct situation *now,
                        struct tell *tell, struct failure *why)
{
	bool may_rebind = now->config->rebind && sync_may_rebind(&now->sync, mono_now_ms());
	struct failure refusal = *why;
	enum fail f = reach_judge_settings(reach, view, why);

	if (f)
		return f;
	if (may_rebind) {
		f = rebind(reach, qb, view, wanted, now, tell, why);
		/* Here "refused" is about qBittorrent's Web UI, below about the port. */
		if (f)
			return f;
		f = reach_probe(reach, qb, view, wanted->port, REACH_OPEN_MS, why);
		if (f != FAIL_REFUSED)
			return f;
	}
	if (!now->config->rebind)
		return fail_set(why, FAIL_PORT_CLOSED,
		                "%s; QSTICKY_REBIND=false: restart qBittorrent to repair it",
		                refusal.text);
	if (now->sync.rebinds_in_vain > 0)
		return fail_set(why, FAIL_PORT_CLOSED,
		                "%s, and to open it anew does not help: its log says why; does "
		                "another program use that port?",
		                refusal.text);
	*why = refusal;
	return FAIL_PORT_CLOSED;
}

static enum fail prove_open(struct reach *reach, struct qbittorrent *qb,
                            struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted,
                            bool just_set, struct situation *now, struct tell *tell,
                            struct failure *why)
{
	enum fail f = reach_judge_tunnel(reach, sync_is_alone(&now->sync), why);

	if (!f)
		f = reach_probe(reach, qb, view, wanted->port, just_set ? REACH_OPEN_MS : 0, why);
	if (f == FAIL_REFUSED)
		f = repair(reach, qb, view, wanted, now, tell, why);
	return f;
}

/* ---- hints ---- */

static void ask_hints(struct reach *reach, struct qbittorrent *qb, struct situation *now)
{
	int64_t now_ms = mono_now_ms();

	if (now_ms < reach->hints_at_ms)
		return;
	reach->hints_at_ms = now_ms + REACH_HINTS_EVERY_MS;
	qbittorrent_ask_hints(qb, &now->hints);
}

/* Whether it does not listen at all, so that the one who accepted was somebody else. It says so for
 * its first 1.5 s too (5.1.0 and 5.3.0), therefore only the second time counts, a while later. */
static bool is_deaf(struct reach *reach, const struct situation *now)
{
	int64_t now_ms = mono_now_ms();

	if (strcmp(now->hints.connection_status, "disconnected") != 0) {
		reach->deaf_at_ms = MONO_NEVER;
		return false;
	}
	reach->deaf_at_ms = mono_earlier(reach->deaf_at_ms, now_ms);
	reach->hints_at_ms =
		mono_earlier(reach->hints_at_ms, reach->deaf_at_ms + REACH_HINTS_LAG_MS);
	return now_ms >= reach->deaf_at_ms + REACH_HINTS_LAG_MS;
}

enum fail reach_prove(struct reach *reach, struct qbittorrent *qb, struct qbittorrent_view *view,
                      const struct qbittorrent_wanted *wanted, bool just_set, struct situation *now,
                      struct tell *tell, struct failure *why)
{
	/* Where there never was a tunnel, it cannot be known. */
	bool known = !reach->blind && (reach->seen || sync_is_alone(&now->sync));
	enum fail f = FAIL_NONE;

	if (just_set)
		forget_hints(reach);
	if (known)
		f = prove_open(reach, qb, view, wanted, just_set, now, tell, why);
	if (f == FAIL_STOPPED)
		return f;
	if (f == FAIL_NONE)
		now->reachable = known ? REACHABLE_YES : REACHABLE_UNKNOWN;
	else if (f == FAIL_PORT_CLOSED || f == FAIL_CUT_OFF || f == FAIL_TIMEOUT)
		now->reachable = REACHABLE_NO;
	ask_hints(reach, qb, now);
	if (!f && known && is_deaf(reach, now)) {
		now->reachable = REACHABLE_NO;
		f = fail_set(why, FAIL_CUT_OFF,
		             "qBittorrent says that it is disconnected, while somebody accepts "
		             "connections to port %u: another program uses it",
		             (unsigned)wanted->port);
	}
	return f;
}
