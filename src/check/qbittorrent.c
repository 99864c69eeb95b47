#include "check/context.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "base/text.h"
#include "net/resolve.h"
#include "qbittorrent/exchange.h"
#include "sidecar/probe_port.h"
#include "sidecar/publish.h"
#include "vpn/netlink.h"

/* The same as step_unanswered(); the message also names the server. */
static enum fail unreached(struct check_context *context, enum fail f)
{
	return step_unanswered(&context->cycle.step, peer_fail_in(&context->cycle.qbittorrent.peer,
	                                                          f, &context->cycle.step.seen));
}

static void add_address(struct failure *seen, const struct resolve_address *address)
{
	struct text text = text_at_end(seen->text, sizeof seen->text);

	text_append(&text, " ");
	resolve_append(&text, address, false);
}

enum fail check_name(struct check_context *context)
{
	const struct config *config = &context->config;
	struct resolve_found found;
	enum fail f = resolve_host(&found, config->host, config->port, &context->stop,
	                           context->cycle.qbittorrent.peer.deadline_ms,
	                           &context->cycle.step.seen);

	if (f)
		return unreached(context, f);
	(void)step_found(&context->cycle.step, VERDICT_OK, NULL, "%s is", config->host);
	for (size_t i = 0; i < found.count; i++)
		add_address(&context->cycle.step.seen, &found.addresses[i]);
	return FAIL_NONE;
}

/* Other addresses of this network. */
struct others {
	char hosts[8][INET6_ADDRSTRLEN];
	size_t count;
};

static void add_other(void *context, const struct netlink_message *message)
{
	struct others *others = context;
	struct netlink_address address;
	struct text text;

	if (others->count == sizeof others->hosts / sizeof others->hosts[0] ||
	    !netlink_address(message, &address) || !address.usable)
		return;
	text = text_on(others->hosts[others->count++], sizeof others->hosts[0]);
	text_append_ip(&text, (const unsigned char *)&address.address,
	               address.family == AF_INET ? 4 : 16);
}

/* The Web UI may be bound to one address: names the first other one that accepts. */
static void try_others(struct check_context *context)
{
	struct others others = { .hosts = { "127.0.0.1", "::1" }, .count = 2 };
	const struct peer *peer = &context->cycle.qbittorrent.peer;
	struct net_tcp tcp = { .fd = -1 };
	struct failure unused;

	(void)netlink_dump(RTM_GETADDR, add_other, &others, &unused);
	for (size_t i = 0; i < others.count; i++) {
		if (net_connect(&tcp, others.hosts[i], peer->port, peer->stop, peer->deadline_ms,
		                &unused))
			continue;
		net_close(&tcp);
		step_append(&context->cycle.step,
		            "; it accepts at %s: set QSTICKY_QBITTORRENT_HOST=%s", others.hosts[i],
		            others.hosts[i]);
		return;
	}
}

enum fail check_connection(struct check_context *context)
{
	struct qbittorrent *qb = &context->cycle.qbittorrent;
	enum fail f = peer_connect(&qb->peer, &context->cycle.step.seen);

	if (f == FAIL_REFUSED && qb->peer.tcp.refused_here)
		try_others(context);
	if (f) {
		f = unreached(context, f);
		if (f == FAIL_IO) /* elsewhere that is a file */
			context->cycle.step.fix =
				"correct QSTICKY_QBITTORRENT_HOST, _PORT; is there a firewall?";
		return f;
	}
	(void)step_found(&context->cycle.step, VERDICT_OK, NULL, "port %u accepts at",
	                 (unsigned)context->config.port);
	add_address(&context->cycle.step.seen, &qb->peer.tcp.peer);
	return FAIL_NONE;
}

enum fail check_tls(struct check_context *context)
{
	const struct config *config = &context->config;
	struct qbittorrent *qb = &context->cycle.qbittorrent;
	struct step *step = &context->cycle.step;
	struct text text = text_on(step->seen.text, sizeof step->seen.text);
	enum fail f = peer_secure(&qb->peer, &step->seen);

	if (f)
		return unreached(context, f);
	if (!config->use_https)
		return step_found(step, VERDICT_OK, NULL, "plain HTTP, as configured");
	qbittorrent_append_certificate(&text);
	step->verdict = VERDICT_OK;
	step->fix = NULL;
	if (config->verify_ssl || config->tls_pin_count > 0)
		return FAIL_NONE;
	fail_in(&step->seen, "not verified");
	step->verdict = VERDICT_WARN;
	step->seen.word = FAIL_UNTRUSTED;
	step->fix = "set that pin instead of QSTICKY_VERIFY_SSL=false";
	return FAIL_NONE;
}

