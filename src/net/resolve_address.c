#include "net/resolve_address.h"

#include <ctype.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/text.h"

struct resolve_address resolve_ip(const void *ip, size_t len, uint16_t port)
{
	/* The port has the same offset in both families. */
	struct resolve_address address = { .sa.v6.sin6_port = htons(port) };
	bool is_v4 = len == sizeof address.sa.v4.sin_addr;

	address.len = is_v4 ? sizeof address.sa.v4 : sizeof address.sa.v6;
	address.sa.any.sa_family = is_v4 ? AF_INET : AF_INET6;
	memcpy(is_v4 ? (void *)&address.sa.v4.sin_addr : &address.sa.v6.sin6_addr, ip, len);
	return address;
}

uint32_t resolve_number(const char *digits)
{
	uint32_t value = 0;

	for (; isdigit((unsigned char)*digits); digits++)
		value = value * 10 + (uint32_t)(*digits - '0');
	return value;
}

/* if_nametoindex(3) uses a UNIX socket. The sandbox forbids those, since they reach other programs. */
uint32_t resolve_interface(const char *name)
{
	struct ifreq request = { .ifr_name = "" };
	struct text copy = text_on(request.ifr_name, sizeof request.ifr_name);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	text_append(&copy, name);
	if (fd < 0)
		return 0;
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		request.ifr_ifindex = 0;
	close(fd);
	return (uint32_t)request.ifr_ifindex;
}

bool resolve_numeric(struct resolve_address *address, const char *host, uint16_t port)
{
	const char *zone = strchr(host, '%');
	unsigned char ip[IP_MAX];
	size_t len = ip_parse(ip, host);

	address->len = 0;
	if (len == 0)
		return false;
	*address = resolve_ip(ip, len, port);
	/* A zone is the name of an interface (such as "6in4") or its number. Without such an interface
	 * it is 0, and connecting fails. */
	if (zone) {
		address->sa.v6.sin6_scope_id = resolve_interface(zone + 1);
		if (address->sa.v6.sin6_scope_id == 0)
			address->sa.v6.sin6_scope_id = resolve_number(zone + 1);
	}
	return true;
}

void resolve_append(struct text *text, const struct resolve_address *address, bool bracketed)
{
	bool is_v4 = address->sa.any.sa_family == AF_INET;
	size_t at = is_v4 ? offsetof(struct sockaddr_in, sin_addr)
	                  : offsetof(struct sockaddr_in6, sin6_addr);

	bracketed = bracketed && !is_v4;
	text_append(text, bracketed ? "[" : "");
	text_append_ip(text, (const unsigned char *)&address->sa + at, is_v4 ? 4 : IP_MAX);
	text_append(text, bracketed ? "]" : "");
}

void resolve_add(struct resolve_found *found, const struct resolve_address *address)
{
	size_t at = found->count;

	if (at == RESOLVE_MAX)
		return;
	if (address->sa.any.sa_family == AF_INET)
		for (; at > 0 && found->addresses[at - 1].sa.any.sa_family != AF_INET; at--)
			found->addresses[at] = found->addresses[at - 1];
	found->addresses[at] = *address;
	found->count++;
}
