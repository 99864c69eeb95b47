#include "vpn/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tcp.h"

/* Whether the probe's socket is connected to itself. If no socket has the port, the kernel may
 * choose it as the probe's own local port. It never chooses a port that is in use. */
static bool is_connected_to_itself(int fd, uint16_t port)
{
	/* sin_port and sin6_port have the same offset. */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} own = { 0 };
	socklen_t len = sizeof own;

	return getsockname(fd, &own.any, &len) == 0 && own.v4.sin_port == htons(port);
}

/* ---- UDP ---- */

/* Returns the socket, or -1 if the datagram could not be sent. The socket may already hold a
 * refusal: inside one machine it arrives during send(). */
static int send_datagram(const struct resolve_address *to)
{
	int fd = socket(to->sa.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, &to->sa.any, to->len) == 0 && send(fd, "", 0, MSG_NOSIGNAL) == 0)
		return fd;
	close(fd);
	return -1;
}

static enum probe_udp judge_datagram(int fd, uint16_t port)
{
	char byte;
	ssize_t got = recv(fd, &byte, sizeof byte, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return PROBE_UDP_SILENT;
	if (got < 0)
		return errno == ECONNREFUSED ? PROBE_UDP_REFUSED : PROBE_UDP_UNKNOWN;
	return is_connected_to_itself(fd, port) ? PROBE_UDP_REFUSED : PROBE_UDP_SILENT;
}

/* ---- TCP ---- */

static enum fail probe_tcp(const struct resolve_address *to, uint16_t port, const struct stop *stop,
                           int64_t deadline_ms, struct failure *why)
{
	struct net_tcp tcp = { .fd = -1, .peer = *to };
	enum fail f;

	deadline_ms = mono_earlier(deadline_ms, mono_now_ms() + PROBE_MS);
	f = net_connect_again(&tcp, stop, deadline_ms, why);
	if (!f && is_connected_to_itself(tcp.fd, port)) {
		/* Close with a reset. In TIME-WAIT, this socket would block the port for
		 * qBittorrent for a minute. */
		(void)setsockopt(tcp.fd, SOL_SOCKET, SO_LINGER, &(const struct linger){ 1, 0 },
		                 sizeof(struct linger));
		f = fail_set(why, FAIL_REFUSED, "connection refused");
	}
	net_close(&tcp);
	return f;
}

enum fail probe_port(const struct tunnel_view *view, sa_family_t family, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, enum probe_udp *udp,
                     struct failure *why)
{
	struct resolve_address to = family == AF_INET
	                                    ? resolve_ip(&view->v4, sizeof view->v4, port)
	                                    : resolve_ip(&view->v6, sizeof view->v6, port);
	/* Before TCP: a refusal that the kernel delays has then arrived after the connect. */
	int fd = send_datagram(&to);
	enum fail f = probe_tcp(&to, port, stop, deadline_ms, why);

	*udp = PROBE_UDP_UNKNOWN;
	if (fd >= 0) {
		*udp = judge_datagram(fd, port);
		close(fd);
	}
	return f;
}
