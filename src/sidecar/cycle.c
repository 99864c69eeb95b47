#include "sidecar/cycle.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mono.h"
#include "base/now.h"
#include "core/sync.h"
#include "sidecar/servers.h"

/* Trackers are told a while after the change: by then the port is open. */
#define REANNOUNCE_LAG_MS 2000

void sidecar_cycle_start(struct sidecar_cycle *cycle, const struct config *config,
                         const struct stop *stop, struct http_reply *reply)
{
	int64_t now_ms = mono_now_ms();

	port_source_start(&cycle->source, config, stop, reply);
	cycle->qbittorrent = servers_qbittorrent(config, stop, reply);
	cycle->reach = reach_on(config);
	cycle->gate = login_gate_for(config);
	cycle->reannounce_at_ms = MONO_NEVER;
	cycle->now = (struct situation){
		.config = config,
		.sync = sync_start((int64_t)config->interval_s * 1000,
		                   (int64_t)config->no_port_grace_s * 1000,
		                   (uint32_t)now_ms ^ (uint32_t)getpid() << 16, now_ms),
		.current_port = -1,
		.version = cycle->qbittorrent.version,
		.started = now_s(),
		.started_ms = now_ms,
	};
}

static void say_change(struct tell *tell, const struct qbittorrent_view *view,
                       const struct qbittorrent_wanted *wanted)
{
	struct failure change;

	/* Once, not at every attempt. */
	if (view->listen_port != wanted->port) {
		fail_set(&change, FAIL_NONE, "port change needed: %lld -> %u",
		         (long long)view->listen_port, (unsigned)wanted->port);
		tell_news(tell, LEVEL_INFO, change.text);
		return;
	}
	fail_set(&change, FAIL_NONE, "binding qBittorrent to %s (%s)", wanted->interface,
	         wanted->address);
	tell_news(tell, LEVEL_INFO, change.text);
}

static enum fail set(struct sidecar_cycle *cycle, const struct qbittorrent_wanted *wanted,
                     struct failure *why)
{
	struct qbittorrent_view *view = &cycle->view;
	enum fail f;

	say_change(&cycle->tell, view, wanted);
	if (view->listen_port != wanted->port) {
		cycle->unproved_port = wanted->port;
		cycle->previous_port = view->listen_port;
	}
	f = qbittorrent_set(&cycle->qbittorrent, wanted, view, why);
	/* Switched on since it was last asked for: it was not in the first request. */
	if (!f && (view->random_port || view->upnp))
		f = qbittorrent_set(&cycle->qbittorrent, wanted, view, why);
	return f;
}

/* A new port is in place. */
static void port_changed(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;

	now->last_port_change = now_s();
	webhook_port_changed(&cycle->webhook, cycle->previous_port, cycle->unproved_port,
	                     mono_now_ms());
	cycle->unproved_port = 0;
	if (!now->config->reannounce)
		return;
	cycle->reannounce_at_ms = mono_now_ms() + REANNOUNCE_LAG_MS;
	sync_cycle_at(&now->sync, cycle->reannounce_at_ms);
}

static void reannounce(struct sidecar_cycle *cycle)
{
	struct failure why;

	if (mono_now_ms() < cycle->reannounce_at_ms)
		return;
	if (qbittorrent_reannounce(&cycle->qbittorrent, &why)) {
		tell_news(&cycle->tell, LEVEL_WARN, why.text);
		return; /* the next cycle tries again */
	}
	cycle->reannounce_at_ms = MONO_NEVER;
	log_line(LEVEL_INFO, "asked qBittorrent to announce all torrents anew");
}

static enum fail refuse_own_port(const struct qbittorrent_view *view, uint16_t port,
                                 struct failure *why)
{
	if (view->listen_port == port)
		return fail_set(why, FAIL_OWN_PORT,
		                "port %u is forwarded, and is set already, but the Web UI has it "
		                "too: qBittorrent will not survive that at its next start; change "
		                "the Web UI's port before",
		                (unsigned)port);
	return fail_set(
		why, FAIL_OWN_PORT,
		"port %u is forwarded, and is the Web UI's own: qBittorrent would not survive "
		"it at its next start, so it is not set; change the Web UI's port, or have "
		"Gluetun forward another",
		(unsigned)port);
}

/* Sets what is wanted. Where the preferences were not asked for before, they may turn out to forbid it:
 * then the port before is set again. */
static enum fail set_safely(struct sidecar_cycle *cycle, const struct qbittorrent_wanted *wanted,
                            struct failure *why)
{
	struct qbittorrent *qb = &cycle->qbittorrent;
	struct qbittorrent_view *view = &cycle->view;
	int64_t before = view->listen_port;
	enum fail f = set(cycle, wanted, why);

	if (f || !qbittorrent_is_web_ui(qb, view, wanted->port))
		return f;
	cycle->unproved_port = 0;
	if (before > 0 && before <= UINT16_MAX && before != wanted->port)
		f = qbittorrent_set(qb, &(struct qbittorrent_wanted){ .port = (uint16_t)before },
		                    view, why);
	return f ? f : refuse_own_port(view, wanted->port, why);
}

