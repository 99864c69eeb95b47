#include "config.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "config_value.h"
#include "url.h"

/* What a variable takes, and the type of its field. */
enum kind {
	KIND_HOST,
	KIND_PORT,
	KIND_SECONDS,
	KIND_BOOL,
	KIND_PATH,
	KIND_INTERFACE,
	KIND_PINS,
	KIND_WORD,
	KIND_SECRET, /* this and what follows: also from a file, with _FILE behind the name */
	KIND_SECRET_URL,
};

static const char *const allowed[] = {
	[KIND_HOST] = "a host name or an IP address, without http:// and without a port",
	[KIND_PORT] = "a number from 1 to 65535",
	[KIND_SECONDS] = "seconds, a whole number from %u to %u",
	[KIND_BOOL] = "true or false, yes or no, on or off, 1 or 0",
	[KIND_PATH] = "the absolute path of a file, under 1024 bytes",
	[KIND_INTERFACE] = "the name of a network interface, at most 15 letters, digits and .-_@",
	[KIND_PINS] = "the SHA-256 of a certificate, 64 hex digits; up to 8 with commas between",
	[KIND_WORD] = "one of ",
	[KIND_SECRET] = "at most 4096 bytes",
	[KIND_SECRET_URL] = "an http:// or https:// URL, no user:password@, at most 4096 bytes",
};

static const char *const sources[] = { "file", "gluetun", "auto", NULL };
static const char *const auths[] = { "none", "basic", "apikey", NULL };
static const char *const levels[] = { "DEBUG", "INFO", "WARNING", "ERROR", NULL };
static const char *const formats[] = { "text", "json", NULL };

/* Their indices are written into enums. */
_Static_assert(sizeof(enum log_level) == sizeof(unsigned) &&
                       sizeof(enum log_format) == sizeof(unsigned) &&
                       sizeof(enum config_source) == sizeof(unsigned) &&
                       sizeof(enum config_auth) == sizeof(unsigned),
               "enums are as large as unsigned");

struct variable {
	const char *name;
	const char *old_name; /* in qSticky 2.x; NULL: there is none */
	const char
		*fallback; /* the default, as it would be written; NULL: the field stays zeroed */
	const char *purpose;
	const char *usual_file; /* of a secret, in CONFIG_SECRETS */
	const char *const *words;
	enum kind kind;
	bool optional; /* empty does not mean unset */
	size_t field;  /* its offset */
	unsigned least;
	unsigned most;
};

#define FIELD(member) .field = offsetof(struct config, member)

