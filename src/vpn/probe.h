/* probe: whether a port is open at an address of the tunnel, over TCP and over UDP.
 *
 * libtorrent opens TCP and UDP of an address as a pair. Where one of them is taken it has neither
 * (1.2.9 to 2.0.14, whatever bittorrent_protocol is). So qBittorrent listens where TCP is accepted and
 * UDP is not refused. */
#ifndef QSTICKY_VPN_PROBE_H
#define QSTICKY_VPN_PROBE_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "vpn/tunnel.h"

/* Longest wait for one connection to be accepted. All of its way is inside this machine, but just
 * after an address has come the kernel may lose the first packet, and repeats it after a second. */
#define PROBE_MS 1500

/* What became of a datagram. */
enum probe_udp {
	PROBE_UDP_UNKNOWN, /* it could not be sent */
	PROBE_UDP_REFUSED, /* nobody has the UDP port: the kernel has said so */
	PROBE_UDP_SILENT,  /* somebody has taken it, or a firewall has dropped it */
};

/* Connects to `port` at the interface's IPv4 or IPv6 address, which it must have, and closes again.
 * Sends an empty datagram there before, which libtorrent ignores, and sets `*udp` in any case. Waits for
 * PROBE_MS at most, and for UDP no longer than for TCP.
 * FAIL_REFUSED, FAIL_TIMEOUT, FAIL_STOPPED, all of TCP; FAIL_IO: there is no way to that address (any
 * more). */
enum fail probe_port(const struct tunnel_view *view, sa_family_t family, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, enum probe_udp *udp,
                     struct failure *why);

#endif
