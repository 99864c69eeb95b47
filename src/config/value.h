/* config_value: the text of one variable, checked, into what it is for. */
#ifndef QSTICKY_CONFIG_VALUE_H
#define QSTICKY_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "config/config.h"

/* Each returns false where the text is not allowed; what is to be set may then hold anything. Strings
 * are borrowed. */

/* Decimal digits only, from `least` to `most`. */
bool config_value_number(const char *value, unsigned least, unsigned most, unsigned *number);

/* true or false, yes or no, on or off, 1 or 0, in any case. */
bool config_value_bool(const char *value, bool *out);

/* One of `words` (ended by NULL) in any case: its index. */
bool config_value_word(const char *value, const char *const words[], unsigned *index);

/* A name or an address, which may be in brackets, to `out` without them. */
bool config_value_host(const char *value, char out[static LIMITS_HOST_MAX]);

/* The path of a file: absolute, and not that of a directory. */
bool config_value_path(const char *value, const char **path);

/* The name of a network interface, of letters, digits and .-_@ only: stricter than the kernel, and
 * all that VPNs use. May be empty. */
bool config_value_interface(const char *value, const char **name);

/* SHA-256s in hex, with colons or without, several with commas between. */
bool config_value_pins(const char *value,
                       unsigned char pins[static CONFIG_PINS_MAX][CONFIG_PIN_LEN], size_t *count);

#endif
