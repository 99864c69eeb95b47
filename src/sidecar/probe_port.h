/* probe_port: finds where qBittorrent's settings make it listen on the tunnel, and probes whether
 * it does.
 *
 * `tunnel` is as at its last tunnel_look(). `set` holds qBittorrent's preferences. */
#ifndef QSTICKY_SIDECAR_PROBE_PORT_H
#define QSTICKY_SIDECAR_PROBE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "qbittorrent/client.h"
#include "sidecar/health.h"
#include "vpn/probe.h"
#include "vpn/tunnel.h"

/* Shortest time to keep probing if TCP is accepted but UDP refused, in milliseconds: libtorrent
 * opens the two up to 6 ms apart. */
#define REACHABILITY_PAIR_MS 100

/* The probes of all addresses, and the combined result of the last ones. */
struct reachability_probed {
	struct probe probes[2]; /* of IPv4 and IPv6 */
	enum reachable udp;     /* NO: refused at an address; YES: at none, and all accept TCP */
	bool partly_open;       /* at least one address is open */
	/* The first address that fails accepts TCP but not UDP: another program has the port. */
	bool another;
};

/* Judges whether a setting of qBittorrent keeps it from listening on the tunnel. FAIL_CUT_OFF: one
 * does, and `why` names it. */
enum fail reachability_judge_settings(const struct tunnel *tunnel,
                                      const struct qbittorrent_view *set, struct failure *why);

/* Probes every address of the tunnel on which qBittorrent should listen, with `probed->probes`. Blocks
 * until the deadline of `qb` at most. An address that refuses is probed again for `patience_ms`.
 * FAIL_REFUSED: an address refuses TCP or UDP. Else as probe_port(). */
enum fail reachability_probe(const struct tunnel *tunnel, const struct qbittorrent *qb,
                             const struct qbittorrent_view *set, uint16_t port, int64_t patience_ms,
                             struct reachability_probed *probed, struct failure *why);

#endif
