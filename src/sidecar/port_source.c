#include "sidecar/port_source.h"

#include "base/log.h"
#include "base/mono.h"
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

static void renew_watch(struct port_source *source, const struct config *config)
{
	struct failure why;
	bool refused = port_file_watch_renew(&source->watch, &why) != FAIL_NONE;

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

/* Whether it cannot be read because of the sandbox; then that is the reason. */
static bool is_hidden(const struct config *config, struct failure *why)
{
	bool hidden = sandbox_files_hide(config->port_file_path);

	if (hidden)
		sandbox_files_explain(why, config->port_file_path);
	return hidden;
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

bool port_source_look(struct port_source *source, struct situation *now, struct tell *tell)
{
	const struct config *config = now->config;
	enum config_source which = config->port_source;
	struct sync *sync = &now->sync;
	struct port_file_ports ports = { .missing = true };
	bool news = false;
	enum fail f = FAIL_NONE;
	int64_t begun_ms = mono_now_ms(), now_ms;

	source->fail = FAIL_NONE;
	now->asked = CONFIG_SOURCE_FILE;
	if (which != CONFIG_SOURCE_GLUETUN) {
		renew_watch(source, config);
		f = port_file_read(config->port_file_path, &ports, &now->file_why);
		source->hidden = f == FAIL_IO && is_hidden(config, &now->file_why);
	}
	if (!f && ports.missing && which != CONFIG_SOURCE_FILE) {
		now->asked = CONFIG_SOURCE_GLUETUN;
		source->fail = gluetun_ask(&source->gluetun, begun_ms + GLUETUN_ASK_MS,
		                           &ports.port[0], &source->why);
		ports.count = ports.port[0] > 0;
	}
	now_ms = mono_now_ms();
	/* A name server that is not there must not leave qBittorrent without its part of the cycle. */
	source->looking_ms = mono_earlier(now_ms - begun_ms, GLUETUN_ASK_MS);
	if (source->fail == FAIL_STOPPED)
		return false;
	if (is_being_replaced(source, ports.replaced, now_ms)) {
		sync_file_modified(sync, now_ms);
		return false;
	}
	if (source->fail) {
		if (which == CONFIG_SOURCE_AUTO)
			fail_in(&source->why, "%s is missing", config->port_file_path);
		sync_source_silent(sync, now_ms);
		tell_news(tell, LEVEL_WARN, source->why.text);
	} else if (f) {
		sync_file_bad(sync, now_ms);
		if (!source->hidden) /* else the caller says so, if it stays like that */
			tell_news(tell, LEVEL_ERROR, now->file_why.text);
	} else if (ports.count == 0) {
		sync_file_empty(sync, now_ms);
	} else {
		news = sync_file_port(sync, ports.port[0], now_ms);
		if (news)
			log_ports(&ports);
	}
	return news;
}

int64_t port_source_unsettled_ms(const struct port_source *source, const struct situation *now)
{
	int64_t replaced_ms = now->sync.file == SYNC_FILE_BAD ? MONO_NEVER : source->replaced_at_ms;

	return mono_earlier(now->sync.empty_at_ms, replaced_ms);
}
