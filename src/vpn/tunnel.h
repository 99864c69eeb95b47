/* tunnel: the VPN's network interface in this namespace, and what becomes of it.
 *
 * When the VPN reconnects, Gluetun deletes the interface and makes it again; sockets of qBittorrent
 * stay bound to the one that is gone. Only a connection tells (vpn/probe.h). */
#ifndef QSTICKY_VPN_TUNNEL_H
#define QSTICKY_VPN_TUNNEL_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "vpn/choice.h"
#include "vpn/traffic.h"

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
	char name[IF_NAMESIZE]; /* of the interface; "": it is not known yet */
	bool sought;            /* nobody has named it, so that looks find it */
	bool choose;            /* at the next look */
	uint32_t index;         /* as last heard; 0: none */
	int events_fd;          /* for poll(); -1: changes go unheard */
	struct choice choice;   /* where it is sought: what was here when it was chosen last */
	/* As last looked at, and not in the view: they change all the time. */
	struct traffic_counts counts;
};

/* The tunnel on the interface `name`, which is under IF_NAMESIZE, unheard. */
struct tunnel tunnel_on(const char *name);

/* The tunnel on whatever interface is found to be it, unheard. A name once found stays until
 * another one is found, so that a tunnel which is gone can be named. */
struct tunnel tunnel_sought(void);

/* Begins to hear of changes; the descriptor stays open for the life of the process.
 * FAIL_IO: the kernel does not let us. */
enum fail tunnel_listen(struct tunnel *tunnel, struct failure *why);

/* What was heard, from the least to the most. */
enum tunnel_event {
	TUNNEL_QUIET,
	TUNNEL_OTHER_GONE, /* an interface that is not the tunnel's is there no more */
	TUNNEL_CHANGED, /* its interface, or an address of it; or something was lost; or, where it is
	                    * sought, an interface that can be it */
};

/* Takes what `events_fd` announces. Returns the most of it. Never blocks. */
enum tunnel_event tunnel_drain(struct tunnel *tunnel);

/* Looks afresh. Where the tunnel is sought, chooses it at the first look, after a TUNNEL_CHANGED, at each
 * look while none is known for sure, and at each look if changes go unheard.
 * FAIL_IO: the kernel does not tell; `*view` is all zeros then. */
enum fail tunnel_look(struct tunnel *tunnel, struct tunnel_view *view, struct failure *why);

#endif
