/* net: resolve, connect, and wait under a deadline that a stop cuts short.
 *
 * Every wait of this program but the loop's own is in here, so that none is without a deadline and
 * none goes on after SIGTERM. */
#ifndef QSTICKY_NET_H
#define QSTICKY_NET_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fail.h"

/* Longest wait for one address to accept a connection, in milliseconds. */
#define NET_CONNECT_MS 3000

/* Addresses of one name that are tried, in the resolver's order. */
#define NET_ADDRESSES_MAX 16

/* A two-way flow of bytes: TCP, TLS over it, or a test's array. `deadline_ms` is absolute and
 * monotonic. */
struct stream {
	/* Reads what is there, at least 1 and at most `max` bytes; waits for the first one.
	 * `*len` 0: the peer ended its side. FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED: reset. */
	enum fail (*read)(struct stream *stream, void *buf, size_t max, size_t *len,
	                  int64_t deadline_ms, struct failure *why);

	/* Writes all `len` bytes or fails, as read() does. */
	enum fail (*write)(struct stream *stream, const void *data, size_t len, int64_t deadline_ms,
	                   struct failure *why);
};

/* How a stop reaches a wait. */
struct net_stop {
	int fd;           /* readable once a stop was asked for; -1: never */
	sigset_t signals; /* blocked signals that ask for one, and whose handler ends the process */
};

struct net_address {
	struct sockaddr_storage address;
	socklen_t len;
};

/* A TCP connection as a stream. */
struct net_tcp {
	struct stream stream; /* must be first: the stream's functions find the rest behind it */
	const struct net_stop *stop;
	int fd;                  /* -1 while closed */
	struct net_address peer; /* kept after net_close() */
};

/* The addresses of `host` (name or address, without brackets), each with `port`; how many, to `*count`.
 * Waits as net_connect() says. FAIL_RESOLVE; FAIL_IO: the system does not let us ask. */
enum fail net_resolve(struct net_address addresses[static NET_ADDRESSES_MAX], size_t *count,
                      const char *host, uint16_t port, const struct net_stop *stop,
                      struct failure *why);

/* Connects to `host` (name or address, without brackets) and `port`, trying every address, each
 * for at most NET_CONNECT_MS and all until `deadline_ms`. "localhost" is the loopback addresses by
 * definition (RFC 6761, section 6.3), IPv4 first: no file or server is asked.
 * `tcp` must be closed before; on success end with net_close(). `stop` is borrowed until then.
 *
 * A name lookup waits inside libc, for at most 5 s a search domain (resolv.conf(5)), where no
 * deadline reaches: `stop->signals` are let through meanwhile.
 *
 * FAIL_RESOLVE: no address. FAIL_REFUSED: an address was reached, and nobody listens there.
 * FAIL_TIMEOUT, FAIL_STOPPED. FAIL_IO: anything else. */
enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port,
                      const struct net_stop *stop, int64_t deadline_ms, struct failure *why);

/* Connects to where `tcp` was connected last, without a lookup; else as net_connect().
 * FAIL_IO also where it never was. */
enum fail net_connect_again(struct net_tcp *tcp, const struct net_stop *stop, int64_t deadline_ms,
                            struct failure *why);

/* Closes; nothing happens where it is closed already. */
void net_close(struct net_tcp *tcp);

/* Sleeps until `due_ms`. FAIL_STOPPED if a stop comes first, else FAIL_NONE. */
enum fail net_sleep(const struct net_stop *stop, int64_t due_ms, struct failure *why);

#endif
