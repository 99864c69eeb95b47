/* resolve_files: reads /etc/hosts and /etc/resolv.conf.
 *
 * A part of resolve. Both are read again for each lookup. A missing or unreadable file counts as
 * empty. */
#ifndef QSTICKY_NET_RESOLVE_FILES_H
#define QSTICKY_NET_RESOLVE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "net/resolve_address.h"

/* Limits of resolv.conf(5). More servers are ignored. */
#define RESOLVE_SERVERS_MAX 3
#define RESOLVE_SEARCH_MAX 256

/* The settings of /etc/resolv.conf. */
struct resolve_servers {
	int unread;   /* the errno if the file exists but is unreadable; else 0 */
	size_t count; /* at least 1 */
	struct resolve_address addresses[RESOLVE_SERVERS_MAX];
	uint32_t ndots;
	char search[RESOLVE_SEARCH_MAX]; /* domains, each with its NUL; ends with an empty one */
};

/* Adds the addresses of `host` in /etc/hosts, each with `port`. */
void resolve_read_hosts(struct resolve_found *found, const char *host, uint16_t port);

/* Reads /etc/resolv.conf. If it names no server, 127.0.0.1 is the server. */
void resolve_read_servers(struct resolve_servers *servers);

#endif
