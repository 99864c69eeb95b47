/* resolve: the addresses of a host, from /etc/hosts or from a name server.
 *
 * getaddrinfo(3) is not used: no deadline or stop ends its waits, and it is three times as large. */
#ifndef QSTICKY_NET_RESOLVE_H
#define QSTICKY_NET_RESOLVE_H

#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "net/resolve_address.h"

/* Longest wait for all name servers together, and for each before the next is asked too, in
 * milliseconds. `options timeout:` and `attempts:` of resolv.conf(5) are ignored. */
#define RESOLVE_MS 5000
#define RESOLVE_ROUND_MS 1000

/* Finds the addresses of `host`, IPv4 before IPv6, each with `port`. `host` is a name or an address
 * without brackets; an IPv6 address may have a zone. "localhost" always means the loopback addresses
 * (RFC 6761, section 6.3).
 *
 * Waits for name servers until `deadline_ms`, at most RESOLVE_MS. Asks them in the order of
 * /etc/resolv.conf, over UDP, for IPv4 and IPv6 at the same time. The first answer counts. Once an
 * address of one kind is known, the other kind has at most RESOLVE_ROUND_MS more.
 *
 * A name with fewer dots than `ndots` is looked up in the domains of `search`, then alone. A name with
 * enough dots is looked up alone (as in musl). A name without dots is then looked up in the domains too
 * (as in glibc), since Docker sets ndots:0. A name that ends in a dot is looked up alone.
 *
 * FAIL_RESOLVE: no such name, or no answer. FAIL_STOPPED. FAIL_IO: no socket; or nothing was found and
 * /etc/resolv.conf is unreadable, so the wrong servers may have been asked. */
enum fail resolve_host(struct resolve_found *found, const char *host, uint16_t port,
                       const struct stop *stop, int64_t deadline_ms, struct failure *why);

#endif
