/* netlink: what the kernel says about network interfaces and their addresses (rtnetlink(7)), read
 * only, as any user may.
 *
 * The messages are parsed here, each length checked against what is left, as if from a stranger. */
#ifndef QSTICKY_VPN_NETLINK_H
#define QSTICKY_VPN_NETLINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fail.h"

/* Longest datagram taken, in bytes: what rtnetlink sends unless asked for more (NLMSG_GOODSIZE in
 * the kernel's netlink.h). */
#define NETLINK_MAX 8192

struct netlink_message {
	uint16_t type; /* RTM_NEWLINK and so on */
	uint16_t flags;
	const unsigned char *payload;
	size_t len;
};

struct netlink_link {
	uint32_t index;
	bool gone;
	bool loopback;
	bool up;
	uint16_t type;     /* of its hardware: ARPHRD_ETHER and so on */
	uint64_t received; /* packets since it was made; 0 where the kernel does not count */
	uint64_t sent;
	char name[IF_NAMESIZE]; /* any bytes but blanks and slashes */
};

struct netlink_address {
	uint32_t index; /* of its interface */
	bool gone;
	bool usable;        /* global, and not on trial any more (RFC 4862): a peer can reach it */
	sa_family_t family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} address;
};

/* Takes the next message off the `*left` bytes at `*at`. False at their end, or where they are no
 * whole message. */
bool netlink_next(const unsigned char **at, size_t *left, struct netlink_message *message);

/* What a message says; false where it is about something else, or damaged. */
bool netlink_link(const struct netlink_message *message, struct netlink_link *link);
bool netlink_address(const struct netlink_message *message, struct netlink_address *address);

/* The index of the interface by which a route leaves; false where it leads nowhere. */
bool netlink_route(const struct netlink_message *message, uint32_t *index);

/* Takes one message; `context` is the caller's. */
typedef void netlink_take(void *context, const struct netlink_message *message);

/* Opens a non-blocking socket that hears of every change of a link or an address in this network
 * namespace: for poll() and netlink_drain(), to be closed by the caller. FAIL_IO: it cannot. */
enum fail netlink_listen(int *fd, struct failure *why);

/* Takes what has arrived on such a socket. Returns false where something was lost: then nothing is
 * known, only a look helps, and there may be more to take. Never blocks. */
bool netlink_drain(int fd, netlink_take *take, void *context);

/* Asks for everything of one kind that there is now: RTM_GETLINK or RTM_GETADDR. The kernel answers
 * at once. FAIL_IO: it cannot be asked, or the answer is not whole, as where something was changed
 * while it was given: then ask again. */
enum fail netlink_dump(uint16_t kind, netlink_take *take, void *context, struct failure *why);

/* Asks by which interface a packet to the public Internet would leave now, over IPv4. The kernel follows
 * its rules and tables as for a packet, so that none of them has to be understood here. Returns the
 * interface's index, or 0 where there is no way or the kernel does not tell. */
uint32_t netlink_default_route(void);

#endif