/* Reads the preferences. If that needs a login, the request sends it; check_login() explains its
 * result. */
enum fail check_qbittorrent(struct check_context *context)
{
	struct sidecar_cycle *cycle = &context->cycle;
	enum fail f = sidecar_cycle_read(cycle);

	context->answer = f;
	context->answer_step = cycle->step;
	if (f == FAIL_REJECTED || f == FAIL_BANNED || f == FAIL_HELD_BACK ||
	    cycle->qbittorrent.login)
		return step_found(&cycle->step, VERDICT_OK, NULL, "it asks for a login");
	return f;
}

enum fail check_login(struct check_context *context)
{
	const struct qbittorrent *qb = &context->cycle.qbittorrent;
	struct step *step = &context->cycle.step;

	*step = context->answer_step;
	if (context->answer && !qb->login && !qb->api_key[0])
		fail_in(&step->seen, "not tried now");
	if (context->answer == FAIL_HELD_BACK && context->cycle.gate.useless)
		step->fix = "run it as the sidecar's user, who may write beside HEALTH_FILE";
	if (context->answer)
		return context->answer;
	return step_found(step, VERDICT_OK, NULL,
	                  qb->login        ? "accepted"
	                  : qb->api_key[0] ? "the API key is accepted"
	                                   : "none is needed");
}

enum fail check_version(struct check_context *context)
{
	struct qbittorrent *qb = &context->cycle.qbittorrent;

	qbittorrent_ask_version(qb);
	return step_found(&context->cycle.step, VERDICT_OK, NULL, "%s",
	                  qb->version[0] ? qb->version : "unknown");
}

enum fail check_settings(struct check_context *context)
{
	static const char fix[] = "change that in qBittorrent (Options: Connection, Advanced)";
	struct sidecar_cycle *cycle = &context->cycle;
	struct step *step = &cycle->step;
	struct text text = text_on(step->seen.text, sizeof step->seen.text);
	struct failure one;

	if (context->has_tunnel) {
		enum fail f = reachability_judge_settings(&cycle->reach.tunnel, &cycle->view,
		                                          &step->seen);

		if (f)
			return step_failed(step, f, fix);
	}
	for (enum publish_setting which = 0; which < PUBLISH_SETTINGS_ALL; which++)
		if (publish_setting_is(&cycle->view, which, &one))
			text_printf(&text, "%s%s", text.len > 0 ? "; " : "", one.text);
	step->verdict = VERDICT_WARN;
	step->seen.word = FAIL_NONE;
	step->fix = fix;
	if (text.len == 0 && context->has_tunnel && cycle->view.can_bind &&
	    !cycle->view.interface[0] && !context->config.bind_interface)
		return step_found(step, VERDICT_OK, "better: QSTICKY_BIND_INTERFACE=true",
		                  "none is against it; but bound to any interface, qBittorrent may "
		                  "be deaf after a reconnect until a rebind");
	return text.len > 0 ? FAIL_NONE : step_found(step, VERDICT_OK, NULL, "none is against it");
}

enum fail check_port(struct check_context *context)
{
	enum fail f = sidecar_cycle_set(&context->cycle);

	if (f == FAIL_UNPROVEN && context->beside.runs)
		context->cycle.step.fix = "does something set it back (another port updater, "
					  "--torrenting-port or QBT_TORRENTING_PORT)?";
	return f;
}

enum fail check_probe(struct check_context *context)
{
	struct sidecar_cycle *cycle = &context->cycle;
	struct step *step = &cycle->step;
	struct qbittorrent_hints hints;
	enum fail f = sidecar_cycle_prove(cycle);

	if (f || !cycle->wanted.port)
		return f;
	qbittorrent_ask_hints(&cycle->qbittorrent, &hints);
	if (strcmp(hints.connection_status, "firewalled") != 0)
		return FAIL_NONE;
	/* The probe comes from inside, so it does not pass Gluetun's redirect. Peers do. */
	step_append(step, "; no peer has come in yet (firewalled). If none ever does: is "
	                  "VPN_PORT_FORWARDING_LISTENING_PORTS set for Gluetun? Remove it");
	return FAIL_NONE;
}
