/* traffic: detects a tunnel that sends but receives nothing. Pure: no function blocks or fails.
 *
 * The kernel counts the packets of each interface. When the path to the VPN server is dead, the
 * tunnel stays up. Its count of sent packets rises, but the count of received packets does not.
 *
 * On a tun device (OpenVPN, WireGuard in userspace) "sent" counts packets that programs send into
 * the tunnel. It also counts router solicitations (five in 75 s after the tunnel came up, fewer
 * later), but no keep-alives. On the kernel's WireGuard it also counts keep-alives (usually one in
 * 25 s) and handshakes. A connection to the tunnel's own address goes over loopback. So neither
 * count includes the probes of vpn/probe.h. */
#ifndef QSTICKY_VPN_TRAFFIC_H
#define QSTICKY_VPN_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

/* Longest silence of a working tunnel, in milliseconds. Gluetun itself sends a request through the
 * tunnel once a minute (since v3.41; more often before), whatever qBittorrent does. */
#define TRAFFIC_SILENT_MS (75 * 1000)

/* Fewest packets sent in a minute of silence for a tunnel to count as dead. It is more than
 * keep-alives (four, at 15 s intervals) and solicitations. It is less than an idle qBittorrent
 * sends behind a real Gluetun whose server is cut off (eight). */
#define TRAFFIC_SENT_A_MINUTE 6

/* Time between two samples of the counts, in milliseconds. Packets must be sent both before and
 * after the last sample. The newest packets may still be answered, and one unanswered burst does
 * not prove a dead tunnel. */
#define TRAFFIC_STEP_MS (25 * 1000)

/* Longest pause until the next call, in milliseconds: while the tunnel owes an answer, and while it
 * counts as dead. */
#define TRAFFIC_DOUBT_MS (30 * 1000)
#define TRAFFIC_DEAD_MS (5 * 1000)

/* The kernel's counts of packets. */
struct traffic_counts {
	uint32_t index; /* of the interface, new each time it is made; 0: there is none */
	uint64_t received;
	uint64_t sent;
};

struct traffic {
	uint32_t index;
	uint64_t received;
	bool one_way;         /* the tunnel sends but receives nothing: it counts as dead */
	int64_t silent_at_ms; /* since when nothing was received; monotonic */
	uint64_t sent_before; /* count of sent packets at that time */
	uint64_t unanswered;  /* packets sent since that time */
	int64_t look_at_ms;   /* latest time of the next call; MONO_NEVER: no limit */
	struct {
		int64_t at_ms;
		uint64_t sent;
	} looks[3]; /* samples, the oldest first, TRAFFIC_STEP_MS apart; all equal at first */
};

/* Adds the counts at `now_ms` (monotonic) and sets `one_way`. Call it after each tunnel_look(). One
 * call alone proves nothing. It starts over if packets were received, if a count decreased, or if
 * the interface is another one or gone. At first `*traffic` is all zeros. */
void traffic_see(struct traffic *traffic, const struct traffic_counts *counts, int64_t now_ms);

#endif
