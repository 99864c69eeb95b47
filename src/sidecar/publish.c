#include "sidecar/publish.h"

#include <string.h>

#include "base/clock.h"
#include "sidecar/health.h"
#include "sidecar/health_write.h"
#include "sidecar/no_port.h"

/* ---- health ---- */

const char *publish_state(const struct situation *now)
{
	return health_states[sync_state(&now->sync)];
}

const char *publish_error(const struct situation *now, struct failure *buf)
{
	const struct sync *sync = &now->sync;

	if (sync->file == SYNC_FILE_BAD)
		return now->file_why.text;
	if (!sync->begun)
		return NULL;
	if (sync->outcome == SYNC_PENDING && !sync_port(sync))
		return "what port is forwarded is not known yet";
	if (sync->outcome == SYNC_PENDING) {
		fail_set(buf, FAIL_UNPROVEN, "port %u is not proved yet",
		         (unsigned)sync_port(sync));
		return buf->text;
	}
	if (sync->outcome != SYNC_PROVED)
		return now->cycle_why.text;
	if (!sync_no_port_too_long(sync, mono_now_ms()))
		return NULL;
	no_port_explain(now, buf);
	return buf->text;
}

const char *publish_hint(const struct situation *now, struct failure *buf)
{
	const struct drift *drift = &now->drift;

	if (drift_lasts(drift, sync_port(&now->sync), mono_now_ms()))
		fail_set(buf, FAIL_NONE,
		         "something else sets port %lld again and again, and qsticky sets %u: "
		         "Gluetun's up-command, a mod of qBittorrent's image, another qsticky?",
		         (long long)drift->foreign, (unsigned)drift->wanted);
	else if (now->firewalled)
		fail_set(buf, FAIL_NONE,
		         "qBittorrent has said \"firewalled\" for an hour, and torrents run: has "
		         "the provider dropped the port? Restart Gluetun");
	else
		return NULL;
	return buf->text;
}

void publish_health(struct publish *publish, const struct situation *now)
{
	const struct qbittorrent_hints *hints = &now->hints;
	struct failure buf, hint, why;
	int64_t now_ms = mono_now_ms();
	uint16_t port = sync_port(&now->sync);
	struct health health = {
		.healthy = sync_healthy(&now->sync, now_ms),
		.state = publish_state(now),
		.current_port = now->current_port,
		.forwarded_port = port ? port : -1,
		.forwarded_ports = &now->ports,
		.reachable = now->reachable,
		.reachable_udp = now->reachable_udp,
		.connection_status = hints->connection_status[0] ? hints->connection_status : NULL,
		.external_address = hints->external_address[0] ? hints->external_address : NULL,
		.interface = now->interface[0] ? now->interface : NULL,
		.login = login_gate_name(now->login),
		.last_check = now->last_check,
		.last_port_change = now->last_port_change,
		.timestamp = now_s(),
		.valid_seconds = 2 * (int64_t)now->config->interval_s +
		                 patience_cycle_ms(&now->patience) / 1000,
		.started = now->started,
		.uptime_s = (uint64_t)(now_ms - now->started_ms) / 1000,
		.consecutive_failures = now->sync.failures,
		.rebinds = now->rebinds,
		.last_error = publish_error(now, &buf),
		.hint = publish_hint(now, &hint),
		.qbittorrent_version = now->version[0] ? now->version : NULL,
		.version = QSTICKY_VERSION,
	};
	enum fail f = health_write(now->config->health_path, &health, &why);

	publish->published = true;
	publish->published_healthy = health.healthy;
	publish->published_state = sync_state(&now->sync);
	publish->published_port = port;
	if (f && !publish->health_unwritable)
		log_line(LEVEL_ERROR, "%s; healthcheck will say unhealthy", why.text);
	else if (!f && publish->health_unwritable)
		log_line(LEVEL_INFO, "health file: can be written again");
	publish->health_unwritable = f;
	if (!now->config->metrics_path)
		return;
	f = health_write_metrics(now->config->metrics_path, &health, &why);
	if (f && !publish->metrics_unwritable)
		log_line(LEVEL_ERROR, "%s", why.text);
	publish->metrics_unwritable = f;
}

