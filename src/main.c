/* main: the table of commands. */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "health.h"
#include "init.h"
#include "log.h"
#include "sidecar.h"
#include "text.h"

/* Wrong configuration or command line; not one of stdlib.h's. */
#define EXIT_USAGE 2

static void print(int fd, const struct text *text)
{
	/* Nobody is left to be told when this fails. */
	ssize_t ignored = write(fd, text->buf, text->len);

	(void)ignored;
}

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

/* Loads the configuration and starts the log; says everything that is wrong. */
static bool load(struct config *config)
{
	enum log_level level = LEVEL_ERROR;

	/* Twice: complaints are to have the format that is asked for. */
	config_load(config, environ, complain_to_nobody, NULL);
	log_start(config->log_level, config->log_format);
	if (config_load(config, environ, complain_to_log, &level) > 0)
		return false;
	level = LEVEL_WARN;
	config_unknown(environ, complain_to_log, &level);
	return true;
}

/* Runs one of the commands that reconcile. */
static int reconcile_by(int (*sidecar)(const struct config *, struct init *))
{
	static struct config config;
	static struct init init;
	struct failure why;

	if (init_start(&init, &why)) {
		log_line(LEVEL_ERROR, "cannot go on: %s", why.text);
		return EXIT_FAILURE;
	}
	return load(&config) ? sidecar(&config, &init) : EXIT_USAGE;
}

static int command_run(void)
{
	return reconcile_by(sidecar_run);
}

static int command_once(void)
{
	return reconcile_by(sidecar_once);
}

/* For healthcheck, which prints one line whatever happens: only the first complaint fits. */
static void complain_to_line(void *context, const char *sentence)
{
	struct text *line = context;

	if (line->len > 0)
		return;
	text_puts(line, "unhealthy: ");
	text_add_printable(line, sentence, strlen(sentence));
}

/* 0 or 1, never another: Docker reserves 2. */
static int command_healthcheck(void)
{
	static struct config config;
	char buf[HEALTH_MAX + 2];
	struct text line = text_on(buf, sizeof buf - 1);
	bool healthy = config_load(&config, environ, complain_to_line, &line) == 0 &&
	               health_judge(config.health_path, config.interval_s, time(NULL), &line);

	line.cap = sizeof buf;
	text_puts(&line, "\n");
	print(STDOUT_FILENO, &line);
	return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int command_help(void);

static int command_version(void)
{
	static char version[] = "qsticky " QSTICKY_VERSION "\n";
	struct text text = { .buf = version, .cap = sizeof version, .len = sizeof version - 1 };

	print(STDOUT_FILENO, &text);
	return EXIT_SUCCESS;
}

static const struct command {
	const char *name;
	int (*execute)(void);
	const char *purpose;
} commands[] = {
	{ "run", command_run, "the sidecar; the same without a command" },
	{ "healthcheck", command_healthcheck, "judge the health file: 0 healthy, 1 not" },
	{ "once", command_once, "reconcile once: 0 in sync, 1 not, 2 configuration error" },
	{ "--help", command_help, "this text" },
	{ "--version", command_version, "the version" },
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void put_usage(struct text *text)
{
	text_puts(text, "usage: qsticky [command]\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		text_printf(text, "  %-12s %s\n", commands[i].name, commands[i].purpose);
}

static int command_help(void)
{
	char buf[4096];
	struct text text = text_on(buf, sizeof buf);

	text_puts(
		&text,
		"qsticky " QSTICKY_VERSION
		": keeps qBittorrent's listening port equal to the port that Gluetun forwards\n\n");
	put_usage(&text);
	text_puts(&text,
	          "\nConfiguration is by environment variables, here with their defaults:\n\n");
	config_help(&text);
	print(STDOUT_FILENO, &text);
	return EXIT_SUCCESS;
}

static int wrong_usage(const char *argument)
{
	char buf[1024];
	struct text text = text_on(buf, sizeof buf);

	text_puts(&text, "qsticky: unknown command or option: ");
	text_add_printable(&text, argument, strnlen(argument, 64));
	text_puts(&text, "\n");
	put_usage(&text);
	print(STDERR_FILENO, &text);
	return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
	/* Where nobody reads the output any more, the exit status still counts. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return command_run();
	if (argc > 2)
		return wrong_usage(argv[2]);
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].execute();
	return wrong_usage(argv[1]);
}
