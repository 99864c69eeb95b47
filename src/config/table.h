/* config_table: what the variables take, and their rows (settings.h) as a table. */
#ifndef QSTICKY_CONFIG_TABLE_H
#define QSTICKY_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "config/config.h"

/* What a variable takes; config.h has the types of the fields. */
enum config_kind {
	CONFIG_KIND_HOST,
	CONFIG_KIND_PORT,
	CONFIG_KIND_SECONDS, /* from `least` to `most` */
	CONFIG_KIND_BOOL,
	CONFIG_KIND_PATH,
	CONFIG_KIND_INTERFACE,
	CONFIG_KIND_PINS,
	/* One of their words, in any case; its index is the value. */
	CONFIG_KIND_SOURCE,
	CONFIG_KIND_AUTH,
	CONFIG_KIND_LEVEL,
	CONFIG_KIND_FORMAT,
	/* Secrets, which come last. */
	CONFIG_KIND_SECRET,
	CONFIG_KIND_SECRET_URL,
};

/* What each kind takes, as a part of a sentence; to CONFIG_KIND_SECONDS belong its limits. */
struct config_kind_takes {
	const char *what;
	const char *const *words; /* ended by NULL; or NULL */
};
extern const struct config_kind_takes config_takes[];

struct config_variable {
	const char *name;
	const char *old_name;   /* in qSticky 2.x; NULL: there is none */
	const char *fallback;   /* the default, as text; NULL: the field stays zeroed */
	const char *purpose;    /* for --help */
	const char *usual_file; /* of a secret, in CONFIG_SECRETS */
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
