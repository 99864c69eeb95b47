#include "config/load.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/redact.h"
#include "base/text.h"
#include "config/complaint.h"
#include "config/kubernetes.h"
#include "config/table.h"
#include "config/url.h"
#include "config/value.h"

/* ---- one value ---- */

/* Their indices are written into enums. */
_Static_assert(sizeof(enum log_level) == sizeof(unsigned) &&
                       sizeof(enum log_format) == sizeof(unsigned) &&
                       sizeof(enum config_source) == sizeof(unsigned) &&
                       sizeof(enum config_auth) == sizeof(unsigned),
               "enums are as large as unsigned");

/* Checks the value and sets the field, which may hold anything where it is not allowed. */
static bool parse(struct config *config, const struct config_variable *variable, const char *value)
{
	void *field = (char *)config + variable->field;
	unsigned number;
	struct url url;

	switch ((enum config_kind)variable->kind) {
	case CONFIG_KIND_HOST:
		return config_value_host(value, field);
	case CONFIG_KIND_PORT:
		if (!config_value_number(value, 1, UINT16_MAX, &number))
			return false;
		*(uint16_t *)field = (uint16_t)number;
		return true;
	case CONFIG_KIND_SECONDS:
	case CONFIG_KIND_COUNT:
		return config_value_number(value, variable->least, variable->most, field);
	case CONFIG_KIND_BOOL:
		return config_value_bool(value, field);
	case CONFIG_KIND_PATH:
		return config_value_path(value, field);
	case CONFIG_KIND_INTERFACE:
		return config_value_interface(value, field);
	case CONFIG_KIND_SECRET_URL:
	case CONFIG_KIND_SECRET_WORD:
	case CONFIG_KIND_SECRET:
		((struct secret *)field)->value = value;
		return strlen(value) <= SECRET_MAX && !strpbrk(value, "\r\n") &&
		       (variable->kind != CONFIG_KIND_SECRET_URL || !*value ||
		        url_parse(&url, value));
	case CONFIG_KIND_PINS:
		return config_value_pins(value, config->tls_pins, &config->tls_pin_count);
	case CONFIG_KIND_LEVEL:
		/* The documentation has this form of it, too. */
		if (strcasecmp(value, "WARN") == 0)
			value = "WARNING";
		return config_value_word(value, config_takes[variable->kind].words, field);
	case CONFIG_KIND_SOURCE:
	case CONFIG_KIND_AUTH:
	case CONFIG_KIND_FORMAT:
		return config_value_word(value, config_takes[variable->kind].words, field);
	}
	return false;
}

/* ---- the environment ---- */

/* The value of the variable named `name`, with `suffix` behind it; NULL where it is unset. */
static char *look_up(char *const environment[], const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	for (; *environment; environment++) {
		char *rest;

		if (strncmp(*environment, name, len) != 0)
			continue;
		rest = *environment + len;
		if (strncmp(rest, suffix, suffix_len) == 0 && rest[suffix_len] == '=')
			return rest + suffix_len + 1;
	}
	return NULL;
}

static bool is_set(char *const environment[], const char *name, const char *suffix)
{
	const char *value = look_up(environment, name, suffix);

	return value && *value;
}

/* The same as look_up(), and trims the value there. */
static char *look_up_trimmed(char *const environment[], const char *name, const char *suffix,
                             bool plain)
{
	char *value = look_up(environment, name, suffix);

	if (value) {
		const char *rest = config_value_trim(value, plain);

		memmove(value, rest, strlen(rest) + 1);
	}
	return value;
}

/* The value under one of the names of `variable`, trimmed; NULL also if Kubernetes has put it there. */
static const char *look_up_ours(char *const environment[], const struct config_variable *variable,
                                const char *name)
{
	bool plain = variable->kind != CONFIG_KIND_SECRET;
	const char *value = look_up_trimmed(environment, name, "", plain);

	return value && !kubernetes_sets(environment, name, value) ? value : NULL;
}

