/* net: TCP connections as streams. */
#ifndef QSTICKY_NET_TCP_H
#define QSTICKY_NET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "net/resolve.h"

/* Longest wait for one address to accept a connection, in milliseconds. */
#define NET_CONNECT_MS 3000

/* A two-way flow of bytes: TCP, TLS over it, or a test's array. `deadline_ms` is absolute and
 * monotonic. */
struct stream {
	/* Waits for data and reads 1 to `max` bytes. `*len` 0: the peer closed its side.
	 * FAIL_TIMEOUT. FAIL_STOPPED. FAIL_CLOSED: reset. */
	enum fail (*read)(struct stream *stream, void *buf, size_t max, size_t *len,
	                  int64_t deadline_ms, struct failure *why);

	/* Writes all `len` bytes or fails as read() does. */
	enum fail (*write)(struct stream *stream, const void *data, size_t len, int64_t deadline_ms,
	                   struct failure *why);
};

/* A TCP connection as a stream. */
struct net_tcp {
	struct stream stream; /* must be first: its functions cast it to this struct */
	const struct stop *stop;
	int fd;                      /* -1 while closed */
	struct resolve_address peer; /* kept after net_close() */
	bool refused_here; /* by an address of this network namespace, at the last attempt */
};

/* Connects to `host` (name or address, without brackets) and `port`. Tries each address that
 * resolve_host() finds for at most NET_CONNECT_MS, all of them until `deadline_ms`.
 * `tcp` must be closed before. On success end with net_close(); `stop` is borrowed until then.
 *
 * FAIL_RESOLVE: no address. FAIL_REFUSED: a host answered, but no program listens there.
 * FAIL_TIMEOUT, FAIL_STOPPED. FAIL_IO: anything else. */
enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why);

/* Connects to the last address of `tcp`, without a lookup. Fails as net_connect(); FAIL_IO also if
 * it never was connected. */
enum fail net_connect_again(struct net_tcp *tcp, const struct stop *stop, int64_t deadline_ms,
                            struct failure *why);

/* Fills `why` and returns the kind of failure for the `error` (errno) of a connect(2). */
enum fail net_connect_failed(int error, struct failure *why);

/* Whether the address is one of this network namespace. */
bool net_is_here(const struct resolve_address *to);

/* Sends each write at once. A TLS flight is several small writes; without this the last ones wait 40 ms
 * for an ACK. A request in one write never waits. */
void net_send_now(const struct net_tcp *tcp);

/* Closes the connection; does nothing if it is closed. */
void net_close(struct net_tcp *tcp);

#endif