static const struct variable variables[] = {
	{
		.name = "QSTICKY_QBITTORRENT_HOST",
		.old_name = "QBITTORRENT_HOST",
		.kind = KIND_HOST,
		FIELD(host),
		.fallback = "localhost",
		.purpose = "where qBittorrent's Web UI is",
	},
	{
		.name = "QSTICKY_QBITTORRENT_PORT",
		.old_name = "QBITTORRENT_PORT",
		.kind = KIND_PORT,
		FIELD(port),
		.fallback = "8080",
		.purpose = "port of qBittorrent's Web UI",
	},
	{
		.name = "QSTICKY_QBITTORRENT_USER",
		.old_name = "QBITTORRENT_USER",
		.kind = KIND_SECRET,
		FIELD(user),
		.usual_file = CONFIG_SECRETS "/qbittorrent_user",
		.fallback = "admin",
		.purpose = "user name of the Web UI",
	},
	{
		.name = "QSTICKY_QBITTORRENT_PASS",
		.old_name = "QBITTORRENT_PASS",
		.kind = KIND_SECRET,
		FIELD(pass),
		.usual_file = CONFIG_SECRETS "/qbittorrent_pass",
		.fallback = "adminadmin",
		.purpose =
			"password of the Web UI; not needed where it lets this address in without",
	},
	{
		.name = "QSTICKY_QBITTORRENT_API_KEY",
		.old_name = "QBITTORRENT_API_KEY",
		.kind = KIND_SECRET,
		FIELD(api_key),
		.usual_file = CONFIG_SECRETS "/qbittorrent_api_key",
		.fallback = "",
		.purpose = "its API key (qBittorrent 5.2 or newer), instead of user and password",
	},
	{
		.name = "QSTICKY_USE_HTTPS",
		.old_name = "QBITTORRENT_HTTPS",
		.kind = KIND_BOOL,
		FIELD(use_https),
		.fallback = "false",
		.purpose = "true where the Web UI, or the proxy in front, speaks HTTPS",
	},
	{
		.name = "QSTICKY_VERIFY_SSL",
		.old_name = "QBITTORRENT_VERIFY_SSL",
		.kind = KIND_BOOL,
		FIELD(verify_ssl),
		.fallback = "true",
		.purpose = "false accepts any certificate: safe from nobody",
	},
	{
		.name = "QSTICKY_TLS_CA_FILE",
		.kind = KIND_PATH,
		FIELD(tls_ca_file),
		.fallback = CONFIG_TLS_CA_FILE,
		.purpose = "PEM file of the CAs to trust, or of the server's own certificate",
	},
	{
		.name = "QSTICKY_TLS_PIN_SHA256",
		.kind = KIND_PINS,
		.purpose = "trust exactly this certificate; replaces the checks of CA and name",
	},
	{
		.name = "QSTICKY_TLS_SERVER_NAME",
		.kind = KIND_HOST,
		FIELD(tls_server_name),
		.purpose = "name to expect in the certificate; the host unless set",
	},
	{
		.name = "QSTICKY_PORT_SOURCE",
		.kind = KIND_WORD,
		.words = sources,
		FIELD(port_source),
		.fallback = "file",
		.purpose =
			"file; gluetun, its control server; or auto, that while there is no file",
	},
	{
		.name = "QSTICKY_PORT_FILE_PATH",
		.kind = KIND_PATH,
		FIELD(port_file_path),
		.fallback = "/tmp/gluetun/forwarded_port",
		.purpose = "file in which Gluetun writes the forwarded port",
	},
	{
		.name = "QSTICKY_GLUETUN_HOST",
		.old_name = "GLUETUN_HOST",
		.kind = KIND_HOST,
		FIELD(gluetun_host),
		.fallback = "localhost",
		.purpose = "where Gluetun's control server is; set, it is the port source",
	},
	{
		.name = "QSTICKY_GLUETUN_PORT",
		.old_name = "GLUETUN_PORT",
		.kind = KIND_PORT,
		FIELD(gluetun_port),
		.fallback = "8000",
		.purpose = "port of Gluetun's control server",
	},
	{
		.name = "QSTICKY_GLUETUN_AUTH_TYPE",
		.old_name = "GLUETUN_AUTH_TYPE",
		.kind = KIND_WORD,
		.words = auths,
		FIELD(gluetun_auth),
		.fallback = "none",
		.purpose = "what the control server asks for: none, basic or apikey",
	},
	{
		.name = "QSTICKY_GLUETUN_USERNAME",
		.old_name = "GLUETUN_USERNAME",
		.kind = KIND_SECRET,
		FIELD(gluetun_username),
		.usual_file = CONFIG_SECRETS "/gluetun_username",
		.fallback = "",
		.purpose = "user name for basic",
	},
	{
		.name = "QSTICKY_GLUETUN_PASSWORD",
		.old_name = "GLUETUN_PASSWORD",
		.kind = KIND_SECRET,
		FIELD(gluetun_password),
		.usual_file = CONFIG_SECRETS "/gluetun_password",
		.fallback = "",
		.purpose = "password for basic",
	},
	{
		.name = "QSTICKY_GLUETUN_APIKEY",
		.old_name = "GLUETUN_APIKEY",
		.kind = KIND_SECRET,
		FIELD(gluetun_apikey),
		.usual_file = CONFIG_SECRETS "/gluetun_apikey",
		.fallback = "",
		.purpose = "key for apikey",
	},
	{
		.name = "QSTICKY_CHECK_INTERVAL",
		.old_name = "CHECK_INTERVAL",
		.kind = KIND_SECONDS,
		.least = 1,
		.most = 86400,
		FIELD(interval_s),
		.fallback = "30",
		.purpose = "seconds between two checks; a change of the file is acted on at once",
	},
	{
		.name = "QSTICKY_NO_PORT_GRACE",
		.kind = KIND_SECONDS,
		.most = 86400,
		FIELD(no_port_grace_s),
		.fallback = "120",
		.purpose = "seconds without a forwarded port before that is unhealthy",
	},
	{
		.name = "QSTICKY_VPN_INTERFACE",
		.kind = KIND_INTERFACE,
		.optional = true,
		FIELD(vpn_interface),
		.fallback = "tun0",
		.purpose = "the VPN's network interface, on which the port is probed; empty: never",
	},
	{
		.name = "QSTICKY_REBIND",
		.kind = KIND_BOOL,
		FIELD(rebind),
		.fallback = "true",
		.purpose = "whether to have qBittorrent open a port anew that turns out closed",
	},
	{
		.name = "QSTICKY_BIND_INTERFACE",
		.kind = KIND_BOOL,
		FIELD(bind_interface),
		.fallback = "false",
		.purpose = "whether to keep qBittorrent bound to the VPN's interface and address",
	},
	{
		.name = "QSTICKY_REANNOUNCE",
		.kind = KIND_BOOL,
		FIELD(reannounce),
		.fallback = "false",
		.purpose = "whether to have all torrents announced after a change of the port",
	},
	{
		.name = "QSTICKY_LOG_LEVEL",
		.old_name = "LOG_LEVEL",
		.kind = KIND_WORD,
		.words = levels,
		FIELD(log_level),
		.fallback = "INFO",
		.purpose = "least important lines to log: DEBUG, INFO, WARNING or ERROR",
	},
	{
		.name = "QSTICKY_LOG_FORMAT",
		.kind = KIND_WORD,
		.words = formats,
		FIELD(log_format),
		.fallback = "text",
		.purpose = "text, or json for one JSON object a line",
	},
	{
		.name = "QSTICKY_WEBHOOK_URL",
		.kind = KIND_SECRET_URL,
		FIELD(webhook_url),
		.usual_file = CONFIG_SECRETS "/webhook_url",
		.fallback = "",
		.purpose = "where to POST each change of port and of health; nowhere unless set",
	},
	{
		.name = "QSTICKY_METRICS_FILE",
		.kind = KIND_PATH,
		FIELD(metrics_path),
		.purpose = "file for metrics, for Prometheus' node_exporter; none unless set",
	},
	{
		.name = "QSTICKY_SANDBOX",
		.kind = KIND_BOOL,
		FIELD(sandbox),
		.fallback = "true",
		.purpose = "whether to give up the rights that it does not need",
	},
	{
		.name = "HEALTH_FILE",
		.kind = KIND_PATH,
		FIELD(health_path),
		.fallback = "/tmp/health/status.json",
		.purpose = "file in which the health is kept",
	},
};

