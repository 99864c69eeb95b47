/* fuzz_config: lines of the input as variables: the first byte picks the name, the rest is the
 * value.
 *
 * Whatever the values are, what comes out is in range, wrong values are told and secrets are not. */
#include "config/load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/redact.h"
#include "base/text.h"
#include "config/table.h"

#define VARIABLES_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"QSTICKY_QBITTORRENT_HOST",
	"QSTICKY_QBITTORRENT_PORT",
	"QSTICKY_QBITTORRENT_USER",
	"QSTICKY_QBITTORRENT_PASS",
	"QSTICKY_PORT_FILE_PATH",
	"QSTICKY_CHECK_INTERVAL",
	"QSTICKY_LOG_LEVEL",
	"QSTICKY_LOG_FORMAT",
	"QSTICKY_NO_PORT_GRACE",
	"HEALTH_FILE",
	"QSTICKY_UNKNOWN",
	"QSTICKY_QBITTORRENT_USER_FILE",
	"QSTICKY_QBITTORRENT_PASS_FILE",
	"QSTICKY_VPN_INTERFACE",
	"QSTICKY_QBITTORRENT_API_KEY",
	"QSTICKY_USE_HTTPS",
	"QSTICKY_VERIFY_SSL",
	"QSTICKY_TLS_CA_FILE",
	"QSTICKY_TLS_PIN_SHA256",
	"QSTICKY_TLS_SERVER_NAME",
	"QSTICKY_REBIND",
	"QSTICKY_PORT_SOURCE",
	"QSTICKY_PORT_INDEX",
	"QSTICKY_GLUETUN_HOST",
	"QSTICKY_GLUETUN_AUTH_TYPE",
	"QSTICKY_GLUETUN_USERNAME",
	"QSTICKY_GLUETUN_APIKEY",
	"QSTICKY_METRICS_FILE",
	"GLUETUN_HOST",
	"GLUETUN_AUTH_TYPE",
	"QBITTORRENT_HOST",
	"QBITTORRENT_PASS",
	"CHECK_INTERVAL",
};

static const char *const secrets[] = {
	"QSTICKY_QBITTORRENT_USER", "QSTICKY_QBITTORRENT_PASS",    "QBITTORRENT_PASS",
	"QSTICKY_GLUETUN_USERNAME", "QSTICKY_QBITTORRENT_API_KEY", "QSTICKY_GLUETUN_APIKEY",
};

/* Of a value its kind and length are told, and not a byte of it. */
static bool tells_kind(const char *shown)
{
	for (size_t i = 0; i < REDACT_KINDS; i++) {
		size_t len = strlen(redact_kinds[i]);
		const char *at = shown + len;

		if (strncmp(shown, redact_kinds[i], len) != 0 || strncmp(at, " (", 2) != 0)
			continue;
		at += 2 + strspn(at + 2, "0123456789");
		if (strncmp(at, " byte", 5) != 0)
			continue;
		at += 5 + (at[5] == 's');
		if (strncmp(at, ") is not allowed; it takes ", 27) == 0)
			return true;
	}
	return strncmp(shown, "not allowed", strlen("not allowed")) == 0 ||
	       strcmp(shown, "not a variable of this version, ignored; misspelt?") == 0;
}

static void complain(void *context, const char *sentence)
{
	size_t *told = context;
	size_t known = 0;

	++*told;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		known += strncmp(sentence, names[i], strlen(names[i])) == 0 &&
		         sentence[strlen(names[i])] == ':';
	assert(known == 1);
	assert(strlen(sentence) < LOG_LINE_MAX);
	assert(tells_kind(strstr(sentence, ": ") + 2));
	/* Those of secrets are the same whatever the value is. */
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		size_t len = strlen(secrets[i]);

		assert(strncmp(sentence, secrets[i], len) != 0 || sentence[len] != ':' ||
		       strcmp(sentence + len,
		              ": not allowed; it takes at most 4096 bytes in one line") == 0);
	}
}

/* The number that `value` is, by strtol(); -1 for what is none or has other signs than digits. */
static long number(const char *value)
{
	return strlen(value) < 19 && strspn(value, "0123456789") == strlen(value)
	               ? strtol(value, NULL, 10)
	               : -1;
}

static bool in_range(const char *value, long least, long most)
{
	const char *digits = value + strspn(value, "0");

	/* However many zeros lead. */
	return number(*digits ? digits : "0") >= least && number(*digits ? digits : "0") <= most &&
	       number(value[strspn(value, "0123456789")] ? "x" : "1") == 1;
}

