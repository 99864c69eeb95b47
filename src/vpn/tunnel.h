/* tunnel: the VPN's network interface in this namespace: its state, and its changes.
 *
 * When the VPN reconnects, Gluetun deletes the interface and makes a new one. qBittorrent's sockets
 * may stay bound to the deleted one. Only a connection shows that (vpn/probe.h). */
#ifndef QSTICKY_VPN_TUNNEL_H
#define QSTICKY_VPN_TUNNEL_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "vpn/choice.h"
#include "vpn/traffic.h"

/* The state at the last tunnel_look(). */
struct tunnel_view {
	uint32_t index; /* of the interface, new each time it is made; 0: there is none */
	bool lo_only;   /* only loopback is up in the whole namespace */
	bool exists;    /* the interface exists */
	bool up;
	bool has_v4;
	bool has_v6;
	struct in_addr v4;  /* the first usable address, in network order */
	struct in6_addr v6; /* the first usable address */
	char v4_text[INET_ADDRSTRLEN];
	char v6_text[INET6_ADDRSTRLEN];
};

/* What tunnel_drain() read, from the least to the most. Code compares the values. */
enum tunnel_event {
	TUNNEL_QUIET,
	TUNNEL_OTHER_GONE, /* an interface that is not the tunnel's was deleted */
	TUNNEL_CHANGED,    /* the tunnel's interface or address changed, or messages were lost; if
	                    * `sought`, also a change of any interface that can be the tunnel */
};

struct tunnel {
	char name[IF_NAMESIZE]; /* of the interface; "": not known yet */
	bool sought;            /* the user named no interface, so tunnel_look() finds it */
	bool choose;            /* the next tunnel_look() chooses the interface */
	/* An interface that was found had the default route. If it goes, one without that route does not
	 * take its place: it may be Tailscale's, and qBittorrent must not be bound to that. */
	bool routed;
	uint32_t index; /* of the interface, as last reported; 0: none */
	int events_fd;  /* for poll(); -1: changes are not reported */
	/* `view` holds, for all that was reported since. Without it, tunnel_look() reads all anew. The
	 * caller may clear it. */
	bool settled;
	bool answered;  /* the last question was answered, and the interface is as in `view` */
	uint32_t asked; /* number of the last question */
	enum tunnel_event heard; /* read by tunnel_look(), for tunnel_drain() to return */
	struct tunnel_view view; /* at the last tunnel_look() */
	/* Packets at the last tunnel_look(). Not in the view, since they change all the time. */
	struct traffic_counts counts;
	struct choice choice; /* if `sought`: the interfaces at the last choice */
};

/* Makes the tunnel on the interface `name`, shorter than IF_NAMESIZE. Opens nothing yet.
 * If that is "", tunnel_look() finds the interface. The name found stays until another is found, so
 * that messages can name a tunnel that is gone. */
void tunnel_start(struct tunnel *tunnel, const char *name);

/* Opens `events_fd`, which reports changes. It stays open until the process ends.
 * FAIL_IO: the kernel refuses; `events_fd` stays -1. */
enum fail tunnel_listen(struct tunnel *tunnel, struct failure *why);

/* Reads all changes from `events_fd`, and returns the most important one. Never blocks. */
enum tunnel_event tunnel_drain(struct tunnel *tunnel);

/* Reads the tunnel's state from the kernel into `*view`. Does not wait for anything. If `sought`,
 * it also chooses the interface: at the first call, after a TUNNEL_CHANGED, and while the choice is
 * not certain. Without an `events_fd` it chooses at each call.
 *
 * It lists all interfaces and addresses, unless the last call found a usable tunnel and `events_fd`
 * has reported no change of any since. Then it only asks for the tunnel's interface and its counts.
 * FAIL_IO: the kernel refuses, or things kept changing; `*view` is all zeros then. */
enum fail tunnel_look(struct tunnel *tunnel, struct tunnel_view *view, struct failure *why);

#endif
