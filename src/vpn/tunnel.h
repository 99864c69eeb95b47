/* tunnel: the VPN's network interface in this namespace, and what becomes of it.
 *
 * When the VPN reconnects, Gluetun deletes the interface and makes it anew; sockets of qBittorrent
 * stay bound to the one that is gone. Only a connection tells (vpn/probe.h). */
#ifndef QSTICKY_VPN_TUNNEL_H
#define QSTICKY_VPN_TUNNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

/* What there is now. */
struct tunnel_view {
	uint32_t index; /* of the tunnel's interface: another one each time it is made; 0: none */
	bool lo_only;   /* no interface but loopback is up, in the whole namespace */
	bool exists;    /* the tunnel's interface */
	bool up;
	bool has_v4;
	bool has_v6;
	struct in_addr v4;  /* the first usable one, in network order */
	struct in6_addr v6; /* the first global one */
	char v4_text[INET_ADDRSTRLEN];
	char v6_text[INET6_ADDRSTRLEN];
};

struct tunnel {
	const char *name; /* of the interface; borrowed; "": there is none, do not call the rest */
	uint32_t index;   /* as last heard; 0: none */
	int events_fd;    /* for poll(); -1: changes go unheard */
};

/* The tunnel on the interface `name`, unheard. */
struct tunnel tunnel_on(const char *name);

/* Begins to hear of changes; the descriptor stays open for the life of the process.
 * FAIL_IO: the kernel does not let us. */
enum fail tunnel_listen(struct tunnel *tunnel, struct failure *why);

/* What was heard, from the least to the most. */
enum tunnel_event {
	TUNNEL_QUIET,
	TUNNEL_OTHER_GONE, /* an interface that is not the tunnel's is there no more */
	TUNNEL_CHANGED,    /* its interface, or an address of it; or something was lost */
};

/* Takes what `events_fd` announces. Returns the most of it. Never blocks. */
enum tunnel_event tunnel_drain(struct tunnel *tunnel);

/* Looks afresh. FAIL_IO: the kernel does not tell; `*view` is all zeros then. */
enum fail tunnel_look(struct tunnel *tunnel, struct tunnel_view *view, struct failure *why);

#endif
