#include "vpn/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tcp.h"

/* Linux 6.3. Older headers do not have it. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void probe_close(struct probe *probe)
{
	close_one(&probe->tcp_fd);
	close_one(&probe->udp_fd);
}

/* Returns the port that the kernel has chosen for the socket; 0: unknown. */
static uint16_t own_port(int fd)
{
	struct resolve_address own = { .len = sizeof own.sa };

	/* sin_port and sin6_port have the same offset. */
	return getsockname(fd, &own.sa.any, &own.len) == 0 ? ntohs(own.sa.v4.sin_port) : 0;
}

static uint16_t probed_port(const struct probe *probe)
{
	return ntohs(probe->to.sa.v4.sin_port);
}

static bool open_socket(int *fd, const struct probe *probe, int kind)
{
	*fd = socket(probe->family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *fd >= 0;
}

/* resolve_ip() sets each byte. */
static bool is_same(const struct resolve_address *one, const struct resolve_address *other)
{
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
	return memcmp(&one->sa, &other->sa, sizeof one->sa) == 0;
}

/* ---- UDP ---- */

static bool connect_datagrams(struct probe *probe)
{
	return open_socket(&probe->udp_fd, probe, SOCK_DGRAM) &&
	       connect(probe->udp_fd, &probe->to.sa.any, probe->to.len) == 0;
}

static bool send_on(int fd)
{
	return send(fd, "", 0, MSG_NOSIGNAL) == 0;
}

/* Inside one machine a refusal arrives during send(). A send() that fails tells of a datagram of
 * before: it arrived too late for the last probe, and is none of this one. */
static void send_datagram(struct probe *probe)
{
	probe->udp = PROBE_UDP_UNKNOWN;
	if (probe->udp_fd >= 0 && send_on(probe->udp_fd))
		return;
	close_one(&probe->udp_fd);
	if (!connect_datagrams(probe) || !send_on(probe->udp_fd))
		close_one(&probe->udp_fd);
}

static enum probe_udp judge_datagram(const struct probe *probe)
{
	char byte;
	ssize_t got = recv(probe->udp_fd, &byte, sizeof byte, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return PROBE_UDP_SILENT;
	if (got < 0)
		return errno == ECONNREFUSED ? PROBE_UDP_REFUSED : PROBE_UDP_UNKNOWN;
	/* If no socket has the port, the kernel may choose it for the probe itself. It never chooses
	 * a port that is in use. */
	return own_port(probe->udp_fd) == probed_port(probe) ? PROBE_UDP_REFUSED : PROBE_UDP_SILENT;
}

/* ---- TCP ---- */

/* Ends the connection with a reset, which leaves nothing behind. In TIME-WAIT, its port would be
 * closed to qBittorrent for a minute. */
static bool disconnect(int fd)
{
	return connect(fd, &(const struct sockaddr){ .sa_family = AF_UNSPEC },
	               sizeof(struct sockaddr)) == 0;
}

/* A side of the probed port with fewer ports than this may have none that is free. */
#define MANY_PORTS 1000

/* Whether the TCP socket is connected to itself, as with UDP. If not, has the kernel choose from the
 * ports on this side of `port` from now on, if there are many. */
static bool is_connected_to_itself(struct probe *probe)
{
	uint16_t own = own_port(probe->tcp_fd), port = probed_port(probe);
	/* The least one, and the greatest one in the upper half; 0: any. */
	uint32_t range = own > port ? port + 1U : (port - 1U) << 16;

	if (own == port)
		return true;
	probe->apart = own != 0 && abs(own - port) > MANY_PORTS &&
	               setsockopt(probe->tcp_fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range,
	                          sizeof range) == 0;
	return false;
}

/* Waits until the connection is there, or refused. What happens to the datagram meanwhile is
 * noted. */
static enum fail wait_for_both(struct probe *probe, const struct stop *stop, int64_t deadline_ms,
                               struct failure *why)
{
	struct pollfd fds[] = {
		{ .fd = -1 }, /* the stop's */
		{ .fd = probe->tcp_fd, .events = POLLOUT },
		{ .fd = probe->udp_fd, .events = POLLIN },
	};
	enum fail f;

	if (probe->udp_fd >= 0)
		probe->udp = PROBE_UDP_SILENT;
	do {
		f = wait_any(stop, fds, 3, deadline_ms, why);
		if (fds[2].revents) {
			probe->udp = judge_datagram(probe);
			close_one(&probe->udp_fd);
			fds[2].fd = -1;
		}
	} while (!f && !fds[1].revents);
	if (f == FAIL_TIMEOUT)
		return fail_set(why, f, "timed out connecting");
	/* An empty send reports how connecting ended. */
	if (!f && (fds[1].revents & (POLLERR | POLLHUP)) && !send_on(probe->tcp_fd))
		return net_connect_failed(errno, why);
	return f;
}

static enum fail probe_both(struct probe *probe, const struct stop *stop, int64_t deadline_ms,
                            struct failure *why)
{
	enum fail f;

	/* Before TCP: a refusal that the kernel delays has then arrived after the connect. */
	send_datagram(probe);
	if (probe->tcp_fd < 0) {
		probe->apart = false;
		if (!open_socket(&probe->tcp_fd, probe, SOCK_STREAM))
			return fail_errno(why, "socket");
	}
	/* After EINTR, too, connecting continues in the background (connect(2)). */
	if (connect(probe->tcp_fd, &probe->to.sa.any, probe->to.len) < 0 && errno != EINPROGRESS &&
	    errno != EINTR)
		return net_connect_failed(errno, why);
	f = wait_for_both(probe, stop, mono_earlier(deadline_ms, mono_now_ms() + PROBE_MS), why);
	if (!f && !probe->apart && is_connected_to_itself(probe))
		f = fail_set(why, FAIL_REFUSED, "connection refused");
	if (!disconnect(probe->tcp_fd))
		close_one(&probe->tcp_fd);
	return f;
}

enum fail probe_port(struct probe *probe, const struct tunnel_view *view, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	struct resolve_address to = probe->family == AF_INET
	                                    ? resolve_ip(&view->v4, sizeof view->v4, port)
	                                    : resolve_ip(&view->v6, sizeof view->v6, port);
	enum fail f;

	if (probe->index != view->index || !is_same(&probe->to, &to))
		probe_close(probe);
	probe->to = to;
	probe->index = view->index;
	f = probe_both(probe, stop, deadline_ms, why);
	probe->accepted = !f;
	if (f || probe->udp != PROBE_UDP_SILENT)
		probe_close(probe);
	return f;
}
