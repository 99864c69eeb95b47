#include "sidecar.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "gluetun.h"
#include "health.h"
#include "http.h"
#include "log.h"
#include "mono.h"
#include "nap.h"
#include "now.h"
#include "port_file.h"
#include "qbittorrent.h"
#include "reach.h"
#include "sandbox.h"
#include "sync.h"
#include "tell.h"
#include "webhook.h"

static const enum sync_login login_events[] = {
	[QBITTORRENT_LOGIN_NONE] = SYNC_LOGIN_NONE,
	[QBITTORRENT_LOGIN_ACCEPTED] = SYNC_LOGIN_ACCEPTED,
	[QBITTORRENT_LOGIN_REJECTED] = SYNC_LOGIN_REJECTED,
	[QBITTORRENT_LOGIN_BANNED] = SYNC_LOGIN_BANNED,
	[QBITTORRENT_LOGIN_UNANSWERED] = SYNC_LOGIN_UNANSWERED,
};

/* The largest thing here; see http.h. */
static struct http_reply reply;

struct sidecar {
	struct situation now;
	struct tell tell;
	struct webhook webhook;
	const struct init *init;
	struct port_file_watch watch;
	bool watch_refused;
	struct gluetun gluetun;
	enum fail ask_fail; /* why what is forwarded is not known now, with ask_why */
	struct failure ask_why;
	int64_t looking_ms; /* how long the last look took: a part of the cycle */
	struct qbittorrent qbittorrent;
	struct qbittorrent_view view; /* as the last cycle found or left qBittorrent */
	bool view_is_recent;          /* and that was the cycle before this one */
	struct reach reach;
	int64_t reannounce_at_ms; /* MONO_NEVER: not */
	uint16_t unproved_port;   /* set, but not read back; 0: none */
	int64_t previous_port;    /* the one before that */
	unsigned vain_turns;      /* of the loop, since the last cycle or sleep */
	struct failure login_why; /* why logins are held back, with login_fail */
	enum fail login_fail;
};

/* ---- where the port is learnt from ---- */

static void renew_watch(struct sidecar *s)
{
	struct failure why;
	bool refused = port_file_watch_renew(&s->watch, &why) != FAIL_NONE;

	if (refused && !s->watch_refused)
		log_line(LEVEL_INFO, "%s: the port file is looked at every %u s only", why.text,
		         s->now.config->interval_s);
	s->watch_refused = refused;
}

static void log_ports(const struct port_file_ports *ports)
{
	char buf[LOG_LINE_MAX];
	struct text text = text_on(buf, sizeof buf);

	for (size_t i = 0; i < ports->count; i++)
		text_printf(&text, "%s%u", i > 0 ? ", " : "", (unsigned)ports->port[i]);
	log_line(LEVEL_DEBUG, "forwarded port: %s", buf);
}

/* Returns whether the file holds another port than before, or the control server tells one. */
static bool look(struct sidecar *s)
{
	enum config_source source = s->now.config->port_source;
	struct sync *sync = &s->now.sync;
	struct port_file_ports ports = { .missing = true };
	bool news = false;
	enum fail f = FAIL_NONE;
	int64_t begun_ms = mono_now_ms(), now_ms;

	s->ask_fail = FAIL_NONE;
	s->now.asked = CONFIG_SOURCE_FILE;
	if (source != CONFIG_SOURCE_GLUETUN) {
		renew_watch(s);
		f = port_file_read(s->now.config->port_file_path, &ports, &s->now.file_why);
	}
	if (!f && ports.missing && source != CONFIG_SOURCE_FILE) {
		s->now.asked = CONFIG_SOURCE_GLUETUN;
		s->ask_fail = gluetun_ask(&s->gluetun, begun_ms + GLUETUN_ASK_MS, &ports.port[0],
		                          &s->ask_why);
		ports.count = ports.port[0] > 0;
	}
	now_ms = mono_now_ms();
	/* A name server that is not there must not leave qBittorrent without its part of the cycle. */
	s->looking_ms = mono_earlier(now_ms - begun_ms, GLUETUN_ASK_MS);
	if (s->ask_fail == FAIL_STOPPED)
		return false;
	if (s->ask_fail) {
		if (source == CONFIG_SOURCE_AUTO)
			fail_in(&s->ask_why, "%s is missing", s->now.config->port_file_path);
		sync_source_silent(sync, now_ms);
		tell_news(&s->tell, LEVEL_WARN, s->ask_why.text);
	} else if (f) {
		sync_file_bad(sync, now_ms);
		tell_news(&s->tell, LEVEL_ERROR, s->now.file_why.text);
	} else if (ports.count == 0) {
		sync_file_empty(sync, now_ms);
	} else {
		news = sync_file_port(sync, ports.port[0], now_ms);
		if (news)
			log_ports(&ports);
	}
	return news;
}