#define VARIABLES (sizeof variables / sizeof variables[0])

static bool take(struct config *config, const struct variable *variable, const char *value)
{
	void *field = (char *)config + variable->field;
	unsigned number;
	struct url url;

	switch (variable->kind) {
	case KIND_HOST:
		return config_value_host(value, field);
	case KIND_PORT:
		if (!config_value_number(value, 1, UINT16_MAX, &number))
			return false;
		*(uint16_t *)field = (uint16_t)number;
		return true;
	case KIND_SECONDS:
		return config_value_number(value, variable->least, variable->most, field);
	case KIND_BOOL:
		return config_value_bool(value, field);
	case KIND_PATH:
		return config_value_path(value, field);
	case KIND_INTERFACE:
		return config_value_interface(value, field);
	case KIND_SECRET_URL:
	case KIND_SECRET:
		((struct secret *)field)->value = value;
		return strlen(value) <= SECRET_MAX &&
		       (variable->kind == KIND_SECRET || !*value || url_parse(&url, value));
	case KIND_PINS:
		return config_value_pins(value, config->tls_pins, &config->tls_pin_count);
	case KIND_WORD:
		if (variable->words == levels && strcasecmp(value, "WARN") == 0)
			value = "WARNING";
		return config_value_word(value, variable->words, field);
	}
	return false;
}

