#include "check/qbittorrent.h"

#include <netinet/in.h>
#include <string.h>

#include "base/text.h"
#include "core/sync.h"
#include "net/resolve.h"
#include "qbittorrent/exchange.h"
#include "sidecar/probe_port.h"
#include "sidecar/tell.h"

/* As check_failed(), after a failure in reaching qBittorrent. */
static enum check_verdict failed(struct check_walk *walk, enum fail f)
{
	static const char *const fixes[] = {
		[FAIL_IO] = "let it be there, and open to this user",
		[FAIL_RESOLVE] =
			"QSTICKY_QBITTORRENT_HOST: localhost, or the service's name, or an address",
		[FAIL_REFUSED] = "start qBittorrent, or correct QSTICKY_QBITTORRENT_HOST and _PORT",
		[FAIL_TIMEOUT] = "does a firewall drop it, or qBittorrent hang? Then restart that",
		[FAIL_REJECTED] = "then re-create this container; a changed file is read by itself",
		[FAIL_HELD_BACK] = "is qBittorrent slow, or a proxy in between? Then wait",
		[FAIL_BANNED] = "correct user and password, then restart qBittorrent",
		[FAIL_UNTRUSTED] = "compare it with what your browser shows, then set that pin",
	};
	const char *fix = f < sizeof fixes / sizeof fixes[0] ? fixes[f] : NULL;

	return check_failed(
		walk, f, fix ? fix : "correct QSTICKY_QBITTORRENT_HOST, _PORT, QSTICKY_USE_HTTPS");
}

/* The same, naming the server. */
static enum check_verdict unreached(struct check_walk *walk, enum fail f)
{
	return failed(walk, peer_told(&walk->qbittorrent.peer, f, &walk->found.seen));
}

static void add_address(struct failure *seen, const struct resolve_address *address)
{
	struct text text = { .buf = seen->text,
		             .cap = sizeof seen->text,
		             .len = strlen(seen->text) };
	bool is_v4 = address->sa.any.sa_family == AF_INET;
	size_t at = is_v4 ? offsetof(struct sockaddr_in, sin_addr)
	                  : offsetof(struct sockaddr_in6, sin6_addr);

	text_puts(&text, " ");
	text_add_ip(&text, (const unsigned char *)&address->sa + at, is_v4 ? 4 : 16);
}

enum check_verdict check_name(struct check_walk *walk)
{
	const struct config *config = &walk->config;
	struct resolve_found found;
	enum fail f = resolve_host(&found, config->host, config->port, &walk->stop,
	                           walk->qbittorrent.peer.deadline_ms, &walk->found.seen);

	if (f)
		return unreached(walk, f);
	(void)check_see(walk, CHECK_OK, NULL, "%s is", config->host);
	for (size_t i = 0; i < found.count; i++)
		add_address(&walk->found.seen, &found.addresses[i]);
	return CHECK_OK;
}

enum check_verdict check_connection(struct check_walk *walk)
{
	struct qbittorrent *qb = &walk->qbittorrent;
	enum fail f = peer_connect(&qb->peer, &walk->found.seen);

	if (f)
		return unreached(walk, f);
	(void)check_see(walk, CHECK_OK, NULL, "port %u accepts at", (unsigned)walk->config.port);
	add_address(&walk->found.seen, &qb->peer.tcp.peer);
	return CHECK_OK;
}

enum check_verdict check_tls(struct check_walk *walk)
{
	const struct config *config = &walk->config;
	struct qbittorrent *qb = &walk->qbittorrent;
	struct text text = text_on(walk->found.seen.text, sizeof walk->found.seen.text);
	enum fail f = peer_secure(&qb->peer, &walk->found.seen);

	if (f)
		return unreached(walk, f);
	if (!config->use_https)
		return check_see(walk, CHECK_OK, NULL, "plain HTTP, as configured");
	qbittorrent_put_certificate(&text);
	if (config->verify_ssl || config->tls_pin_count > 0)
		return CHECK_OK;
	fail_in(&walk->found.seen, "not verified");
	walk->found.fix = "set that pin instead of QSTICKY_VERIFY_SSL=false";
	return CHECK_WARN;
}

