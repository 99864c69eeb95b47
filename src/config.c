#include "config.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct variable {
	const char *name;
	const char *fallback; /* the default, as it would be written */
	const char *allowed;
	const char *purpose;
	bool secret;   /* the value is never shown */
	bool optional; /* empty does not mean unset */
	bool (*take)(struct config *config, const char *value);
};

/* Decimal digits only, from `least` to `most`. */
static bool take_number(const char *value, unsigned least, unsigned most, unsigned *number)
{
	unsigned n = 0;

	if (!*value)
		return false;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return false;
		n = n * 10 + (unsigned)(*value - '0');
		if (n > most)
			return false;
	}
	if (n < least)
		return false;
	*number = n;
	return true;
}

static bool is_name(const char *host)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	/* No part of it is empty: "." alone would be a name that fits any certificate. */
	return *host && *host != '.' && !strstr(host, "..") && host[strspn(host, allowed)] == '\0';
}

static bool is_address(const char *host)
{
	size_t len = strcspn(host, "%");
	struct in6_addr address;
	char bare[CONFIG_HOST_MAX];

	/* inet_pton() does not take the zone of a link-local address; getaddrinfo() does. */
	memcpy(bare, host, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, &address) == 1 &&
	       (host[len] == '\0' || is_name(host + len + 1));
}

/* A name or an address, which may be in brackets, to `taken` without them. */
static bool take_name(char taken[static CONFIG_HOST_MAX], const char *value)
{
	size_t len = strlen(value);
	bool brackets = len >= 2 && value[0] == '[' && value[len - 1] == ']';
	char host[CONFIG_HOST_MAX];

	if (brackets) {
		value++;
		len -= 2;
	}
	if (len >= sizeof host)
		return false;
	memcpy(host, value, len);
	host[len] = '\0';
	if (!is_address(host) && (brackets || !is_name(host)))
		return false;
	memcpy(taken, host, sizeof host);
	return true;
}

static bool take_host(struct config *config, const char *value)
{
	return take_name(config->host, value);
}

static bool take_tls_server_name(struct config *config, const char *value)
{
	return take_name(config->tls_server_name, value);
}

static bool take_bool(bool *taken, const char *value)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*taken = i % 2;
			return true;
		}
	}
	return false;
}

static bool take_use_https(struct config *config, const char *value)
{
	return take_bool(&config->use_https, value);
}

static bool take_verify_ssl(struct config *config, const char *value)
{
	return take_bool(&config->verify_ssl, value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One pin up to a comma or the end: pairs of digits, between which colons may stand. */
static bool take_pin(unsigned char pin[static CONFIG_PIN_LEN], const char **value)
{
	const char *at = *value;

	for (size_t i = 0; i < CONFIG_PIN_LEN; i++) {
		int high = hex_digit(at[0]);
		int low = high < 0 ? -1 : hex_digit(at[1]);

		if (low < 0)
			return false;
		pin[i] = (unsigned char)(high << 4 | low);
		at += 2;
		if (*at == ':' && i + 1 < CONFIG_PIN_LEN)
			at++;
	}
	*value = at;
	return true;
}

static bool take_tls_pins(struct config *config, const char *value)
{
	size_t count = 0;

	config->tls_pin_count = 0;
	for (;;) {
		value += strspn(value, " \t");
		if (count == CONFIG_PINS_MAX || !take_pin(config->tls_pins[count], &value))
			return false;
		count++;
		value += strspn(value, " \t");
		if (!*value)
			break;
		if (*value++ != ',')
			return false;
	}
	config->tls_pin_count = count;
	return true;
}

static bool take_port(struct config *config, const char *value)
{
	unsigned port;

	if (!take_number(value, 1, UINT16_MAX, &port))
		return false;
	config->port = (uint16_t)port;
	return true;
}

static bool take_user(struct config *config, const char *value)
{
	config->user = value;
	return strlen(value) <= CONFIG_SECRET_MAX;
}

static bool take_pass(struct config *config, const char *value)
{
	config->pass = value;
	return strlen(value) <= CONFIG_SECRET_MAX;
}

/* The path of a file: absolute, and not that of a directory. */
static bool take_path(const char **path, const char *value)
{
	size_t len = strlen(value);

	if (value[0] != '/' || value[len - 1] == '/' || len >= CONFIG_PATH_MAX)
		return false;
	*path = value;
	return true;
}

static bool take_tls_ca_file(struct config *config, const char *value)
{
	return take_path(&config->tls_ca_file, value);
}

static bool take_port_file_path(struct config *config, const char *value)
{
	return take_path(&config->port_file_path, value);
}

static bool take_health_path(struct config *config, const char *value)
{
	return take_path(&config->health_path, value);
}

/* What is allowed is stricter than dev_valid_name() in the kernel, and all that VPNs use. */
static bool take_vpn_interface(struct config *config, const char *value)
{
	size_t len = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                           "0123456789-._@");

	config->vpn_interface = value;
	return !value[len] && len < IF_NAMESIZE;
}

static bool take_rebind(struct config *config, const char *value)
{
	return take_bool(&config->rebind, value);
}

static bool take_bind_interface(struct config *config, const char *value)
{
	return take_bool(&config->bind_interface, value);
}

static bool take_reannounce(struct config *config, const char *value)
{
	return take_bool(&config->reannounce, value);
}

static bool take_interval(struct config *config, const char *value)
{
	return take_number(value, 1, 86400, &config->interval_s);
}

static bool take_grace(struct config *config, const char *value)
{
	return take_number(value, 0, 86400, &config->no_port_grace_s);
}

static bool take_log_level(struct config *config, const char *value)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "DEBUG", LEVEL_DEBUG }, { "INFO", LEVEL_INFO },   { "WARNING", LEVEL_WARN },
		{ "WARN", LEVEL_WARN },   { "ERROR", LEVEL_ERROR },
	};

	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		if (strcasecmp(value, levels[i].name) == 0) {
			config->log_level = levels[i].level;
			return true;
		}
	}
	return false;
}

