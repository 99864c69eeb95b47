/* resolve_files: what /etc/hosts and /etc/resolv.conf say.
 *
 * A part of resolve. Both are read anew each time; neither has to be there, and one that cannot be
 * read is as an empty one. */
#ifndef QSTICKY_NET_RESOLVE_FILES_H
#define QSTICKY_NET_RESOLVE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "net/resolve_address.h"

/* resolv.conf(5): more are not looked at. */
#define RESOLVE_SERVERS_MAX 3
#define RESOLVE_SEARCH_MAX 256

/* What /etc/resolv.conf says. */
struct resolve_servers {
	int unread;   /* it is there, but could not be read: the error; else 0 */
	size_t count; /* 1 at least */
	struct resolve_address addresses[RESOLVE_SERVERS_MAX];
	uint32_t ndots;
	char search[RESOLVE_SEARCH_MAX]; /* domains, each with its NUL; an empty one is the end */
};

/* Adds the addresses that /etc/hosts has for `host`, each with `port`. */
void resolve_read_hosts(struct resolve_found *found, const char *host, uint16_t port);

/* Reads /etc/resolv.conf. Where it names no server, that is the one at 127.0.0.1. */
void resolve_read_servers(struct resolve_servers *servers);

#endif