/* Compares what is wanted with what qBittorrent says, and repairs the difference. */
static enum fail reconcile(struct sidecar_cycle *cycle, struct failure *why)
{
	struct situation *now = &cycle->now;
	struct tell *tell = &cycle->tell;
	struct qbittorrent *qb = &cycle->qbittorrent;
	struct qbittorrent_view *view = &cycle->view;
	struct qbittorrent_wanted wanted =
		reach_wanted(&cycle->reach, now->config, sync_port(&now->sync));
	/* A new port while all was well: that it differs is known, and set() reads it back. */
	bool ask_first = !wanted.port || !cycle->view_is_recent || view->listen_port == wanted.port;
	bool differs;
	enum fail f = FAIL_NONE;

	cycle->view_is_recent = false;
	now->reachable = now->reachable_udp = REACHABLE_UNKNOWN;
	if (ask_first)
		f = qbittorrent_read(qb, view, why);
	if (!f && wanted.port && qbittorrent_is_web_ui(qb, view, wanted.port))
		f = refuse_own_port(view, wanted.port, why);
	differs = !f && wanted.port && !qbittorrent_has(view, &wanted);
	if (differs)
		f = set_safely(cycle, &wanted, why);
	if (!f || f == FAIL_UNPROVEN || f == FAIL_OWN_PORT)
		now->current_port = view->listen_port;
	if (f)
		return f;
	cycle->gate.state = LOGIN_IN_ORDER;
	qbittorrent_ask_version(qb);
	f = wanted.port ? reach_prove(&cycle->reach, qb, view, &wanted, differs, now, tell, why)
	                : reach_judge_missing(&cycle->reach, mono_now_ms(), why);
	if (f && !wanted.port)
		now->reachable = REACHABLE_NO;
	/* Else the reason has been found already, and is said as such. */
	if (f != FAIL_CUT_OFF)
		tell_settings(tell, view);
	now->current_port = view->listen_port;
	if (wanted.port && wanted.port == cycle->unproved_port && view->listen_port == wanted.port)
		port_changed(cycle);
	cycle->view_is_recent = !f;
	if (!f)
		reannounce(cycle);
	return f;
}

static enum sync_outcome outcome_of(enum fail f)
{
	switch (f) {
	case FAIL_NONE:
		return SYNC_PROVED;
	case FAIL_REJECTED:
	case FAIL_BANNED:
	case FAIL_UNTRUSTED:
	case FAIL_OWN_PORT:
		return SYNC_SHUT_OUT;
	case FAIL_PORT_CLOSED:
		return SYNC_CLOSED;
	case FAIL_CUT_OFF:
	case FAIL_ORPHANED:
	case FAIL_STOPPED:
	case FAIL_IO:
	case FAIL_RESOLVE:
	case FAIL_REFUSED:
	case FAIL_TIMEOUT:
	case FAIL_CLOSED:
	case FAIL_TOO_BIG:
	case FAIL_FORMAT:
	case FAIL_ANSWER:
	case FAIL_HELD_BACK:
	case FAIL_UNPROVEN:
	case FAIL_TLS:
		break;
	}
	return SYNC_FAILED;
}

/* What the gate has found out, once each. */
static void say_login_news(struct sidecar_cycle *cycle)
{
	struct login_gate *gate = &cycle->gate;
	bool trouble = gate->trouble.text[0];

	if (gate->restarted)
		log_line(LEVEL_INFO, "qBittorrent was restarted: failed logins count from zero");
	if (gate->others)
		log_line(LEVEL_INFO, "user name or password have changed");
	gate->restarted = gate->others = false;
	if (trouble && !cycle->said_gate_trouble)
		log_line(LEVEL_WARN, "%s", gate->trouble.text);
	cycle->said_gate_trouble = trouble;
}

enum fail sidecar_cycle_run(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;
	const struct port_source *source = &cycle->source;
	struct qbittorrent *qb = &cycle->qbittorrent;
	struct sync *sync = &now->sync;
	int64_t now_ms = mono_now_ms();
	struct failure why;
	enum fail f;

	reach_look(&cycle->reach, now);
	if (sync_is_orphan(sync, now_ms))
		return FAIL_ORPHANED;
	cycle->gate.now_s = now_s();
	qbittorrent_begin(qb, now_ms + SIDECAR_CYCLE_MS - source->looking_ms, &cycle->gate.gate);
	f = reconcile(cycle, &why);
	qbittorrent_end(qb);
	if (f == FAIL_STOPPED)
		return f;
	say_login_news(cycle);
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		log_line(LEVEL_DEBUG, "logged in to qBittorrent %s", qb->version);
	now->login = cycle->gate.state;
	if (f == FAIL_REJECTED)
		now->login = LOGIN_WAS_REJECTED; /* the API key, if not the password */
	if (!f && source->fail) {
		f = FAIL_ANSWER; /* whatever it was: the others are about qBittorrent */
		why = source->why;
	}
	now->last_check = now_s();
	sync_cycle_ended(sync, outcome_of(f), mono_now_ms());
	if (f)
		now->cycle_why = why;
	return f;
}
