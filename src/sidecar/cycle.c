#include "sidecar/cycle.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/sync.h"
#include "sidecar/port_change.h"
#include "sidecar/servers.h"

void sidecar_cycle_start(struct sidecar_cycle *cycle, const struct config *config,
                         const struct stop *stop, struct http_reply *reply)
{
	struct situation *now = &cycle->now;
	int64_t now_ms = mono_now_ms();

	port_source_start(&cycle->source, config, stop, reply);
	servers_qbittorrent(&cycle->qbittorrent, config, stop, reply);
	now->patience = patience_start();
	reachability_start(&cycle->reach, config);
	login_gate_start(&cycle->gate, config);
	cycle->said_choice = CHOICE_ONE;
	cycle->reannounce_at_ms = MONO_NEVER;
	now->config = config;
	now->sync = sync_start((int64_t)config->interval_s * 1000,
	                       (int64_t)config->no_port_grace_s * 1000,
	                       (uint32_t)now_ms ^ (uint32_t)getpid() << 16, now_ms);
	now->current_port = -1;
	now->interface = cycle->reach.off ? "" : cycle->reach.tunnel.name;
	now->tunnel_up_at_ms = MONO_NEVER;
	now->version = cycle->qbittorrent.version;
	now->started = now_s();
	now->started_ms = now_ms;
}

/* Sets `step` to the reason why no interface was found to be the tunnel's. */
static enum fail step_unfound(struct step *step, const struct choice *choice)
{
	bool several = choice_made(choice) == CHOICE_SEVERAL;

	(void)step_found(step, FAIL_AS(VERDICT_WARN, several ? WORD_SEVERAL : WORD_MISSING),
	                 several ? "name the VPN's interface in QSTICKY_VPN_INTERFACE"
	                         : "network_mode: \"service:gluetun\", or QSTICKY_VPN_INTERFACE",
	                 "%s (%s): whether the port is open is not known; name the VPN's in "
	                 "QSTICKY_VPN_INTERFACE, or set that to none",
	                 several ? "several interfaces may be the VPN's"
	                         : "no interface here is a VPN's",
	                 choice->names[0] ? choice->names : "only loopback");
	return FAIL_CUT_OFF;
}

static void note_tunnel_up(struct sidecar_cycle *cycle)
{
	const struct tunnel_view *view = &cycle->reach.view;
	struct situation *now = &cycle->now;
	bool same = view->index == cycle->up_index && view->v4.s_addr == cycle->up_v4.s_addr;

	if (!view->up || (!view->has_v4 && !view->has_v6)) {
		now->tunnel_up_at_ms = MONO_NEVER;
		return;
	}
	/* A reconnect: the public address may be another, even if the port is the same. */
	if (cycle->up_index && (now->tunnel_up_at_ms == MONO_NEVER || !same))
		port_change_announce_soon(cycle);
	if (now->tunnel_up_at_ms == MONO_NEVER)
		now->tunnel_up_at_ms = mono_now_ms();
	cycle->up_index = view->index;
	cycle->up_v4 = view->v4;
}

enum fail sidecar_cycle_tunnel(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;
	struct reachability *reach = &cycle->reach;
	struct step *step = &cycle->step;
	const struct tunnel_view *view = &reach->view;
	const char *name = reach->tunnel.name;
	bool alone;
	enum fail f = reachability_look(reach, now, &step->seen);

	note_tunnel_up(cycle);
	cycle->wanted = reachability_wanted(reach, now->config, sync_port(&now->sync));
	alone = sync_is_alone(&now->sync);
	if (f) {
		step->verdict = VERDICT_WARN;
		step->fix = NULL;
		return f;
	}
	if (reach->off)
		return step_found(step, VERDICT_SKIP, NULL, "QSTICKY_VPN_INTERFACE=none");
	if (reachability_is_unfound(reach) && !alone)
		return step_unfound(step, &reach->tunnel.choice);
	f = reachability_judge_tunnel(reach, alone, &step->seen);
	if (f)
		return step_failed(step, f,
		                   alone ? "restart qBittorrent's container, then this one"
		                         : "look at Gluetun's log");
	return step_found(step, VERDICT_OK, NULL, "%s has %s", name,
	                  view->has_v4 ? view->v4_text : view->v6_text);
}