/* ---- the environment ---- */

/* The value of the variable named `name`, with `suffix` behind it; NULL where it is unset. */
static const char *look_up(char *const environment[], const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	for (; *environment; environment++) {
		const char *rest;

		if (strncmp(*environment, name, len) != 0)
			continue;
		rest = *environment + len;
		if (strncmp(rest, suffix, suffix_len) == 0 && rest[suffix_len] == '=')
			return rest + suffix_len + 1;
	}
	return NULL;
}

static bool is_set(char *const environment[], const char *name, const char *suffix)
{
	const char *value = look_up(environment, name, suffix);

	return value && *value;
}

/* Its value, and under which name; NULL where it is unset, as an empty one mostly is. */
static const char *value_of(char *const environment[], const struct variable *variable,
                            const char **name)
{
	const char *value = look_up(environment, variable->name, "");

	*name = variable->name;
	if (value && (*value || variable->optional))
		return value;
	if (!variable->old_name)
		return NULL;
	*name = variable->old_name;
	value = look_up(environment, variable->old_name, "");
	return value && *value ? value : NULL;
}

/* What it takes, as a part of a sentence. */
static void put_allowed(struct text *text, const struct variable *variable)
{
	if (variable->kind == KIND_SECONDS)
		text_printf(text, "seconds, a whole number from %u to %u", variable->least,
		            variable->most);
	else
		text_puts(text, allowed[variable->kind]);
	for (size_t i = 0; variable->kind == KIND_WORD && variable->words[i]; i++)
		text_printf(text, "%s%s", i > 0 ? ", " : "", variable->words[i]);
}

static void complain_of(const struct variable *variable, const char *name, const char *value,
                        config_complain *complain, void *context)
{
	char buf[LOG_LINE_MAX];
	struct text sentence = text_on(buf, sizeof buf);

	text_printf(&sentence, "%s: ", name);
	if (variable->kind >= KIND_SECRET)
		text_puts(&sentence, "not allowed");
	else
		text_printf(&sentence, "\"%.200s\" is not allowed", value);
	text_puts(&sentence, "; it takes ");
	put_allowed(&sentence, variable);
	complain(context, buf);
}

/* A secret is in a variable or in a file; in neither, a file in the usual place is looked for. */
static size_t take_file(struct secret *secret, char *const environment[],
                        const struct variable *variable, config_complain *complain, void *context)
{
	const char *path = look_up(environment, variable->name, "_FILE");
	char buf[LOG_LINE_MAX];
	struct text sentence = text_on(buf, sizeof buf);
	const char *name;

	if (!path || !*path) {
		if (!value_of(environment, variable, &name))
			secret->usual_file = variable->usual_file;
		return 0;
	}
	if (is_set(environment, variable->name, ""))
		text_printf(&sentence, "%s_FILE: not allowed beside %s; set one of them",
		            variable->name, variable->name);
	else if (!config_value_path(path, &secret->file))
		text_printf(&sentence, "%s_FILE: \"%.200s\" is not allowed; it takes %s",
		            variable->name, path, allowed[KIND_PATH]);
	else
		return 0;
	secret->file = NULL;
	complain(context, buf);
	return 1;
}

