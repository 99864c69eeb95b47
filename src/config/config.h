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

/* The field of a setting, by the kind that it has in its row. Strings are borrowed from the environment or are
 * literals; both outlive the process's work. */
#define CONFIG_FIELD_HOST(field) char field[LIMITS_HOST_MAX] /* name or address, without brackets */
#define CONFIG_FIELD_PORT(field) uint16_t field              /* 1 to 65535 */
#define CONFIG_FIELD_SECONDS(field) unsigned field
#define CONFIG_FIELD_BOOL(field) bool field
#define CONFIG_FIELD_PATH(field) const char *field /* absolute; NULL: unset, without a default */
#define CONFIG_FIELD_INTERFACE(field)                                                              \
	const char *field /* under IF_NAMESIZE, nothing that JSON escapes */
#define CONFIG_FIELD_PINS(field) unsigned char field[CONFIG_PINS_MAX][CONFIG_PIN_LEN]
#define CONFIG_FIELD_SOURCE(field) enum config_source field
#define CONFIG_FIELD_AUTH(field) enum config_auth field
#define CONFIG_FIELD_LEVEL(field) enum log_level field
#define CONFIG_FIELD_FORMAT(field) enum log_format field
#define CONFIG_FIELD_SECRET(field) struct secret field /* "": none */
#define CONFIG_FIELD_SECRET_URL(field) struct secret field

/* In the order of --help, whatever padding that takes: 37 bytes.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct config {
#define SETTING(kind, field, ...) CONFIG_FIELD_##kind(field);
#include "config/settings.h"
#undef SETTING
	/* What follows from them. */
	size_t tls_pin_count;
	bool vpn_interface_named; /* by the user: there has to be one of that name */
};

#endif
