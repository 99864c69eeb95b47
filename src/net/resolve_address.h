/* resolve_address: addresses of hosts, as connect(2) takes them, and those that one name has.
 *
 * A part of resolve. */
#ifndef QSTICKY_NET_RESOLVE_ADDRESS_H
#define QSTICKY_NET_RESOLVE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Addresses of one name that are kept. */
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

/* The address that the `len` bytes at `ip` are, 4 or 16 in network order, with `port`. */
struct resolve_address resolve_ip(const void *ip, size_t len, uint16_t port);

/* Fills `address` from one that is written out, with or without a zone ("fe80::1%eth0"); false, and of
 * no length, where `host` is a name. */
bool resolve_numeric(struct resolve_address *address, const char *host, uint16_t port);

/* Adds it behind the others of its family, IPv4 first: where there is no way out over IPv6, as in
 * many tunnels, nothing is tried in vain. One too many is left out. */
void resolve_add(struct resolve_found *found, const struct resolve_address *address);

/* The number of the interface of that name; 0: there is none here, or it cannot be known. */
uint32_t resolve_interface(const char *name);

/* The number that `digits` begins with; one that is too large comes out as some other. */
uint32_t resolve_number(const char *digits);

#endif
