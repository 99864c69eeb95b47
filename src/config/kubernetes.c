#include "config/kubernetes.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

static bool begins_with(const char *text, size_t len, const char *start)
{
	size_t start_len = strlen(start);

	return len >= start_len && memcmp(text, start, start_len) == 0;
}

/* What follows the name of the Service. */
static bool is_ending(const char *text, size_t len)
{
	static const char port[] = "_PORT";
	const size_t port_len = sizeof port - 1;

	if (begins_with(text, len, "_SERVICE_HOST") || begins_with(text, len, "_SERVICE_PORT"))
		return true;
	return begins_with(text, len, port) &&
	       (len == port_len || (len > port_len + 1 && text[port_len] == '_' &&
	                            isdigit((unsigned char)text[port_len + 1])));
}

bool kubernetes_names(char *const environment[], const char *name, size_t len)
{
	static const char host[] = "_SERVICE_HOST";
	const size_t host_len = sizeof host - 1;

	for (; *environment; environment++) {
		const char *variable = *environment;
		size_t service = strcspn(variable, "=");

		if (service < host_len ||
		    memcmp(variable + service - host_len, host, host_len) != 0)
			continue;
		service -= host_len;
		if (len > service && memcmp(name, variable, service) == 0 &&
		    is_ending(name + service, len - service))
			return true;
	}
	return false;
}

bool kubernetes_sets(char *const environment[], const char *name, const char *value)
{
	return text_find(value, strlen(value), "://") &&
	       kubernetes_names(environment, name, strlen(name));
}
