#include "sidecar_cycle.h"

#include <unistd.h>

#include "log.h"
#include "mono.h"
#include "now.h"
#include "sync.h"

/* Trackers are told a while after the change: by then the port is open. */
#define REANNOUNCE_LAG_MS 2000

static const enum sync_login login_events[] = {
	[QBITTORRENT_LOGIN_NONE] = SYNC_LOGIN_NONE,
	[QBITTORRENT_LOGIN_ACCEPTED] = SYNC_LOGIN_ACCEPTED,
	[QBITTORRENT_LOGIN_REJECTED] = SYNC_LOGIN_REJECTED,
	[QBITTORRENT_LOGIN_BANNED] = SYNC_LOGIN_BANNED,
	[QBITTORRENT_LOGIN_UNANSWERED] = SYNC_LOGIN_UNANSWERED,
};

void sidecar_cycle_start(struct sidecar_cycle *cycle, const struct config *config,
                         const struct stop *stop, struct http_reply *reply)
{
	int64_t now_ms = mono_now_ms();

	port_source_start(&cycle->source, config, stop, reply);
	cycle->qbittorrent = qbittorrent_for(config, stop, reply);
	cycle->reach = reach_on(config);
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
	now->reachable = REACHABLE_UNKNOWN;
	if (ask_first)
		f = qbittorrent_read(qb, view, why);
	differs = !f && wanted.port && !qbittorrent_has(view, &wanted);
	if (differs)
		f = set(cycle, &wanted, why);
	if (!f || f == FAIL_UNPROVEN)
		now->current_port = view->listen_port;
	if (f)
		return f;
	qbittorrent_ask_version(qb);
	if (wanted.port)
		f = reach_prove(&cycle->reach, qb, view, &wanted, differs, now, tell, why);
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
	case FAIL_REFUSED:
		return SYNC_REFUSED;
	case FAIL_REJECTED:
	case FAIL_BANNED:
	case FAIL_UNTRUSTED:
		return SYNC_SHUT_OUT;
	case FAIL_PORT_CLOSED:
		return SYNC_CLOSED;
	case FAIL_CUT_OFF:
	case FAIL_ORPHANED:
	case FAIL_STOPPED:
	case FAIL_IO:
	case FAIL_RESOLVE:
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

/* After a login that was not accepted: says with the reason when the next one follows, and keeps
 * both for the cycles in which logins are held back. */
static void keep_login_failure(struct sidecar_cycle *cycle, enum fail f, struct failure *why)
{
	const struct sync *sync = &cycle->now.sync;
	struct failure reason = *why;

	if (sync_gave_up_login(sync))
		fail_set(why, f,
		         "%s; there will be no more logins before SIGHUP (docker kill -s HUP), or "
		         "before qBittorrent or qsticky is restarted",
		         reason.text);
	else if (!sync_may_login(sync, mono_now_ms()))
		fail_set(why, f, "%s; the next login is 10 minutes after this one", reason.text);
	cycle->login_fail = f;
	cycle->login_why = *why;
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
	if (!sync_may_login(sync, now_ms) && qbittorrent_has_new_credentials(qb)) {
		log_line(LEVEL_INFO, "the file of user name or password has changed");
		sync_new_credentials(sync, now_ms);
	}
	qbittorrent_begin(qb, now_ms + SIDECAR_CYCLE_MS - source->looking_ms,
	                  sync_may_login(sync, now_ms));
	f = reconcile(cycle, &why);
	qbittorrent_end(qb);
	if (f == FAIL_STOPPED)
		return f;
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		log_line(LEVEL_DEBUG, "logged in to qBittorrent %s", qb->version);
	if (f == FAIL_HELD_BACK && cycle->login_fail) {
		f = cycle->login_fail;
		why = cycle->login_why;
	}
	if (!f && source->fail) {
		f = FAIL_ANSWER; /* whatever it was: the others are about qBittorrent */
		why = source->why;
	}
	now->last_check = now_s();
	sync_cycle_ended(sync, outcome_of(f), login_events[qb->login], mono_now_ms());
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		cycle->login_fail = FAIL_NONE;
	else if (qb->login != QBITTORRENT_LOGIN_NONE)
		keep_login_failure(cycle, f, &why);
	if (f)
		now->cycle_why = why;
	return f;
}
