#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mono.h"
#include "text.h"

/* Waits until `fd` has one of `events` (a negative fd has none). */
static enum fail wait_for(int fd, short events, const struct net_stop *stop, int64_t deadline_ms,
                          struct failure *why)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = fd, .events = events },
			{ .fd = stop->fd, .events = POLLIN },
		};
		int left = mono_left_ms(deadline_ms);
		int ready = poll(fds, sizeof fds / sizeof fds[0], left);

		if (ready < 0 && errno != EINTR)
			return fail_errno(why, "poll");
		if (ready > 0 && fds[1].revents)
			return fail_set(why, FAIL_STOPPED, "stopped");
		/* A peer that never pauses must not outlast the deadline: it ends there, ready or
		 * not. */
		if (ready > 0 && left != 0)
			return FAIL_NONE;
		if (left == 0 || mono_now_ms() >= deadline_ms)
			return fail_set(why, FAIL_TIMEOUT, "timed out");
	}
}

enum fail net_sleep(const struct net_stop *stop, int64_t due_ms, struct failure *why)
{
	enum fail f = wait_for(-1, 0, stop, due_ms, why);

	return f == FAIL_TIMEOUT ? FAIL_NONE : f;
}

static bool is_reset(int error)
{
	return error == ECONNRESET || error == EPIPE;
}

static enum fail tcp_read(struct stream *stream, void *buf, size_t max, size_t *len,
                          int64_t deadline_ms, struct failure *why)
{
	struct net_tcp *tcp = (struct net_tcp *)stream;

	for (;;) {
		/* Wait first: most reads find nothing there yet, and each one notices a stop. */
		enum fail f = wait_for(tcp->fd, POLLIN, tcp->stop, deadline_ms, why);
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
		} else if (errno == EAGAIN) {
			f = wait_for(tcp->fd, POLLOUT, tcp->stop, deadline_ms, why);
		} else if (is_reset(errno)) {
			f = fail_set(why, FAIL_CLOSED, "connection reset by the peer");
		} else if (errno != EINTR) {
			f = fail_errno(why, "send");
		}
		if (f)
			return f;
	}
	return FAIL_NONE;
}

/* Fills `address` from a numeric host; false where it is a name. */
static bool numeric_address(struct net_address *address, const char *host, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		memcpy(&address->address, &v4, sizeof v4);
		address->len = sizeof v4;
		return true;
	}
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		memcpy(&address->address, &v6, sizeof v6);
		address->len = sizeof v6;
		return true;
	}
	return false;
}

static enum fail look_up(struct net_address addresses[static NET_ADDRESSES_MAX], size_t *count,
                         const char *host, uint16_t port, const struct net_stop *stop,
                         struct failure *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char service[sizeof "65535"];
	struct text text = text_on(service, sizeof service);
	sigset_t before;
	int error;

	text_printf(&text, "%u", (unsigned)port);
	sigprocmask(SIG_UNBLOCK, &stop->signals, &before);
	error = getaddrinfo(host, service, &hints, &found);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (error == EAI_SYSTEM)
		return fail_errno(why, "look up the name");
	if (error == EAI_AGAIN)
		return fail_set(why, FAIL_RESOLVE,
		                "cannot look up the name: no answer from the name server");
	if (error)
		return fail_set(why, FAIL_RESOLVE, "cannot look up the name: there is none such");
	*count = 0;
	for (struct addrinfo *next = found; next && *count < NET_ADDRESSES_MAX;
	     next = next->ai_next) {
		if (next->ai_addrlen > sizeof addresses[0].address)
			continue;
		memcpy(&addresses[*count].address, next->ai_addr, next->ai_addrlen);
		addresses[(*count)++].len = next->ai_addrlen;
	}
	freeaddrinfo(found);
	return *count > 0 ? FAIL_NONE : fail_set(why, FAIL_RESOLVE, "the name has no address");
}

enum fail net_resolve(struct net_address addresses[static NET_ADDRESSES_MAX], size_t *count,
                      const char *host, uint16_t port, const struct net_stop *stop,
                      struct failure *why)
{
	if (strcasecmp(host, "localhost") == 0) {
		numeric_address(&addresses[0], "127.0.0.1", port);
		numeric_address(&addresses[1], "::1", port);
		*count = 2;
		return FAIL_NONE;
	}
	if (numeric_address(&addresses[0], host, port)) {
		*count = 1;
		return FAIL_NONE;
	}
	return look_up(addresses, count, host, port, stop, why);
}

static enum fail connect_failed(int error, struct failure *why)
{
	if (error == ECONNREFUSED)
		return fail_set(why, FAIL_REFUSED, "connection refused");
	if (error == ETIMEDOUT)
		return fail_set(why, FAIL_TIMEOUT, "timed out connecting");
	errno = error;
	return fail_errno(why, "connect");
}

static enum fail connect_one(struct net_tcp *tcp, const struct net_address *to,
                             const struct net_stop *stop, int64_t deadline_ms, struct failure *why)
{
	int64_t until_ms = mono_earlier(deadline_ms, mono_now_ms() + NET_CONNECT_MS);
	int error = 0;
	socklen_t len = sizeof error;
	enum fail f;
	int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno(why, "socket");
	/* A TLS flight is several small writes: without this the last ones wait 40 ms for an ACK. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(const int){ 1 }, sizeof(int));
	/* EINTR: the connection goes on being made, as after EINPROGRESS (connect(2)). */
	if (connect(fd, (const struct sockaddr *)&to->address, to->len) < 0 &&
	    errno != EINPROGRESS && errno != EINTR) {
		f = connect_failed(errno, why);
		goto out;
	}
	f = wait_for(fd, POLLOUT, stop, until_ms, why);
	if (f == FAIL_TIMEOUT)
		f = fail_set(why, FAIL_TIMEOUT, "timed out connecting");
	if (f)
		goto out;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		f = connect_failed(error, why);
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
	return f;
}

enum fail net_connect(struct net_tcp *tcp, const char *host, uint16_t port,
                      const struct net_stop *stop, int64_t deadline_ms, struct failure *why)
{
	struct net_address addresses[NET_ADDRESSES_MAX] = { 0 };
	size_t count = 0;
	enum fail f = net_resolve(addresses, &count, host, port, stop, why);
	struct failure last;

	if (f)
		return f;
	if (mono_now_ms() >= deadline_ms)
		return fail_set(why, FAIL_RESOLVE, "the name server took too long");
	for (size_t i = 0; i < count; i++) {
		enum fail one = connect_one(tcp, &addresses[i], stop, deadline_ms, &last);

		if (one == FAIL_NONE)
			return FAIL_NONE;
		/* "Refused" says most: a machine is there. "localhost" without IPv6 must not hide
		 * it. */
		if (i == 0 || f != FAIL_REFUSED || one == FAIL_STOPPED) {
			f = one;
			*why = last;
		}
		if (one == FAIL_STOPPED)
			break;
	}
	return f;
}

enum fail net_connect_again(struct net_tcp *tcp, const struct net_stop *stop, int64_t deadline_ms,
                            struct failure *why)
{
	struct net_address peer = tcp->peer;

	if (peer.len == 0)
		return fail_set(why, FAIL_IO, "never connected");
	return connect_one(tcp, &peer, stop, deadline_ms, why);
}

void net_close(struct net_tcp *tcp)
{
	if (tcp->fd >= 0)
		close(tcp->fd);
	tcp->fd = -1;
}