/* ---- one cycle ---- */

/* Trackers are told a while after the change: by then the port is open. */
#define REANNOUNCE_LAG_MS 2000

static void say_change(struct sidecar *s, const struct qbittorrent_wanted *wanted)
{
	const struct qbittorrent_view *view = &s->view;
	struct failure change;

	/* Once, not at every attempt. */
	if (view->listen_port != wanted->port) {
		fail_set(&change, FAIL_NONE, "port change needed: %lld -> %u",
		         (long long)view->listen_port, (unsigned)wanted->port);
		tell_news(&s->tell, LEVEL_INFO, change.text);
		return;
	}
	fail_set(&change, FAIL_NONE, "binding qBittorrent to %s (%s)", wanted->interface,
	         wanted->address);
	tell_news(&s->tell, LEVEL_INFO, change.text);
}

static enum fail set(struct sidecar *s, const struct qbittorrent_wanted *wanted,
                     struct failure *why)
{
	enum fail f;

	say_change(s, wanted);
	if (s->view.listen_port != wanted->port) {
		s->unproved_port = wanted->port;
		s->previous_port = s->view.listen_port;
	}
	f = qbittorrent_set(&s->qbittorrent, wanted, &s->view, why);
	/* Switched on since it was last asked for: it was not in the first request. */
	if (!f && (s->view.random_port || s->view.upnp))
		f = qbittorrent_set(&s->qbittorrent, wanted, &s->view, why);
	return f;
}

/* A new port is in place. */
static void port_changed(struct sidecar *s)
{
	s->now.last_port_change = now_s();
	webhook_port_changed(&s->webhook, s->previous_port, s->unproved_port, mono_now_ms());
	s->unproved_port = 0;
	if (!s->now.config->reannounce)
		return;
	s->reannounce_at_ms = mono_now_ms() + REANNOUNCE_LAG_MS;
	sync_cycle_at(&s->now.sync, s->reannounce_at_ms);
}

static void reannounce(struct sidecar *s)
{
	struct failure why;

	if (mono_now_ms() < s->reannounce_at_ms)
		return;
	if (qbittorrent_reannounce(&s->qbittorrent, &why)) {
		tell_news(&s->tell, LEVEL_WARN, why.text);
		return; /* the next cycle tries again */
	}
	s->reannounce_at_ms = MONO_NEVER;
	log_line(LEVEL_INFO, "asked qBittorrent to announce all torrents anew");
}

/* Compares what is wanted with what qBittorrent says, and repairs the difference. */
static enum fail reconcile(struct sidecar *s, struct failure *why)
{
	struct qbittorrent_wanted wanted =
		reach_wanted(&s->reach, s->now.config, sync_port(&s->now.sync));
	/* A new port while all was well: that it differs is known, and set() reads it back. */
	bool ask_first = !wanted.port || !s->view_is_recent || s->view.listen_port == wanted.port;
	bool differs;
	enum fail f = FAIL_NONE;

