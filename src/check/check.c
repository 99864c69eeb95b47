#include "check/check.h"

#include <stdlib.h>

#include "base/clock.h"
#include "check/context.h"
#include "check/print.h"
#include "config/load.h"
#include "process/sandbox.h"

/* Longest wait for the logout, in milliseconds. */
#define LOGOUT_MS 200

enum hop {
	CONFIGURATION,
	SANDBOX,
	PORT_FILE,
	CONTROL_SERVER,
	TUNNEL,
	NAME,
	CONNECTION,
	TLS,
	QBITTORRENT,
	LOGIN,
	VERSION,
	SETTINGS,
	PORT,
	PROBE,
	HEALTH,
	WEBHOOK,
	HOPS
};

#define AFTER(hop) (1u << (hop))

/* In order. `needs`: the earlier hops without which this one is skipped. */
static const struct {
	check_hop *take;
	uint16_t needs;
	char name[15];
} hops[HOPS] = {
	[CONFIGURATION] = { check_configuration, 0, "configuration" },
	[SANDBOX] = { check_sandbox, 0, "sandbox" },
	[PORT_FILE] = { check_port_file, 0, "port file" },
	[CONTROL_SERVER] = { check_control_server, 0, "control server" },
	[TUNNEL] = { check_tunnel, 0, "VPN interface" },
	[NAME] = { check_name, 0, "name" },
	[CONNECTION] = { check_connection, AFTER(NAME), "connection" },
	[TLS] = { check_tls, AFTER(CONNECTION), "TLS" },
	[QBITTORRENT] = { check_qbittorrent, AFTER(TLS), "qBittorrent" },
	[LOGIN] = { check_login, AFTER(QBITTORRENT), "login" },
	[VERSION] = { check_version, AFTER(LOGIN), "version" },
	[SETTINGS] = { check_settings, AFTER(LOGIN), "settings" },
	[PORT] = { check_port, AFTER(LOGIN), "port" },
	[PROBE] = { check_probe, AFTER(TUNNEL) | AFTER(SETTINGS) | AFTER(PORT), "probe" },
	[HEALTH] = { check_health, 0, "health file" },
	[WEBHOOK] = { check_webhook, 0, "webhook" },
};

/* Static, since it is large. */
static struct check_context check;
static enum verdict verdicts[HOPS]; /* of the hops taken so far */

static void complain(void *context, const char *sentence)
{
	const enum verdict *verdict = context;
	struct step step;

	(void)step_found(
		&step, FAIL_AS(*verdict, *verdict == VERDICT_FAIL ? WORD_INVALID : WORD_IGNORED),
		"correct it and re-create the container; see qsticky --help", "%s", sentence);
	check_print_hop(hops[CONFIGURATION].name, &step);
}

/* Takes the hop, or skips it if a hop that it needs has failed. */
static enum fail take(enum hop hop)
{
	for (enum hop before = 0; before < hop; before++) {
		enum verdict verdict = verdicts[before];

		/* A warning does not prevent later hops. The tunnel's does: without an interface
		 * there is nothing to probe. */
		if ((hops[hop].needs & AFTER(before)) && verdict != VERDICT_OK &&
		    (verdict != VERDICT_WARN || before == TUNNEL))
			return step_found(&check.cycle.step, VERDICT_SKIP, NULL,
			                  "not tried: see %s", hops[before].name);
	}
	return hops[hop].take(&check);
}

/* Returns the exit status. */
static int take_hops(char *const environment[])
{
	struct sidecar_cycle *cycle = &check.cycle;
	struct qbittorrent *qb = &cycle->qbittorrent;
	enum verdict verdict = VERDICT_FAIL;
	bool holds = true, stopped = false;

	if (config_load(&check.config, environment, complain, &verdict) > 0)
		return CHECK_EXIT_CONFIG;
	verdict = VERDICT_WARN;
	config_ignored(environment, complain, &verdict);
	sidecar_cycle_start(cycle, &check.config, &check.stop, &check.reply);
	cycle->reach.dry = true;
	cycle->gate.now_s = now_s();
	check_open_beside(&check);
	login_store_keep(&cycle->gate.store);
	check.sandbox = sandbox_enter(&check.config, SANDBOX_CHECK);
	check_look_beside(&check);
	qb->peer.step_ms = cycle->now.patience.exchange_ms;
	qbittorrent_begin(qb, mono_now_ms() + patience_cycle_ms(&cycle->now.patience),
	                  &cycle->gate.gate);
	for (enum hop hop = 0; hop < HOPS; hop++) {
		stopped = take(hop) == FAIL_STOPPED;
		if (stopped)
			break;
		check_print_hop(hops[hop].name, &cycle->step);
		verdicts[hop] = cycle->step.verdict;
		holds &= verdicts[hop] != VERDICT_FAIL;
	}
	qbittorrent_end(qb);
	qbittorrent_logout_within(qb, stopped ? QBITTORRENT_LOGOUT_MS : LOGOUT_MS);
	return holds && !stopped ? EXIT_SUCCESS : EXIT_FAILURE;
}

int check_run(char *const environment[], const struct init *init, bool json)
{
	int status;

	check.stop = init->stop;
	check_print_start(json, environment);
	status = take_hops(environment);
	check_print_end(status == EXIT_SUCCESS);
	return status;
}