static size_t take_variable(struct config *config, char *const environment[],
                            const struct variable *variable, config_complain *complain,
                            void *context)
{
	const char *name;
	const char *value = value_of(environment, variable, &name);
	bool wrong = value && !take(config, variable, value);

	if (wrong)
		complain_of(variable, name, value, complain, context);
	if ((wrong || !value) && variable->fallback)
		take(config, variable, variable->fallback);
	return wrong;
}

/* What follows from other variables where one is not set. A control server that is named is to be
 * asked; where only its secrets are given, as 2.x needed them, the file goes before it. */
static void infer(struct config *config, char *const environment[])
{
	bool with_key = config->gluetun_apikey.value[0] || config->gluetun_apikey.file;
	bool with_name = config->gluetun_username.value[0] || config->gluetun_username.file;
	bool typed = is_set(environment, "QSTICKY_GLUETUN_AUTH_TYPE", "") ||
	             is_set(environment, "GLUETUN_AUTH_TYPE", "");

	if (!typed && with_key)
		config->gluetun_auth = CONFIG_AUTH_APIKEY;
	else if (!typed && with_name)
		config->gluetun_auth = CONFIG_AUTH_BASIC;
	if (is_set(environment, "QSTICKY_PORT_SOURCE", ""))
		return;
	if (is_set(environment, "QSTICKY_GLUETUN_HOST", "") ||
	    is_set(environment, "GLUETUN_HOST", ""))
		config->port_source = CONFIG_SOURCE_GLUETUN;
	else if (typed || with_key || with_name)
		config->port_source = CONFIG_SOURCE_AUTO;
}

size_t config_load(struct config *config, char *const environment[], config_complain *complain,
                   void *context)
{
	size_t wrong = 0;

	*config = (struct config){ 0 };
	for (size_t i = 0; i < VARIABLES; i++) {
		const struct variable *variable = &variables[i];
		struct secret *secret = (void *)((char *)config + variable->field);

		wrong += take_variable(config, environment, variable, complain, context);
		if (variable->kind >= KIND_SECRET)
			wrong += take_file(secret, environment, variable, complain, context);
	}
	infer(config, environment);
	return wrong;
}

/* Whether `name`, of `len` bytes, is that of a variable, or of one with a secret's file. */
static bool is_known(const char *name, size_t len)
{
	for (size_t i = 0; i < VARIABLES; i++) {
		const struct variable *variable = &variables[i];
		size_t known = strlen(variable->name);

		if (strncmp(variable->name, name, known) != 0)
			continue;
		if (len == known || (variable->kind >= KIND_SECRET && len == known + 5 &&
		                     strncmp(name + known, "_FILE", 5) == 0))
			return true;
	}
	return false;
}

void config_unknown(char *const environment[], config_complain *complain, void *context)
{
	static const char prefix[] = "QSTICKY_";

	for (; *environment; environment++) {
		size_t len = strcspn(*environment, "=");
		char buf[LOG_LINE_MAX];
		struct text sentence = text_on(buf, sizeof buf);

		if (strncmp(*environment, prefix, sizeof prefix - 1) != 0 ||
		    is_known(*environment, len))
			continue;
		text_printf(&sentence, "%.*s: not a variable of this version, ignored; misspelt?",
		            len < 100 ? (int)len : 100, *environment);
		complain(context, buf);
	}
}

const struct secret *config_secret(const struct config *config, size_t *cursor)
{
	while (*cursor < VARIABLES) {
		const struct variable *variable = &variables[(*cursor)++];

		if (variable->kind == KIND_SECRET)
			return (const void *)((const char *)config + variable->field);
	}
	return NULL;
}

void config_help(struct text *text)
{
	for (size_t i = 0; i < VARIABLES; i++) {
		const struct variable *variable = &variables[i];

		text_printf(text, "  %s=%s\n      %s\n", variable->name,
		            variable->fallback ? variable->fallback : "", variable->purpose);
		if (variable->kind >= KIND_SECRET)
			text_printf(
				text,
				"  %s_FILE=\n      file that holds it, in place of the variable\n",
				variable->name);
	}
}
