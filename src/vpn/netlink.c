#include "vpn/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

/* ---- messages ---- */

/* Messages and attributes are padded to four bytes. The last one may lack its padding. */
static size_t padded(size_t len, size_t left)
{
	size_t step = (len + 3) & ~(size_t)3;

	return step < left ? step : left;
}

bool netlink_next(const unsigned char **at, size_t *left, struct netlink_message *message)
{
	struct nlmsghdr header;
	size_t step;

	if (*left < sizeof header)
		return false;
	memcpy(&header, *at, sizeof header);
	if (header.nlmsg_len < sizeof header || header.nlmsg_len > *left)
		return false;
	*message = (struct netlink_message){
		.type = header.nlmsg_type,
		.flags = header.nlmsg_flags,
		.answers = header.nlmsg_seq,
		.payload = *at + sizeof header,
		.len = header.nlmsg_len - sizeof header,
	};
	step = padded(header.nlmsg_len, *left);
	*at += step;
	*left -= step;
	return true;
}

/* Finds the first attribute of `type`. Attributes follow the `fixed` first bytes of the payload. */
static bool find_attribute(const struct netlink_message *message, size_t fixed, uint16_t type,
                           const unsigned char **value, size_t *len)
{
	const unsigned char *at = message->payload;
	size_t left = message->len;
	size_t step = padded(fixed, left);
	struct rtattr header;

	for (;;) {
		at += step;
		left -= step;
		if (left < sizeof header)
			return false;
		memcpy(&header, at, sizeof header);
		if (header.rta_len < sizeof header || header.rta_len > left)
			return false;
		if (header.rta_type == type) {
			*value = at + sizeof header;
			*len = header.rta_len - sizeof header;
			return true;
		}
		step = padded(header.rta_len, left);
	}
}

bool netlink_link(const struct netlink_message *message, struct netlink_link *link)
{
	struct ifinfomsg info;
	struct rtnl_link_stats64 stats;
	const unsigned char *name, *counted;
	size_t len, counted_len;

	if ((message->type != RTM_NEWLINK && message->type != RTM_DELLINK) ||
	    message->len < sizeof info)
		return false;
	memcpy(&info, message->payload, sizeof info);
	/* A bridge reports its ports in messages of the same type, with another family. */
	if (info.ifi_family != AF_UNSPEC || info.ifi_index <= 0 ||
	    !find_attribute(message, sizeof info, IFLA_IFNAME, &name, &len) || len == 0 ||
	    len > sizeof link->name || name[0] == '\0' || name[len - 1] != '\0')
		return false;
	*link = (struct netlink_link){
		.index = (uint32_t)info.ifi_index,
		.gone = message->type == RTM_DELLINK,
		.loopback = info.ifi_flags & IFF_LOOPBACK,
		.up = info.ifi_flags & IFF_UP,
		.type = info.ifi_type,
	};
	memcpy(link->name, name, len);
	/* Newer kernels append members to the struct; the first ones stay the same. */
	if (find_attribute(message, sizeof info, IFLA_STATS64, &counted, &counted_len) &&
	    counted_len >= offsetof(struct rtnl_link_stats64, rx_bytes)) {
		memcpy(&stats, counted, offsetof(struct rtnl_link_stats64, rx_bytes));
		link->received = stats.rx_packets;
		link->sent = stats.tx_packets;
	}
	return true;
}

bool netlink_address(const struct netlink_message *message, struct netlink_address *address)
{
	struct ifaddrmsg info;
	const unsigned char *value;
	uint32_t flags;
	size_t len, want;

	if ((message->type != RTM_NEWADDR && message->type != RTM_DELADDR) ||
	    message->len < sizeof info)
		return false;
	memcpy(&info, message->payload, sizeof info);
	if (info.ifa_family != AF_INET && info.ifa_family != AF_INET6)
		return false;
	want = info.ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	/* On a point-to-point interface, IFA_ADDRESS is the other end's address. */
	if (!find_attribute(message, sizeof info, IFA_LOCAL, &value, &len) &&
	    !find_attribute(message, sizeof info, IFA_ADDRESS, &value, &len))
		return false;
	if (len != want)
		return false;
	*address = (struct netlink_address){
		.index = info.ifa_index,
		.gone = message->type == RTM_DELADDR,
		.family = info.ifa_family,
	};
	memcpy(&address->address, value, len);
	/* IFA_FLAGS has all flags; the fixed part has only eight of them (since Linux 3.14). */
	flags = info.ifa_flags;
	if (find_attribute(message, sizeof info, IFA_FLAGS, &value, &len) && len == sizeof flags)
		memcpy(&flags, value, sizeof flags);
	address->usable =
		info.ifa_scope <= RT_SCOPE_SITE && !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
	return true;
}

bool netlink_route(const struct netlink_message *message, uint32_t *index)
{
	struct rtmsg info;
	const unsigned char *value;
	uint32_t out;
	size_t len;

	if (message->type != RTM_NEWROUTE || message->len < sizeof info)
		return false;
	memcpy(&info, message->payload, sizeof info);
	if (info.rtm_type != RTN_UNICAST ||
	    !find_attribute(message, sizeof info, RTA_OIF, &value, &len) || len != sizeof out)
		return false;
	memcpy(&out, value, sizeof out);
	if (out == 0 || out > INT32_MAX)
		return false;
	*index = out;
	return true;
}

