#include "check/context.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "config/value.h"
#include "core/patience.h"
#include "core/sync.h"
#include "gluetun/control_server.h"
#include "sidecar/health.h"
#include "sidecar/no_port.h"
#include "sidecar/servers.h"

void check_open_beside(struct check_context *context)
{
	struct check_beside *beside = &context->beside;
	struct stat status;

	beside->opened = health_open(context->config.health_path);
	beside->is_there = beside->opened >= 0 && fstat(beside->opened, &status) == 0;
	if (beside->is_there)
		beside->writer = status.st_uid;
}

void check_look_beside(struct check_context *context)
{
	const struct config *config = &context->config;
	struct check_beside *beside = &context->beside;
	const time_t now = now_s();
	char buf[HEALTH_MAX + 1];
	struct json json;
	size_t len;
	long long age = 0;
	const int64_t two_s = 2 * (int64_t)config->interval_s;
	int64_t valid_s;
	struct reachability *reach = &context->cycle.reach;
	struct tunnel *tunnel = &reach->tunnel;
	const char *name;
	bool reachable;

	if (health_read_open(beside->opened, config->health_path, buf, &json, &len, &beside->why))
		return;
	beside->healthy =
		health_weigh(&json, config->health_path, config->interval_s, now, &beside->why);
	if (!health_age(&json, now, &age))
		return;
	beside->runs = !health_is_old(&json, age, config->interval_s);
	if (!beside->runs)
		return;
	/* Wait for a slow qBittorrent as long as the sidecar does now. */
	if (json_int(&json, "valid_seconds", &valid_s) && valid_s > two_s)
		context->cycle.now.patience = patience_of(valid_s - two_s);
	if (!json_string(&json, "hint", beside->hint, sizeof beside->hint))
		beside->hint[0] = '\0';
	/* An interface that the sidecar found existed once. One that the user named did only if the
	 * sidecar reached a port there. */
	if (!tunnel->sought)
		reach->seen = json_bool(&json, "reachable", &reachable) && reachable;
	else if (json_string(&json, "interface", tunnel->name, sizeof tunnel->name) &&
	         config_value_interface(tunnel->name, &name))
		reach->seen = tunnel->name[0];
	else
		tunnel->name[0] = '\0';
}

enum fail check_configuration(struct check_context *context)
{
	const struct config *config = &context->config;

	return step_found(&context->cycle.step, VERDICT_OK, NULL,
	                  "qBittorrent at %s%s:%u, port file %s, health in %s",
	                  config->use_https ? "https://" : "", config->host, (unsigned)config->port,
	                  config->port_file_path, config->health_path);
}

enum fail check_sandbox(struct check_context *context)
{
	struct step *step = &context->cycle.step;
	char buf[sizeof step->seen.text];
	struct text text = text_on(buf, sizeof buf);

	if (context->sandbox.off)
		return step_found(step, FAIL_AS(VERDICT_WARN, WORD_OFF),
		                  "let it be true, unless you debug", "QSTICKY_SANDBOX=false");
	if (sandbox_append(&text, &context->sandbox))
		return step_found(step, VERDICT_OK, NULL, "%s", buf);
	return step_found(step, FAIL_AS(VERDICT_WARN, FAIL_UNPROVEN),
	                  "none is needed: this kernel lacks it, or Docker refuses it", "%s", buf);
}

/* Appends the mode and owner of the file, or of the nearest directory above it that stat(2) can
 * read. Its mode is what denies access. */
