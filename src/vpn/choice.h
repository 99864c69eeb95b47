/* choice: which interface is the tunnel, where the user names none. Pure.
 *
 * It is the one by which packets leave for the Internet, if that is a tunnel, or else the only tunnel
 * there is. A tunnel is an interface without a link layer (ARPHRD_NONE): tun devices, the kernel's
 * WireGuard, and what has a kind of its own (ovpn, amneziawg, xfrm). The kind would not do: a tap device
 * has the same as tun, and carries the default route of rootless containers. Of the other types that
 * are neither loopback nor Ethernet (ppp0), one is a tunnel while it is up: a kernel with the modules
 * shows tunl0, sit0 and others in each namespace, down. */
#ifndef QSTICKY_VPN_CHOICE_H
#define QSTICKY_VPN_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "vpn/netlink.h"

/* Longest list of names, with its NUL. */
#define CHOICE_NAMES_MAX 96

enum choice_verdict {
	CHOICE_NONE,    /* no tunnel is here */
	CHOICE_ONE,     /* the tunnel is `name` */
	CHOICE_SEVERAL, /* which of them it is cannot be known */
};

/* All zeros but `route`: nothing seen yet. */
struct choice {
	uint32_t route; /* index of the interface by which the default route leaves; 0: none */
	bool has_route; /* it is a tunnel, and `name` is its */
	bool more;      /* than fit into `names`, which ends in dots */
	unsigned count; /* tunnels seen */
	char name[IF_NAMESIZE];
	/* What is here, with commas: the tunnels, or where there are none, what is up. "": nothing but
	 * loopback. Not made printable. */
	char names[CHOICE_NAMES_MAX];
};

/* Whether an interface can be the tunnel at all. */
bool choice_can_be(const struct netlink_link *link);

/* Takes one interface of those that are here, in any order. */
void choice_see(struct choice *choice, const struct netlink_link *link);

/* What comes of those seen. */
enum choice_verdict choice_made(const struct choice *choice);

#endif
