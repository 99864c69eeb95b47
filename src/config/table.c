#include "config/table.h"

const char *const config_kind_takes[] = {
	[CONFIG_KIND_HOST] = "a host name or an IP address, without http:// and without a port",
	[CONFIG_KIND_PORT] = "a number from 1 to 65535",
	[CONFIG_KIND_SECONDS] = "seconds, a whole number",
	[CONFIG_KIND_BOOL] = "true or false, yes or no, on or off, 1 or 0",
	[CONFIG_KIND_PATH] = "the absolute path of a file, under 1024 bytes",
	[CONFIG_KIND_INTERFACE] =
		"the name of a network interface, at most 15 letters, digits and .-_@",
	[CONFIG_KIND_PINS] =
		"the SHA-256 of a certificate, 64 hex digits; up to 8 with commas between",
	[CONFIG_KIND_WORD] = "one of ",
	[CONFIG_KIND_SECRET] = "at most 4096 bytes",
	[CONFIG_KIND_SECRET_URL] =
		"an http:// or https:// URL, no user:password@, at most 4096 bytes",
};

static const char *const sources[] = { "file", "gluetun", "auto", NULL };
static const char *const auths[] = { "none", "basic", "apikey", NULL };
static const char *const levels[] = { "DEBUG", "INFO", "WARNING", "ERROR", NULL };
static const char *const formats[] = { "text", "json", NULL };

#define FIELD(member) .field = offsetof(struct config, member)