static void add_owner(struct step *step, const char *file)
{
	struct failure inner = step->seen;
	char path[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	struct stat status;

	text_append(&copy, file);
	while (stat(path, &status) < 0)
		if (!text_cut_name(path))
			return;
	(void)step_found(step, FAIL_AS(VERDICT_OK, inner.word), NULL,
	                 "%s (%s: mode 0%u%u%u, uid %u)", inner.text, path, status.st_mode >> 6 & 7,
	                 status.st_mode >> 3 & 7, status.st_mode & 7, status.st_uid);
}

static const char gluetun_fix[] = "look at Gluetun's log: is it connected, with "
				  "VPN_PORT_FORWARDING=on and a server that forwards?";

static enum fail no_port(struct step *step, const char *file)
{
	enum fail_word word;
	const char *reason = port_file_reason(file, &word);

	return step_found(step, FAIL_AS(VERDICT_FAIL, word),
	                  word == WORD_EMPTY ? gluetun_fix
	                  : word == WORD_NO_DIR || word == WORD_WRONG_DIR
	                          ? "Gluetun's service and this one both need volumes: "
	                            "gluetun:/tmp/gluetun"
	                          : "look at Gluetun's log: if it has a port, it writes that to "
	                            "another directory; mount that one here",
	                  "no forwarded port in %s: %s", file, reason);
}

static enum fail too_few(struct step *step, const struct situation *now)
{
	struct failure seen;

	no_port_tell(now, &seen);
	return step_found(step, FAIL_AS(VERDICT_FAIL, WORD_TOO_FEW),
	                  "set Gluetun's VPN_PORT_FORWARDING_PORTS_COUNT, or a lower "
	                  "QSTICKY_PORT_INDEX",
	                  "%s", seen.text);
}

enum fail check_port_file(struct check_context *context)
{
	const char *path = context->config.port_file_path;
	const struct port_source *source = &context->cycle.source;
	struct situation *now = &context->cycle.now;
	struct step *step = &context->cycle.step;
	struct timespec up = now_by(CLOCK_BOOTTIME);
	struct stat status;
	unsigned port;

	if (port_source_settle(&context->cycle.source, now, &context->stop) == FAIL_STOPPED)
		return FAIL_STOPPED;
	if (context->config.port_source == CONFIG_SOURCE_GLUETUN)
		return step_found(step, VERDICT_SKIP, NULL, "the control server is asked instead");
	if (now->asked == CONFIG_SOURCE_GLUETUN)
		return step_found(step, VERDICT_SKIP, NULL,
		                  "%s is missing: the control server is asked", path);
	step->seen = now->file_why;
	if (source->file_fail == FAIL_IO && access(path, R_OK) < 0 && errno == EACCES)
		add_owner(step, path);
	if (source->file_fail)
		return step_failed(
			step, source->file_fail,
			source->ports.replaced
				? "then re-create this container (volumes: "
				  "gluetun:/tmp/gluetun:ro)"
				: "correct QSTICKY_PORT_FILE_PATH: Gluetun's file is "
				  "forwarded_port in /tmp/gluetun; this user must be able "
				  "to read it");
	port = sync_port(&now->sync);
	if (!port && now->ports.count == 0)
		return no_port(step, path);
	if (!port)
		return too_few(step, now);
	/* Gluetun does not write the file again while it keeps the port, so a high age is normal.
	 * But a file from before the machine's start is older than any Gluetun that runs now. */
	if (stat(path, &status) == 0 && status.st_mtime < now_s() - up.tv_sec)
		return step_found(step, FAIL_AS(VERDICT_WARN, WORD_OLD),
		                  "restart Gluetun, unless the clock was wrong when it wrote it",
		                  "port %u, but from before this machine was started", port);
	return step_found(step, VERDICT_OK, NULL, "port %u", port);
}

/* Reports the answer: check_port_file() has sent the request. */
enum fail check_control_server(struct check_context *context)
{
	const struct port_source *source = &context->cycle.source;
	struct step *step = &context->cycle.step;
	unsigned port = sync_port(&context->cycle.now.sync);
	char name[GLUETUN_NAME_MAX];

	if (context->cycle.now.asked != CONFIG_SOURCE_GLUETUN)
		return step_found(step, VERDICT_SKIP, NULL, "the port file is read instead");
	step->seen = source->why;
	if (source->fail)
		return step_failed(
			step, source->fail,
			"correct QSTICKY_GLUETUN_HOST, _PORT, _AUTH_TYPE and its secrets");
	gluetun_name(name, context->config.gluetun_host, context->config.gluetun_port);
	if (!port && context->cycle.now.ports.count > 0)
		return too_few(step, &context->cycle.now);
	if (!port)
		return step_found(step, FAIL_AS(VERDICT_FAIL, WORD_EMPTY), gluetun_fix,
		                  "no forwarded port at %s", name);
	return step_found(step, VERDICT_OK, NULL, "port %u at %s", port, name);
}

enum fail check_tunnel(struct check_context *context)
{
	struct sidecar_cycle *cycle = &context->cycle;
	enum fail f;

	/* Only loopback is a fault where another interface was before. So it was, or ought to have
	 * been, if one is named, or the sidecar has found one. */
	if (cycle->reach.seen || !cycle->reach.tunnel.sought)
		sync_links_seen(&cycle->now.sync, false, mono_now_ms());
	f = sidecar_cycle_tunnel(cycle);
	context->has_tunnel = cycle->step.verdict == VERDICT_OK;
	return f;
}

enum fail check_health(struct check_context *context)
{
	const char *file = context->config.health_path;
	const struct check_beside *beside = &context->beside;
	struct step *step = &context->cycle.step;
	char path[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);

	text_append(&copy, file);
	while (text_cut_name(path) && access(path, F_OK) < 0 && errno == ENOENT) {
	}
	/* If another user writes the file, this user's rights do not matter. */
	if ((!beside->is_there || beside->writer == geteuid()) && access(path, W_OK | X_OK) < 0)
		return step_failed(step,
		                   fail_errno(&step->seen,
		                              "health file: %s cannot be written by uid %u", file,
		                              (unsigned)geteuid()),
		                   "give it a tmpfs that this user may write");
	if (beside->healthy && beside->hint[0])
		return step_found(step, VERDICT_WARN, "healthy otherwise; it goes with its cause",
		                  "%s", beside->hint);
	if (beside->healthy)
		return step_found(step, VERDICT_OK, NULL, "%s, by uid %u", beside->why.text,
		                  (unsigned)beside->writer);
	return step_found(step,
	                  FAIL_AS(beside->is_there ? VERDICT_FAIL : VERDICT_WARN, beside->why.word),
	                  beside->runs ? "look at its log" : "let qsticky run, and look at its log",
	                  "%s", beside->why.text);
}

/* A failure is only a warning: qsticky works without its webhook. */
enum fail check_webhook(struct check_context *context)
{
	struct step *step = &context->cycle.step;
	const struct webhook_receiver receiver = servers_webhook(&context->config);
	enum fail f = webhook_try(&receiver, &context->stop,
	                          context->cycle.qbittorrent.peer.deadline_ms, &step->seen);

	step->verdict = f ? VERDICT_WARN : VERDICT_OK;
	step->fix =
		f ? "correct QSTICKY_WEBHOOK_URL or its file, or let the receiver be there" : NULL;
	return f;
}