static bool take_log_format(struct config *config, const char *value)
{
	bool json = strcasecmp(value, "json") == 0;

	config->log_format = json ? FORMAT_JSON : FORMAT_TEXT;
	return json || strcasecmp(value, "text") == 0;
}

static const char bool_allowed[] = "true or false, yes or no, on or off, 1 or 0";
static const char path_allowed[] = "the absolute path of a file, under 1024 bytes";

static const struct variable variables[] = {
	{
		.name = "QSTICKY_QBITTORRENT_HOST",
		.fallback = "localhost",
		.allowed = "a host name or an IP address, without http:// and without a port",
		.purpose = "where qBittorrent's Web UI is",
		.take = take_host,
	},
	{
		.name = "QSTICKY_QBITTORRENT_PORT",
		.fallback = "8080",
		.allowed = "a number from 1 to 65535",
		.purpose = "port of qBittorrent's Web UI",
		.take = take_port,
	},
	{
		.name = "QSTICKY_QBITTORRENT_USER",
		.fallback = "admin",
		.allowed = "at most 4096 bytes",
		.purpose = "user name of the Web UI",
		.secret = true,
		.take = take_user,
	},
	{
		.name = "QSTICKY_QBITTORRENT_PASS",
		.fallback = "adminadmin",
		.allowed = "at most 4096 bytes",
		.purpose =
			"password of the Web UI; not needed where it lets this address in without",
		.secret = true,
		.take = take_pass,
	},
	{
		.name = "QSTICKY_USE_HTTPS",
		.fallback = "false",
		.allowed = bool_allowed,
		.purpose = "true where the Web UI, or the proxy in front, speaks HTTPS",
		.take = take_use_https,
	},
	{
		.name = "QSTICKY_VERIFY_SSL",
		.fallback = "true",
		.allowed = bool_allowed,
		.purpose = "false accepts any certificate: safe from nobody",
		.take = take_verify_ssl,
	},
	{
		.name = "QSTICKY_TLS_CA_FILE",
		.fallback = CONFIG_TLS_CA_FILE,
		.allowed = path_allowed,
		.purpose = "PEM file of the CAs to trust, or of the server's own certificate",
		.take = take_tls_ca_file,
	},
	{
		.name = "QSTICKY_TLS_PIN_SHA256",
		.fallback = "",
		.allowed =
			"the SHA-256 of a certificate, 64 hex digits; up to 8 with commas between",
		.purpose = "trust exactly this certificate; replaces the checks of CA and name",
		.take = take_tls_pins,
	},
	{
		.name = "QSTICKY_TLS_SERVER_NAME",
		.fallback = "",
		.allowed = "a host name or an IP address",
		.purpose = "name to expect in the certificate; the host unless set",
		.take = take_tls_server_name,
	},
	{
		.name = "QSTICKY_PORT_FILE_PATH",
		.fallback = "/tmp/gluetun/forwarded_port",
		.allowed = path_allowed,
		.purpose = "file in which Gluetun writes the forwarded port",
		.take = take_port_file_path,
	},
	{
		.name = "QSTICKY_CHECK_INTERVAL",
		.fallback = "30",
		.allowed = "seconds, a whole number from 1 to 86400",
		.purpose = "seconds between two checks; a change of the file is acted on at once",
		.take = take_interval,
	},
	{
		.name = "QSTICKY_NO_PORT_GRACE",
		.fallback = "120",
		.allowed = "seconds, a whole number from 0 to 86400",
		.purpose = "seconds without a forwarded port before that is unhealthy",
		.take = take_grace,
	},
	{
		.name = "QSTICKY_VPN_INTERFACE",
		.fallback = "tun0",
		.allowed = "the name of a network interface, at most 15 letters, digits and .-_@",
		.purpose = "the VPN's network interface, on which the port is probed; empty: never",
		.optional = true,
		.take = take_vpn_interface,
	},
	{
		.name = "QSTICKY_REBIND",
		.fallback = "true",
		.allowed = bool_allowed,
		.purpose = "whether to have qBittorrent open a port anew that turns out closed",
		.take = take_rebind,
	},
	{
		.name = "QSTICKY_BIND_INTERFACE",
		.fallback = "false",
		.allowed = bool_allowed,
		.purpose = "whether to keep qBittorrent bound to the VPN's interface and address",
		.take = take_bind_interface,
	},
	{
		.name = "QSTICKY_REANNOUNCE",
		.fallback = "false",
		.allowed = bool_allowed,
		.purpose = "whether to have all torrents announced after a change of the port",
		.take = take_reannounce,
	},
	{
		.name = "QSTICKY_LOG_LEVEL",
		.fallback = "INFO",
		.allowed = "DEBUG, INFO, WARNING or ERROR",
		.purpose = "least important lines to log: DEBUG, INFO, WARNING or ERROR",
		.take = take_log_level,
	},
	{
		.name = "QSTICKY_LOG_FORMAT",
		.fallback = "text",
		.allowed = "text or json",
		.purpose = "text, or json for one JSON object a line",
		.take = take_log_format,
	},
	{
		.name = "HEALTH_FILE",
		.fallback = "/tmp/health/status.json",
		.allowed = path_allowed,
		.purpose = "file in which the health is kept",
		.take = take_health_path,
	},
};

