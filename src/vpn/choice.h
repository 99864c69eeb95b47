/* choice: finds the tunnel's interface if the user names none. Pure: no function blocks or fails.
 *
 * The tunnel is the interface of the default route, if that has no link layer. Otherwise it is the
 * only tunnel in the namespace.
 *
 * An interface without a link layer (ARPHRD_NONE) is a tunnel: tun devices, the kernel's WireGuard,
 * and interfaces with their own kind (ovpn, amneziawg, xfrm). The kind alone does not decide: tap
 * devices have the same kind as tun, and carry the default route of rootless containers.
 *
 * An interface of another type, neither loopback nor Ethernet (ppp0), is a tunnel while it is up. A
 * kernel with the modules has tunl0, sit0 and others in each namespace, down. */
#ifndef QSTICKY_VPN_CHOICE_H
#define QSTICKY_VPN_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "vpn/netlink.h"

/* Size in bytes of the list of names, with its NUL. */
#define CHOICE_NAMES_MAX 96

enum choice_verdict {
	CHOICE_NONE,    /* there is no tunnel */
	CHOICE_ONE,     /* the tunnel is `name` */
	CHOICE_SEVERAL, /* several tunnels, and the default route does not decide */
};

/* At first, set `route` and leave the rest zero. */
struct choice {
	uint32_t route; /* index of the interface with the default route; 0: none */
	bool has_route; /* that interface has no link layer, and `name` is its name */
	bool more;      /* not all names fit into `names`, which ends in dots */
	unsigned count; /* tunnels seen */
	char name[IF_NAMESIZE];
	/* The tunnels' names, separated by commas. Without a tunnel, the interfaces that are up.
	 * "": only loopback. May hold unprintable bytes. */
	char names[CHOICE_NAMES_MAX];
};

/* Whether `link` is a tunnel by the rules above. */
bool choice_can_be(const struct netlink_link *link);

/* Adds one interface. Call it once for each interface in the namespace, in any order. */
void choice_see(struct choice *choice, const struct netlink_link *link);

/* Returns the choice among the interfaces seen. */
enum choice_verdict choice_made(const struct choice *choice);

#endif
