#include "config/table.h"

static const char sources[][CONFIG_WORD_MAX] = { "file", "gluetun", "auto", "" };
static const char auths[][CONFIG_WORD_MAX] = { "none", "basic", "apikey", "" };
static const char levels[][CONFIG_WORD_MAX] = { "DEBUG", "INFO", "WARNING", "ERROR", "" };
static const char formats[][CONFIG_WORD_MAX] = { "text", "json", "" };

const struct config_kind_takes config_takes[] = {
	[CONFIG_KIND_HOST] = { .what = "a host name or an IP address, without http:// and without a port" },
	[CONFIG_KIND_PORT] = { .what = "a number from 1 to 65535" },
	[CONFIG_KIND_SECONDS] = { .what = "seconds, a whole number" },
	[CONFIG_KIND_COUNT] = { .what = "a whole number" },
	[CONFIG_KIND_BOOL] = { .what = "true or false, yes or no, on or off, 1 or 0" },
	[CONFIG_KIND_PATH] = { .what = "the absolute path of a file, under 1024 bytes" },
	[CONFIG_KIND_INTERFACE] = { .what = "the name of a network interface, at most 15 letters, digits and .-_@" },
	[CONFIG_KIND_PINS] = { .what = "the SHA-256 of a certificate, 64 hex digits; up to 8, separated by commas" },
	[CONFIG_KIND_SOURCE] = { .what = "one of ", .words = sources },
	[CONFIG_KIND_AUTH] = { .what = "one of ", .words = auths },
	[CONFIG_KIND_LEVEL] = { .what = "one of ", .words = levels },
	[CONFIG_KIND_FORMAT] = { .what = "one of ", .words = formats },
	[CONFIG_KIND_SECRET] = { .what = "at most 4096 bytes in one line" },
	[CONFIG_KIND_SECRET_WORD] = { .what = "at most 4096 bytes in one line" },
	[CONFIG_KIND_SECRET_URL] = { .what = "an http:// or https:// URL without user:password@, at most 4096 bytes" },
};

const struct config_variable config_table[] = {
#define SETTING(kind_, field_, ...)                                                                \
	{ .kind = CONFIG_KIND_##kind_, .field = offsetof(struct config, field_), __VA_ARGS__ },
#include "config/settings.h"
#undef SETTING
};

const size_t config_table_count = sizeof config_table / sizeof config_table[0];

void config_table_help(struct text *text)
{
	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_variable *variable = &config_table[i];

		text_printf(text, "  %s=%s\n      %s\n", variable->name,
		            variable->fallback ? variable->fallback : "", variable->purpose);
		if (config_variable_is_secret(variable))
			text_printf(
				text,
				"  %s_FILE=\n      file with that value, instead of the variable\n",
				variable->name);
	}
}

const struct secret *config_secret(const struct config *config, size_t *cursor)
{
	while (*cursor < config_table_count) {
		const struct config_variable *variable = &config_table[(*cursor)++];

		if (variable->kind == CONFIG_KIND_SECRET ||
		    variable->kind == CONFIG_KIND_SECRET_WORD)
			return (const void *)((const char *)config + variable->field);
	}
	return NULL;
}
