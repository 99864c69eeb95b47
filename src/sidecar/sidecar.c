#include "sidecar/sidecar.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/log.h"
#include "config/table.h"
#include "core/sync.h"
#include "gluetun/port_file.h"
#include "http/http.h"
#include "process/idle.h"
#include "process/sandbox.h"
#include "process/sandbox_files.h"
#include "qbittorrent/client.h"
#include "sidecar/cycle.h"
#include "sidecar/health.h"
#include "sidecar/port_change.h"
#include "sidecar/port_source.h"
#include "sidecar/publish.h"
#include "sidecar/servers.h"
#include "vpn/tunnel.h"
#include "webhook/send.h"

/* Shared by all servers, and large: see http/reply.h. */
static struct http_reply reply;

struct sidecar {
	const struct init *init;
	unsigned idle_wakeups; /* wakeups of the loop since the last cycle or timeout */
	struct sidecar_cycle cycle;
	struct failure why; /* of the end; not on the stack, which is in use during all sleeps */
};

static struct sidecar sidecar;

static void set_up(struct sidecar *s, const struct config *config, const struct init *init)
{
	struct failure why;

	s->init = init;
	sidecar_cycle_start(&s->cycle, config, &init->stop, &reply);
	if (reachability_listen(&s->cycle.reach, &why))
		log_line(LEVEL_INFO, "%s: the VPN's interface is looked at every %u s only",
		         why.text, config->interval_s);
	if (config->bind_interface && s->cycle.reach.off)
		log_line(
			LEVEL_WARN,
			"QSTICKY_BIND_INTERFACE=true does nothing with QSTICKY_VPN_INTERFACE=none");
	if (config->use_https && !config->verify_ssl && config->tls_pin_count == 0)
		log_line(LEVEL_WARN,
		         "QSTICKY_VERIFY_SSL=false: any certificate is accepted, so whoever is in "
		         "between can read the password; set QSTICKY_TLS_PIN_SHA256 instead");
	if (!config->sandbox)
		log_line(LEVEL_WARN, "QSTICKY_SANDBOX=false: no right is given up");
}

static bool read_port_source(struct sidecar_cycle *cycle)
{
	bool news;

	port_source_watch(&cycle->source, cycle->now.config);
	news = port_source_look(&cycle->source, &cycle->now);
	port_source_say(&cycle->source, &cycle->now, news, &cycle->publish);
	return news;
}

/* Checks that the sandbox does not hide `file` (NULL: none) for longer than a replacement of its
 * directory takes. Blocks for SYNC_SETTLE_MS at most. FAIL_IO: the file stays hidden, so only a
 * restart helps. FAIL_STOPPED. */
static enum fail check_hidden(const struct sidecar *s, const char *file, struct failure *why)
{
	if (!file || !sandbox_files_hide(file))
		return FAIL_NONE;
	if (wait_until(&s->init->stop, mono_now_ms() + SYNC_SETTLE_MS, why))
		return FAIL_STOPPED;
	return sandbox_files_hide(file) ? sandbox_files_explain(why, file) : FAIL_NONE;
}

/* The same for the other files that a cycle reads. The resolver's are left out: a failed lookup
 * names them. */
static enum fail check_all_hidden(const struct sidecar *s, struct failure *why)
{
	const struct config *config = s->cycle.now.config;
	const struct secret *secret;
	size_t cursor = 0;
	enum fail f = FAIL_NONE;

	while (!f && (secret = config_secret(config, &cursor)))
		f = check_hidden(s, secret->file ? secret->file : secret->usual_file, why);
	if (!f && (config->use_https || config->gluetun_use_https))
		f = check_hidden(s, config->tls_ca_file, why);
	return f;
}

/* Does what is due: after an event of the port file, or because of the time. FAIL_ORPHANED: this
 * network will never work again. FAIL_IO: only a restart helps, and `why` gives the reason.
 * FAIL_STOPPED. */
static enum fail run_due(struct sidecar *s, enum port_file_event seen, struct failure *why)
{
	struct sidecar_cycle *cycle = &s->cycle;
	struct sync *sync = &cycle->now.sync;
	int64_t now_ms = mono_now_ms();
	bool news = false;
	enum fail f;

	if (seen == PORT_FILE_MODIFIED)
		sync_file_modified(sync, now_ms);
	if (seen > PORT_FILE_MODIFIED || now_ms >= sync_due_ms(sync))
		news = read_port_source(cycle);
	if (cycle->source.fail == FAIL_STOPPED)
		return FAIL_STOPPED;
	if (seen == PORT_FILE_WRITTEN && !news)
		sync_file_written(sync, now_ms);
	/* The port changed, so the old "healthy" is no longer proven. Write the health file before
	 * anything blocks. */
	port_change_put_off_health(cycle);
	if (cycle->source.hidden) {
		wait_catch_up();
		f = check_hidden(s, cycle->now.config->port_file_path, why);
		if (f)
			return f;
		(void)read_port_source(cycle);
	}
	if (!sync_cycle_due(sync, mono_now_ms()))
		return FAIL_NONE;
	s->idle_wakeups = 0;
	f = sidecar_cycle_run(cycle);
	if (f == FAIL_STOPPED || f == FAIL_ORPHANED)
		return f;
	publish_health(&cycle->publish, &cycle->now);
	/* What a rebind most often repairs in a moment is no news. */
	if (!sync_is_doubtful(sync))
		webhook_judged(&cycle->webhook, cycle->publish.published_healthy, mono_now_ms());
	if (f)
		publish_failure(&cycle->publish, &cycle->now);
	else
		publish_success(&cycle->publish, &cycle->now);
	/* Last, since the kernel takes a while to close a connection. */
	qbittorrent_end(&cycle->qbittorrent);
	return f ? check_all_hidden(s, why) : FAIL_NONE;
}

