#include "sidecar/no_port.h"

#include "base/clock.h"
#include "sidecar/servers.h"

void no_port_tell(const struct situation *now, struct failure *text)
{
	char asked[SERVERS_SOURCE_MAX];
	enum fail_word word;

	servers_source(asked, now->config, now->asked);
	if (now->ports.count > 0)
		fail_set(text, FAIL_UNPROVEN, "no port %u yet: Gluetun forwards %zu, %s",
		         now->config->port_index, now->ports.count, asked);
	else if (now->asked == CONFIG_SOURCE_FILE)
		fail_set(text, FAIL_UNPROVEN, "no forwarded port %s (%s)", asked,
		         port_file_reason(now->config->port_file_path, &word));
	else
		fail_set(text, FAIL_UNPROVEN, "no forwarded port %s", asked);
}

bool no_port_needs_restart(const struct situation *now)
{
	int64_t now_ms = mono_now_ms();

	return now->sync.file == SYNC_FILE_EMPTY && now->ports.count == 0 &&
	       now->tunnel_up_at_ms != MONO_NEVER &&
	       now_ms - now->tunnel_up_at_ms >= NO_PORT_RESTART_MS &&
	       now_ms - now->sync.no_port_at_ms >= NO_PORT_RESTART_MS;
}

/* Writes `moment` to `utc`. Returns the part to show: the time, after a day with the date. */
static const char *since(char utc[static UTC_MAX], time_t moment)
{
	const bool is_today = now_s() - moment < 24 * 60 * 60;

	utc_format(utc, moment);
	utc[10] = ' ';
	utc[16] = '\0';
	return is_today ? utc + 11 : utc;
}

void no_port_explain(const struct situation *now, struct failure *text)
{
	const struct config *config = now->config;
	const bool restart = no_port_needs_restart(now);
	char asked[SERVERS_SOURCE_MAX], utc[UTC_MAX];
	enum fail_word word = WORD_EMPTY;
	const char *reason = now->asked == CONFIG_SOURCE_FILE
	                             ? port_file_reason(config->port_file_path, &word)
	                             : NULL;

	servers_source(asked, config, now->asked);
	if (now->ports.count > 0)
		fail_set(text, FAIL_UNPROVEN,
		         "no port %u for over %u s: Gluetun forwards %zu; set its "
		         "VPN_PORT_FORWARDING_PORTS_COUNT, or a lower QSTICKY_PORT_INDEX",
		         config->port_index, config->no_port_grace_s, now->ports.count);
	else if (now->lost_port_s)
		fail_set(text, FAIL_UNPROVEN, "Gluetun has had no port since %s (UTC)%s",
		         since(utc, now->lost_port_s),
		         restart ? ", and the tunnel is up: restart Gluetun, it asks the provider "
		                   "once per connection"
		                 : ": look at its log");
	else if (word == WORD_NO_DIR || word == WORD_WRONG_DIR)
		fail_set(text, FAIL_UNPROVEN,
		         "no forwarded port %s: %s; mount Gluetun's /tmp/gluetun", asked, reason);
	else
		fail_set(text, FAIL_UNPROVEN,
		         "no forwarded port %s for over %u s: is Gluetun connected, with "
		         "VPN_PORT_FORWARDING=on%s?%s",
		         asked,
		         sync_no_port_too_long(&now->sync, mono_now_ms())
		                 ? config->no_port_grace_s
		                 : NO_PORT_RESTART_MS / 1000,
		         now->asked == CONFIG_SOURCE_FILE ? ", and its directory mounted here" : "",
		         restart ? " If so, restart Gluetun: it asks the provider once per "
		                   "connection"
		                 : "");
}
