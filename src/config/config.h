/* config: the user's settings, as one struct. */
#ifndef QSTICKY_CONFIG_CONFIG_H
#define QSTICKY_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/log.h"
#include "config/secret.h"
#include "config/value.h"

/* Where Docker and others mount secrets. A file that is missing there is no error. */
#define CONFIG_SECRETS "/run/secrets"

/* Where the image has its health file, by HEALTH_FILE; nobody else has this directory. */
#define CONFIG_IMAGE_HEALTH "/app/health"

/* Where most systems keep the CAs they trust. No error if it is missing. */
#define CONFIG_TLS_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

/* In place of the interface's name: no port is probed. */
#define CONFIG_INTERFACE_NONE "none"

/* Where the forwarded port comes from. */
enum config_source {
	CONFIG_SOURCE_FILE,
	CONFIG_SOURCE_GLUETUN, /* Gluetun's control server */
	CONFIG_SOURCE_AUTO,    /* the file; while that is missing, the control server */
};

/* How to log in to Gluetun's control server. */
enum config_auth {
	CONFIG_AUTH_NONE,
	CONFIG_AUTH_BASIC,
	CONFIG_AUTH_APIKEY,
};

/* The field of a setting, by its kind. Strings are literals or borrowed from the environment; both
 * last as long as the process. */
#define CONFIG_FIELD_HOST(field) char field[LIMITS_HOST_MAX] /* name or address, without brackets */
#define CONFIG_FIELD_PORT(field) uint16_t field              /* 1 to 65535 */
#define CONFIG_FIELD_SECONDS(field) unsigned field
#define CONFIG_FIELD_COUNT(field) unsigned field
#define CONFIG_FIELD_BOOL(field) bool field
#define CONFIG_FIELD_PATH(field) const char *field /* absolute; NULL: unset, and no default */
#define CONFIG_FIELD_INTERFACE(field)                                                              \
	const char                                                                                 \
		*field /* shorter than IF_NAMESIZE; no character that JSON escapes; "": find it */
#define CONFIG_FIELD_PINS(field) unsigned char field[CONFIG_PINS_MAX][CONFIG_PIN_LEN]
#define CONFIG_FIELD_SOURCE(field) enum config_source field
#define CONFIG_FIELD_AUTH(field) enum config_auth field
#define CONFIG_FIELD_LEVEL(field) enum log_level field
#define CONFIG_FIELD_FORMAT(field) enum log_format field
#define CONFIG_FIELD_SECRET(field) struct secret field /* "": none */
#define CONFIG_FIELD_SECRET_WORD(field) struct secret field
#define CONFIG_FIELD_SECRET_URL(field) struct secret field

/* In the order of --help, which costs 37 bytes of padding.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct config {
#define SETTING(kind, field, ...) CONFIG_FIELD_##kind(field);
#include "config/settings.h"
#undef SETTING
	/* Derived from the settings. */
	size_t tls_pin_count;
};

#endif