static void drain_link_events(struct sidecar_cycle *cycle)
{
	struct sync *sync = &cycle->now.sync;
	int64_t now_ms = mono_now_ms();

	switch (tunnel_drain(&cycle->reach.tunnel)) {
	case TUNNEL_QUIET:
		break;
	case TUNNEL_OTHER_GONE:
		sync_cycle_at(sync, now_ms + SYNC_SETTLE_MS);
		break;
	case TUNNEL_CHANGED:
		port_source_hurry(&cycle->source);
		sync_links_changed(sync, reachability_changed(&cycle->reach, &cycle->now), now_ms);
		break;
	}
}

/* After IDLE_WAKEUPS_MAX wakeups without a cycle or timeout, the loop pauses for IDLE_PAUSE_MS. A
 * descriptor that stays ready but cannot be read must not make it spin. */
#define IDLE_WAKEUPS_MAX 100
#define IDLE_PAUSE_MS 200

/* Sends the webhook's messages that are due, while no cycle is. Returns when to wake up next. */
static int64_t send_messages(struct sidecar_cycle *cycle, const struct pollfd fds[], size_t count)
{
	const struct situation *now = &cycle->now;
	const int64_t cycle_ms = sync_due_ms(&now->sync);
	const bool waits = webhook_due_ms(&cycle->webhook) != MONO_NEVER;
	struct failure buf;
	const struct webhook_receiver receiver = servers_webhook(now->config);
	const struct webhook_facts facts = {
		.cycle_ms = cycle_ms,
		.port = sync_port(&now->sync),
		.state = publish_state(now),
		.error = waits ? publish_error(now, &buf) : NULL,
	};

	/* A message says whether all is well. While that is in doubt, it waits for the next cycle. */
	if (sync_is_doubtful(&now->sync))
		return cycle_ms;
	return webhook_work(&cycle->webhook, &receiver, &facts, fds, count, &reply);
}

static enum fail loop(struct sidecar *s, struct failure *why)
{
	struct sidecar_cycle *cycle = &s->cycle;
	enum { FD_STOP, FD_EVENTS, FD_FILE, FD_LINKS, FD_COUNT };

	for (;;) {
		/* Built in each turn: the watch's descriptor may have changed. */
		struct pollfd fds[FD_COUNT] = {
			[FD_STOP] = { .fd = s->init->stop.fd, .events = POLLIN },
			[FD_EVENTS] = { .fd = s->init->event_fd, .events = POLLIN },
			[FD_FILE] = { .fd = cycle->source.watch.inotify_fd, .events = POLLIN },
			[FD_LINKS] = { .fd = cycle->reach.tunnel.events_fd, .events = POLLIN },
		};
		enum port_file_event seen = PORT_FILE_QUIET;
		int64_t due_ms = send_messages(cycle, fds, FD_COUNT);
		enum fail f;
		int ready;

		wait_catch_up();
		ready = idle(fds, FD_COUNT, mono_left_ms(due_ms));
		if (ready < 0 && errno != EINTR)
			return fail_errno(why, "poll");
		if (ready > 0 && fds[FD_STOP].revents)
			return FAIL_NONE; /* a stop goes before any work */
		if (ready == 0 || ++s->idle_wakeups > IDLE_WAKEUPS_MAX) {
			if (ready > 0)
				(void)wait_until(&s->init->stop, mono_now_ms() + IDLE_PAUSE_MS,
				                 why);
			s->idle_wakeups = 0;
		}
		if (ready > 0 && fds[FD_EVENTS].revents && init_events(s->init)) {
			log_line(LEVEL_INFO, "SIGHUP: checking now");
			login_gate_clear(&cycle->gate);
			port_source_hurry(&cycle->source);
			sync_cycle_at(&cycle->now.sync, mono_now_ms());
		}
		if (ready > 0 && fds[FD_FILE].revents)
			seen = port_file_watch_drain(&cycle->source.watch);
		if (ready > 0 && fds[FD_LINKS].revents)
			drain_link_events(cycle);
		/* FAIL_STOPPED needs no branch: FD_STOP stays readable and ends the next turn. */
		f = run_due(s, seen, why);
		if (f == FAIL_IO)
			return f;
		if (f == FAIL_ORPHANED)
			return fail_set(
				why, FAIL_ORPHANED,
				"only the loopback interface for %d s, while port %u is "
				"forwarded: Gluetun's container was restarted, and this is "
				"its old network; ending, so that a restart policy moves "
				"qsticky to the new one%s",
				SYNC_ORPHAN_MS / 1000, (unsigned)sync_port(&cycle->now.sync),
				cycle->now.config->orphan_shutdown ? ""
								   : " (restart qBittorrent, too)");
	}
}

