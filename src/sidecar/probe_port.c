#include "sidecar/probe_port.h"

#include <string.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/redact.h"
#include "base/text.h"
#include "net/resolve_address.h"

/* ---- where it should listen ---- */

/* Whether qBittorrent's setting covers the tunnel's address of this family. The setting is an
 * address, the wildcard of a family, or "" for all addresses. */
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

enum fail reachability_judge_settings(const struct tunnel *tunnel,
                                      const struct qbittorrent_view *set, struct failure *why)
{
	const struct tunnel_view *view = &tunnel->view;
	const char *name = tunnel->name;
	char shown[64];
	struct text text = text_on(shown, sizeof shown);

	if (set->peer_proxy)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_PROXY),
		                "qBittorrent uses a proxy for peers: it does not listen for them "
		                "at all");
	/* The setting may be any string. Show it only if an interface here has that name: then it
	 * holds no secret. */
	if (set->interface[0] && strcmp(set->interface, name) != 0)
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_INTERFACE),
		                "qBittorrent is bound to %s%s, not to %s, on which peers "
		                "come: change its network interface (Advanced), or set "
		                "QSTICKY_BIND_INTERFACE=true",
		                is_here(set->interface) ? "interface "
		                                        : "an interface that is not here",
		                is_here(set->interface) ? set->interface : "", name);
	redact_append_address(&text, set->address);
	if (!covers(set->address, view, AF_INET) && !covers(set->address, view, AF_INET6))
		return fail_set(why, FAIL_AS(FAIL_CUT_OFF, WORD_ADDRESS),
		                "qBittorrent is bound to address %s, but %s has %s: change its "
		                "address to bind to (Advanced), or set QSTICKY_BIND_INTERFACE=true",
		                shown, name, view->has_v4 ? view->v4_text : view->v6_text);
	return FAIL_NONE;
}

/* ---- whether it does ---- */

/* Probes one address. While it refuses, probes again until `until_ms`, or for REACHABILITY_PAIR_MS
 * if only UDP is refused. */
static enum fail probe_one(struct probe *probe, const struct tunnel_view *view, uint16_t port,
                           const struct qbittorrent *qb, int64_t until_ms, struct failure *why)
{
	int64_t pair_until_ms = mono_now_ms() + REACHABILITY_PAIR_MS;
	int64_t pause_ms = 5;

	for (;;) {
		enum fail f =
			probe_port(probe, view, port, qb->peer.stop, qb->peer.deadline_ms, why);
		int64_t now_ms = mono_now_ms();

		if (!f && probe->udp == PROBE_UDP_REFUSED) {
			f = FAIL_REFUSED;
			if (until_ms < pair_until_ms)
				until_ms = mono_earlier(pair_until_ms, qb->peer.deadline_ms);
		}
		if (f != FAIL_REFUSED || now_ms >= until_ms)
			return f;
		f = wait_until(qb->peer.stop, mono_earlier(now_ms + pause_ms, until_ms), why);
		if (f)
			return f;
		pause_ms = mono_earlier(2 * pause_ms, 100);
	}
}

/* Rewords `why` to say what the failure `f` of a probe means. Returns `f`. */
static enum fail say_probe(const char *name, const char *address, uint16_t port, enum fail f,
                           bool accepted, struct failure *why)
{
	if (f == FAIL_REFUSED && accepted)
		return fail_set(
			why, f,
			"another program has port %u at %s (%s): it accepts TCP, but UDP is "
			"refused, so qBittorrent does not listen there",
			(unsigned)port, name, address);
	if (f == FAIL_REFUSED)
		return fail_set(why, f,
		                "%s (%s) refuses connections to port %u, although "
		                "qBittorrent has it set",
		                name, address, (unsigned)port);
	if (f == FAIL_TIMEOUT)
		return fail_set(why, f,
		                "no answer from port %u at %s (%s): qBittorrent hangs, or "
		                "a firewall drops what this machine sends to itself",
		                (unsigned)port, name, address);
	if (f && f != FAIL_STOPPED)
		fail_in(why, "port %u at %s (%s)", (unsigned)port, name, address);
	return f;
}

/* If qBittorrent's setting covers no address of the tunnel, all of them are probed. */
enum fail reachability_probe(const struct tunnel *tunnel, const struct qbittorrent *qb,
                             const struct qbittorrent_view *set, uint16_t port, int64_t patience_ms,
                             struct reachability_probed *probed, struct failure *why)
{
	const struct tunnel_view *view = &tunnel->view;
	const char *setting = set->address;
	int64_t until_ms = mono_earlier(mono_now_ms() + patience_ms, qb->peer.deadline_ms);
	enum fail refused = FAIL_NONE;
	bool all_taken = true;

	probed->udp = REACHABLE_UNKNOWN;
	probed->partly_open = probed->another = false;
	if (!covers(setting, view, AF_INET) && !covers(setting, view, AF_INET6))
		setting = "";
	for (size_t i = 0; i < sizeof probed->probes / sizeof probed->probes[0]; i++) {
		struct probe *probe = &probed->probes[i];
		const char *address = probe->family == AF_INET ? view->v4_text : view->v6_text;
		struct failure one;
		enum fail f;

		if (!covers(setting, view, probe->family))
			continue;
		f = probe_one(probe, view, port, qb, until_ms, &one);
		if (probe->udp == PROBE_UDP_REFUSED)
			probed->udp = REACHABLE_NO;
		all_taken &= probe->accepted && probe->udp == PROBE_UDP_SILENT;
		probed->partly_open |= !f;
		say_probe(tunnel->name, address, port, f, probe->accepted, &one);
		/* The first refusal is reported, but the other addresses are probed too. */
		if (f && !refused) {
			*why = one;
			probed->another = probe->accepted;
		}
		if (f && f != FAIL_REFUSED)
			return f;
		refused = refused ? refused : f;
	}
	if (!refused && all_taken)
		probed->udp = REACHABLE_YES;
	return refused;
}
