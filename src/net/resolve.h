/* resolve: the addresses of a host, from /etc/hosts or from a name server.
 *
 * Ours instead of getaddrinfo(3), since that waits where neither a deadline nor a stop reaches it, and
 * is three times as large. */
#ifndef QSTICKY_NET_RESOLVE_H
#define QSTICKY_NET_RESOLVE_H

#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "net/resolve_address.h"

/* Longest wait for name servers, in milliseconds; for each of them before the next is asked too.
 * `options timeout:` and `attempts:` of resolv.conf(5) are not looked at. */
#define RESOLVE_MS 5000
#define RESOLVE_ROUND_MS 1000

/* The addresses of `host` (name or address, without brackets; the latter may have a zone), each with
 * `port`, IPv4 before IPv6. "localhost" is the loopback addresses by definition (RFC 6761, section
 * 6.3): no file or server is asked.
 *
 * Waits for name servers until `deadline_ms`, for at most RESOLVE_MS. They are asked in the order of
 * /etc/resolv.conf, over UDP, for both kinds of address at once; the first one to know the answer is
 * believed, and an address of one kind waits at most RESOLVE_ROUND_MS for the other kind.
 *
 * A name with fewer dots than `ndots` is looked for in the domains of `search`, then as it is; with as
 * many, as it is only (as in musl), unless it has none at all: then in the domains, too (as in glibc;
 * Docker sets ndots:0). A name that ends in a dot is looked for as it is.
 *
 * FAIL_RESOLVE: there is no such name, or nobody answers. FAIL_STOPPED. FAIL_IO: no socket; or nothing
 * was found, and /etc/resolv.conf is there but cannot be read, so that others may have been asked. */
enum fail resolve_host(struct resolve_found *found, const char *host, uint16_t port,
                       const struct stop *stop, int64_t deadline_ms, struct failure *why);

#endif
