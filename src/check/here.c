#include "check/here.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mono.h"
#include "base/now.h"
#include "base/text.h"
#include "core/sync.h"
#include "gluetun/control_server.h"
#include "gluetun/port_file.h"
#include "sidecar/health.h"
#include "sidecar/servers.h"

void check_open_beside(struct check_walk *walk)
{
	struct check_beside *beside = &walk->beside;
	struct stat status;

	beside->opened = health_open(walk->config.health_path);
	beside->is_there = beside->opened >= 0 && fstat(beside->opened, &status) == 0;
	if (beside->is_there)
		beside->writer = status.st_uid;
}

void check_look_beside(struct check_walk *walk)
{
	const struct config *config = &walk->config;
	struct check_beside *beside = &walk->beside;
	const time_t now = now_s();
	char buf[HEALTH_MAX + 1];
	struct json json;
	size_t len;
	long long age = 0;
	bool reachable;

	if (health_read_open(beside->opened, config->health_path, buf, &json, &len, &beside->why))
		return;
	beside->healthy =
		health_weigh(&json, config->health_path, config->interval_s, now, &beside->why);
	if (!health_age(&json, now, &age))
		return;
	beside->runs = age <= 2LL * config->interval_s + HEALTH_AGE_SPARE_S;
	beside->knows_tunnel = beside->runs && json_bool(&json, "reachable", &reachable);
}

enum check_verdict check_configuration(struct check_walk *walk)
{
	const struct config *config = &walk->config;

	return check_see(walk, CHECK_OK, NULL, "qBittorrent at %s%s:%u, port file %s, health in %s",
	                 config->use_https ? "https://" : "", config->host, (unsigned)config->port,
	                 config->port_file_path, config->health_path);
}

enum check_verdict check_sandbox(struct check_walk *walk)
{
	struct text text = text_on(walk->found.seen.text, sizeof walk->found.seen.text);

	if (walk->sandbox.off)
		return check_see(walk, CHECK_WARN, "let it be true, unless you debug",
		                 "QSTICKY_SANDBOX=false");
	if (sandbox_put(&text, &walk->sandbox))
		return CHECK_OK;
	walk->found.fix = "none is needed: this kernel lacks it, or Docker refuses it";
	return CHECK_WARN;
}

