#include "check.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "gluetun.h"
#include "health.h"
#include "http.h"
#include "mono.h"
#include "net.h"
#include "now.h"
#include "port_file.h"
#include "qbittorrent.h"
#include "qbittorrent_exchange.h"
#include "reach.h"
#include "sandbox.h"
#include "sync.h"
#include "tell.h"
#include "text.h"
#include "tls.h"
#include "webhook.h"

/* Longest wait for the logout. */
#define LOGOUT_MS 200

/* For how long a refused login, of which the health file tells, keeps this from trying another, at the
 * least: qBittorrent does not forget them with time. */
#define REFUSED_LATELY_S (SYNC_LOGIN_PAUSE_MS / 1000)

enum verdict { OK, WARN, FAILS, SKIPPED };

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

/* What the health file tells, as it was found at the start. */
struct beside {
	bool healthy;
	struct failure why;
	bool runs;          /* a sidecar has written it lately */
	bool knows_tunnel;  /* which has seen the VPN's interface */
	bool login_refused; /* and was refused, lately */
	struct failure error;
};

/* Static, since there is one, and what is at a fixed place makes for shorter code. */
static struct check {
	struct config config;
	struct stop stop;
	bool json;
	bool colour;
	bool failed;  /* something does not hold */
	bool stopped; /* a stop was asked for */
	enum hop hop; /* the present one */
	enum verdict verdicts[HOPS];
	struct sandbox sandbox;
	struct beside beside;

	/* What was found by the present hop. */
	struct failure seen;
	const char *fix; /* NULL: none is needed */
	bool printed;    /* something was, in JSON */

	bool ask_gluetun; /* for the port: its file is not used, or not there */
	uint16_t port;    /* forwarded; 0: none is known */
	struct qbittorrent qbittorrent;
	struct qbittorrent_view view;
	struct reach reach;
	enum fail answer; /* of the first question to qBittorrent, with `answer_why` */
	struct failure answer_why;
} check;

static struct http_reply reply;

static enum verdict walk_configuration(void);
static enum verdict walk_sandbox(void);
static enum verdict walk_port_file(void);
static enum verdict walk_control_server(void);
static enum verdict walk_tunnel(void);
static enum verdict walk_name(void);
static enum verdict walk_connection(void);
static enum verdict walk_tls(void);
static enum verdict walk_qbittorrent(void);
static enum verdict walk_login(void);
static enum verdict walk_version(void);
static enum verdict walk_settings(void);
static enum verdict walk_port(void);
static enum verdict walk_probe(void);
static enum verdict walk_health(void);
static enum verdict walk_webhook(void);

#define AFTER(hop) (1u << (hop))

/* In their order; what is found by one may be needed by another. */
static const struct {
	enum verdict (*walk)(void);
	uint16_t needs;
	char name[15];
} hops[HOPS] = {
	[CONFIGURATION] = { walk_configuration, 0, "configuration" },
	[SANDBOX] = { walk_sandbox, 0, "sandbox" },
	[PORT_FILE] = { walk_port_file, 0, "port file" },
	[CONTROL_SERVER] = { walk_control_server, 0, "control server" },
	[TUNNEL] = { walk_tunnel, 0, "VPN interface" },
	[NAME] = { walk_name, 0, "name" },
	[CONNECTION] = { walk_connection, AFTER(NAME), "connection" },
	[TLS] = { walk_tls, AFTER(CONNECTION), "TLS" },
	[QBITTORRENT] = { walk_qbittorrent, AFTER(TLS), "qBittorrent" },
	[LOGIN] = { walk_login, AFTER(QBITTORRENT), "login" },
	[VERSION] = { walk_version, AFTER(LOGIN), "version" },
	[SETTINGS] = { walk_settings, AFTER(LOGIN), "settings" },
	[PORT] = { walk_port, AFTER(LOGIN), "port" },
	[PROBE] = { walk_probe, AFTER(TUNNEL) | AFTER(SETTINGS) | AFTER(PORT), "probe" },
	[HEALTH] = { walk_health, 0, "health file" },
	[WEBHOOK] = { walk_webhook, 0, "webhook" },
};