/* Its value, and under which name; NULL where it is unset, as an empty one is. */
static const char *value_of(char *const environment[], const struct config_variable *variable,
                            const char **name)
{
	const char *value = look_up_ours(environment, variable, variable->name);

	*name = variable->name;
	if (value && *value)
		return value;
	if (!variable->old_name)
		return NULL;
	*name = variable->old_name;
	value = look_up_ours(environment, variable, variable->old_name);
	return value && *value ? value : NULL;
}

#define USUAL_FILE_MAX (sizeof CONFIG_SECRETS "/qbittorrent_api_key")

/* A row for each variable; only those of secrets are used. */
enum row {
#define SETTING(kind, field, ...) ROW_##field,
#include "config/settings.h"
#undef SETTING
	ROWS
};
static char usual_files[ROWS][USUAL_FILE_MAX];

/* The usual file of a secret is named like its variable, without QSTICKY_ and in lower case. */
static const char *name_usual_file(char file[static USUAL_FILE_MAX], const char *variable)
{
	struct text text = text_on(file, USUAL_FILE_MAX);

	text_printf(&text, CONFIG_SECRETS "/%s", variable + sizeof "QSTICKY_" - 1);
	for (char *at = file + sizeof CONFIG_SECRETS; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return file;
}

/* A secret is in a variable or in a file; in neither, a file in the usual place is looked for. */
static size_t read_file_name(struct secret *secret, char *const environment[],
                             const struct config_variable *variable, config_complain *complain,
                             void *context)
{
	const char *path = look_up_trimmed(environment, variable->name, "_FILE", true);
	char buf[LOG_LINE_MAX];
	struct text sentence = text_on(buf, sizeof buf);
	const char *name;

	secret->name = variable->name;
	if (!path || !*path) {
		if (value_of(environment, variable, &name)) {
			secret->name = name;
			secret->usual_file = NULL;
		}
		return 0;
	}
	secret->usual_file = NULL;
	text_printf(&sentence, "%s_FILE: ", variable->name);
	if (is_set(environment, variable->name, "")) {
		text_printf(&sentence, "not allowed beside %s; set one of them", variable->name);
	} else if (!config_value_path(path, &secret->file)) {
		/* The secret itself, most often. */
		redact_append_kind(&sentence, path, strlen(path));
		text_printf(&sentence, " is not allowed; it takes %s",
		            config_takes[CONFIG_KIND_PATH].what);
	} else {
		return 0;
	}
	secret->file = NULL;
	complain(context, buf);
	return 1;
}

static size_t read_variable(struct config *config, char *const environment[],
                            const struct config_variable *variable, config_complain *complain,
                            void *context)
{
	struct secret *secret = (void *)((char *)config + variable->field);
	const char *name;
	const char *value = value_of(environment, variable, &name);
	bool wrong = value && !parse(config, variable, value);
	bool ends = wrong && !config_name_is_everybodys(variable, name);

	if (ends)
		config_complaint(variable, name, value, complain, context);
	if ((wrong || !value) && variable->fallback) {
		parse(config, variable, variable->fallback);
		if (config_variable_is_secret(variable))
			secret->is_default = true;
	}
	return ends;
}

/* What follows from other variables where one is not set. A control server that is named is to be
 * asked; where only its secrets are given, as 2.x needed them, the file goes before it. */
static void infer(struct config *config, char *const environment[])
{
	bool with_key = config->gluetun_apikey.value[0] || config->gluetun_apikey.file;
	bool with_name = config->gluetun_username.value[0] || config->gluetun_username.file;
	const char *old_type = look_up(environment, "GLUETUN_AUTH_TYPE", "");
	const char *health = look_up(environment, "HEALTH_FILE", "");
	unsigned unused;
	/* Trackers learn nothing by themselves of a qBittorrent that is bound. */
	bool announces = config->bind_interface && !is_set(environment, "QSTICKY_REANNOUNCE", "");
	bool typed = is_set(environment, "QSTICKY_GLUETUN_AUTH_TYPE", "") ||
	             (old_type &&
	              config_value_word(old_type, config_takes[CONFIG_KIND_AUTH].words, &unused));

	/* In qsticky's image, an empty value hides the image's. */
	if (health && !*health && access(CONFIG_IMAGE_HEALTH, F_OK) == 0)
		config->health_path = CONFIG_IMAGE_HEALTH "/status.json";
	config->reannounce |= announces;
	if (!typed && with_key)
		config->gluetun_auth = CONFIG_AUTH_APIKEY;
	else if (!typed && with_name)
		config->gluetun_auth = CONFIG_AUTH_BASIC;
	if (is_set(environment, "QSTICKY_PORT_SOURCE", ""))
		return;
	if (is_set(environment, "QSTICKY_GLUETUN_HOST", "") ||
	    is_set(environment, "GLUETUN_HOST", ""))
		config->port_source = CONFIG_SOURCE_GLUETUN;
	else if (typed || with_key || with_name)
		config->port_source = CONFIG_SOURCE_AUTO;
}

size_t config_load(struct config *config, char *const environment[], config_complain *complain,
                   void *context)
{
	size_t wrong = 0;

	*config = (struct config){ 0 };
	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_variable *variable = &config_table[i];
		struct secret *secret = (void *)((char *)config + variable->field);

		wrong += read_variable(config, environment, variable, complain, context);
		if (!config_variable_is_secret(variable))
			continue;
		secret->is_plain = variable->kind != CONFIG_KIND_SECRET;
		secret->usual_file = name_usual_file(usual_files[i], variable->name);
		wrong += read_file_name(secret, environment, variable, complain, context);
	}
	infer(config, environment);
	return wrong;
}

