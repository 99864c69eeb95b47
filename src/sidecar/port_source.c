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
	source->gluetun = servers_gluetun(config, stop, reply);
	source->replaced_at_ms = MONO_NEVER;
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

/* Whether the file was replaced so lately that this may be the instant of a rename. */
static bool is_being_replaced(struct port_source *source, bool replaced, int64_t now_ms)
{
	if (!replaced)
		source->replaced_at_ms = MONO_NEVER;
	else if (source->replaced_at_ms == MONO_NEVER)
		source->replaced_at_ms = now_ms + SYNC_SETTLE_MS;
	return replaced && now_ms < source->replaced_at_ms;
}

bool port_source_look(struct port_source *source, struct situation *now)
{
	const struct config *config = now->config;
	enum config_source which = config->port_source;
	struct sync *sync = &now->sync;
	struct port_file_ports *ports = &source->ports;
	enum fail f = FAIL_NONE;
	int64_t begun_ms = mono_now_ms(), now_ms;

	*ports = (struct port_file_ports){ .missing = true };
	source->fail = source->file_fail = FAIL_NONE;
	source->hidden = false;
	now->asked = CONFIG_SOURCE_FILE;
	if (which != CONFIG_SOURCE_GLUETUN) {
		f = port_file_read(config->port_file_path, ports, &now->file_why);
		source->hidden = f == FAIL_IO && sandbox_files_hide(config->port_file_path);
		if (source->hidden)
			(void)sandbox_files_explain(&now->file_why, config->port_file_path);
	}
	if (!f && ports->missing && which != CONFIG_SOURCE_FILE) {
		now->asked = CONFIG_SOURCE_GLUETUN;
		source->fail = gluetun_ask(&source->gluetun, begun_ms + GLUETUN_ASK_MS,
		                           &ports->port[0], &source->why);
		ports->count = ports->port[0] > 0;
	}
	now_ms = mono_now_ms();
	/* A name server that is not there must not leave qBittorrent without its part of the cycle. */
	source->looking_ms = mono_earlier(now_ms - begun_ms, GLUETUN_ASK_MS);
	if (source->fail == FAIL_STOPPED)
		return false;
	if (is_being_replaced(source, ports->replaced, now_ms)) {
		sync_file_modified(sync, now_ms);
		return false;
	}
	source->file_fail = f;
	if (source->fail) {
		if (which == CONFIG_SOURCE_AUTO)
			fail_in(&source->why, "%s is missing", config->port_file_path);
		sync_source_silent(sync, now_ms);
	} else if (f) {
		sync_file_bad(sync, now_ms);
	} else if (ports->count == 0) {
		sync_file_empty(sync, now_ms);
	} else {
		return sync_file_port(sync, ports->port[0], now_ms);
	}
	return false;
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
	         !source->hidden) /* else the caller says so, if it stays like that */
		publish_news(publish, LEVEL_ERROR, now->file_why.text);
	else if (other)
		log_ports(&source->ports);
}
