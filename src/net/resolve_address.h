/* resolve_address: addresses in the form of connect(2), and the list of a host's addresses.
 *
 * A part of resolve. */
#ifndef QSTICKY_NET_RESOLVE_ADDRESS_H
#define QSTICKY_NET_RESOLVE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/text.h"

/* Most addresses kept for one name. */
#define RESOLVE_MAX 16

struct resolve_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
	socklen_t len; /* 0: none */
};

struct resolve_found {
	size_t count;
	struct resolve_address addresses[RESOLVE_MAX];
};

/* The address of `len` bytes at `ip` (4 or 16, in network order), with `port`. */
struct resolve_address resolve_ip(const void *ip, size_t len, uint16_t port);

/* Parses an IP address, perhaps with a zone ("fe80::1%eth0"). False, and `len` 0: `host` is a name. */
bool resolve_numeric(struct resolve_address *address, const char *host, uint16_t port);

/* Appends the address, an IPv6 one in brackets if `bracketed`; without zone and port. */
void resolve_append(struct text *text, const struct resolve_address *address, bool bracketed);

/* Adds the address behind the others of its family, IPv4 first: many tunnels have no IPv6. Leaves it
 * out if the list is full. */
void resolve_add(struct resolve_found *found, const struct resolve_address *address);

/* The number of the interface of that name; 0: none, or unknown. */
uint32_t resolve_interface(const char *name);

/* The number at the start of `digits`; wraps around if too large. */
uint32_t resolve_number(const char *digits);

#endif