/* ---- sockets ---- */

static enum fail open_socket(int *fd, struct failure *why)
{
	int opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (opened < 0)
		return fail_errno(why, "netlink socket");
	*fd = opened;
	return FAIL_NONE;
}

enum fail netlink_listen(int *fd, struct failure *why)
{
	const struct sockaddr_nl here = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int opened = -1;
	enum fail f = open_socket(&opened, why);

	if (f)
		return f;
	if (bind(opened, (const struct sockaddr *)&here, sizeof here) < 0) {
		f = fail_errno(why, "netlink bind");
		close(opened);
		return f;
	}
	*fd = opened;
	return FAIL_NONE;
}

enum reception {
	RECEPTION_NOTHING,
	RECEPTION_FAILED,
	RECEPTION_LOST, /* part of the datagram, or earlier ones (ENOBUFS, reported once) */
	RECEPTION_TAKEN,
	RECEPTION_LAST, /* the datagram ended a dump */
};

/* Receives one datagram and calls `take` for each message. */
static enum reception receive(int fd, netlink_take *take, void *context)
{
	_Alignas(struct nlmsghdr) unsigned char buf[NETLINK_MAX];
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof from;
	const unsigned char *at = buf;
	struct netlink_message message;
	ssize_t got;
	size_t left;

	/* It does not wait, so EINTR cannot happen. */
	got = recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
	               &from_len);
	if (got < 0 && errno == EAGAIN)
		return RECEPTION_NOTHING;
	if (got < 0)
		return errno == ENOBUFS ? RECEPTION_LOST : RECEPTION_FAILED;
	if ((size_t)got > sizeof buf)
		return RECEPTION_LOST;
	/* Root may also send to this socket. Trust only the kernel, whose port id is 0. */
	if (from.nl_pid != 0)
		return RECEPTION_TAKEN;
	left = (size_t)got;
	while (netlink_next(&at, &left, &message)) {
		/* A change is reported to a group, with the number of the request that made it. */
		if (from.nl_groups != 0)
			message.answers = 0;
		/* Something changed during the dump: entries may be missing or appear twice. */
		if (message.flags & NLM_F_DUMP_INTR)
			return RECEPTION_LOST;
		if (message.type == NLMSG_DONE)
			return RECEPTION_LAST;
		if (message.type == NLMSG_ERROR)
			return RECEPTION_FAILED;
		take(context, &message);
	}
	return RECEPTION_TAKEN;
}

bool netlink_drain(int fd, netlink_take *take, void *context)
{
	enum reception reception = RECEPTION_TAKEN;

	/* After a loss or 100 datagrams, more may be waiting. poll() reports them again, so the
	 * loop can check for a stop in between. */
	for (unsigned left = 100; left > 0 && reception >= RECEPTION_TAKEN; left--)
		reception = receive(fd, take, context);
	return reception == RECEPTION_NOTHING || reception >= RECEPTION_TAKEN;
}

bool netlink_ask_link(int fd, uint32_t index, uint32_t number, netlink_take *take, void *context)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {
			.nlmsg_len = sizeof request,
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST,
			.nlmsg_seq = number,
		},
		.link = { .ifi_index = (int)index },
	};

	return send(fd, &request, sizeof request, 0) >= 0 &&
	       receive(fd, take, context) == RECEPTION_TAKEN;
}

/* Sends a request on a new socket, which the caller closes. The kernel answers before send()
 * returns. */
static enum fail ask(const struct nlmsghdr *request, int *fd, struct failure *why)
{
	enum fail f = open_socket(fd, why); /* send() binds it to an address */

	if (!f && send(*fd, request, request->nlmsg_len, 0) < 0) {
		f = fail_errno(why, "netlink request");
		close(*fd);
	}
	return f;
}

enum fail netlink_dump(uint16_t kind, netlink_take *take, void *context, struct failure *why)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg family;
	} request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof request.family),
			.nlmsg_type = kind,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.family = { .rtgen_family = AF_UNSPEC },
	};
	enum reception reception = RECEPTION_TAKEN;
	int fd = -1;
	enum fail f = ask(&request.header, &fd, why);

	if (f)
		return f;
	while (reception == RECEPTION_TAKEN)
		reception = receive(fd, take, context);
	if (reception != RECEPTION_LAST)
		f = fail_set(why, FAIL_IO, "netlink: the kernel's answer is not whole");
	close(fd);
	return f;
}

static void take_route(void *context, const struct netlink_message *message)
{
	(void)netlink_route(message, context);
}

uint32_t netlink_default_route(void)
{
	static const struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr attribute;
		unsigned char to[4];
	} request = {
		.header = {
			.nlmsg_len = sizeof request,
			.nlmsg_type = RTM_GETROUTE,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.route = { .rtm_family = AF_INET, .rtm_dst_len = 32 },
		.attribute = { .rta_len = RTA_LENGTH(sizeof request.to), .rta_type = RTA_DST },
		/* k.root-servers.net. A public resolver's address may have a special route here,
		 * and a reserved address may have none. No packet is sent there. */
		.to = { 193, 0, 14, 129 },
	};
	struct failure why;
	uint32_t index = 0;
	int fd = -1;

	if (ask(&request.header, &fd, &why))
		return 0;
	(void)receive(fd, take_route, &index);
	close(fd);
	return index;
}