#define VARIABLES (sizeof variables / sizeof variables[0])

/* Its value in `environment`, or NULL where it is unset, as an empty one mostly is. */
static const char *look_up(char *const environment[], const struct variable *variable)
{
	size_t len = strlen(variable->name);

	for (; *environment; environment++) {
		const char *value;

		if (strncmp(*environment, variable->name, len) != 0 || (*environment)[len] != '=')
			continue;
		value = *environment + len + 1;
		return *value || variable->optional ? value : NULL;
	}
	return NULL;
}

static void complain_of(const struct variable *variable, const char *value,
                        config_complain *complain, void *context)
{
	char buf[LOG_LINE_MAX];
	struct text sentence = text_on(buf, sizeof buf);

	if (variable->secret)
		text_printf(&sentence, "%s: not allowed; it takes %s", variable->name,
		            variable->allowed);
	else
		text_printf(&sentence, "%s: \"%.200s\" is not allowed; it takes %s", variable->name,
		            value, variable->allowed);
	complain(context, buf);
}

size_t config_load(struct config *config, char *const environment[], config_complain *complain,
                   void *context)
{
	size_t wrong = 0;

	*config = (struct config){ 0 };
	for (size_t i = 0; i < VARIABLES; i++) {
		const struct variable *variable = &variables[i];
		const char *value = look_up(environment, variable);

		if (value && variable->take(config, value))
			continue;
		if (value) {
			complain_of(variable, value, complain, context);
			wrong++;
		}
		variable->take(config, variable->fallback);
	}
	return wrong;
}

void config_unknown(char *const environment[], config_complain *complain, void *context)
{
	static const char prefix[] = "QSTICKY_";

	for (; *environment; environment++) {
		size_t len = strcspn(*environment, "=");
		bool known = strncmp(*environment, prefix, sizeof prefix - 1) != 0;
		char buf[LOG_LINE_MAX];
		struct text sentence = text_on(buf, sizeof buf);

		for (size_t i = 0; i < VARIABLES && !known; i++)
			known = strlen(variables[i].name) == len &&
			        strncmp(*environment, variables[i].name, len) == 0;
		if (known)
			continue;
		text_printf(&sentence, "%.*s: not a variable of this version, ignored; misspelt?",
		            len < 100 ? (int)len : 100, *environment);
		complain(context, buf);
	}
}

void config_help(struct text *text)
{
	for (size_t i = 0; i < VARIABLES; i++)
		text_printf(text, "  %s=%s\n      %s\n", variables[i].name, variables[i].fallback,
		            variables[i].purpose);
}