	s->view_is_recent = false;
	s->now.reachable = REACHABLE_UNKNOWN;
	if (ask_first)
		f = qbittorrent_read(&s->qbittorrent, &s->view, why);
	differs = !f && wanted.port && !qbittorrent_has(&s->view, &wanted);
	if (differs)
		f = set(s, &wanted, why);
	if (!f || f == FAIL_UNPROVEN)
		s->now.current_port = s->view.listen_port;
	if (f)
		return f;
	qbittorrent_ask_version(&s->qbittorrent);
	if (wanted.port)
		f = reach_prove(&s->reach, &s->qbittorrent, &s->view, &wanted, differs, &s->now,
		                &s->tell, why);
	/* Else the reason has been found already, and is said as such. */
	if (f != FAIL_CUT_OFF)
		tell_settings(&s->tell, &s->view);
	s->now.current_port = s->view.listen_port;
	if (wanted.port && wanted.port == s->unproved_port && s->view.listen_port == wanted.port)
		port_changed(s);
	s->view_is_recent = !f;
	if (!f)
		reannounce(s);
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
static void keep_login_failure(struct sidecar *s, enum fail f, struct failure *why)
{
	struct failure reason = *why;

	if (sync_gave_up_login(&s->now.sync))
		fail_set(why, f,
		         "%s; there will be no more logins before SIGHUP (docker kill -s HUP), or "
		         "before qBittorrent or qsticky is restarted",
		         reason.text);
	else if (!sync_may_login(&s->now.sync, mono_now_ms()))
		fail_set(why, f, "%s; the next login is 10 minutes after this one", reason.text);
	s->login_fail = f;
	s->login_why = *why;
}

/* Runs one cycle and takes note of how it went. Returns as the cycle did. */
static enum fail run_cycle(struct sidecar *s)
{
	struct qbittorrent *qb = &s->qbittorrent;
	struct sync *sync = &s->now.sync;
	int64_t now_ms = mono_now_ms();
	struct failure why;
	enum fail f;

	s->vain_turns = 0;
	reach_look(&s->reach, &s->now);
	if (sync_is_orphan(sync, now_ms))
		return FAIL_ORPHANED;
	if (!sync_may_login(sync, now_ms) && qbittorrent_has_new_credentials(qb)) {
		log_line(LEVEL_INFO, "the file of user name or password has changed");
		sync_new_credentials(sync, now_ms);
	}
	qbittorrent_begin(qb, now_ms + SIDECAR_CYCLE_MS - s->looking_ms,
	                  sync_may_login(sync, now_ms));
	f = reconcile(s, &why);
	qbittorrent_end(qb);
	if (f == FAIL_STOPPED)
		return f;
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		log_line(LEVEL_DEBUG, "logged in to qBittorrent %s", qb->version);
	if (f == FAIL_HELD_BACK && s->login_fail) {
		f = s->login_fail;
		why = s->login_why;
	}
	if (!f && s->ask_fail) {
		f = FAIL_ANSWER; /* whatever it was: the others are about qBittorrent */
		why = s->ask_why;
	}
	s->now.last_check = now_s();
	sync_cycle_ended(sync, outcome_of(f), login_events[qb->login], mono_now_ms());
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		s->login_fail = FAIL_NONE;
	else if (qb->login != QBITTORRENT_LOGIN_NONE)
		keep_login_failure(s, f, &why);
	if (f)
		s->now.cycle_why = why;
	return f;
}

/* ---- the loop ---- */

static void set_up(struct sidecar *s, const struct config *config, const struct init *init)
{
	int64_t now_ms = mono_now_ms();

	s->init = init;
	s->watch = port_file_watch_on(config->port_file_path);
	s->gluetun = gluetun_for(config, &init->stop, &reply);
	s->qbittorrent = qbittorrent_for(config, &init->stop, &reply);
	s->reach = reach_on(config);
	s->reannounce_at_ms = MONO_NEVER;
	s->now = (struct situation){
		.config = config,
		.sync = sync_start((int64_t)config->interval_s * 1000,
		                   (int64_t)config->no_port_grace_s * 1000,
		                   (uint32_t)now_ms ^ (uint32_t)getpid() << 16, now_ms),
		.current_port = -1,
		.version = s->qbittorrent.version,
		.started = now_s(),
		.started_ms = now_ms,
	};
	if (config->bind_interface && !config->vpn_interface[0])
		log_line(LEVEL_WARN,
		         "QSTICKY_BIND_INTERFACE=true does nothing without QSTICKY_VPN_INTERFACE");
	if (config->use_https && !config->verify_ssl && config->tls_pin_count == 0)
		log_line(LEVEL_WARN,
		         "QSTICKY_VERIFY_SSL=false: any certificate is accepted, so whoever is in "
		         "between can read the password; set QSTICKY_TLS_PIN_SHA256 instead");
	if (!config->sandbox)
		log_line(LEVEL_WARN, "QSTICKY_SANDBOX=false: no right is given up");
}

/* What is due by now: after events of the file, or because of the time. FAIL_ORPHANED: nothing will
 * ever be again. */
static enum fail turn(struct sidecar *s, enum port_file_event seen)
{
	struct sync *sync = &s->now.sync;
	int64_t now_ms = mono_now_ms();
	bool news = false;
	enum fail f;