const struct config_variable config_table[] = {
	{
		.name = "QSTICKY_QBITTORRENT_HOST",
		.old_name = "QBITTORRENT_HOST",
		.kind = CONFIG_KIND_HOST,
		FIELD(host),
		.fallback = "localhost",
		.purpose = "where qBittorrent's Web UI is",
	},
	{
		.name = "QSTICKY_QBITTORRENT_PORT",
		.old_name = "QBITTORRENT_PORT",
		.kind = CONFIG_KIND_PORT,
		FIELD(port),
		.fallback = "8080",
		.purpose = "port of qBittorrent's Web UI",
	},
	{
		.name = "QSTICKY_QBITTORRENT_USER",
		.old_name = "QBITTORRENT_USER",
		.kind = CONFIG_KIND_SECRET,
		FIELD(user),
		.usual_file = CONFIG_SECRETS "/qbittorrent_user",
		.fallback = "admin",
		.purpose = "user name of the Web UI",
	},
	{
		.name = "QSTICKY_QBITTORRENT_PASS",
		.old_name = "QBITTORRENT_PASS",
		.kind = CONFIG_KIND_SECRET,
		FIELD(pass),
		.usual_file = CONFIG_SECRETS "/qbittorrent_pass",
		.fallback = "adminadmin",
		.purpose =
			"password of the Web UI; not needed where it lets this address in without",
	},
	{
		.name = "QSTICKY_QBITTORRENT_API_KEY",
		.old_name = "QBITTORRENT_API_KEY",
		.kind = CONFIG_KIND_SECRET,
		FIELD(api_key),
		.usual_file = CONFIG_SECRETS "/qbittorrent_api_key",
		.fallback = "",
		.purpose = "its API key (qBittorrent 5.2 or newer), instead of user and password",
	},
	{
		.name = "QSTICKY_USE_HTTPS",
		.old_name = "QBITTORRENT_HTTPS",
		.kind = CONFIG_KIND_BOOL,
		FIELD(use_https),
		.fallback = "false",
		.purpose = "true where the Web UI, or the proxy in front, speaks HTTPS",
	},
	{
		.name = "QSTICKY_VERIFY_SSL",
		.old_name = "QBITTORRENT_VERIFY_SSL",
		.kind = CONFIG_KIND_BOOL,
		FIELD(verify_ssl),
		.fallback = "true",
		.purpose = "false accepts any certificate: safe from nobody",
	},
	{
		.name = "QSTICKY_TLS_CA_FILE",
		.kind = CONFIG_KIND_PATH,
		FIELD(tls_ca_file),
		.fallback = CONFIG_TLS_CA_FILE,
		.purpose = "PEM file of the CAs to trust, or of the server's own certificate",
	},
	{
		.name = "QSTICKY_TLS_PIN_SHA256",
		.kind = CONFIG_KIND_PINS,
		.purpose = "trust exactly this certificate; replaces the checks of CA and name",
	},
	{
		.name = "QSTICKY_TLS_SERVER_NAME",
		.kind = CONFIG_KIND_HOST,
		FIELD(tls_server_name),
		.purpose = "name to expect in the certificate; the host unless set",
	},
	{
		.name = "QSTICKY_PORT_SOURCE",
		.kind = CONFIG_KIND_WORD,
		.words = sources,
		FIELD(port_source),
		.fallback = "file",
		.purpose =
			"file; gluetun, its control server; or auto, that while there is no file",
	},
	{
		.name = "QSTICKY_PORT_FILE_PATH",
		.kind = CONFIG_KIND_PATH,
		FIELD(port_file_path),
		.fallback = "/tmp/gluetun/forwarded_port",
		.purpose = "file in which Gluetun writes the forwarded port",
	},
	{
		.name = "QSTICKY_GLUETUN_HOST",
		.old_name = "GLUETUN_HOST",
		.kind = CONFIG_KIND_HOST,
		FIELD(gluetun_host),
		.fallback = "localhost",
		.purpose = "where Gluetun's control server is; set, it is the port source",
	},
	{
		.name = "QSTICKY_GLUETUN_PORT",
		.old_name = "GLUETUN_PORT",
		.kind = CONFIG_KIND_PORT,
		FIELD(gluetun_port),
		.fallback = "8000",
		.purpose = "port of Gluetun's control server",
	},
	{
		.name = "QSTICKY_GLUETUN_USE_HTTPS",
		.kind = CONFIG_KIND_BOOL,
		FIELD(gluetun_use_https),
		.fallback = "false",
		.purpose = "true where a proxy in front of the control server speaks HTTPS",
	},
	{
		.name = "QSTICKY_GLUETUN_AUTH_TYPE",
		.old_name = "GLUETUN_AUTH_TYPE",
		.kind = CONFIG_KIND_WORD,
		.words = auths,
		FIELD(gluetun_auth),
		.fallback = "none",
		.purpose = "what the control server asks for: none, basic or apikey",
	},
	{
		.name = "QSTICKY_GLUETUN_USERNAME",
		.old_name = "GLUETUN_USERNAME",
		.kind = CONFIG_KIND_SECRET,
		FIELD(gluetun_username),
		.usual_file = CONFIG_SECRETS "/gluetun_username",
		.fallback = "",
		.purpose = "user name for basic",
	},
	{
		.name = "QSTICKY_GLUETUN_PASSWORD",
		.old_name = "GLUETUN_PASSWORD",
		.kind = CONFIG_KIND_SECRET,
		FIELD(gluetun_password),
		.usual_file = CONFIG_SECRETS "/gluetun_password",
		.fallback = "",
		.purpose = "password for basic",
	},
	{
		.name = "QSTICKY_GLUETUN_APIKEY",
		.old_name = "GLUETUN_APIKEY",
		.kind = CONFIG_KIND_SECRET,
		FIELD(gluetun_apikey),
		.usual_file = CONFIG_SECRETS "/gluetun_apikey",
		.fallback = "",
		.purpose = "key for apikey",
	},
	{
		.name = "QSTICKY_CHECK_INTERVAL",
		.old_name = "CHECK_INTERVAL",
		.kind = CONFIG_KIND_SECONDS,
		.least = 1,
		.most = 86400,
		FIELD(interval_s),
		.fallback = "30",
		.purpose = "seconds between two checks; a change of the file is acted on at once",
	},
	{
		.name = "QSTICKY_NO_PORT_GRACE",
		.kind = CONFIG_KIND_SECONDS,
		.most = 86400,
		FIELD(no_port_grace_s),
		.fallback = "120",
		.purpose = "seconds without a forwarded port before that is unhealthy",
	},
	{
		.name = "QSTICKY_VPN_INTERFACE",
		.kind = CONFIG_KIND_INTERFACE,
		.optional = true,
		FIELD(vpn_interface),
		.fallback = "tun0",
		.purpose =
			"the VPN's interface, on which the port is probed; if named, it must be here; empty: never",
	},
	{
		.name = "QSTICKY_REBIND",
		.kind = CONFIG_KIND_BOOL,
		FIELD(rebind),
		.fallback = "true",
		.purpose = "whether to have qBittorrent open a port anew that turns out closed",
	},
	{
		.name = "QSTICKY_BIND_INTERFACE",
		.kind = CONFIG_KIND_BOOL,
		FIELD(bind_interface),
		.fallback = "false",
		.purpose = "whether to keep qBittorrent bound to the VPN's interface and address",
	},
	{
		.name = "QSTICKY_REANNOUNCE",
		.kind = CONFIG_KIND_BOOL,
		FIELD(reannounce),
		.fallback = "false",
		.purpose = "whether to have all torrents announced after a change of the port",
	},
	{
		.name = "QSTICKY_LOG_LEVEL",
		.old_name = "LOG_LEVEL",
		.kind = CONFIG_KIND_WORD,
		.words = levels,
		FIELD(log_level),
		.fallback = "INFO",
		.purpose = "least important lines to log: DEBUG, INFO, WARNING or ERROR",
	},
	{
		.name = "QSTICKY_LOG_FORMAT",
		.kind = CONFIG_KIND_WORD,
		.words = formats,
		FIELD(log_format),
		.fallback = "text",
		.purpose = "text, or json for one JSON object a line",
	},
	{
		.name = "QSTICKY_WEBHOOK_URL",
		.kind = CONFIG_KIND_SECRET_URL,
		FIELD(webhook_url),
		.usual_file = CONFIG_SECRETS "/webhook_url",
		.fallback = "",
		.purpose = "where to POST each change of port and of health; nowhere unless set",
	},
	{
		.name = "QSTICKY_METRICS_FILE",
		.kind = CONFIG_KIND_PATH,
		FIELD(metrics_path),
		.purpose = "file for metrics, for Prometheus' node_exporter; none unless set",
	},
	{
		.name = "QSTICKY_SANDBOX",
		.kind = CONFIG_KIND_BOOL,
		FIELD(sandbox),
		.fallback = "true",
		.purpose = "whether to give up the rights that it does not need",
	},
	{
		.name = "HEALTH_FILE",
		.kind = CONFIG_KIND_PATH,
		FIELD(health_path),
		.fallback = "/tmp/health/status.json",
		.purpose = "file in which the health is kept",
	},
};

const size_t config_table_count = sizeof config_table / sizeof config_table[0];

void config_table_help(struct text *text)
{
	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_variable *variable = &config_table[i];

		text_printf(text, "  %s=%s\n      %s\n", variable->name,
		            variable->fallback ? variable->fallback : "", variable->purpose);
		if (config_variable_is_secret(variable))
			text_printf(
				text,
				"  %s_FILE=\n      file that holds it, in place of the variable\n",
				variable->name);
	}
}

const struct secret *config_secret(const struct config *config, size_t *cursor)
{
	while (*cursor < config_table_count) {
		const struct config_variable *variable = &config_table[(*cursor)++];

		if (variable->kind == CONFIG_KIND_SECRET)
			return (const void *)((const char *)config + variable->field);
	}
	return NULL;
}
