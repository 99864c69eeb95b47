#include "sidecar/port_change.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "core/sync.h"

/* Pause between a change of the port, or a reconnect, and the announce to trackers: by then the port is open. */
#define REANNOUNCE_LAG_MS 2000

/* Logs what is about to be set. publish_news() logs a repeated attempt at DEBUG only. Of a fight over
 * the port, only its beginning and a summary are logged. */
static void say_change(struct sidecar_cycle *cycle)
{
	const struct qbittorrent_wanted *wanted = &cycle->wanted;
	const struct qbittorrent_view *view = &cycle->view;
	struct publish *publish = &cycle->publish;
	struct drift *drift = &cycle->now.drift;
	struct failure change;

	if (cycle->drift > DRIFT_SINGLE) {
		if (cycle->drift == DRIFT_QUIET || !drift->unsaid)
			return; /* without any unsaid: another attempt */
		log_line(LEVEL_WARN, "%s (%u times)", publish_hint(&cycle->now, &change),
		         drift->unsaid);
		drift->unsaid = 0;
		return;
	}
	if (view->listen_port != wanted->port)
		fail_set(&change, FAIL_NONE, "port change needed: %lld -> %u",
		         (long long)view->listen_port, (unsigned)wanted->port);
	else
		fail_set(&change, FAIL_NONE, "binding qBittorrent to %s (%s)", wanted->interface,
		         wanted->address);
	publish_news(publish, LEVEL_INFO, change.text);
}

/* Does what was put off. The health file comes first: until then it may say "healthy" for an old port. */
static void catch_up(void *context)
{
	struct sidecar_cycle *cycle = context;

	if (cycle->health_unpublished)
		publish_health_if_changed(&cycle->publish, &cycle->now);
	if (cycle->change_unsaid)
		say_change(cycle);
	cycle->health_unpublished = cycle->change_unsaid = false;
}

void port_change_put_off_health(struct sidecar_cycle *cycle)
{
	cycle->health_unpublished = true;
	wait_put_off(catch_up, cycle);
}

static enum fail set(struct sidecar_cycle *cycle, const struct qbittorrent_wanted *wanted,
                     struct failure *why)
{
	struct qbittorrent_view *view = &cycle->view;
	enum fail f;

	/* Another attempt at the same repair is no other drift. */
	if (view->listen_port != wanted->port && wanted->port != cycle->unproved_port)
		cycle->drift = wanted->port != cycle->proved_port
		                       ? DRIFT_NONE
		                       : drift_seen(&cycle->now.drift, wanted->port,
		                                    view->listen_port, mono_now_ms());
	cycle->change_unsaid = true;
	wait_put_off(catch_up, cycle);
	if (view->listen_port != wanted->port) {
		cycle->unproved_port = wanted->port;
		cycle->previous_port = view->listen_port;
	}
	reachability_release(&cycle->reach);
	f = qbittorrent_set(&cycle->qbittorrent, wanted, view, why);
	/* random_port or upnp was switched on after the last read, so the first request did not
	 * switch it off. */
	if (!f && (view->random_port || view->upnp))
		f = qbittorrent_set(&cycle->qbittorrent, wanted, view, why);
	return f;
}

void port_change_announce_soon(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;

	if (!now->config->reannounce)
		return;
	cycle->reannounce_at_ms = mono_now_ms() + REANNOUNCE_LAG_MS;
	sync_cycle_at(&now->sync, cycle->reannounce_at_ms);
}

void port_change_done(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;
	const enum drift_news drift = cycle->drift;

	cycle->proved_port = cycle->unproved_port;
	cycle->unproved_port = 0;
	cycle->drift = DRIFT_NONE;
	if (drift > DRIFT_FIGHT)
		return;
	now->last_port_change = now_s();
	cycle->webhook.is_fight = drift == DRIFT_FIGHT;
	webhook_port_changed(&cycle->webhook, cycle->previous_port, cycle->proved_port,
	                     mono_now_ms());
	/* The trackers know the port already if it was only repaired. */
	if (drift == DRIFT_NONE)
		port_change_announce_soon(cycle);
}

void port_change_announce(struct sidecar_cycle *cycle)
{
	struct failure why;

	/* Without a port, trackers would learn what does not last. */
	if (mono_now_ms() < cycle->reannounce_at_ms || !cycle->wanted.port)
		return;
	if (qbittorrent_reannounce(&cycle->qbittorrent, &why)) {
		publish_news(&cycle->publish, LEVEL_WARN, why.text);
		return; /* the next cycle tries again */
	}
	cycle->reannounce_at_ms = MONO_NEVER;
	log_line(LEVEL_INFO, "asked qBittorrent to announce all torrents");
}

enum fail port_change_refuse(const struct qbittorrent_view *view, uint16_t port,
                             struct failure *why)
{
	return fail_set(why, FAIL_OWN_PORT,
	                "port %u is forwarded, and is the Web UI's own: qBittorrent would not "
	                "survive that at its next start, %s; change the Web UI's port",
	                (unsigned)port,
	                view->listen_port == port ? "and it is set already" : "so it is not set");
}

/* If nothing was read before, the Web UI may turn out to have this port. Then
 * the old port is set again. */
enum fail port_change_set(struct sidecar_cycle *cycle, struct failure *why)
{
	const struct qbittorrent_wanted *wanted = &cycle->wanted;
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
	return f ? f : port_change_refuse(view, wanted->port, why);
}