enum fail sidecar_cycle_read(struct sidecar_cycle *cycle)
{
	struct step *step = &cycle->step;
	enum fail f = qbittorrent_read(&cycle->qbittorrent, &cycle->view, &step->seen);

	return f ? step_unanswered(step, f) : step_found(step, VERDICT_OK, NULL, "it answers");
}

enum fail sidecar_cycle_set(struct sidecar_cycle *cycle)
{
	const struct qbittorrent_view *view = &cycle->view;
	const struct qbittorrent_wanted *wanted = &cycle->wanted;
	struct step *step = &cycle->step;
	enum fail f = FAIL_NONE;

	cycle->just_set = false;
	if (!wanted->port)
		return step_found(
			step, VERDICT_SKIP, NULL, "%lld is set%s, and none known to be forwarded",
			(long long)view->listen_port,
			view->listen_port ? "" : " (any port, as by Gluetun's down-command)");
	if (qbittorrent_is_web_ui(&cycle->qbittorrent, view, wanted->port)) {
		f = port_change_refuse(view, wanted->port, &step->seen);
	} else if (cycle->reach.dry && view->listen_port != wanted->port) {
		f = fail_set(&step->seen, FAIL_UNPROVEN,
		             "qBittorrent has port %lld, but %u is forwarded",
		             (long long)view->listen_port, (unsigned)wanted->port);
	} else if (!cycle->reach.dry && !qbittorrent_has(view, wanted)) {
		f = port_change_set(cycle, &step->seen);
		cycle->just_set = true;
	}
	if (f)
		return step_failed(step, f,
		                   f == FAIL_OWN_PORT
		                           ? "change the Web UI's port in qBittorrent"
		                           : "let qsticky run; this command changes nothing");
	return step_found(step, VERDICT_OK, NULL, "%u is set, and forwarded",
	                  (unsigned)wanted->port);
}

enum fail sidecar_cycle_prove(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;
	struct step *step = &cycle->step;
	enum fail f;

	if (cycle->wanted.port)
		f = reachability_prove(&cycle->reach, &cycle->qbittorrent, &cycle->view,
		                       &cycle->wanted, cycle->just_set, now, &step->seen);
	else if ((f = reachability_judge_missing(&cycle->reach, mono_now_ms(), &step->seen)))
		now->reachable = REACHABLE_NO;
	if (f)
		return step_failed(
			step, f,
			step->seen.word == WORD_TAKEN ? "end that program, or give it another port"
			: f == FAIL_PORT_CLOSED && cycle->wanted.port < 1024
				? "do as this line says; a restart of qBittorrent does not help"
				: "qsticky repairs that while it runs. If it does not, see its log, and "
				  "restart qBittorrent");
	return step_found(step, VERDICT_OK, NULL, "open: TCP is accepted%s",
	                  now->reachable_udp == REACHABLE_YES ? ", and UDP taken" : "");
}

/* Logs why no tunnel was found, logs again when the reason changes, and once more when it is found. */
static void say_choice(struct sidecar_cycle *cycle)
{
	const struct tunnel *tunnel = &cycle->reach.tunnel;
	bool found = tunnel->name[0];
	enum choice_verdict verdict = found ? CHOICE_ONE : choice_made(&tunnel->choice);

	if (verdict == cycle->said_choice ||
	    (!found && (cycle->step.verdict != VERDICT_WARN || cycle->reach.unreadable)))
		return;
	cycle->said_choice = verdict;
	if (found)
		log_line(LEVEL_INFO, "VPN interface %s", tunnel->name);
	else
		log_line(LEVEL_WARN, "%s", cycle->step.seen.text);
}

/* Takes the steps that need qBittorrent: read, set, prove. */
static enum fail reconcile(struct sidecar_cycle *cycle)
{
	struct situation *now = &cycle->now;
	const struct qbittorrent_view *view = &cycle->view;
	uint16_t port = cycle->wanted.port;
	/* If the last cycle succeeded, a new port is known to differ from qBittorrent's. Then set
	 * it without reading first: qbittorrent_set() reads the preferences afterwards. */
	bool ask_first = !port || !cycle->view_is_recent || view->listen_port == port;
	enum fail f = FAIL_NONE;