/* Of each name the first line counts; NULL where it is unset or empty. */
static const char *value_of(char *const environment[], const char *name)
{
	size_t len = strlen(name);

	for (; *environment; environment++)
		if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
			return (*environment)[len + 1] ? *environment + len + 1 : NULL;
	return NULL;
}

static void check(const struct config *config, char *const environment[])
{
	const char *port = value_of(environment, names[1]);
	const char *interval = value_of(environment, names[5]);
	const char *source = value_of(environment, "QSTICKY_PORT_SOURCE");
	const char *grace = value_of(environment, names[8]);

	/* The name of 2.x counts where the new one is unset. */
	if (!interval)
		interval = value_of(environment, "CHECK_INTERVAL");
	assert(config->port_source <= CONFIG_SOURCE_AUTO);
	assert(source || config->port_source == CONFIG_SOURCE_FILE ||
	       value_of(environment, "QSTICKY_GLUETUN_HOST") ||
	       value_of(environment, "GLUETUN_HOST") || config->gluetun_auth ||
	       value_of(environment, "QSTICKY_GLUETUN_AUTH_TYPE") ||
	       value_of(environment, "GLUETUN_AUTH_TYPE"));
	assert(config->gluetun_auth <= CONFIG_AUTH_APIKEY && config->gluetun_port == 8000);
	assert(strcspn(config->gluetun_host, "[]/ \t\r\n") >= strcspn(config->gluetun_host, "%"));
	assert(config->tls_pin_count <= CONFIG_PINS_MAX);
	assert(config->tls_ca_file[0] == '/');
	assert(!config->metrics_path || config->metrics_path[0] == '/');
	assert(memchr(config->host, '\0', sizeof config->host) && config->host[0]);
	/* What follows a % names an interface, in whatever way the system does. */
	assert(strcspn(config->host, "[]/ \t\r\n") >= strcspn(config->host, "%"));
	assert(config->port ==
	       (port && in_range(port, 1, 65535) ? number(port + strspn(port, "0")) : 8080));
	assert(config->interval_s == (interval && in_range(interval, 1, 86400)
	                                      ? number(interval + strspn(interval, "0"))
	                                      : 30));
	assert(config->no_port_grace_s <= 86400);
	assert(!grace || !in_range(grace, 1, 86400) ||
	       config->no_port_grace_s == number(grace + strspn(grace, "0")));
	assert(strlen(config->user.value) <= SECRET_MAX &&
	       strlen(config->pass.value) <= SECRET_MAX);
	assert(!config->user.file || config->user.file[0] == '/');
	assert(!config->pass.file || config->pass.file[0] == '/');
	assert(config->port_file_path[0] == '/' && config->health_path[0] == '/');
	assert(strlen(config->port_file_path) < LIMITS_PATH_MAX);
	assert(strlen(config->health_path) < LIMITS_PATH_MAX);
	assert(strlen(config->vpn_interface) < 16);
	assert(!strpbrk(config->vpn_interface, "\"\\/:% \t\r\n"));
	assert(config->log_level <= LEVEL_ERROR && config->log_format <= FORMAT_JSON);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *environment[VARIABLES_MAX + 1] = { NULL };
	size_t told = 0, told_again = 0, unknown = 0;
	char buf[16 * 1024];
	struct text help = text_on(buf, sizeof buf);
	struct config config;
	size_t count = 0, start = 0;

	for (size_t i = 0; i <= size && count < VARIABLES_MAX; i++) {
		size_t len = i - start;

		if (i < size && data[i] != '\n')
			continue;
		if (len > 0) {
			char *variable = malloc(len + 32);
			int name_len;

			assert(variable);
			name_len = snprintf(variable, 32, "%s=",
			                    names[data[start] % (sizeof names / sizeof names[0])]);
			memcpy(variable + name_len, data + start + 1, len - 1);
			variable[(size_t)name_len + len - 1] = '\0';
			environment[count++] = variable;
		}
		start = i + 1;
	}
	config_table_help(&help);
	assert(!help.full && strstr(help.buf, names[0]));
	assert(config_load(&config, environment, complain, &told) == told);
	check(&config, environment);
	/* As main() does where there is something to tell. */
	assert(config_load(&config, environment, complain, &told_again) == told);
	assert(told_again == told);
	check(&config, environment);
	for (size_t cursor = 0; config_secret(&config, &cursor);)
		assert(cursor <= config_table_count);
	config_ignored(environment, complain, &unknown);
	for (size_t i = 0; i < count; i++)
		unknown -= strncmp(environment[i], "QSTICKY_UNKNOWN=", 16) == 0;
	/* And the names of 2.x that do not fit, once each. */
	assert(unknown <= 4);
	for (size_t i = 0; i < count; i++)
		free(environment[i]);
	return 0;
}