/* Whether `name`, of `len` bytes, is that of a variable, or of one with a secret's file. */
static bool is_known(const char *name, size_t len)
{
	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_variable *variable = &config_table[i];
		size_t known = strlen(variable->name);

		if (strncmp(variable->name, name, known) != 0)
			continue;
		if (len == known || (config_variable_is_secret(variable) && len == known + 5 &&
		                     strncmp(name + known, "_FILE", 5) == 0))
			return true;
	}
	return false;
}

static void tell_unknown(char *const environment[], config_complain *complain, void *context)
{
	static const char prefix[] = "QSTICKY_";

	for (char *const *at = environment; *at; at++) {
		size_t len = strcspn(*at, "=");
		char buf[LOG_LINE_MAX];
		struct text sentence = text_on(buf, sizeof buf);

		if (strncmp(*at, prefix, sizeof prefix - 1) != 0 || is_known(*at, len) ||
		    kubernetes_names(environment, *at, len))
			continue;
		redact_append_variable(&sentence, *at, len);
		text_append(&sentence, ": not a variable of this version, ignored; misspelt?");
		complain(context, buf);
	}
}

void config_ignored(char *const environment[], config_complain *complain, void *context)
{
	struct config unused = { 0 };

	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_variable *variable = &config_table[i];
		const char *name;
		const char *value = value_of(environment, variable, &name);

		if (value && config_name_is_everybodys(variable, name) &&
		    !parse(&unused, variable, value))
			config_complaint(variable, name, value, complain, context);
	}
	tell_unknown(environment, complain, context);
}

void config_of_kubernetes(char *const environment[], config_complain *complain, void *context)
{
	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_variable *variable = &config_table[i];
		const char *const names[] = { variable->name, variable->old_name };

		for (size_t j = 0; j < 2 && names[j]; j++) {
			const char *value = look_up(environment, names[j], "");
			char buf[LOG_LINE_MAX];
			struct text sentence = text_on(buf, sizeof buf);

			if (!value || !kubernetes_sets(environment, names[j], value))
				continue;
			text_printf(&sentence, "%s: Kubernetes has set it for a Service, ignored",
			            names[j]);
			complain(context, buf);
		}
	}
}
