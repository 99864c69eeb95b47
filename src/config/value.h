/* config_value: parses and checks the value of one variable. */
#ifndef QSTICKY_CONFIG_VALUE_H
#define QSTICKY_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"

/* Most pins; each is a certificate's SHA-256. Several make a rotation possible. */
#define CONFIG_PINS_MAX 8
#define CONFIG_PIN_LEN 32

/* Cuts off in place what cannot be part of `value`: byte order marks before it and the line ends around it. If
 * `plain`, blanks and pairs of quotes around it, too. Returns where the rest begins. To trim that again changes
 * nothing. */
char *config_value_trim(char *value, bool plain);

/* Each returns false if the value is not allowed; the result is then undefined. Strings are
 * borrowed. */

/* Decimal digits only, from `least` to `most`. */
bool config_value_number(const char *value, unsigned least, unsigned most, unsigned *number);

/* true or false, yes or no, on or off, 1 or 0, in any case. */
bool config_value_bool(const char *value, bool *out);

/* Room for the longest word that is a value, with its NUL. */
#define CONFIG_WORD_MAX 8

/* One of `words` (ended by ""), in any case; sets its index. */
bool config_value_word(const char *value, const char (*words)[CONFIG_WORD_MAX], unsigned *index);

/* A host name or an IP address. An IPv6 address may have brackets; `out` has none. */
bool config_value_host(const char *value, char out[static LIMITS_HOST_MAX]);

/* The path of a file: absolute, without a slash at its end. */
bool config_value_path(const char *value, const char **path);

/* The name of a network interface, or "". Only letters, digits and .-_@: stricter than the kernel,
 * but enough for VPNs. */
bool config_value_interface(const char *value, const char **name);

/* SHA-256s in hex, with or without colons, separated by commas. */
bool config_value_pins(const char *value,
                       unsigned char pins[static CONFIG_PINS_MAX][CONFIG_PIN_LEN], size_t *count);

#endif