	if (seen == PORT_FILE_MODIFIED)
		sync_file_modified(sync, now_ms);
	if (seen > PORT_FILE_MODIFIED || now_ms >= sync_due_ms(sync))
		news = look(s);
	if (s->ask_fail == FAIL_STOPPED)
		return FAIL_STOPPED;
	if (seen == PORT_FILE_WRITTEN && !news)
		sync_file_written(sync, now_ms);
	/* Proof of the old port is none of the new one: take it back before anything that may
	 * hang. */
	tell_health_if_changed(&s->tell, &s->now);
	if (!sync_cycle_due(sync, mono_now_ms()))
		return FAIL_NONE;
	f = run_cycle(s);
	if (f == FAIL_STOPPED || f == FAIL_ORPHANED)
		return f;
	tell_health(&s->tell, &s->now);
	webhook_judged(&s->webhook, s->tell.published_healthy, mono_now_ms());
	if (f)
		tell_failure(&s->tell, &s->now);
	else
		tell_success(&s->tell, &s->now);
	return FAIL_NONE;
}

static void hear(struct sidecar *s)
{
	struct sync *sync = &s->now.sync;
	int64_t now_ms = mono_now_ms();

	switch (tunnel_drain(&s->reach.tunnel)) {
	case TUNNEL_QUIET:
		break;
	case TUNNEL_OTHER_GONE:
		sync_cycle_at(sync, now_ms + SYNC_SETTLE_MS);
		break;
	case TUNNEL_CHANGED:
		sync_links_changed(sync, now_ms);
		break;
	}
}

/* A descriptor that is ready and cannot be read, whatever the reason, must not have us spin. */
#define VAIN_TURNS_MAX 100
#define VAIN_PAUSE_MS 200

static enum fail loop(struct sidecar *s, struct failure *why)
{
	enum { FD_STOP, FD_EVENTS, FD_FILE, FD_LINKS, FD_COUNT };

