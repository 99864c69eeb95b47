#include "sidecar/port_source.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "core/sync.h"
#include "process/sandbox_files.h"
#include "sidecar/servers.h"

void port_source_start(struct port_source *source, const struct config *config,
                       const struct stop *stop, struct http_reply *reply)
{
	source->watch = port_file_watch_on(config->port_file_path);
	servers_gluetun(&source->gluetun, config, stop, reply);
	source->replaced_at_ms = MONO_NEVER;
	port_source_hurry(source);
}

void port_source_hurry(struct port_source *source)
{
	source->ask_at_ms = 0;
	source->often_until_ms = mono_now_ms() + PORT_SOURCE_OFTEN_MS;
}

void port_source_watch(struct port_source *source, const struct config *config)
{
	struct failure why;
	bool refused = config->port_source != CONFIG_SOURCE_GLUETUN &&
	               port_file_watch_renew(&source->watch, &why);

	if (refused && !source->watch_refused)
		log_line(LEVEL_INFO, "%s: the port file is looked at every %u s only", why.text,
		         config->interval_s);
	source->watch_refused = refused;
}

static void log_ports(const struct port_file_ports *ports)
{
	char buf[LOG_LINE_MAX];
	struct text text = text_on(buf, sizeof buf);

	for (size_t i = 0; i < ports->count; i++)
		text_printf(&text, "%s%u", i > 0 ? ", " : "", (unsigned)ports->port[i]);
	log_line(LEVEL_DEBUG, "forwarded port: %s", buf);
}

/* Whether the file was replaced less than SYNC_SETTLE_MS ago: a rename may be under way. */
static bool is_being_replaced(struct port_source *source, bool replaced, int64_t now_ms)
{
	if (!replaced)
		source->replaced_at_ms = MONO_NEVER;
	else if (source->replaced_at_ms == MONO_NEVER)
		source->replaced_at_ms = now_ms + SYNC_SETTLE_MS;
	return replaced && now_ms < source->replaced_at_ms;
}

/* ---- which of the ports ---- */

static bool lists(const struct port_file_ports *ports, uint16_t port)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->port[i] == port)
			return true;
	return false;
}

/* Whether both list the same ports, in any order. */
static bool are_same(const struct port_file_ports *a, const struct port_file_ports *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!lists(b, a->port[i]))
			return false;
	return a->count == b->count;
}

/* Returns the port to use; 0: fewer than QSTICKY_PORT_INDEX are listed. */
static uint16_t choose(const struct port_file_ports *ports, const struct situation *now)
{
	uint16_t used = sync_port(&now->sync);
	size_t at = now->config->port_index - 1;

	if (used && lists(ports, used) && are_same(ports, &now->ports))
		return used;
	return at < ports->count ? ports->port[at] : 0;
}

/* ---- the control server ---- */

static void ask(struct port_source *source, const struct situation *now, int64_t begun_ms)
{
	int64_t pause_ms = mono_earlier(PORT_SOURCE_ASK_MS, now->sync.interval_ms);

	source->fail = gluetun_ask(&source->gluetun, begun_ms + GLUETUN_ASK_MS, &source->ports,
	                           &source->why);
	if (source->fail && now->config->port_source == CONFIG_SOURCE_AUTO)
		fail_in(&source->why, "%s is missing", now->config->port_file_path);
	/* After a failure, ask again in the next cycle: the pauses between failed cycles grow.
	 * While qBittorrent starts, a cycle comes each second. Then pause too, unless the control
	 * server refuses connections, and so logs nothing. */
	if (source->fail && (source->fail == FAIL_REFUSED || now->sync.outcome != SYNC_REFUSED))
		pause_ms = 0;
	source->ask_at_ms = mono_now_ms() + pause_ms;
}

/* For a while after a change, asks the control server between the cycles too. */
static void ask_often(const struct port_source *source, struct sync *sync, int64_t now_ms)
{
	if (now_ms < source->often_until_ms && PORT_SOURCE_ASK_MS < sync->interval_ms)
		sync_read_again_at(sync, source->ask_at_ms);
}

