/* netlink: reads network interfaces, their addresses and the default route from the kernel
 * (rtnetlink(7)). It changes nothing and needs no privilege.
 *
 * Messages are parsed like untrusted input: each length is checked against the bytes left. */
#ifndef QSTICKY_VPN_NETLINK_H
#define QSTICKY_VPN_NETLINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fail.h"

/* Longest datagram accepted, in bytes. rtnetlink sends no more unless asked to (NLMSG_GOODSIZE in
 * the kernel's netlink.h). */
#define NETLINK_MAX 8192

struct netlink_message {
	uint16_t type; /* RTM_NEWLINK and so on */
	uint16_t flags;
	uint32_t answers; /* number of the request that it answers; 0: it reports a change */
	const unsigned char *payload;
	size_t len;
};

struct netlink_link {
	uint32_t index;
	bool gone; /* the interface was deleted */
	bool loopback;
	bool up;
	uint16_t type;     /* of the hardware: ARPHRD_ETHER and so on */
	uint64_t received; /* packets since it was made; 0 if the kernel does not count them */
	uint64_t sent;
	char name[IF_NAMESIZE]; /* any bytes except blanks and slashes */
};

struct netlink_address {
	uint32_t index;     /* of its interface */
	bool gone;          /* the address was deleted */
	bool usable;        /* global, and not tentative (RFC 4862): a peer can reach it */
	sa_family_t family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} address;
};

/* Reads the next message from the `*left` bytes at `*at`, and advances both. Returns false at the
 * end, or if the rest is not a whole message. */
bool netlink_next(const unsigned char **at, size_t *left, struct netlink_message *message);

/* Reads an interface from RTM_NEWLINK or RTM_DELLINK, or an address from RTM_NEWADDR or
 * RTM_DELADDR. Returns false if the message is another one, or damaged. */
bool netlink_link(const struct netlink_message *message, struct netlink_link *link);
bool netlink_address(const struct netlink_message *message, struct netlink_address *address);

/* Sets `*index` to the outgoing interface of the route in an RTM_NEWROUTE. Returns false if the
 * message is another one or damaged, or if the route has no interface. */
bool netlink_route(const struct netlink_message *message, uint32_t *index);

/* Called for each message received; `context` is the caller's. */
typedef void netlink_take(void *context, const struct netlink_message *message);

/* Opens a non-blocking socket that receives each change of a link or address in this network
 * namespace. The caller passes it to poll() and netlink_drain(), and closes it. FAIL_IO: the kernel
 * refuses. */
enum fail netlink_listen(int *fd, struct failure *why);

/* Reads what has arrived on a socket of netlink_listen(), and calls `take` for each message. Never
 * blocks. Returns false if messages were lost: then the caller must call netlink_dump(), and more
 * messages may be waiting. */
bool netlink_drain(int fd, netlink_take *take, void *context);

/* Asks for the interface `index` on a socket of netlink_listen(), reads one datagram, and calls
 * `take` for each message in it. Never blocks. The kernel answers before it goes on, and its answer
 * stands behind all changes that it has reported. So if the datagram is the answer to `number` (not
 * 0), nothing has changed unread. If it reports a change, the answer waits behind it.
 * Returns false if the kernel refuses, or if messages were lost. */
bool netlink_ask_link(int fd, uint32_t index, uint32_t number, netlink_take *take, void *context);

/* Reads all links (`kind` RTM_GETLINK) or all addresses (RTM_GETADDR), and calls `take` for each.
 * The kernel answers at once.
 * FAIL_IO: the kernel refuses, or the answer is incomplete. It is incomplete if something changed
 * meanwhile; then call again. */
enum fail netlink_dump(uint16_t kind, netlink_take *take, void *context, struct failure *why);

/* Returns the index of the interface by which an IPv4 packet to the Internet would leave. 0: there
 * is no route, or the kernel does not answer. The kernel applies its routing rules and tables, so
 * qsticky need not know them. Does not block. */
uint32_t netlink_default_route(void);

#endif