	cycle->view_is_recent = false;
	now->reachable = now->reachable_udp = REACHABLE_UNKNOWN;
	if (ask_first)
		f = sidecar_cycle_read(cycle);
	if (!f)
		f = sidecar_cycle_set(cycle);
	if (!f || f == FAIL_UNPROVEN || f == FAIL_OWN_PORT)
		now->current_port = view->listen_port;
	if (f)
		return f;
	cycle->gate.state = LOGIN_IN_ORDER;
	qbittorrent_ask_version(&cycle->qbittorrent);
	f = sidecar_cycle_prove(cycle);
	/* With FAIL_CUT_OFF the failure names the cause already. */
	if (f != FAIL_CUT_OFF)
		publish_settings(&cycle->publish, view);
	now->current_port = view->listen_port;
	if (port && !cycle->unproved_port && view->listen_port == port)
		cycle->proved_port = port;
	if (port && port == cycle->unproved_port && view->listen_port == port)
		port_change_done(cycle);
	cycle->view_is_recent = !f;
	if (drift_ended(&now->drift, port, mono_now_ms()))
		log_line(LEVEL_INFO, "nothing has set another port for ten minutes");
	if (!f)
		port_change_announce(cycle);
	return f;
}

/* Maps a failure to an outcome, by which core/sync decides when to try again. */
static enum sync_outcome outcome_of(enum fail f, const struct peer *peer)
{
	if (f == FAIL_REFUSED && peer->tcp.refused_here)
		return SYNC_REFUSED;
	if (f == FAIL_REJECTED || f == FAIL_BANNED || f == FAIL_UNTRUSTED || f == FAIL_OWN_PORT)
		return SYNC_SHUT_OUT;
	if (f == FAIL_PORT_CLOSED)
		return SYNC_CLOSED;
	return f ? SYNC_FAILED : SYNC_PROVED;
}

/* Logs what the login gate found, each fact once. */
static void say_login_news(struct sidecar_cycle *cycle)
{
	struct login_gate *gate = &cycle->gate;
	bool trouble = gate->trouble.text[0];

	if (gate->restarted)
		log_line(LEVEL_INFO, "qBittorrent was restarted: failed logins count from zero");
	if (gate->others)
		log_line(LEVEL_INFO, "another user, password or server than at the last login");
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
	const char *why = cycle->step.seen.text;
	bool was_unreadable = cycle->reach.unreadable;
	enum fail f;

	/* Only a look: the prove step judges the tunnel again. The port is set meanwhile. */
	(void)sidecar_cycle_tunnel(cycle);
	if (cycle->reach.unreadable && !was_unreadable)
		log_line(LEVEL_WARN, "%s: whether the port is open is not probed", why);
	say_choice(cycle);
	if (sync_is_orphan(sync, now_ms))
		return FAIL_ORPHANED;
	cycle->gate.now_s = now_s();
	qb->peer.step_ms = now->patience.exchange_ms;
	qbittorrent_begin(qb, now_ms + patience_cycle_ms(&now->patience) - source->looking_ms,
	                  &cycle->gate.gate);
	f = reconcile(cycle);
	/* If nothing has waited: what was put off comes before the result. */
	wait_catch_up();
	if (f == FAIL_STOPPED)
		return f;
	patience_cycle_ended(&now->patience, qb->overdue, qb->slowest_ms);
	if (f == FAIL_TIMEOUT && now->patience.exchange_ms > qb->peer.step_ms)
		step_append(&cycle->step, "; the next try waits %d s",
		            (int)(now->patience.exchange_ms / 1000));
	say_login_news(cycle);
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		log_line(LEVEL_DEBUG, "logged in to qBittorrent %s", qb->version);
	now->login = cycle->gate.state;
	if (f == FAIL_REJECTED)
		now->login = LOGIN_WAS_REJECTED; /* the password, or the API key */
	if (!f && source->fail) {
		f = FAIL_ANSWER; /* any failure of the source: other kinds blame qBittorrent */
		why = source->why.text;
	}
	now->last_check = now_s();
	sync_cycle_ended(sync, outcome_of(f, &qb->peer), mono_now_ms());
	if (f)
		(void)fail_set(&now->cycle_why, f, "%s", why);
	return f;
}
