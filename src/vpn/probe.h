/* probe: tests whether a port is open at the tunnel's address, over TCP and UDP.
 *
 * libtorrent opens TCP and UDP of an address as a pair. If another program has one of them,
 * libtorrent opens neither (1.2.9 to 2.0.14, for any bittorrent_protocol). So qBittorrent listens
 * if TCP is accepted and UDP is not refused. */
#ifndef QSTICKY_VPN_PROBE_H
#define QSTICKY_VPN_PROBE_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
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

/* Sends an empty datagram, which libtorrent ignores, to `port` at the address in `view`. Then
 * connects over TCP and closes. `family` is AF_INET or AF_INET6; `view` must have such an address.
 * Blocks until `deadline_ms` (monotonic), for PROBE_MS at most. Sets `*udp` even on failure.
 * Failures of TCP: FAIL_REFUSED, FAIL_TIMEOUT, FAIL_STOPPED. FAIL_IO: the address is not reachable;
 * it may have been removed. */
enum fail probe_port(const struct tunnel_view *view, sa_family_t family, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, enum probe_udp *udp,
                     struct failure *why);

#endif
