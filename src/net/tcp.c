#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static bool is_reset(int error)
{
	return error == ECONNRESET || error == EPIPE;
}

static enum fail tcp_read(struct stream *stream, void *buf, size_t max, size_t *len,
                          int64_t deadline_ms, struct failure *why)
{
	struct net_tcp *tcp = (struct net_tcp *)stream;

	for (;;) {
		/* Wait first: usually no data is there yet, and each read must notice a stop. */
		enum fail f = wait_fd(tcp->stop, tcp->fd, POLLIN, deadline_ms, why);
		ssize_t got;

		if (f)
			return f;
		got = recv(tcp->fd, buf, max, MSG_DONTWAIT);
		if (got >= 0) {
			*len = (size_t)got;
			return FAIL_NONE;
		}
		if (is_reset(errno))
			return fail_set(why, FAIL_CLOSED, "connection reset by the peer");
		if (errno != EAGAIN && errno != EINTR)
			return fail_errno(why, "receive");
	}
}

static enum fail tcp_write(struct stream *stream, const void *data, size_t len, int64_t deadline_ms,
                           struct failure *why)
{
	struct net_tcp *tcp = (struct net_tcp *)stream;
	const char *next = data;

	while (len > 0) {
		ssize_t sent = send(tcp->fd, next, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		enum fail f = FAIL_NONE;

		if (sent >= 0) {
			next += sent;
			len -= (size_t)sent;
		} else if (errno == EAGAIN || errno == EINTR) {
			f = wait_fd(tcp->stop, tcp->fd, POLLOUT, deadline_ms, why);
		} else if (is_reset(errno)) {
			f = fail_set(why, FAIL_CLOSED, "connection reset by the peer");
		} else {
			f = fail_errno(why, "send");
		}
		if (f)
			return f;
	}
	return FAIL_NONE;
}

enum fail net_connect_failed(int error, struct failure *why)
{
	if (error == ECONNREFUSED)
		return fail_set(why, FAIL_REFUSED, "connection refused");
	if (error == ETIMEDOUT)
		return fail_set(why, FAIL_TIMEOUT, "timed out connecting");
	/* Accepted, and reset at once. */
	if (is_reset(error))
		return fail_set(why, FAIL_IO, "connection reset by the peer");
	errno = error;
	return fail_errno(why, "connect");
}

/* The kernel sends from such an address to itself. connect(2) on a UDP socket makes it choose, and sends
 * nothing. */
bool net_is_here(const struct resolve_address *to)
{
	struct resolve_address from = { .len = sizeof from.sa };
	bool is_v4 = to->sa.any.sa_family == AF_INET;
	int fd = socket(to->sa.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool chosen;

	if (fd < 0)
		return false;
	chosen = connect(fd, &to->sa.any, to->len) == 0 &&
	         getsockname(fd, &from.sa.any, &from.len) == 0;
	close(fd);
	if (!chosen)
		return false;
	if (is_v4) /* 127.0.0.2 is reached from 127.0.0.1 */
		return from.sa.v4.sin_addr.s_addr == to->sa.v4.sin_addr.s_addr ||
		       ntohl(from.sa.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return memcmp(&from.sa.v6.sin6_addr, &to->sa.v6.sin6_addr, sizeof to->sa.v6.sin6_addr) == 0;
}

static enum fail connect_one(struct net_tcp *tcp, const struct resolve_address *to,
                             const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	int64_t until_ms = mono_earlier(deadline_ms, mono_now_ms() + NET_CONNECT_MS);
	enum fail f;
	int fd = socket(to->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno(why, "socket");
	/* After EINTR, too, connecting continues in the background (connect(2)). */
	if (connect(fd, &to->sa.any, to->len) < 0 && errno != EINPROGRESS && errno != EINTR) {
		f = net_connect_failed(errno, why);
		goto out;
	}
	/* An empty send reports how connecting ended, or EAGAIN. On this machine it has ended already. */
	while (send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		f = errno == EAGAIN || errno == EINTR ? wait_fd(stop, fd, POLLOUT, until_ms, why)
		                                      : net_connect_failed(errno, why);
		if (f == FAIL_TIMEOUT)
			f = fail_set(why, FAIL_TIMEOUT, "timed out connecting");
		if (f)
			goto out;
	}
	*tcp = (struct net_tcp){
		.stream = { .read = tcp_read, .write = tcp_write },
		.stop = stop,
		.fd = fd,
		.peer = *to,
	};
	return FAIL_NONE;
out:
	close(fd);
	if (f == FAIL_REFUSED && net_is_here(to))
		tcp->refused_here = true;
	return f;
}

enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why)
{
	struct resolve_found found;
	enum fail f = resolve_host(&found, host, port, stop, deadline_ms, why);
	struct failure last;

	tcp->refused_here = false;
	if (f)
		return f;
	for (size_t i = 0; i < found.count; i++) {
		enum fail one = connect_one(tcp, &found.addresses[i], stop, deadline_ms, &last);

		if (one == FAIL_NONE)
			return FAIL_NONE;
		/* "Refused" is the most useful error: the host exists. Keep it if IPv6 of "localhost"
		 * then fails otherwise. */
		if (i == 0 || f != FAIL_REFUSED || one == FAIL_STOPPED) {
			f = one;
			*why = last;
		}
		if (one == FAIL_STOPPED)
			break;
	}
	return f;
}

enum fail net_connect_again(struct net_tcp *tcp, const struct stop *stop, int64_t deadline_ms,
                            struct failure *why)
{
	struct resolve_address peer = tcp->peer;

	tcp->refused_here = false;
	if (peer.len == 0)
		return fail_set(why, FAIL_IO, "never connected");
	return connect_one(tcp, &peer, stop, deadline_ms, why);
}

void net_send_now(const struct net_tcp *tcp)
{
	(void)setsockopt(tcp->fd, IPPROTO_TCP, TCP_NODELAY, &(const int){ 1 }, sizeof(int));
}

void net_close(struct net_tcp *tcp)
{
	if (tcp->fd >= 0)
		close(tcp->fd);
	tcp->fd = -1;
}
