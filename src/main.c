/* main: the table of commands. */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "check/check.h"
#include "check/status.h"
#include "config/load.h"
#include "config/table.h"
#include "process/init.h"
#include "process/reload.h"
#include "process/relro.h"
#include "process/sandbox.h"
#include "sidecar/health.h"
#include "sidecar/sidecar.h"

/* Wrong configuration or command line. stdlib.h has no name for it. */
#define EXIT_USAGE 2

static struct config config;
static bool as_json; /* --json was given, to a command that takes it */

static void complain_to_log(void *context, const char *sentence)
{
	const enum log_level *level = context;

	log_line(*level, "%s", sentence);
}

static void complain_to_nobody(void *context, const char *sentence)
{
	(void)context;
	(void)sentence;
}

/* Loads the configuration, starts the log, and logs every mistake. */
static bool load(void)
{
	enum log_level level = LEVEL_ERROR;
	size_t wrong = config_load(&config, environ, complain_to_nobody, NULL);

	log_start(config.log_level, config.log_format);
	/* Only now is the format known in which to log mistakes. */
	if (wrong > 0) {
		(void)config_load(&config, environ, complain_to_log, &level);
		return false;
	}
	level = LEVEL_WARN;
	config_ignored(environ, complain_to_log, &level);
	level = LEVEL_DEBUG;
	if (config.log_level == LEVEL_DEBUG)
		config_of_kubernetes(environ, complain_to_log, &level);
	return true;
}

/* The start of every command that connects to a server. NULL: it failed, and has logged why. */
static struct init *start(void)
{
	static struct init init;
	struct failure why;

	if (!init_start(&init, &why))
		return &init;
	log_line(LEVEL_ERROR, "cannot go on: %s", why.text);
	return NULL;
}

/* Runs one of the commands that reconcile. */
static int reconcile_by(int (*sidecar)(const struct config *, struct init *))
{
	struct init *init = start();

	if (!init)
		return EXIT_FAILURE;
	return load() ? sidecar(&config, init) : EXIT_USAGE;
}

static int command_run(void)
{
	return reconcile_by(sidecar_run);
}

static int command_once(void)
{
	return reconcile_by(sidecar_once);
}

/* For commands that print a single line: keeps the first complaint only. */
static void complain_to_line(void *context, const char *sentence)
{
	struct text *line = context;

	if (line->len > 0)
		return;
	text_append(line, "unhealthy: ");
	text_append_printable(line, sentence, strlen(sentence));
}

/* Loads the configuration and opens the health file, before the sandbox gives up rights. Root may
 * then read a file that another user's qsticky wrote. Prints a mistake on stdout. */
static bool load_to_judge(int *health)
{
	char buf[LOG_LINE_MAX + 16];
	struct text line = text_on(buf, sizeof buf - 1);

	if (config_load(&config, environ, complain_to_line, &line) == 0) {
		*health = health_open(config.health_path);
		sandbox_enter(&config, SANDBOX_JUDGE);
		return true;
	}
	line.cap = sizeof buf;
	text_append(&line, "\n");
	text_write(&line, STDOUT_FILENO);
	return false;
}

/* Returns 0 or 1 only: Docker reserves 2. */
static int command_healthcheck(void)
{
	char buf[HEALTH_MAX + 2];
	struct text line = text_on(buf, sizeof buf - 1);
	bool healthy;
	int health;

	if (!load_to_judge(&health))
		return EXIT_FAILURE;
	healthy = health_judge_open(health, config.health_path, config.interval_s, now_s(), &line);
	line.cap = sizeof buf;
	text_append(&line, "\n");
	text_write(&line, STDOUT_FILENO);
	return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int command_status(void)
{
	int health;

	return load_to_judge(&health) && status_show(&config, health, now_s(), as_json)
	               ? EXIT_SUCCESS
	               : EXIT_FAILURE;
}

static int command_check(void)
{
	struct init *init = start();

	return init ? check_run(environ, init, as_json) : EXIT_FAILURE;
}

/* Outside the sandbox, which lets nothing send a signal, and without the configuration. */
static int command_reload(void)
{
	char buf[LOG_LINE_MAX];
	struct text line = text_on(buf, sizeof buf);
	struct failure why;
	bool failed = reload_send(&why);

	text_printf(&line, "%s\n", failed ? why.text : "qsticky checks now");
	text_write(&line, failed ? STDERR_FILENO : STDOUT_FILENO);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int command_help(void);

static int command_version(void)
{
	static char version[] = "qsticky " QSTICKY_VERSION "\n";
	struct text text = { .buf = version, .cap = sizeof version, .len = sizeof version - 1 };

	text_write(&text, STDOUT_FILENO);
	return EXIT_SUCCESS;
}

static const struct command {
	char name[12];
	bool takes_json;
	int (*execute)(void);
	const char *purpose;
} commands[] = {
	{ "run", false, command_run, "run the sidecar (the default)" },
	{ "healthcheck", false, command_healthcheck, "read the health file: 0 healthy, 1 not" },
	{ "check", true, command_check,
	  "test each step, change nothing: 0 all good, 1 not, 2 configuration error" },
	{ "status", true, command_status, "show the health file: 0 healthy, 1 not" },
	{ "once", false, command_once, "reconcile once: 0 in sync, 1 not, 2 configuration error" },
	{ "reload", false, command_reload,
	  "have the container's sidecar check now: 0 sent, 1 not" },
	{ "--help", false, command_help, "show this text" },
	{ "--version", false, command_version, "show the version" },
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void append_usage(struct text *text)
{
	text_append(text,
	            "usage: qsticky [command] [--json]   (--json: check and status only)\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		text_printf(text, "  %-12s %s\n", commands[i].name, commands[i].purpose);
}

static int command_help(void)
{
	char buf[6144];
	struct text text = text_on(buf, sizeof buf);

	text_append(
		&text,
		"qsticky " QSTICKY_VERSION
		": keeps qBittorrent's listening port equal to the port that Gluetun forwards\n\n");
	append_usage(&text);
	text_append(&text, "\nEnvironment variables configure qsticky. Their defaults:\n\n");
	config_table_help(&text);
	text_write(&text, STDOUT_FILENO);
	return EXIT_SUCCESS;
}

/* `number`: which argument is wrong, from 1. */
static int wrong_usage(int number)
{
	char buf[1024];
	struct text text = text_on(buf, sizeof buf);

	/* Do not print the argument: it may hold a secret, as in --pass=... */
	text_printf(&text, "qsticky: unknown command or option: argument %d\n", number);
	append_usage(&text);
	text_write(&text, STDERR_FILENO);
	return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
	sigset_t broken_pipe;

	relro_protect();
	/* The exit status counts even if nobody reads the output. */
	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &broken_pipe, NULL);
	/* Other users may read health and metrics. Private files get a stricter mode when made. */
	umask(022);
	if (argc < 2)
		return command_run();
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		as_json = argc > 2 && commands[i].takes_json && strcmp(argv[2], "--json") == 0;
		if (argc > 2 + as_json)
			return wrong_usage(2 + as_json);
		return commands[i].execute();
	}
	return wrong_usage(1);
}