/* Whose mode it is that keeps us out: the first that can be seen, from the file upwards. */
static void add_owner(struct check_walk *walk, const char *file)
{
	struct failure inner = walk->found.seen;
	char path[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	struct stat status;

	text_puts(&copy, file);
	while (stat(path, &status) < 0)
		if (!text_cut_name(path))
			return;
	(void)check_see(walk, CHECK_OK, NULL, "%s (%s: mode 0%u%u%u, uid %u)", inner.text, path,
	                status.st_mode >> 6 & 7, status.st_mode >> 3 & 7, status.st_mode & 7,
	                status.st_uid);
}

static const char gluetun_fix[] = "look at Gluetun's log: is it connected, with "
				  "VPN_PORT_FORWARDING=on and a server that forwards?";

static enum check_verdict no_port(struct check_walk *walk, const char *file)
{
	char path[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);

	text_puts(&copy, file);
	if (access(path, F_OK) == 0)
		return check_see(walk, CHECK_FAILS, gluetun_fix,
		                 "no forwarded port in %s: it is empty", file);
	(void)text_cut_name(path);
	if (access(path, F_OK) == 0)
		return check_see(walk, CHECK_FAILS,
		                 "look at Gluetun's log: if it has a port, it writes that to "
		                 "another directory; mount that one here",
		                 "no forwarded port in %s: there is no such file", file);
	return check_see(walk, CHECK_FAILS,
	                 "mount Gluetun's directory here (volumes: gluetun:/tmp/gluetun:ro)",
	                 "no forwarded port in %s: its directory is not there", file);
}

enum check_verdict check_port_file(struct check_walk *walk)
{
	const char *path = walk->config.port_file_path;
	struct port_file_ports ports = { 0 };
	struct stat status;
	struct timespec up = now_by(CLOCK_BOOTTIME);
	enum fail f;

	walk->ask_gluetun = walk->config.port_source == CONFIG_SOURCE_GLUETUN;
	if (walk->ask_gluetun)
		return check_see(walk, CHECK_SKIPPED, NULL, "the control server is asked instead");
	f = port_file_read(path, &ports, &walk->found.seen);
	walk->ask_gluetun = ports.missing && walk->config.port_source == CONFIG_SOURCE_AUTO;
	if (walk->ask_gluetun)
		return check_see(walk, CHECK_SKIPPED, NULL,
		                 "%s is missing: the control server is asked", path);
	/* It may be the instant between truncate and write, or of a rename. */
	if (ports.replaced || (!f && ports.count == 0)) {
		f = stop_sleep(&walk->stop, mono_now_ms() + SYNC_SETTLE_MS, &walk->found.seen);
		if (f)
			return check_failed(walk, f, NULL);
		f = port_file_read(path, &ports, &walk->found.seen);
	}
	if (f == FAIL_IO && access(path, R_OK) < 0 && errno == EACCES)
		add_owner(walk, path);
	if (f && ports.replaced)
		return check_failed(walk, f,
		                    "then re-create this container (volumes: "
		                    "gluetun:/tmp/gluetun:ro)");
	if (f)
		return check_failed(walk, f,
		                    "nobody but Gluetun may write it, and this user must be able "
		                    "to read it");
	if (ports.count == 0)
		return no_port(walk, path);
	walk->port = ports.port[0];
	/* Gluetun does not write it again while it keeps the port, so age alone means nothing; but
	 * what is older than the machine's start is older than any Gluetun that runs now. */
	if (stat(path, &status) == 0 && status.st_mtime < now_s() - up.tv_sec)
		return check_see(walk, CHECK_WARN,
		                 "restart Gluetun, unless the clock was wrong when it wrote it",
		                 "port %u, but from before this machine was started",
		                 (unsigned)walk->port);
	return check_see(walk, CHECK_OK, NULL, "port %u", (unsigned)walk->port);
}

enum check_verdict check_control_server(struct check_walk *walk)
{
	struct gluetun gluetun = servers_gluetun(&walk->config, &walk->stop, &walk->reply);
	char name[GLUETUN_NAME_MAX];
	enum fail f;

	if (!walk->ask_gluetun)
		return check_see(walk, CHECK_SKIPPED, NULL, "the port file is read instead");
	gluetun_name(name, walk->config.gluetun_host, walk->config.gluetun_port);
	f = gluetun_ask(&gluetun, mono_now_ms() + GLUETUN_ASK_MS, &walk->port, &walk->found.seen);
	if (f)
		return check_failed(
			walk, f, "correct QSTICKY_GLUETUN_HOST, _PORT, _AUTH_TYPE and its secrets");
	if (!walk->port)
		return check_see(walk, CHECK_FAILS, gluetun_fix, "no forwarded port at %s", name);
	return check_see(walk, CHECK_OK, NULL, "port %u at %s", (unsigned)walk->port, name);
}

enum check_verdict check_tunnel(struct check_walk *walk)
{
	const struct tunnel_view *view = &walk->reach.view;
	const char *name = walk->config.vpn_interface;
	bool absent;
	enum fail f;

	walk->reach.tunnel = tunnel_on(name);
	if (!name[0])
		return check_see(walk, CHECK_SKIPPED, NULL,
		                 "QSTICKY_VPN_INTERFACE is set to nothing");
	if (tunnel_look(&walk->reach.tunnel, &walk->reach.view, &walk->found.seen))
		return CHECK_WARN;
	absent = !view->exists && !view->lo_only && !walk->beside.knows_tunnel;
	if (absent && walk->config.vpn_interface_named)
		return check_see(
			walk, CHECK_FAILS,
			"look at Gluetun's log: is it connected? This container has to share its "
			"network (network_mode: \"service:gluetun\")",
			"there is no %s here, which QSTICKY_VPN_INTERFACE names", name);
	if (absent)
		return check_see(
			walk, CHECK_WARN,
			"network_mode: \"service:gluetun\", or another QSTICKY_VPN_INTERFACE",
			"there is no %s here: whether the port is open cannot be known", name);
	f = reach_judge_tunnel(&walk->reach, view->lo_only, &walk->found.seen);
	if (f)
		return check_failed(walk, f,
		                    view->lo_only ? "restart qBittorrent's container, then this one"
		                                  : "look at Gluetun's log");
	walk->has_tunnel = true;
	return check_see(walk, CHECK_OK, NULL, "%s has %s", name,
	                 view->has_v4 ? view->v4_text : view->v6_text);
}

enum check_verdict check_health(struct check_walk *walk)
{
	const char *file = walk->config.health_path;
	const struct check_beside *beside = &walk->beside;
	char path[LIMITS_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	enum fail f;

	text_puts(&copy, file);
	while (text_cut_name(path) && access(path, F_OK) < 0 && errno == ENOENT) {
	}
	/* Where another user writes it, what this one may says nothing. */
	if ((!beside->is_there || beside->writer == geteuid()) && access(path, W_OK | X_OK) < 0) {
		f = fail_errno(&walk->found.seen, "health file: %s cannot be written by uid %u",
		               file, (unsigned)geteuid());
		return check_failed(walk, f, "give it a tmpfs that this user may write");
	}
	if (beside->healthy)
		return check_see(walk, CHECK_OK, NULL, "%s, by uid %u", beside->why.text,
		                 (unsigned)beside->writer);
	return check_see(walk, beside->is_there ? CHECK_FAILS : CHECK_WARN,
	                 "let qsticky run, and look at its log", "%s", beside->why.text);
}

/* The job is done without it, so it is nothing to fail for. */
enum check_verdict check_webhook(struct check_walk *walk)
{
	const struct webhook_receiver receiver = servers_webhook(&walk->config);
	enum fail f = webhook_try(&receiver, &walk->stop, walk->qbittorrent.peer.deadline_ms,
	                          &walk->found.seen);

	if (!f)
		return CHECK_OK;
	(void)check_failed(walk, f, "correct QSTICKY_WEBHOOK_URL, or let the receiver be there");
	return CHECK_WARN;
}
