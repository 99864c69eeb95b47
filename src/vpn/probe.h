/* probe: tests whether a port is open at the tunnel's address, over TCP and UDP.
 *
 * libtorrent opens TCP and UDP of an address as a pair. If another program has one of them,
 * libtorrent opens neither (1.2.9 to 2.0.14, for any bittorrent_protocol). So qBittorrent listens
 * if TCP is accepted and UDP is not refused. */
#ifndef QSTICKY_VPN_PROBE_H
#define QSTICKY_VPN_PROBE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "net/resolve_address.h"
#include "vpn/tunnel.h"

/* Longest wait for one connection, in milliseconds. The whole path is inside this machine. But just
 * after an address was added the kernel may lose the first packet, which it repeats after a
 * second. */
#define PROBE_MS 1500

/* What happened to the datagram. */
enum probe_udp {
	PROBE_UDP_UNKNOWN, /* it could not be sent, or recv() failed */
	PROBE_UDP_REFUSED, /* no socket has the UDP port: the kernel refused it */
	PROBE_UDP_SILENT,  /* no error came: a socket received it, or a firewall dropped it */
};

/* The probe of one address. Its sockets stay open from one success to the next with the same port
 * and interface. */
struct probe {
	int tcp_fd;                /* not connected, and so without a port of its own; -1: closed */
	int udp_fd;                /* connected; -1: closed */
	bool apart;                /* the kernel does not choose the probed port for `tcp_fd` */
	sa_family_t family;        /* AF_INET or AF_INET6 */
	uint32_t index;            /* of the tunnel's interface */
	struct resolve_address to; /* the port, at the tunnel's address */
	/* Results of the last probe. */
	bool accepted; /* TCP was */
	enum probe_udp udp;
};

/* A probe of the tunnel's address of a family, without sockets. End with probe_close(). */
#define PROBE_OF(of_family)                                                                        \
	{                                                                                          \
		.tcp_fd = -1, .udp_fd = -1, .family = (of_family)                                  \
	}

/* Sends an empty datagram, which libtorrent ignores, to `port` at the address in `view`. Then
 * connects over TCP and resets the connection. `view` must have an address of the probe's family.
 * Blocks until `deadline_ms` (monotonic), for PROBE_MS at most. Sets the results even on failure.
 * Failures of TCP: FAIL_REFUSED, FAIL_TIMEOUT, FAIL_STOPPED. FAIL_IO: the address is not reachable;
 * it may have been removed. */
enum fail probe_port(struct probe *probe, const struct tunnel_view *view, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, struct failure *why);

/* Closes what probe_port() has left open. Call it before qBittorrent opens a port: an open UDP socket
 * may have that one as its own. Does nothing if all is closed. */
void probe_close(struct probe *probe);

#endif