/* Shuts down the qBittorrent in this orphaned network: its restart policy then moves it to the new
 * one. */
static void shut_down_qbittorrent(struct sidecar_cycle *cycle)
{
	struct qbittorrent *qb = &cycle->qbittorrent;
	struct failure why;

	cycle->gate.now_s = now_s();
	qbittorrent_begin(qb, mono_now_ms() + SIDECAR_CYCLE_MS, &cycle->gate.gate);
	if (qbittorrent_shutdown(qb, &why))
		log_line(LEVEL_WARN, "%s: not shut down; restart qBittorrent's container",
		         why.text);
	else
		log_line(LEVEL_INFO,
		         "qBittorrent shuts down, so that its restart policy moves it, too");
	qbittorrent_end(qb);
}

/* Not inlined: its stack would be in use during all sleeps. */
__attribute__((noinline)) static void start(const struct config *config, const struct init *init)
{
	struct sidecar_cycle *cycle = &sidecar.cycle;
	const struct tunnel *tunnel = &cycle->reach.tunnel;
	char source[SERVERS_SOURCE_MAX];

	set_up(&sidecar, config, init);
	/* For the tunnel's name, to log it. The first cycle judges the tunnel. */
	reachability_look_early(&cycle->reach);
	/* If the login budget's file cannot be written, go on and count the logins in memory. */
	cycle->gate.in_memory = true;
	servers_source(source, config, config->port_source);
	log_line(LEVEL_INFO,
	         "qsticky %s: qBittorrent at %s%s:%u, port %s, VPN interface %s, a check every "
	         "%u s, health in %s",
	         QSTICKY_VERSION, config->use_https ? "https://" : "", config->host,
	         (unsigned)config->port, source, tunnel->name[0] ? tunnel->name : "not found",
	         config->interval_s, config->health_path);
	sandbox_enter(config, SANDBOX_RUN);
	/* The control server's first answer may take seconds. Until then, an old health file could
	 * say healthy: replace it. */
	if (config->port_source != CONFIG_SOURCE_FILE)
		publish_health(&cycle->publish, &cycle->now);
}

int sidecar_run(const struct config *config, struct init *init)
{
	struct failure *why = &sidecar.why;
	enum fail f;

	start(config, init);
	f = loop(&sidecar, why);
	wait_catch_up(); /* nothing may write the health file after this */
	log_last();
	if (f == FAIL_ORPHANED) {
		log_line(LEVEL_ERROR, "%s", why->text);
		if (config->orphan_shutdown)
			shut_down_qbittorrent(&sidecar.cycle);
		return SIDECAR_EXIT_ORPHANED; /* the health file stays, and says unhealthy */
	}
	health_remove(config->health_path);
	if (config->metrics_path)
		health_remove(config->metrics_path);
	if (f) {
		log_line(LEVEL_ERROR, "cannot go on: %s", why->text);
		return EXIT_FAILURE;
	}
	/* Before the logout: the kernel takes a while to free the watch, and does so meanwhile. */
	port_file_watch_release(&sidecar.cycle.source.watch);
	qbittorrent_logout(&sidecar.cycle.qbittorrent);
	log_line(LEVEL_INFO, "stopped");
	return EXIT_SUCCESS;
}

int sidecar_once(const struct config *config, struct init *init)
{
	struct sidecar_cycle *cycle = &sidecar.cycle;
	struct failure why;
	enum fail f;

	set_up(&sidecar, config, init);
	cycle->now.patience.exchange_ms = PATIENCE_MOST_MS; /* there is no next try */
	login_store_keep(&cycle->gate.store);
	sandbox_enter(config, SANDBOX_ONCE);
	port_source_watch(&cycle->source, config);
	f = port_source_settle(&cycle->source, &cycle->now, &init->stop);
	port_source_say(&cycle->source, &cycle->now, sync_port(&cycle->now.sync) > 0,
	                &cycle->publish);
	if (f || cycle->now.sync.file == SYNC_FILE_BAD) {
		if (cycle->source.hidden)
			log_line(LEVEL_ERROR, "%s", cycle->now.file_why.text);
		return EXIT_FAILURE;
	}
	f = sidecar_cycle_run(cycle);
	qbittorrent_end(&cycle->qbittorrent);
	/* A rebind is allowed only if the port is closed twice, a second apart. */
	if (f == FAIL_PORT_CLOSED && !wait_until(&init->stop, sync_due_ms(&cycle->now.sync), &why))
		f = sidecar_cycle_run(cycle);
	if (f == FAIL_NONE)
		publish_success(&cycle->publish, &cycle->now);
	else if (f != FAIL_STOPPED)
		publish_failure(&cycle->publish, &cycle->now);
	qbittorrent_logout(&cycle->qbittorrent);
	return sync_state(&cycle->now.sync) == SYNC_IN_SYNC ? EXIT_SUCCESS : EXIT_FAILURE;
}
