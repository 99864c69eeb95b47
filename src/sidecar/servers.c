#include "sidecar/servers.h"

#include <string.h>

#include "base/text.h"

/* Trust by the CA file, which all servers share. */
static struct trust trust_in(const struct config *config, const char *name)
{
	return (struct trust){
		.name = name,
		.ca_file = config->tls_ca_file,
		.ca_file_is_usual = strcmp(config->tls_ca_file, CONFIG_TLS_CA_FILE) == 0,
	};
}

void servers_qbittorrent(struct qbittorrent *qb, const struct config *config,
                         const struct stop *stop, struct http_reply *reply)
{
	const char *name = config->tls_server_name[0] ? config->tls_server_name : config->host;
	const struct qbittorrent_account account = { &config->user, &config->pass,
		                                     &config->api_key };
	struct peer_address address = {
		.host = config->host,
		.port = config->port,
		.https = config->use_https,
		.trust = trust_in(config, name),
	};

	address.trust.accepts_any = !config->verify_ssl;
	address.trust.pins = config->tls_pins[0];
	address.trust.pin_count = config->tls_pin_count;
	qbittorrent_start(qb, &address, &account, stop, reply);
}

void servers_gluetun(struct gluetun *gluetun, const struct config *config, const struct stop *stop,
                     struct http_reply *reply)
{
	const struct peer_address address = {
		.host = config->gluetun_host,
		.port = config->gluetun_port,
		.https = config->gluetun_use_https,
		.trust = trust_in(config, config->gluetun_host),
	};
	const bool by_name = config->gluetun_auth == CONFIG_AUTH_BASIC;
	const struct gluetun_account account = {
		.apikey =
			config->gluetun_auth == CONFIG_AUTH_APIKEY ? &config->gluetun_apikey : NULL,
		.username = by_name ? &config->gluetun_username : NULL,
		.password = by_name ? &config->gluetun_password : NULL,
	};

	gluetun_start(gluetun, &address, &account, stop, reply);
}

struct webhook_receiver servers_webhook(const struct config *config)
{
	return (struct webhook_receiver){
		.url = &config->webhook_url,
		.ca_file = config->tls_ca_file,
	};
}

void servers_source(char out[static SERVERS_SOURCE_MAX], const struct config *config,
                    enum config_source source)
{
	struct text text = text_on(out, SERVERS_SOURCE_MAX);
	char name[GLUETUN_NAME_MAX];

	if (source != CONFIG_SOURCE_GLUETUN)
		text_printf(&text, "in %s", config->port_file_path);
	if (source == CONFIG_SOURCE_AUTO)
		text_append(&text, ", else ");
	gluetun_name(name, config->gluetun_host, config->gluetun_port);
	if (source != CONFIG_SOURCE_FILE)
		text_printf(&text, "from %s", name);
}