/* The one question that may need a login, which has a hop of its own. */
enum check_verdict check_qbittorrent(struct check_walk *walk)
{
	struct qbittorrent *qb = &walk->qbittorrent;
	enum fail f = qbittorrent_read(qb, &walk->view, &walk->answer_why);
	bool asks = f == FAIL_REJECTED || f == FAIL_BANNED || f == FAIL_HELD_BACK || qb->login;

	walk->answer = f;
	walk->found.seen = walk->answer_why;
	if (f && !asks)
		return failed(walk, f);
	return check_see(walk, CHECK_OK, NULL, asks ? "it asks for a login" : "it answers");
}

enum check_verdict check_login(struct check_walk *walk)
{
	const struct qbittorrent *qb = &walk->qbittorrent;

	walk->found.seen = walk->answer_why;
	if (walk->answer && !qb->login && !qb->api_key[0])
		fail_in(&walk->found.seen, "not tried now");
	if (walk->answer == FAIL_HELD_BACK && walk->gate.useless)
		return check_failed(
			walk, walk->answer,
			"run it as the sidecar's user, who may write beside HEALTH_FILE");
	if (walk->answer)
		return failed(walk, walk->answer);
	return check_see(walk, CHECK_OK, NULL,
	                 qb->login        ? "accepted"
	                 : qb->api_key[0] ? "the API key is accepted"
	                                  : "none is needed");
}

enum check_verdict check_version(struct check_walk *walk)
{
	struct qbittorrent *qb = &walk->qbittorrent;

	qbittorrent_ask_version(qb);
	return check_see(walk, CHECK_OK, NULL, "%s", qb->version[0] ? qb->version : "unknown");
}

enum check_verdict check_settings(struct check_walk *walk)
{
	struct text text = text_on(walk->found.seen.text, sizeof walk->found.seen.text);
	struct failure one;

	walk->found.fix = "change that in qBittorrent (Options: Connection, Advanced)";
	if (walk->has_tunnel && reach_judge_settings(&walk->reach.tunnel, &walk->reach.view,
	                                             &walk->view, &walk->found.seen))
		return CHECK_FAILS;
	for (enum tell_setting which = 0; which < TELL_SETTINGS_ALL; which++)
		if (tell_setting_is(&walk->view, which, &one))
			text_printf(&text, "%s%s", text.len > 0 ? "; " : "", one.text);
	return text.len > 0 ? CHECK_WARN : check_see(walk, CHECK_OK, NULL, "none is against it");
}

enum check_verdict check_port(struct check_walk *walk)
{
	long long set = walk->view.listen_port;

	if (!walk->port)
		return check_see(walk, CHECK_SKIPPED, NULL,
		                 "%lld is set, and none known to be forwarded", set);
	if (qbittorrent_is_web_ui(&walk->qbittorrent, &walk->view, walk->port))
		return check_see(walk, CHECK_FAILS,
		                 "change the Web UI's port, or have Gluetun forward another",
		                 "port %u is forwarded, and is the Web UI's own: qBittorrent would "
		                 "not survive it at its next start",
		                 (unsigned)walk->port);
	if (set == walk->port)
		return check_see(walk, CHECK_OK, NULL, "%lld is set, and forwarded", set);
	return check_see(
		walk, CHECK_FAILS,
		walk->beside.runs
			? "does something set it back (another port updater, --torrenting-port "
			  "or QBT_TORRENTING_PORT)?"
			: "let qsticky run; this command changes nothing",
		"qBittorrent has port %lld, but %u is forwarded", set, (unsigned)walk->port);
}

enum check_verdict check_probe(struct check_walk *walk)
{
	struct reach_probed probed;
	enum fail f =
		reach_probe(&walk->reach.tunnel, &walk->reach.view, &walk->qbittorrent, &walk->view,
	                    walk->port, SYNC_CLOSED_MS, &probed, &walk->found.seen);

	if (f)
		return check_failed(
			walk, f,
			"let qsticky run, or restart qBittorrent; if that does not help, its "
			"log says why");
	return check_see(walk, CHECK_OK, NULL, "open: TCP is accepted%s",
	                 probed.udp == REACHABLE_YES ? ", and UDP taken" : "");
}
