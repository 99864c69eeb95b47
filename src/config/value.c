#include "config/value.h"

#include <net/if.h>
#include <string.h>
#include <strings.h>

#include "base/ip.h"
#include "base/text.h"

static const char *skip(const char *value, const char *blanks)
{
	while (*value && strchr(blanks, *value))
		value++;
	return value;
}

static bool is_of_alnum(const char *value, const char *others)
{
	while (text_is_alnum(*value, others))
		value++;
	return !*value;
}

static bool is_byte_order_mark(const char *at)
{
	return strncmp(at, "\xef\xbb\xbf", 3) == 0;
}

/* Until nothing is left to cut off: a value is trimmed each time that it is looked at. */
char *config_value_trim(char *value, bool plain)
{
	const char *around = plain ? "\r\n \t" : "\r\n";

	for (;;) {
		size_t len;

		while (*value && (strchr(around, *value) || is_byte_order_mark(value)))
			value += is_byte_order_mark(value) ? 3 : 1;
		len = strlen(value);
		while (len > 0 && strchr(around, value[len - 1]))
			len--;
		value[len] = '\0';
		if (!plain || len < 2 || (*value != '"' && *value != '\'') ||
		    value[len - 1] != *value)
			return value;
		value[len - 1] = '\0';
		value++;
	}
}

bool config_value_number(const char *value, unsigned least, unsigned most, unsigned *number)
{
	unsigned n = 0;

	if (!*value)
		return false;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return false;
		n = n * 10 + (unsigned)(*value - '0');
		if (n > most)
			return false;
	}
	if (n < least)
		return false;
	*number = n;
	return true;
}

static bool is_name(const char *host)
{
	/* No empty labels: "." alone would match any certificate. */
	return *host && *host != '.' && !text_find(host, strlen(host), "..") &&
	       is_of_alnum(host, "-._");
}

static bool is_address(const char *host)
{
	unsigned char ip[IP_MAX];
	const char *zone = strchr(host, '%');

	return ip_parse(ip, host) == IP_MAX && (!zone || is_name(zone + 1));
}

bool config_value_host(const char *value, char out[static LIMITS_HOST_MAX])
{
	size_t len = strlen(value);
	bool brackets = len >= 2 && value[0] == '[' && value[len - 1] == ']';
	char host[LIMITS_HOST_MAX];

	if (brackets) {
		value++;
		len -= 2;
	}
	if (len >= sizeof host)
		return false;
	memcpy(host, value, len);
	host[len] = '\0';
	if (!is_address(host) && (brackets || !is_name(host)))
		return false;
	memcpy(out, host, sizeof host);
	return true;
}

bool config_value_bool(const char *value, bool *out)
{
	static const char words[][CONFIG_WORD_MAX] = { "false", "true", "no", "yes", "off",
		                                       "on",    "0",    "1",  "" };
	unsigned index = 0;
	bool is_one = config_value_word(value, words, &index);

	*out = index % 2;
	return is_one;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Parses one pin: pairs of hex digits, with optional colons between them. */
static bool parse_pin(unsigned char pin[static CONFIG_PIN_LEN], const char **value)
{
	const char *at = *value;

	for (size_t i = 0; i < CONFIG_PIN_LEN; i++) {
		int high = hex_digit(at[0]);
		int low = high < 0 ? -1 : hex_digit(at[1]);

		if (low < 0)
			return false;
		pin[i] = (unsigned char)(high << 4 | low);
		at += 2;
		if (*at == ':' && i + 1 < CONFIG_PIN_LEN)
			at++;
	}
	*value = at;
	return true;
}

bool config_value_pins(const char *value,
                       unsigned char pins[static CONFIG_PINS_MAX][CONFIG_PIN_LEN], size_t *count)
{
	size_t found = 0;

	for (;;) {
		value = skip(value, " \t");
		if (found == CONFIG_PINS_MAX || !parse_pin(pins[found], &value))
			return false;
		found++;
		value = skip(value, " \t");
		if (!*value)
			break;
		if (*value++ != ',')
			return false;
	}
	*count = found;
	return true;
}

bool config_value_path(const char *value, const char **path)
{
	size_t len = strlen(value);

	if (value[0] != '/' || value[len - 1] == '/' || len >= LIMITS_PATH_MAX)
		return false;
	*path = value;
	return true;
}

bool config_value_interface(const char *value, const char **name)
{
	*name = value;
	return is_of_alnum(value, "-._@") && strlen(value) < IF_NAMESIZE;
}

bool config_value_word(const char *value, const char (*words)[CONFIG_WORD_MAX], unsigned *index)
{
	for (unsigned i = 0; words[i][0]; i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}