/* ---- print ---- */

static const struct {
	char word[5];
	char colour[5]; /* ECMA-48, section 8.3.117 */
} verdicts[] = {
	[OK] = { "ok", "32" },
	[WARN] = { "warn", "33" },
	[FAILS] = { "FAIL", "1;31" },
	[SKIPPED] = { "skip", "2" },
};

static void put_quoted(struct text *out, const char *string)
{
	text_puts(out, "\"");
	text_add_json(out, string, strlen(string));
	text_puts(out, "\"");
}

static void put_json(struct text *out, const char *word)
{
	text_printf(out, "%s{\"name\": \"%s\", \"verdict\": \"%s\", \"seen\": ",
	            check.printed ? ",\n" : "{\"hops\": [\n", hops[check.hop].name, word);
	put_quoted(out, check.seen.text);
	text_puts(out, ", \"fix\": ");
	if (check.fix)
		put_quoted(out, check.fix);
	else
		text_puts(out, "null");
	text_puts(out, "}");
	check.printed = true;
}

static void put_text(struct text *out, const char *word, const char *colour)
{
	if (check.colour)
		text_printf(out, "\033[%sm", colour);
	text_printf(out, "%-4s", word);
	if (check.colour)
		text_puts(out, "\033[m");
	text_printf(out, "  %-14s  ", hops[check.hop].name);
	text_add_printable(out, check.seen.text, strlen(check.seen.text));
	if (check.fix)
		text_printf(out, "\n%22s-> %s", "", check.fix);
	text_puts(out, "\n");
}

static void put(struct text *out, enum verdict verdict)
{
	if (check.json)
		put_json(out, verdicts[verdict].word);
	else
		put_text(out, verdicts[verdict].word, verdicts[verdict].colour);
}

static void put_end(struct text *out, int status)
{
	if (check.json)
		text_printf(out, "\n], \"ok\": %s}\n", status ? "false" : "true");
}

/* Tells what the present hop has found. */
static void print(enum verdict verdict)
{
	char buf[8 * FAILURE_MAX];
	struct text out = text_on(buf, sizeof buf);

	put(&out, verdict);
	text_write(&out, STDOUT_FILENO);
	check.verdicts[check.hop] = verdict;
	check.failed |= verdict == FAILS;
}

static int finish(int status)
{
	char buf[32];
	struct text out = text_on(buf, sizeof buf);

	put_end(&out, status);
	text_write(&out, STDOUT_FILENO);
	return status;
}

/* ---- findings ---- */

