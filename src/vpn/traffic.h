/* traffic: whether the tunnel sends and nothing comes back. Pure.
 *
 * The kernel counts the packets of an interface. When the way to the VPN server is dead, the tunnel stays
 * up and its count of received packets stands still, while that of sent ones rises.
 *
 * What the count of sent packets holds: on a tun device (OpenVPN, WireGuard in userspace) what programs
 * send into the tunnel, and a router solicitation now and then (five in 75 s after it came up, fewer
 * later); no keep-alives. On the kernel's WireGuard also keep-alives (one in 25 s, usually) and
 * handshakes. A connection to an address of the tunnel itself goes over loopback, so the probes of
 * vpn/probe.h are in none of the counts. */
#ifndef QSTICKY_VPN_TRAFFIC_H
#define QSTICKY_VPN_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

/* Longest silence of a living tunnel. Gluetun itself asks something through it once a minute (from
 * v3.41; more often before), which has to count whatever qBittorrent does. */
#define TRAFFIC_SILENT_MS (75 * 1000)

/* Least number of packets sent in a minute of silence. Above keep-alives (four, with 15 s between them)
 * and solicitations; below an idle qBittorrent behind a real Gluetun whose server is cut off (eight). */
#define TRAFFIC_SENT_A_MINUTE 6

/* Packets have to be sent on two sides of a look that is so old: those of the last moment may still be
 * answered, and one burst that nobody answers is no dead tunnel. */
#define TRAFFIC_STEP_MS (25 * 1000)

/* Longest pause to the next look, while the tunnel has not answered yet, and while it is called dead. */
#define TRAFFIC_DOUBT_MS (30 * 1000)
#define TRAFFIC_DEAD_MS (5 * 1000)

/* What the kernel has counted. */
struct traffic_counts {
	uint32_t index; /* of the interface: another one each time it is made; 0: there is none */
	uint64_t received;
	uint64_t sent;
};

struct traffic {
	uint32_t index;
	uint64_t received;
	bool one_way;         /* the tunnel sends, and nothing comes back */
	int64_t silent_at_ms; /* the look since which nothing was received */
	uint64_t sent_before; /* until then */
	uint64_t unanswered;  /* packets sent since */
	int64_t look_at_ms;   /* when to look again at the latest; MONO_NEVER: as usual */
	struct {
		int64_t at_ms;
		uint64_t sent;
	} looks[3]; /* the oldest first, TRAFFIC_STEP_MS apart; all the same at first */
};

/* Takes what was counted at `now_ms`, as often as there is a look, and judges. Nothing is known from one
 * look. Packets received, counts that went back and another interface begin it again; so does a tunnel
 * that is gone, of which others tell. All zeros at first. */
void traffic_see(struct traffic *traffic, const struct traffic_counts *counts, int64_t now_ms);

#endif