/* ---- a look ---- */

/* Passes the listed ports to `now`. Returns whether the port is another than before. */
static bool take_ports(const struct port_file_ports *ports, struct situation *now, int64_t now_ms)
{
	uint16_t port = choose(ports, now);
	bool other = false;

	if (port)
		other = sync_file_port(&now->sync, port, now_ms);
	else
		sync_file_empty(&now->sync, now_ms);
	/* An empty list counts only once it has settled: until then, keep the old one. */
	if (sync_port(&now->sync) == port)
		now->ports = *ports;
	return other;
}

bool port_source_look(struct port_source *source, struct situation *now)
{
	const struct config *config = now->config;
	enum config_source which = config->port_source;
	struct sync *sync = &now->sync;
	struct port_file_ports ports = { .missing = true };
	const bool had_port = sync_port(sync) > 0;
	int64_t begun_ms = mono_now_ms(), now_ms;
	enum fail f = FAIL_NONE;
	bool other = false;

	source->file_fail = FAIL_NONE;
	source->hidden = false;
	now->asked = CONFIG_SOURCE_FILE;
	if (which != CONFIG_SOURCE_GLUETUN) {
		f = port_file_read(config->port_file_path, &ports, &now->file_why);
		source->hidden = f == FAIL_IO && sandbox_files_hide(config->port_file_path);
		if (source->hidden)
			(void)sandbox_files_explain(&now->file_why, config->port_file_path);
	}
	if (!f && ports.missing && which != CONFIG_SOURCE_FILE) {
		now->asked = CONFIG_SOURCE_GLUETUN;
		/* After an answer without a port, ask at once: Gluetun must say so twice. */
		if (begun_ms >= source->ask_at_ms || sync->empty_at_ms != MONO_NEVER)
			ask(source, now, begun_ms);
	} else {
		source->fail = FAIL_NONE;
		source->ports = ports;
		source->ask_at_ms = 0;
	}
	now_ms = mono_now_ms();
	/* Limited: a lookup while the name server is down must not use up qBittorrent's share of
	 * the cycle. */
	source->looking_ms = mono_earlier(now_ms - begun_ms, GLUETUN_ASK_MS);
	if (source->fail == FAIL_STOPPED)
		return false;
	if (is_being_replaced(source, ports.replaced, now_ms)) {
		sync_read_again_at(sync, now_ms + SYNC_SETTLE_MS);
		return false;
	}
	source->file_fail = f;
	if (source->fail) {
		sync_source_silent(sync, now_ms);
	} else if (f) {
		sync_file_bad(sync, now_ms);
		now->ports.count = 0;
	} else {
		other = take_ports(&source->ports, now, now_ms);
	}
	if (had_port && !sync_port(sync))
		now->lost_port_s = now_s();
	if (other || (had_port && !sync_port(sync)))
		source->often_until_ms = now_ms + PORT_SOURCE_OFTEN_MS;
	if (now->asked == CONFIG_SOURCE_GLUETUN && !source->fail)
		ask_often(source, sync, now_ms);
	return other;
}

enum fail port_source_settle(struct port_source *source, struct situation *now,
                             const struct stop *stop)
{
	for (;;) {
		struct failure unused;
		int64_t at_ms;

		(void)port_source_look(source, now);
		at_ms = now->sync.empty_at_ms;
		if (now->sync.file != SYNC_FILE_BAD)
			at_ms = mono_earlier(at_ms, source->replaced_at_ms);
		if (at_ms == MONO_NEVER)
			return source->fail;
		if (wait_until(stop, at_ms, &unused))
			return FAIL_STOPPED;
	}
}

void port_source_say(const struct port_source *source, const struct situation *now, bool other,
                     struct publish *publish)
{
	if (source->fail && source->fail != FAIL_STOPPED)
		publish_news(publish, LEVEL_WARN, source->why.text);
	else if (source->file_fail &&
	         !source->hidden) /* the caller logs a hidden file, if it stays hidden */
		publish_news(publish, LEVEL_ERROR, now->file_why.text);
	else if (other)
		log_ports(&source->ports);
}
