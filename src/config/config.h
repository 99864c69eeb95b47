/* config: what a user has set, as one struct. */
#ifndef QSTICKY_CONFIG_CONFIG_H
#define QSTICKY_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/log.h"
#include "config/secret.h"

/* Where Docker and others put secrets. Only the files that are there. */
#define CONFIG_SECRETS "/run/secrets"

/* Pins of certificates, for rotation; each is a SHA-256. */
#define CONFIG_PINS_MAX 8
#define CONFIG_PIN_LEN 32

/* Where most systems keep the CAs they trust. Only if it is there, hence no error where not. */
#define CONFIG_TLS_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

/* Where the forwarded port is learnt from. */
enum config_source {
	CONFIG_SOURCE_FILE,
	CONFIG_SOURCE_GLUETUN, /* its control server */
	CONFIG_SOURCE_AUTO,    /* the file; while it is missing, the control server */
};

/* What Gluetun's control server wants to see. */
enum config_auth {
	CONFIG_AUTH_NONE,
	CONFIG_AUTH_BASIC,
	CONFIG_AUTH_APIKEY,
};

/* Strings are borrowed from the environment or are literals; both outlive the process's work. */
struct config {
	char host[LIMITS_HOST_MAX]; /* name or address, without brackets */
	uint16_t port;              /* 1 to 65535 */
	struct secret user;
	struct secret pass;
	struct secret api_key; /* "": user and password instead */
	bool use_https;
	bool verify_ssl;         /* false: any certificate will do, unless there are pins */
	const char *tls_ca_file; /* absolute */
	size_t tls_pin_count;
	unsigned char tls_pins[CONFIG_PINS_MAX][CONFIG_PIN_LEN];
	char tls_server_name[LIMITS_HOST_MAX]; /* "": as `host` */
	enum config_source port_source;
	const char *port_file_path; /* absolute */
	char gluetun_host[LIMITS_HOST_MAX];
	uint16_t gluetun_port;
	bool gluetun_use_https;
	enum config_auth gluetun_auth;
	struct secret gluetun_username;
	struct secret gluetun_password;
	struct secret gluetun_apikey;
	struct secret webhook_url; /* "": none */
	const char *health_path;   /* absolute */
	const char *metrics_path;  /* absolute; NULL: none */
	unsigned interval_s;       /* 1 to 86400 */
	unsigned no_port_grace_s;  /* 0 to 86400 */
	const char *vpn_interface; /* under IF_NAMESIZE, no character that JSON escapes; "": none */
	bool vpn_interface_named;  /* by the user: there has to be one of that name */
	bool rebind;
	bool bind_interface;
	bool reannounce;
	bool sandbox;
	enum log_level log_level;
	enum log_format log_format;
};

#endif
