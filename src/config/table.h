/* config_table: the variables that there are, and what each of them takes.
 *
 * A new one is a row here, and a field in struct config. */
#ifndef QSTICKY_CONFIG_TABLE_H
#define QSTICKY_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "config/config.h"

/* What a variable takes, and the type of its field. */
enum config_kind {
	CONFIG_KIND_HOST,      /* char[LIMITS_HOST_MAX] */
	CONFIG_KIND_PORT,      /* uint16_t */
	CONFIG_KIND_SECONDS,   /* unsigned, from `least` to `most` */
	CONFIG_KIND_BOOL,      /* bool */
	CONFIG_KIND_PATH,      /* const char * */
	CONFIG_KIND_INTERFACE, /* const char * */
	CONFIG_KIND_PINS,      /* tls_pins with tls_pin_count, which are the only ones */
	CONFIG_KIND_WORD,      /* an enum, its value the index of the word */
	CONFIG_KIND_SECRET,    /* struct secret, as that of what follows */
	CONFIG_KIND_SECRET_URL,
};

/* What one of that kind takes, as a part of a sentence. To it belong: CONFIG_KIND_SECONDS its limits,
 * CONFIG_KIND_WORD its words. */
extern const char *const config_kind_takes[];

struct config_variable {
	const char *name;
	const char *old_name;     /* in qSticky 2.x; NULL: there is none */
	const char *fallback;     /* the default, as text; NULL: the field stays zeroed */
	const char *purpose;      /* for --help */
	const char *usual_file;   /* of a secret, in CONFIG_SECRETS */
	const char *const *words; /* of CONFIG_KIND_WORD, ended by NULL */
	enum config_kind kind;
	bool optional; /* empty does not mean unset */
	size_t field;  /* its offset in struct config */
	unsigned least;
	unsigned most;
};

/* In the order of --help. */
extern const struct config_variable config_table[];
extern const size_t config_table_count;

/* Whether it may also be in a file, with _FILE behind the name, and its value is not to be shown. */
static inline bool config_variable_is_secret(const struct config_variable *variable)
{
	return variable->kind >= CONFIG_KIND_SECRET;
}

/* Appends the table, a line or two for each variable, for --help. */
void config_table_help(struct text *text);

/* The secrets for peers, one at a time, hence not the webhook's URL; `*cursor` is 0 at first. NULL: that
 * was the last. */
const struct secret *config_secret(const struct config *config, size_t *cursor);

#endif