__attribute__((format(printf, 3, 4))) static enum verdict see(enum verdict verdict, const char *fix,
                                                              const char *format, ...)
{
	struct text text = text_on(check.seen.text, sizeof check.seen.text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	check.fix = fix;
	return verdict;
}

/* Something does not hold, as check.seen says. */
static enum verdict fails(const char *fix)
{
	check.fix = fix;
	return FAILS;
}

/* The same, after a failure in reaching qBittorrent. */
static enum verdict failed(enum fail f)
{
	static const char *const fixes[] = {
		[FAIL_IO] = "let it be there, and open to this user",
		[FAIL_RESOLVE] =
			"QSTICKY_QBITTORRENT_HOST: localhost, or the service's name, or an address",
		[FAIL_REFUSED] = "start qBittorrent, or correct QSTICKY_QBITTORRENT_HOST and _PORT",
		[FAIL_TIMEOUT] = "does a firewall drop it, or qBittorrent hang? Then restart that",
		[FAIL_REJECTED] = "then re-create this container",
		[FAIL_HELD_BACK] = "then re-create this container, or docker kill -s HUP qsticky",
		[FAIL_BANNED] = "correct user and password, then restart qBittorrent",
		[FAIL_UNTRUSTED] = "compare it with what your browser shows, then set that pin",
	};
	const char *fix = f < sizeof fixes / sizeof fixes[0] ? fixes[f] : NULL;

	check.stopped |= f == FAIL_STOPPED;
	return fails(fix ? fix : "correct QSTICKY_QBITTORRENT_HOST, _PORT, QSTICKY_USE_HTTPS");
}

/* The same, naming the server. */
static enum verdict unreached(enum fail f)
{
	return failed(qbittorrent_told(&check.qbittorrent, f, &check.seen));
}

/* ---- the hops, in their order ---- */

static void complain(void *context, const char *sentence)
{
	const enum verdict *verdict = context;

	print(see(*verdict, "correct it and re-create the container; see qsticky --help", "%s",
	          sentence));
}

static enum verdict walk_configuration(void)
{
	const struct config *config = &check.config;

	return see(OK, NULL, "qBittorrent at %s%s:%u, port file %s, health in %s",
	           config->use_https ? "https://" : "", config->host, (unsigned)config->port,
	           config->port_file_path, config->health_path);
}

static enum verdict walk_sandbox(void)
{
	struct text text = text_on(check.seen.text, sizeof check.seen.text);

	if (check.sandbox.off)
		return see(WARN, "let it be true, unless you debug", "QSTICKY_SANDBOX=false");
	if (sandbox_put(&text, &check.sandbox))
		return OK;
	check.fix = "none is needed: this kernel lacks it, or Docker refuses it";
	return WARN;
}

/* Whose mode it is that keeps us out: the first that can be seen, from the file upwards. */
static void add_owner(const char *file)
{
	struct failure inner = check.seen;
	char path[CONFIG_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	struct stat status;

	text_puts(&copy, file);
	while (stat(path, &status) < 0)
		if (!text_cut_name(path))
			return;
	(void)see(OK, NULL, "%s (%s: mode 0%u%u%u, uid %u)", inner.text, path,
	          status.st_mode >> 6 & 7, status.st_mode >> 3 & 7, status.st_mode & 7,
	          status.st_uid);
}

static const char gluetun_fix[] = "look at Gluetun's log: is it connected, with "
				  "VPN_PORT_FORWARDING=on and a server that forwards?";

static enum verdict no_port(const char *file)
{
	char path[CONFIG_PATH_MAX];
	struct text copy = text_on(path, sizeof path);

	text_puts(&copy, file);
	if (access(path, F_OK) == 0)
		return see(FAILS, gluetun_fix, "no forwarded port in %s: it is empty", file);
	(void)text_cut_name(path);
	if (access(path, F_OK) == 0)
		return see(FAILS, gluetun_fix, "no forwarded port in %s: there is no such file",
		           file);
	return see(FAILS, "mount Gluetun's directory here (volumes: gluetun:/tmp/gluetun:ro)",
	           "no forwarded port in %s: its directory is not there", file);
}

static enum verdict walk_port_file(void)
{
	const char *path = check.config.port_file_path;
	struct port_file_ports ports = { 0 };
	struct stat status;
	struct timespec up = now_by(CLOCK_BOOTTIME);
	enum fail f;

	check.ask_gluetun = check.config.port_source == CONFIG_SOURCE_GLUETUN;
	if (check.ask_gluetun)
		return see(SKIPPED, NULL, "the control server is asked instead");
	f = port_file_read(path, &ports, &check.seen);
	check.ask_gluetun = ports.missing && check.config.port_source == CONFIG_SOURCE_AUTO;
	if (check.ask_gluetun)
		return see(SKIPPED, NULL, "%s is missing: the control server is asked", path);
	/* It may be the instant between truncate and write. */
	if (!f && ports.count == 0) {
		f = stop_sleep(&check.stop, mono_now_ms() + SYNC_SETTLE_MS, &check.seen);
		if (f)
			return failed(f);
		f = port_file_read(path, &ports, &check.seen);
	}
	if (f && access(path, R_OK) < 0 && errno == EACCES)
		add_owner(path);
	if (f)
		return fails("nobody but Gluetun may write it, and this user must be able to read "
		             "it");
	if (ports.count == 0)
		return no_port(path);
	check.port = ports.port[0];
	/* Gluetun does not write it again while it keeps the port, so age alone means nothing; but
	 * what is older than the machine's start is older than any Gluetun that runs now. */
	if (stat(path, &status) == 0 && status.st_mtime < now_s() - up.tv_sec)
		return see(WARN, "restart Gluetun, unless the clock was wrong when it wrote it",
		           "port %u, but from before this machine was started",
		           (unsigned)check.port);
	return see(OK, NULL, "port %u", (unsigned)check.port);
}

static enum verdict walk_control_server(void)
{
	struct gluetun gluetun = gluetun_for(&check.config, &check.stop, &reply);
	char name[GLUETUN_NAME_MAX];
	enum fail f;

	if (!check.ask_gluetun)
		return see(SKIPPED, NULL, "the port file is read instead");
	gluetun_name(name, &check.config);
	f = gluetun_ask(&gluetun, mono_now_ms() + GLUETUN_ASK_MS, &check.port, &check.seen);
	check.stopped |= f == FAIL_STOPPED;
	if (f)
		return fails("correct QSTICKY_GLUETUN_HOST, _PORT, _AUTH_TYPE and its secrets");
	if (!check.port)
		return see(FAILS, gluetun_fix, "no forwarded port at %s", name);
	return see(OK, NULL, "port %u at %s", (unsigned)check.port, name);
}

static enum verdict walk_tunnel(void)
{
	const struct tunnel_view *view = &check.reach.view;
	const char *name = check.config.vpn_interface;

	check.reach.tunnel = tunnel_on(name);
	if (!name[0])
		return see(SKIPPED, NULL, "QSTICKY_VPN_INTERFACE is set to nothing");
	if (tunnel_look(&check.reach.tunnel, &check.reach.view, &check.seen))
		return WARN;
	if (!view->exists && !view->lo_only && !check.beside.knows_tunnel)
		return see(WARN,
		           "network_mode: \"service:gluetun\", or another QSTICKY_VPN_INTERFACE",
		           "there is no %s here: whether the port is open cannot be known", name);
	if (reach_judge_tunnel(&check.reach, view->lo_only, &check.seen))
		return fails(view->lo_only ? "restart qBittorrent's container, then this one"
		                           : "look at Gluetun's log");
	return see(OK, NULL, "%s has %s", name, view->has_v4 ? view->v4_text : view->v6_text);
}

static void add_address(const struct resolve_address *address)
{
	struct text text = { .buf = check.seen.text,
		             .cap = sizeof check.seen.text,
		             .len = strlen(check.seen.text) };
	bool is_v4 = address->sa.any.sa_family == AF_INET;
	size_t at = is_v4 ? offsetof(struct sockaddr_in, sin_addr)
	                  : offsetof(struct sockaddr_in6, sin6_addr);

	text_puts(&text, " ");
	text_add_ip(&text, (const unsigned char *)&address->sa + at, is_v4 ? 4 : 16);
}

static enum verdict walk_name(void)
{
	const struct config *config = &check.config;
	struct resolve_found found;
	enum fail f = resolve_host(&found, config->host, config->port, &check.stop,
	                           check.qbittorrent.deadline_ms, &check.seen);

	if (f)
		return unreached(f);
	(void)see(OK, NULL, "%s is", config->host);
	for (size_t i = 0; i < found.count; i++)
		add_address(&found.addresses[i]);
	return OK;
}

static enum verdict walk_connection(void)
{
	struct qbittorrent *qb = &check.qbittorrent;
	enum fail f = qbittorrent_connect(qb, &check.seen);

	if (f)
		return unreached(f);
	(void)see(OK, NULL, "port %u accepts at", (unsigned)check.config.port);
	add_address(&qb->tcp.peer);
	return OK;
}

static enum verdict walk_tls(void)
{
	const struct config *config = &check.config;
	struct qbittorrent *qb = &check.qbittorrent;
	struct text text = text_on(check.seen.text, sizeof check.seen.text);
	enum fail f = qbittorrent_secure(
		qb, mono_earlier(qb->deadline_ms, mono_now_ms() + QBITTORRENT_EXCHANGE_MS),
		&check.seen);

	if (f)
		return unreached(f);
	if (!config->use_https)
		return see(OK, NULL, "plain HTTP, as configured");
	tls_put_certificate(&text);
	if (config->verify_ssl || config->tls_pin_count > 0)
		return OK;
	fail_in(&check.seen, "not verified");
	check.fix = "set that pin instead of QSTICKY_VERIFY_SSL=false";
	return WARN;
}

/* The one question that may need a login, which has a hop of its own. */
static enum verdict walk_qbittorrent(void)
{
	struct qbittorrent *qb = &check.qbittorrent;
	enum fail f = qbittorrent_read(qb, &check.view, &check.answer_why);
	bool asks = f == FAIL_REJECTED || f == FAIL_HELD_BACK || qb->login;

	check.answer = f;
	check.seen = check.answer_why;
	if (f && !asks)
		return failed(f);
	return see(OK, NULL, asks ? "it asks for a login" : "it answers");
}

static enum verdict walk_login(void)
{
	const struct qbittorrent *qb = &check.qbittorrent;

	if (check.answer == FAIL_HELD_BACK) {
		check.seen = check.beside.error;
		fail_in(&check.seen, "not tried again, as qsticky was told");
	} else {
		check.seen = check.answer_why;
	}
	if (check.answer)
		return failed(check.answer);
	return see(OK, NULL,
	           qb->login        ? "accepted"
	           : qb->api_key[0] ? "the API key is accepted"
	                            : "none is needed");
}

static enum verdict walk_version(void)
{
	struct qbittorrent *qb = &check.qbittorrent;

	qbittorrent_ask_version(qb);
	return see(OK, NULL, "%s", qb->version[0] ? qb->version : "unknown");
}

static enum verdict walk_settings(void)
{
	struct text text = text_on(check.seen.text, sizeof check.seen.text);
	struct failure one;

	check.fix = "change that in qBittorrent (Options: Connection, Advanced)";
	if (check.verdicts[TUNNEL] == OK &&
	    reach_judge_settings(&check.reach, &check.view, &check.seen))
		return FAILS;
	for (enum tell_setting which = 0; which < TELL_SETTINGS_ALL; which++)
		if (tell_setting_is(&check.view, which, &one))
			text_printf(&text, "%s%s", text.len > 0 ? "; " : "", one.text);
	return text.len > 0 ? WARN : see(OK, NULL, "none is against it");
}

static enum verdict walk_port(void)
{
	long long set = check.view.listen_port;

	if (!check.port)
		return see(SKIPPED, NULL, "%lld is set, and none known to be forwarded", set);
	if (set == check.port)
		return see(OK, NULL, "%lld is set, and forwarded", set);
	return see(FAILS,
	           check.beside.runs
	                   ? "does something set it back (another port updater, --torrenting-port "
	                     "or QBT_TORRENTING_PORT)?"
	                   : "let qsticky run; this command changes nothing",
	           "qBittorrent has port %lld, but %u is forwarded", set, (unsigned)check.port);
}

static enum verdict walk_probe(void)
{
	enum fail f = reach_probe(&check.reach, &check.qbittorrent, &check.view, check.port,
	                          SYNC_CLOSED_MS, &check.seen);

	check.stopped |= f == FAIL_STOPPED;
	if (f)
		return fails("let qsticky run, or restart qBittorrent; if that does not help, its "
		             "log says why");
	return see(OK, NULL, "open: connections are accepted");
}

/* ---- the health file ---- */

/* Looks whether a sidecar has been writing it, before anything else. */
static void look_beside(struct beside *beside)
{
	const struct config *config = &check.config;
	const time_t now = now_s();
	char buf[HEALTH_MAX + 1];
	struct json json;
	size_t len;
	long long age = 0;
	bool reachable;

	if (health_read(config->health_path, buf, &json, &len, &beside->why))
		return;
	beside->healthy =
		health_weigh(&json, config->health_path, config->interval_s, now, &beside->why);
	if (!health_age(&json, now, &age))
		return;
	beside->runs = age <= 2LL * config->interval_s + HEALTH_AGE_SPARE_S;
	beside->knows_tunnel = beside->runs && json_bool(&json, "reachable", &reachable);
	beside->login_refused =
		(beside->runs || age <= REFUSED_LATELY_S) &&
		json_string(&json, "last_error", beside->error.text, sizeof beside->error.text) &&
		text_find(beside->error.text, strlen(beside->error.text), "login");
}

static enum verdict walk_health(void)
{
	const char *file = check.config.health_path;
	const struct beside *beside = &check.beside;
	char path[CONFIG_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	struct stat status;
	bool is_there = stat(file, &status) == 0;

	text_puts(&copy, file);
	while (text_cut_name(path) && access(path, F_OK) < 0 && errno == ENOENT) {
	}
	if (access(path, W_OK | X_OK) < 0) {
		fail_errno(&check.seen, "health file: %s cannot be written by uid %u", file,
		           (unsigned)geteuid());
		return fails("give it a tmpfs that this user may write");
	}
	if (beside->healthy && is_there)
		return see(OK, NULL, "%s, by uid %u", beside->why.text, status.st_uid);
	return see(is_there ? FAILS : WARN, "let qsticky run, and look at its log", "%s",
	           beside->why.text);
}

/* The job is done without it, so it is nothing to fail for. */
static enum verdict walk_webhook(void)
{
	enum fail f =
		webhook_try(&check.config, &check.stop, check.qbittorrent.deadline_ms, &check.seen);

	check.stopped |= f == FAIL_STOPPED;
	check.fix = f ? "correct QSTICKY_WEBHOOK_URL, or let the receiver be there" : NULL;
	return f ? WARN : OK;
}

/* ---- all of them ---- */

/* Takes the present hop, if what was found before it allows. */
static enum verdict walk(void)
{
	for (enum hop before = 0; before < check.hop; before++) {
		enum verdict verdict = check.verdicts[before];

		/* Without an interface there is nothing to probe. */
		if ((hops[check.hop].needs & AFTER(before)) && verdict != OK &&
		    (verdict != WARN || before == TUNNEL))
			return see(SKIPPED, NULL, "not tried: see %s", hops[before].name);
	}
	check.fix = NULL;
	return hops[check.hop].walk();
}

static bool wants_colour(char *const environment[])
{
	static const char no[] = "NO_COLOR=";

	for (; *environment; environment++)
		if (strcmp(*environment, "TERM=dumb") == 0 ||
		    (strncmp(*environment, no, sizeof no - 1) == 0 &&
		     (*environment)[sizeof no - 1]))
			return false;
	return isatty(STDOUT_FILENO);
}

int check_run(char *const environment[], const struct init *init, bool json)
{
	struct qbittorrent *qb = &check.qbittorrent;
	enum verdict verdict = FAILS;

	check.stop = init->stop;
	check.json = json;
	check.colour = wants_colour(environment);
	*qb = qbittorrent_for(&check.config, &check.stop, &reply);
	if (config_load(&check.config, environment, complain, &verdict) > 0)
		return finish(CHECK_EXIT_CONFIG);
	verdict = WARN;
	config_unknown(environment, complain, &verdict);
	check.sandbox = sandbox_enter(&check.config, SANDBOX_CHECK);
	look_beside(&check.beside);
	qbittorrent_begin(qb, mono_now_ms() + CHECK_MS, !check.beside.login_refused);
	for (; check.hop < HOPS && !check.stopped; check.hop++) {
		verdict = walk();
		if (!check.stopped)
			print(verdict);
	}
	qbittorrent_end(qb);
	qbittorrent_logout_within(qb, check.stopped ? QBITTORRENT_LOGOUT_MS : LOGOUT_MS);
	return finish(check.failed || check.stopped ? EXIT_FAILURE : EXIT_SUCCESS);
}
