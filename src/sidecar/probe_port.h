/* probe_port: where qBittorrent should listen on the tunnel, by its settings, and whether it does.
 *
 * `view` is what the last look at `tunnel` showed. */
#ifndef QSTICKY_SIDECAR_PROBE_PORT_H
#define QSTICKY_SIDECAR_PROBE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "qbittorrent/client.h"
#include "sidecar/health.h"
#include "vpn/tunnel.h"

/* Shortest time for which UDP that is refused beside TCP that is accepted is probed again: libtorrent
 * opens the one up to 6 ms after the other. */
#define REACHABILITY_PAIR_MS 100

/* What the probes of all addresses have found together. */
struct reachability_probed {
	enum reachable udp; /* NO: refused at one at least; YES: at none, and all accept TCP */
	bool partly_open;   /* one of them is open, whatever the others are */
	bool another;       /* the first that is refused accepts TCP: another program does */
};

/* Whether a setting of qBittorrent's is what keeps it from listening on the tunnel. FAIL_CUT_OFF. */
enum fail reachability_judge_settings(const struct tunnel *tunnel, const struct tunnel_view *view,
                                      const struct qbittorrent_view *set, struct failure *why);

/* Probes every address on which qBittorrent should listen, each for up to `patience_ms` while it
 * is refused, and sets `*probed`. FAIL_REFUSED: TCP or UDP is, at one at least. Else as probe_port(). */
enum fail reachability_probe(const struct tunnel *tunnel, const struct tunnel_view *view,
                             const struct qbittorrent *qb, const struct qbittorrent_view *set,
                             uint16_t port, int64_t patience_ms, struct reachability_probed *probed,
                             struct failure *why);

#endif
