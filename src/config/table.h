/* config_table: the variables (settings.h) as a table, and the values that they accept. */
#ifndef QSTICKY_CONFIG_TABLE_H
#define QSTICKY_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "config/config.h"

/* The kinds of values. config.h has the types of their fields. */
enum config_kind {
	CONFIG_KIND_HOST,
	CONFIG_KIND_PORT,
	CONFIG_KIND_SECONDS, /* from `least` to `most` */
	CONFIG_KIND_COUNT,   /* the same */
	CONFIG_KIND_BOOL,
	CONFIG_KIND_PATH,
	CONFIG_KIND_INTERFACE,
	CONFIG_KIND_PINS,
	/* One of a list of words, in any case; its index is the value. */
	CONFIG_KIND_SOURCE,
	CONFIG_KIND_AUTH,
	CONFIG_KIND_LEVEL,
	CONFIG_KIND_FORMAT,
	/* Secrets; they must come last. */
	CONFIG_KIND_SECRET,
	CONFIG_KIND_SECRET_WORD, /* without blanks or quotes */
	CONFIG_KIND_SECRET_URL,
};

/* The values that each kind accepts, as a part of a sentence. The limits of a variable are appended, if it has
 * any. */
struct config_kind_takes {
	const char *what;
	const char (*words)[CONFIG_WORD_MAX]; /* ended by ""; or NULL */
};
extern const struct config_kind_takes config_takes[];

struct config_variable {
	const char *name;
	const char *old_name; /* in qSticky 2.x; NULL: none */
	const char *fallback; /* the default, as text; NULL: the field stays zeroed */
	const char *purpose;  /* for --help */
	uint16_t field;       /* its offset in struct config */
	uint8_t kind;         /* enum config_kind */
	uint8_t least;
	unsigned most;
};

/* In the order of --help. */
extern const struct config_variable config_table[];
extern const size_t config_table_count;

/* Whether it is a secret: never shown, and also accepted as NAME_FILE. */
static inline bool config_variable_is_secret(const struct config_variable *variable)
{
	return variable->kind >= CONFIG_KIND_SECRET;
}

/* Whether `name`, one of the two that `variable` points to, is everybody's. The names of 2.x are: a value that does
 * not fit may be meant for another program. That of a secret is not: the default must not be sent in place of one
 * that is too long, or has several lines. */
static inline bool config_name_is_everybodys(const struct config_variable *variable,
                                             const char *name)
{
	return name == variable->old_name && !config_variable_is_secret(variable);
}

/* Appends the table for --help. */
void config_table_help(struct text *text);

/* Iterates over the secrets for servers, hence without the webhook's URL. `*cursor` starts at 0. NULL:
 * no more. */
const struct secret *config_secret(const struct config *config, size_t *cursor);

#endif