void publish_health_if_changed(struct publish *publish, const struct situation *now)
{
	if (!publish->published || publish->published_state != sync_state(&now->sync) ||
	    publish->published_healthy != sync_healthy(&now->sync, mono_now_ms()) ||
	    publish->published_port != sync_port(&now->sync))
		publish_health(publish, now);
}

/* ---- log ---- */

void publish_news(struct publish *publish, enum log_level level, const char *text)
{
	if (news_is_new(&publish->news, text, mono_now_ms()))
		log_line(level, "%s", text);
	else
		log_line(LEVEL_DEBUG, "still: %s", text);
}

void publish_failure(struct publish *publish, const struct situation *now)
{
	if (sync_is_doubtful(&now->sync)) {
		log_line(LEVEL_DEBUG, "it may open soon: %s", now->cycle_why.text);
		return;
	}
	publish_news(publish, now->sync.outcome == SYNC_SHUT_OUT ? LEVEL_ERROR : LEVEL_WARN,
	             now->cycle_why.text);
	publish->said_failure = true;
}

void publish_success(struct publish *publish, const struct situation *now)
{
	enum sync_state state = sync_state(&now->sync);
	uint16_t port = sync_port(&now->sync);
	bool healthy = sync_healthy(&now->sync, mono_now_ms());
	bool lacks_port =
		state == SYNC_WAITING_FOR_PORT && (!healthy || no_port_needs_restart(now));
	bool recovered = ((healthy && !lacks_port) || publish->said_failure) &&
	                 news_all_clear(&publish->news);
	struct failure buf;

	if (state == SYNC_IN_SYNC &&
	    (recovered || publish->said_state != state || publish->said_port != port)) {
		log_line(LEVEL_INFO, "in sync: port %u", (unsigned)port);
		publish->said_port = port;
	} else if (state == SYNC_WAITING_FOR_PORT && (recovered || publish->said_state != state)) {
		no_port_tell(now, &buf);
		log_line(LEVEL_INFO, "%s: waiting, qBittorrent keeps its port", buf.text);
	} else if (recovered) {
		log_line(LEVEL_INFO, "qBittorrent answers again");
	}
	if (lacks_port) {
		no_port_explain(now, &buf);
		publish_news(publish, LEVEL_WARN, buf.text);
	}
	if (state == SYNC_ERROR)
		publish_news(publish, LEVEL_ERROR, publish_error(now, &buf));
	else
		publish->said_state = state;
	publish->said_failure = false;
}

bool publish_setting_is(const struct qbittorrent_view *view, enum publish_setting which,
                        struct failure *text)
{
	static const char *const sentences[] = {
		[PUBLISH_PEER_PROXY] =
			"qBittorrent uses a proxy for peers: it does not listen for them at all",
		[PUBLISH_LO] =
			"qBittorrent is bound to interface lo, where no peer can reach it: set its network interface (Advanced) to the VPN's, or to any",
		[PUBLISH_RANDOM_PORT] =
			"random_port is on: qBittorrent takes another port at each start",
		[PUBLISH_UPNP] = "upnp is on: qBittorrent asks a router for its port, not the VPN",
	};
	const bool is_so[PUBLISH_SETTINGS_ALL] = {
		[PUBLISH_ANNOUNCE_PORT] = view->announce_port != 0,
		[PUBLISH_PEER_PROXY] = view->peer_proxy,
		[PUBLISH_LO] = strcmp(view->interface, "lo") == 0,
		/* Port 0 is often the down-command's (docs/gluetun.md), not a setting of the user. */
		[PUBLISH_RANDOM_PORT] = view->random_port && view->listen_port != 0,
		[PUBLISH_UPNP] = view->upnp,
	};

	if (which == PUBLISH_ANNOUNCE_PORT)
		fail_set(text, FAIL_NONE,
		         "qBittorrent tells trackers port %lld, whatever it listens on: set "
		         "announce_port (Advanced, port reported to trackers) to 0",
		         (long long)view->announce_port);
	else
		fail_set(text, FAIL_NONE, "%s", sentences[which]);
	return is_so[which];
}

void publish_settings(struct publish *publish, const struct qbittorrent_view *view)
{
	struct failure text;

	for (enum publish_setting which = 0; which < PUBLISH_SETTINGS; which++) {
		bool is_so = publish_setting_is(view, which, &text);

		if (is_so && !publish->said_setting[which])
			log_line(LEVEL_WARN, "%s", text.text);
		publish->said_setting[which] = is_so;
	}
}
