#include "config/complaint.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/redact.h"
#include "base/text.h"

/* What it takes, as a part of a sentence. */
static void append_allowed(struct text *text, const struct config_variable *variable)
{
	const struct config_kind_takes *takes = &config_takes[variable->kind];

	text_append(text, takes->what);
	if (variable->most > 0)
		text_printf(text, " from %u to %u", (unsigned)variable->least, variable->most);
	for (size_t i = 0; takes->words && takes->words[i][0]; i++)
		text_printf(text, "%s%s", i > 0 ? ", " : "", takes->words[i]);
}

/* Says where the parts of a URL go that was given for a host. In the table, the host's port follows it, and
 * then the switch for HTTPS. */
static void append_rest(struct text *text, const struct config_variable *variable,
                        const char *value)
{
	const char *scheme = text_find(value, strlen(value), "://"),
		   *host = scheme ? scheme + 3 : value, *port;
	size_t len = strcspn(host, "/?#");
	const struct config_variable *https = variable + 1;

	if (https->kind != CONFIG_KIND_PORT)
		return;
	port = memchr(host, ':', len);
	if (port && (*host == '[' || !memchr(port + 1, ':', len - (size_t)(port + 1 - host))))
		text_printf(text, "; the port goes into %s", https->name);
	while (https->kind != CONFIG_KIND_BOOL)
		https++;
	if (scheme && strncasecmp(value, "https", 5) == 0)
		text_printf(text, "; for https://, set %s=true", https->name);
	if (host[len] && host[len + 1])
		text_append(text,
		            "; a path goes nowhere: name the program's own host and port, not a "
		            "proxy's");
}

void config_complaint(const struct config_variable *variable, const char *name, const char *value,
                      config_complain *complain, void *context)
{
	char buf[LOG_LINE_MAX];
	struct text sentence = text_on(buf, sizeof buf);

	text_printf(&sentence, "%s: ", name);
	/* Not the value: a secret may have ended up in the wrong variable, or in a URL. */
	if (config_variable_is_secret(variable)) {
		text_append(&sentence, "not allowed");
	} else {
		redact_append_kind(&sentence, value, strlen(value));
		text_append(&sentence, " is not allowed");
	}
	text_append(&sentence, "; it takes ");
	append_allowed(&sentence, variable);
	if (variable->kind == CONFIG_KIND_HOST)
		append_rest(&sentence, variable, value);
	if (config_name_is_everybodys(variable, name))
		text_printf(&sentence, "; ignored (the name that is ours alone is %s)",
		            variable->name);
	complain(context, buf);
}