	for (;;) {
		/* Built anew each turn: the watch's descriptor may have changed. */
		struct pollfd fds[FD_COUNT] = {
			[FD_STOP] = { .fd = s->init->stop.fd, .events = POLLIN },
			[FD_EVENTS] = { .fd = s->init->event_fd, .events = POLLIN },
			[FD_FILE] = { .fd = s->watch.inotify_fd, .events = POLLIN },
			[FD_LINKS] = { .fd = s->reach.tunnel.events_fd, .events = POLLIN },
		};
		enum port_file_event seen = PORT_FILE_QUIET;
		int64_t due_ms = webhook_work(&s->webhook, &s->now, fds, FD_COUNT, &reply);
		int ready = nap(fds, FD_COUNT, mono_left_ms(due_ms));

		if (ready < 0 && errno != EINTR)
			return fail_errno(why, "poll");
		if (ready > 0 && fds[FD_STOP].revents)
			return FAIL_NONE; /* a stop goes before any work */
		if (ready == 0 || ++s->vain_turns > VAIN_TURNS_MAX) {
			if (ready > 0)
				(void)stop_sleep(&s->init->stop, mono_now_ms() + VAIN_PAUSE_MS,
				                 why);
			s->vain_turns = 0;
		}
		if (ready > 0 && fds[FD_EVENTS].revents && init_events(s->init)) {
			log_line(LEVEL_INFO, "SIGHUP: checking now");
			sync_reload(&s->now.sync, mono_now_ms());
		}
		if (ready > 0 && fds[FD_FILE].revents)
			seen = port_file_watch_drain(&s->watch);
		if (ready > 0 && fds[FD_LINKS].revents)
			hear(s);
		if (turn(s, seen) == FAIL_ORPHANED)
			return fail_set(why, FAIL_ORPHANED,
			                "nothing but the loopback interface for %d s, while port "
			                "%u is forwarded: Gluetun's container was restarted, and "
			                "this is its old network; ending, so that a restart policy "
			                "moves qsticky to the new one (restart qBittorrent, too)",
			                SYNC_ORPHAN_MS / 1000, (unsigned)sync_port(&s->now.sync));
	}
}

int sidecar_run(const struct config *config, struct init *init)
{
	static struct sidecar s;
	char source[TELL_SOURCE_MAX];
	struct failure why;
	enum fail f;

	set_up(&s, config, init);
	tell_source(source, config, config->port_source);
	log_line(LEVEL_INFO,
	         "qsticky %s: qBittorrent at %s%s:%u, port %s, a check every %u s, health in %s",
	         QSTICKY_VERSION, config->use_https ? "https://" : "", config->host,
	         (unsigned)config->port, source, config->interval_s, config->health_path);
	sandbox_enter(config, SANDBOX_RUN);
	/* The first answer may be seconds away, and an old file say healthy until then. */
	if (config->port_source != CONFIG_SOURCE_FILE)
		tell_health(&s.tell, &s.now);
	f = loop(&s, &why);
	if (f == FAIL_ORPHANED) {
		log_line(LEVEL_ERROR, "%s", why.text);
		return SIDECAR_EXIT_ORPHANED; /* the health file goes on saying unhealthy */
	}
	health_remove(config->health_path);
	if (config->metrics_path)
		health_remove(config->metrics_path);
	if (f) {
		log_line(LEVEL_ERROR, "cannot go on: %s", why.text);
		return EXIT_FAILURE;
	}
	/* First, since the kernel waits before it frees a watch: now it does so during the logout. */
	port_file_watch_release(&s.watch);
	qbittorrent_logout(&s.qbittorrent);
	log_line(LEVEL_INFO, "stopped");
	return EXIT_SUCCESS;
}

/* An empty file is looked at again, as the loop would. */
static enum fail look_once(struct sidecar *s, struct failure *why)
{
	(void)look(s);
	while (s->now.sync.empty_at_ms != MONO_NEVER) {
		enum fail f = stop_sleep(&s->init->stop, s->now.sync.empty_at_ms, why);

		if (f)
			return f;
		(void)look(s);
	}
	return s->ask_fail; /* it has been said */
}

int sidecar_once(const struct config *config, struct init *init)
{
	static struct sidecar s;
	struct failure why;
	enum fail f;

	set_up(&s, config, init);
	sandbox_enter(config, SANDBOX_ONCE);
	if (look_once(&s, &why) || s.now.sync.file == SYNC_FILE_BAD)
		return EXIT_FAILURE;
	f = run_cycle(&s);
	/* Closed twice, a second apart, and it may rebind. */
	if (f == FAIL_PORT_CLOSED && !stop_sleep(&init->stop, sync_due_ms(&s.now.sync), &why))
		f = run_cycle(&s);
	if (f == FAIL_NONE)
		tell_success(&s.tell, &s.now);
	else if (f != FAIL_STOPPED)
		tell_failure(&s.tell, &s.now);
	qbittorrent_logout(&s.qbittorrent);
	return sync_state(&s.now.sync) == SYNC_IN_SYNC ? EXIT_SUCCESS : EXIT_FAILURE;
}
