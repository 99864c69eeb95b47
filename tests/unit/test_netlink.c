#include "vpn/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns.h"

/* ---- messages put together by hand ---- */

struct datagram {
	unsigned char bytes[1024];
	size_t len;
	size_t message; /* where the last one begins */
};

static void put(struct datagram *datagram, const void *bytes, size_t len)
{
	assert_true(datagram->len + len + 3 <= sizeof datagram->bytes);
	memcpy(datagram->bytes + datagram->len, bytes, len);
	datagram->len += len;
}

static void pad(struct datagram *datagram)
{
	while (datagram->len % 4 != 0)
		datagram->bytes[datagram->len++] = 0xaa;
}

/* The header of the last message says how long it is now. */
static void set_length(struct datagram *datagram)
{
	uint32_t len = (uint32_t)(datagram->len - datagram->message);

	memcpy(datagram->bytes + datagram->message, &len, sizeof len);
}

static void begin_message(struct datagram *datagram, uint16_t type)
{
	const struct nlmsghdr header = { .nlmsg_type = type };

	pad(datagram);
	datagram->message = datagram->len;
	put(datagram, &header, sizeof header);
	set_length(datagram);
}

/* An attribute that says it is `said` bytes longer than it is. */
static void put_attribute_of(struct datagram *datagram, uint16_t type, const void *value,
                             size_t len, int said)
{
	const struct rtattr header = {
		.rta_len = (unsigned short)((int)(sizeof header + len) + said),
		.rta_type = type,
	};

	pad(datagram);
	put(datagram, &header, sizeof header);
	put(datagram, value, len);
	set_length(datagram);
}

static void put_attribute(struct datagram *datagram, uint16_t type, const void *value, size_t len)
{
	put_attribute_of(datagram, type, value, len, 0);
}

static struct datagram link_of(uint16_t type, struct ifinfomsg info)
{
	struct datagram datagram = { .len = 0 };

	begin_message(&datagram, type);
	put(&datagram, &info, sizeof info);
	set_length(&datagram);
	return datagram;
}

static struct datagram address_of(uint16_t type, struct ifaddrmsg info)
{
	struct datagram datagram = { .len = 0 };

	begin_message(&datagram, type);
	put(&datagram, &info, sizeof info);
	set_length(&datagram);
	return datagram;
}

static const struct ifinfomsg tun0_info = { .ifi_index = 7, .ifi_flags = IFF_UP | IFF_POINTOPOINT };

static struct datagram tun0(void)
{
	struct datagram datagram = link_of(RTM_NEWLINK, tun0_info);

	put_attribute(&datagram, IFLA_MTU, &(const uint32_t){ 1420 }, 4);
	put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
	return datagram;
}

/* The first message of the first `len` bytes, which lie in a block of just that size, so that
 * AddressSanitizer sees the first byte read behind it. */
static bool first_of(const void *bytes, size_t len, struct netlink_message *message, void **block)
{
	const unsigned char *at;
	size_t left = len;

	*block = malloc(len ? len : 1);
	assert_non_null(*block);
	memcpy(*block, bytes, len);
	at = *block;
	return netlink_next(&at, &left, message);
}

static bool read_link(const struct datagram *datagram, struct netlink_link *link)
{
	struct netlink_message message;
	void *block;
	bool is;

	*link = (struct netlink_link){ .index = 0 };
	is = first_of(datagram->bytes, datagram->len, &message, &block) &&
	     netlink_link(&message, link);
	free(block);
	return is;
}

static bool read_address(const struct datagram *datagram, struct netlink_address *address)
{
	struct netlink_message message;
	void *block;
	bool is;

	*address = (struct netlink_address){ .index = 0 };
	is = first_of(datagram->bytes, datagram->len, &message, &block) &&
	     netlink_address(&message, address);
	free(block);
	return is;
}

/* ---- messages, one behind the other ---- */

static void netlink_takes_one_message_after_the_other(void **state)
{
	struct datagram datagram = { .len = 0 };
	const unsigned char *at = datagram.bytes;
	struct netlink_message message;
	size_t left;
	(void)state;

	begin_message(&datagram, 100);
	put(&datagram, "12345", 5); /* padded */
	set_length(&datagram);
	begin_message(&datagram, 101); /* nothing in it */
	begin_message(&datagram, 102);
	put(&datagram, "x", 1); /* the last, not padded */
	set_length(&datagram);
	left = datagram.len;
	assert_true(netlink_next(&at, &left, &message));
	assert_int_equal(message.type, 100);
	assert_int_equal(message.len, 5);
	assert_memory_equal(message.payload, "12345", 5);
	assert_true(netlink_next(&at, &left, &message));
	assert_int_equal(message.type, 101);
	assert_int_equal(message.len, 0);
	assert_true(netlink_next(&at, &left, &message));
	assert_int_equal(message.type, 102);
	assert_memory_equal(message.payload, "x", 1);
	assert_int_equal(left, 0);
	assert_false(netlink_next(&at, &left, &message));
}

static void netlink_takes_no_message_that_is_not_whole(void **state)
{
	const struct datagram datagram = tun0();
	(void)state;

	for (size_t len = 0; len <= datagram.len; len++) {
		struct netlink_message message;
		void *block;

		assert_int_equal(first_of(datagram.bytes, len, &message, &block),
		                 len == datagram.len);
		free(block);
	}
}

static void netlink_takes_no_message_shorter_than_its_header(void **state)
{
	struct datagram datagram = tun0();
	(void)state;

	for (uint32_t len = 0; len <= sizeof(struct nlmsghdr); len++) {
		struct netlink_message message;
		void *block;

		memcpy(datagram.bytes, &len, sizeof len);
		assert_int_equal(first_of(datagram.bytes, datagram.len, &message, &block),
		                 len == sizeof(struct nlmsghdr));
		free(block);
	}
}

static void netlink_takes_no_message_longer_than_what_is_left(void **state)
{
	static const uint32_t more[] = { 1, 4, 4096, UINT32_MAX / 2 };
	(void)state;

	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
		struct datagram datagram = tun0();
		uint32_t len = (uint32_t)datagram.len + more[i];
		struct netlink_message message;
		void *block;

		memcpy(datagram.bytes, &len, sizeof len);
		assert_false(first_of(datagram.bytes, datagram.len, &message, &block));
		free(block);
	}
	for (uint32_t len = UINT32_MAX - 20; len != 0; len++) {
		struct datagram datagram = tun0();
		struct netlink_message message;
		void *block;

		memcpy(datagram.bytes, &len, sizeof len);
		assert_false(first_of(datagram.bytes, datagram.len, &message, &block));
		free(block);
	}
}

/* ---- links ---- */

static void netlink_reads_a_link(void **state)
{
	const struct datagram datagram = tun0();
	struct netlink_link link;
	(void)state;

	assert_true(read_link(&datagram, &link));
	assert_int_equal(link.index, 7);
	assert_string_equal(link.name, "tun0");
	assert_true(link.up);
	assert_false(link.gone || link.loopback);
}

static void netlink_reads_the_flags_of_a_link(void **state)
{
	struct datagram down = link_of(RTM_NEWLINK, (struct ifinfomsg){ .ifi_index = 1 });
	struct datagram lo = link_of(
		RTM_NEWLINK, (struct ifinfomsg){ .ifi_index = 1, .ifi_flags = IFF_LOOPBACK });
	struct netlink_link link;
	(void)state;

	put_attribute(&down, IFLA_IFNAME, "tun0", 5);
	put_attribute(&lo, IFLA_IFNAME, "lo", 3);
	assert_true(read_link(&down, &link));
	assert_false(link.up || link.loopback);
	assert_true(read_link(&lo, &link));
	assert_true(link.loopback);
	assert_false(link.up);
}

static void netlink_reads_that_a_link_is_gone(void **state)
{
	struct datagram datagram = link_of(RTM_DELLINK, tun0_info);
	struct netlink_link link;
	(void)state;

	put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
	assert_true(read_link(&datagram, &link));
	assert_true(link.gone);
	assert_string_equal(link.name, "tun0");
}

static void netlink_takes_names_of_15_bytes_that_end(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool taken;
	} names[] = {
		{ "0123456789abcde", 16, true },
		{ "0123456789abcdef", 17, false },
		{ "tun0", 4, false },
		{ "0123456789abcdef", 16, false },
		{ "", 0, false },
		{ "", 1, false },
	};
	(void)state;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct datagram datagram = link_of(RTM_NEWLINK, tun0_info);
		struct netlink_link link;

		put_attribute(&datagram, IFLA_IFNAME, names[i].bytes, names[i].len);
		assert_int_equal(read_link(&datagram, &link), names[i].taken);
		if (names[i].taken)
			assert_string_equal(link.name, names[i].bytes);
	}
}

static void netlink_takes_no_link_without_a_name(void **state)
{
	struct datagram datagram = link_of(RTM_NEWLINK, tun0_info);
	struct netlink_link link;
	(void)state;

	assert_false(read_link(&datagram, &link));
	put_attribute(&datagram, IFLA_MTU, &(const uint32_t){ 1420 }, 4);
	assert_false(read_link(&datagram, &link));
}

static void netlink_takes_no_port_of_a_bridge_for_a_link(void **state)
{
	struct datagram datagram =
		link_of(RTM_NEWLINK, (struct ifinfomsg){ .ifi_family = AF_BRIDGE, .ifi_index = 7 });
	struct netlink_link link;
	(void)state;

	put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
	assert_false(read_link(&datagram, &link));
}

static void netlink_takes_no_link_without_a_right_index(void **state)
{
	static const int indexes[] = { 0, -1, INT32_MIN };
	(void)state;

	for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
		struct datagram datagram =
			link_of(RTM_NEWLINK, (struct ifinfomsg){ .ifi_index = indexes[i] });
		struct netlink_link link;

		put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
		assert_false(read_link(&datagram, &link));
	}
}

/* The header of the message says that it is whole: what is in it decides. */
static void netlink_takes_no_link_cut_at_any_length(void **state)
{
	const struct datagram whole = tun0();
	(void)state;

	for (size_t len = sizeof(struct nlmsghdr); len <= whole.len; len++) {
		struct datagram datagram = whole;
		struct netlink_link link;

		datagram.len = len;
		set_length(&datagram);
		assert_int_equal(read_link(&datagram, &link), len == whole.len);
	}
}

static void netlink_stops_at_an_attribute_longer_than_the_message(void **state)
{
	static const int said[] = { 1, 4, 100, UINT16_MAX - 8 };
	(void)state;

	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		struct datagram datagram = link_of(RTM_NEWLINK, tun0_info);
		struct netlink_link link;

		put_attribute_of(&datagram, IFLA_IFNAME, "eth", 4, said[i]);
		assert_false(read_link(&datagram, &link));
	}
}

static void netlink_stops_at_an_attribute_shorter_than_its_header(void **state)
{
	(void)state;

	for (int said = -4; said <= 0; said++) {
		struct datagram datagram = link_of(RTM_NEWLINK, tun0_info);
		struct netlink_link link;

		put_attribute_of(&datagram, IFLA_QDISC, "", 0, said);
		put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
		assert_int_equal(read_link(&datagram, &link), said == 0);
	}
}

static void netlink_passes_over_attributes_that_are_padded_or_empty(void **state)
{
	struct datagram datagram = link_of(RTM_NEWLINK, tun0_info);
	struct netlink_link link;
	(void)state;

	put_attribute(&datagram, IFLA_QDISC, "x", 1);
	put_attribute(&datagram, IFLA_IFALIAS, "", 0);
	put_attribute(&datagram, IFLA_QDISC, "123", 3);
	put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
	assert_true(read_link(&datagram, &link));
	assert_string_equal(link.name, "tun0");
}

static void netlink_reads_the_type_of_a_link(void **state)
{
	struct datagram datagram =
		link_of(RTM_NEWLINK, (struct ifinfomsg){ .ifi_index = 7, .ifi_type = ARPHRD_NONE });
	struct netlink_link link;
	(void)state;

	put_attribute(&datagram, IFLA_IFNAME, "tun0", 5);
	assert_true(read_link(&datagram, &link));
	assert_int_equal(link.type, ARPHRD_NONE);
}

static void netlink_reads_how_many_packets_a_link_has_seen(void **state)
{
	/* The first members and, since later kernels, many more; or too few. */
	static const struct {
		size_t len;
		bool read;
	} lens[] = { { 0, false }, { 8, false },  { 15, false }, { 16, true },
		     { 17, true }, { 184, true }, { 200, true } };
	const uint64_t stats[25] = { UINT64_MAX - 1, 5000000000, 3, 4 };
	(void)state;

	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct datagram datagram = tun0();
		struct netlink_link link;

		put_attribute(&datagram, IFLA_STATS64, stats, lens[i].len);
		assert_true(read_link(&datagram, &link));
		assert_true(link.received == (lens[i].read ? UINT64_MAX - 1 : 0));
		assert_true(link.sent == (lens[i].read ? 5000000000 : 0));
	}
}

/* ---- routes ---- */

static struct datagram route_of(uint16_t type, struct rtmsg info)
{
	struct datagram datagram = { .len = 0 };

	begin_message(&datagram, type);
	put(&datagram, &info, sizeof info);
	set_length(&datagram);
	return datagram;
}

static bool read_route(const struct datagram *datagram, uint32_t *index)
{
	struct netlink_message message;
	void *block;
	bool is;

	*index = 0;
	is = first_of(datagram->bytes, datagram->len, &message, &block) &&
	     netlink_route(&message, index);
	free(block);
	return is;
}

static const struct rtmsg unicast = { .rtm_family = AF_INET, .rtm_type = RTN_UNICAST };

static void netlink_reads_by_which_interface_a_route_leaves(void **state)
{
	struct datagram datagram = route_of(RTM_NEWROUTE, unicast);
	uint32_t index;
	(void)state;

	put_attribute(&datagram, RTA_TABLE, &(const uint32_t){ 51820 }, 4);
	put_attribute(&datagram, RTA_OIF, &(const uint32_t){ 7 }, 4);
	assert_true(read_route(&datagram, &index));
	assert_int_equal(index, 7);
}

static void netlink_takes_no_route_that_leads_nowhere(void **state)
{
	static const unsigned char types[] = { RTN_LOCAL, RTN_BLACKHOLE, RTN_UNREACHABLE,
		                               RTN_PROHIBIT, RTN_THROW };
	static const uint32_t indexes[] = { 0, UINT32_MAX, (uint32_t)INT32_MAX + 1 };
	uint32_t index;
	(void)state;

	for (size_t i = 0; i < sizeof types; i++) {
		struct datagram datagram =
			route_of(RTM_NEWROUTE, (struct rtmsg){ .rtm_type = types[i] });

		put_attribute(&datagram, RTA_OIF, &(const uint32_t){ 7 }, 4);
		assert_false(read_route(&datagram, &index));
	}
	for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
		struct datagram datagram = route_of(RTM_NEWROUTE, unicast);

		put_attribute(&datagram, RTA_OIF, &indexes[i], 4);
		assert_false(read_route(&datagram, &index));
		assert_int_equal(index, 0);
	}
}

static void netlink_takes_no_route_that_is_damaged(void **state)
{
	static const size_t lens[] = { 0, 3, 5, 8 };
	struct datagram whole = route_of(RTM_NEWROUTE, unicast);
	uint32_t index;
	(void)state;

	assert_false(read_route(&whole, &index));
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		struct datagram datagram = whole;

		put_attribute(&datagram, RTA_OIF, (const uint32_t[]){ 7, 0 }, lens[i]);
		assert_false(read_route(&datagram, &index));
	}
	put_attribute(&whole, RTA_OIF, &(const uint32_t){ 7 }, 4);
	for (size_t len = sizeof(struct nlmsghdr); len <= whole.len; len++) {
		struct datagram datagram = whole;

		datagram.len = len;
		set_length(&datagram);
		assert_int_equal(read_route(&datagram, &index), len == whole.len);
	}
}

/* ---- addresses ---- */

static const unsigned char v4[4] = { 10, 2, 0, 2 };
static const unsigned char v4_peer[4] = { 10, 2, 0, 1 };
static const unsigned char v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 };

static void netlink_reads_an_ipv4_address(void **state)
{
	struct datagram datagram = address_of(
		RTM_NEWADDR, (struct ifaddrmsg){ .ifa_family = AF_INET, .ifa_index = 7 });
	struct netlink_address address;
	(void)state;

	put_attribute(&datagram, IFA_ADDRESS, v4, sizeof v4);
	assert_true(read_address(&datagram, &address));
	assert_int_equal(address.index, 7);
	assert_int_equal(address.family, AF_INET);
	assert_true(address.usable);
	assert_false(address.gone);
	assert_memory_equal(&address.address.v4, v4, sizeof v4);
}

static void netlink_reads_an_ipv6_address(void **state)
{
	struct datagram datagram = address_of(
		RTM_DELADDR, (struct ifaddrmsg){ .ifa_family = AF_INET6, .ifa_index = 7 });
	struct netlink_address address;
	(void)state;

	put_attribute(&datagram, IFA_ADDRESS, v6, sizeof v6);
	assert_true(read_address(&datagram, &address));
	assert_int_equal(address.family, AF_INET6);
	assert_true(address.gone);
	assert_memory_equal(&address.address.v6, v6, sizeof v6);
}

static void netlink_takes_the_near_end_of_a_point_to_point_link(void **state)
{
	struct datagram datagram =
		address_of(RTM_NEWADDR, (struct ifaddrmsg){ .ifa_family = AF_INET });
	struct netlink_address address;
	(void)state;

	put_attribute(&datagram, IFA_ADDRESS, v4_peer, sizeof v4_peer);
	put_attribute(&datagram, IFA_LOCAL, v4, sizeof v4);
	assert_true(read_address(&datagram, &address));
	assert_memory_equal(&address.address.v4, v4, sizeof v4);
}

static void netlink_takes_no_address_of_a_wrong_size(void **state)
{
	static const struct {
		size_t len;
		unsigned char family;
		bool taken;
	} addresses[] = {
		{ 4, AF_INET, true },     { 16, AF_INET, false },   { 3, AF_INET, false },
		{ 0, AF_INET, false },    { 16, AF_INET6, true },   { 4, AF_INET6, false },
		{ 15, AF_INET6, false },  { 4, AF_UNSPEC, false },  { 4, AF_PACKET, false },
		{ 16, AF_PACKET, false }, { 16, UINT8_MAX, false },
	};
	static const uint16_t types[] = { IFA_LOCAL, IFA_ADDRESS };
	(void)state;

	for (size_t i = 0; i < 2 * (sizeof addresses / sizeof addresses[0]); i++) {
		struct datagram datagram = address_of(
			RTM_NEWADDR, (struct ifaddrmsg){ .ifa_family = addresses[i / 2].family });
		struct netlink_address address;

		put_attribute(&datagram, types[i % 2], v6, addresses[i / 2].len);
		assert_int_equal(read_address(&datagram, &address), addresses[i / 2].taken);
	}
}

static void netlink_takes_no_address_cut_at_any_length(void **state)
{
	struct datagram whole =
		address_of(RTM_NEWADDR, (struct ifaddrmsg){ .ifa_family = AF_INET6 });
	(void)state;

	put_attribute(&whole, IFA_ADDRESS, v6, sizeof v6);
	for (size_t len = sizeof(struct nlmsghdr); len <= whole.len; len++) {
		struct datagram datagram = whole;
		struct netlink_address address;

		datagram.len = len;
		set_length(&datagram);
		assert_int_equal(read_address(&datagram, &address), len == whole.len);
	}
}

/* Whether a peer can reach an address of this scope, with these flags in the fixed part and, unless
 * -1, with those in an attribute of `len` bytes. */
static bool usable(unsigned char scope, unsigned char fixed, int64_t more, size_t len)
{
	struct datagram datagram =
		address_of(RTM_NEWADDR, (struct ifaddrmsg){ .ifa_family = AF_INET6,
	                                                    .ifa_scope = scope,
	                                                    .ifa_flags = fixed });
	const uint32_t flags[2] = { (uint32_t)more, 0 };
	struct netlink_address address;

	put_attribute(&datagram, IFA_ADDRESS, v6, sizeof v6);
	if (more >= 0)
		put_attribute(&datagram, IFA_FLAGS, flags, len);
	assert_true(read_address(&datagram, &address));
	return address.usable;
}

static void netlink_knows_which_addresses_peers_can_reach(void **state)
{
	(void)state;

	assert_true(usable(RT_SCOPE_UNIVERSE, 0, -1, 0));
	assert_true(usable(RT_SCOPE_SITE, IFA_F_PERMANENT, -1, 0));
	assert_false(usable(RT_SCOPE_LINK, IFA_F_PERMANENT, -1, 0));
	assert_false(usable(RT_SCOPE_HOST, IFA_F_PERMANENT, -1, 0));
	/* Not for new connections of its own, but still answered (RFC 4862, section 5.5.4). */
	assert_true(usable(RT_SCOPE_UNIVERSE, IFA_F_DEPRECATED, -1, 0));
	assert_false(usable(RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE, -1, 0));
	assert_false(usable(RT_SCOPE_UNIVERSE, IFA_F_OPTIMISTIC | IFA_F_TENTATIVE, -1, 0));
	assert_false(usable(RT_SCOPE_UNIVERSE, IFA_F_DADFAILED, -1, 0));
}

static void netlink_prefers_the_flags_with_room_for_all(void **state)
{
	(void)state;

	assert_false(usable(RT_SCOPE_UNIVERSE, 0, IFA_F_TENTATIVE, 4));
	assert_true(usable(RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE, 4));
	/* Unless they are damaged. */
	assert_true(usable(RT_SCOPE_UNIVERSE, 0, IFA_F_TENTATIVE, 3));
	assert_true(usable(RT_SCOPE_UNIVERSE, 0, IFA_F_TENTATIVE, 8));
	assert_false(usable(RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE, 0, 0));
}

static void netlink_tells_messages_of_another_type_apart(void **state)
{
	(void)state;

	for (unsigned type = 0; type < 256; type++) {
		struct datagram link = link_of((uint16_t)type, tun0_info);
		struct datagram address =
			address_of((uint16_t)type, (struct ifaddrmsg){ .ifa_family = AF_INET });
		struct datagram route = route_of((uint16_t)type, unicast);
		struct netlink_link as_link;
		struct netlink_address as_address;
		uint32_t as_route;

		put_attribute(&link, IFLA_IFNAME, "tun0", 5);
		put_attribute(&address, IFA_ADDRESS, v4, sizeof v4);
		put_attribute(&route, RTA_OIF, &(const uint32_t){ 7 }, 4);
		assert_int_equal(read_route(&route, &as_route), type == RTM_NEWROUTE);
		assert_int_equal(read_link(&link, &as_link),
		                 type == RTM_NEWLINK || type == RTM_DELLINK);
		assert_int_equal(read_address(&address, &as_address),
		                 type == RTM_NEWADDR || type == RTM_DELADDR);
	}
}

/* ---- the kernel ---- */

struct heard {
	size_t links;
	size_t addresses;
	size_t gone;
	bool named_twice; /* a link "tun0" */
	struct netlink_link link;
	struct netlink_address address;
};

static void hear(void *context, const struct netlink_message *message)
{
	struct heard *heard = context;
	struct netlink_link link;

	if (netlink_link(message, &link)) {
		heard->named_twice |= heard->links > 0 && strcmp(link.name, "tun0") == 0;
		heard->link = link;
		heard->links++;
		heard->gone += link.gone;
	}
	heard->addresses += netlink_address(message, &heard->address);
}

static struct heard dump(uint16_t kind)
{
	struct heard heard = { .links = 0 };
	struct failure why;

	if (netlink_dump(kind, hear, &heard, &why))
		fail_msg("%s", why.text);
	return heard;
}

static int listening(void)
{
	struct failure why;
	int fd = -1;

	if (netlink_listen(&fd, &why))
		fail_msg("%s", why.text);
	return fd;
}

static void netlink_dump_shows_all_there_is(void **state)
{
	struct heard heard;
	(void)state;

	netns_enter();
	heard = dump(RTM_GETLINK);
	assert_int_equal(heard.links, 1);
	assert_string_equal(heard.link.name, "lo");
	assert_true(heard.link.loopback);
	assert_false(heard.link.up || heard.link.gone);
	assert_int_equal(dump(RTM_GETADDR).addresses, 0);
	netns_ip("link set lo up");
	heard = dump(RTM_GETLINK);
	assert_true(heard.link.up);
	netns_ip("-6 address flush dev lo");
	heard = dump(RTM_GETADDR);
	assert_int_equal(heard.addresses, 1);
	assert_int_equal(heard.address.index, 1); /* of lo, always */
	assert_int_equal(heard.address.address.v4.s_addr, htonl(INADDR_LOOPBACK));
	assert_false(heard.address.usable);
}

static void netlink_dump_goes_on_where_one_datagram_is_not_enough(void **state)
{
	char command[64];
	(void)state;

	netns_enter();
	for (int i = 0; i < 20; i++) {
		snprintf(command, sizeof command, "link add a%d type veth peer name b%d", i, i);
		netns_ip(command);
	}
	assert_int_equal(dump(RTM_GETLINK).links, 41);
	for (int i = 1; i < 200; i++) {
		snprintf(command, sizeof command, "address add 10.0.0.%d/32 dev a0", i);
		netns_ip(command);
	}
	assert_int_equal(dump(RTM_GETADDR).addresses, 199);
}

/* Adds an address while the kernel has told of the first ones only. */
static void interrupt(void *context, const struct netlink_message *message)
{
	struct heard *heard = context;

	hear(heard, message);
	if (heard->addresses == 1)
		netns_ip("address add 10.0.1.1/32 dev lo");
}

static void netlink_dump_says_that_something_was_changed_meanwhile(void **state)
{
	char command[64];
	struct heard heard = { .links = 0 };
	struct failure why;
	(void)state;

	netns_enter();
	for (int i = 1; i < 200; i++) {
		snprintf(command, sizeof command, "address add 10.0.0.%d/32 dev lo", i);
		netns_ip(command);
	}
	assert_int_equal(netlink_dump(RTM_GETADDR, interrupt, &heard, &why), FAIL_IO);
	assert_int_equal(dump(RTM_GETADDR).addresses, 200);
}

static void netlink_dump_tells_the_types_that_the_kernel_gives(void **state)
{
	(void)state;

	netns_enter();
	assert_int_equal(dump(RTM_GETLINK).link.type, ARPHRD_LOOPBACK);
	if (!netns_try("tuntap add mode tun tun0"))
		netns_missing("no tun device may be made here");
	assert_int_equal(dump(RTM_GETLINK).link.type, ARPHRD_NONE);
	netns_ip("tuntap add mode tap tap0");
	assert_int_equal(dump(RTM_GETLINK).link.type, ARPHRD_ETHER);
	netns_ip("link add br0 type bridge");
	assert_int_equal(dump(RTM_GETLINK).link.type, ARPHRD_ETHER);
	netns_ip("link add eth0 type veth peer name far0");
	assert_int_equal(dump(RTM_GETLINK).link.type, ARPHRD_ETHER);
}

static void netlink_default_route_is_that_of_the_rules(void **state)
{
	uint32_t eth0, tun0_index;
	(void)state;

	netns_enter();
	assert_int_equal(netlink_default_route(), 0);
	netns_ip("link add eth0 type veth peer name far0");
	eth0 = dump(RTM_GETLINK).link.index;
	netns_ip("link add tun0 type veth peer name far1");
	tun0_index = dump(RTM_GETLINK).link.index;
	netns_ip("address add 172.18.0.2/16 dev eth0");
	netns_ip("link set eth0 up");
	netns_ip("link set tun0 up");
	assert_int_equal(netlink_default_route(), 0);
	netns_ip("route add default via 172.18.0.1 dev eth0");
	assert_int_equal(netlink_default_route(), eth0);
	netns_ip("route add default dev tun0 table 51820");
	assert_int_equal(netlink_default_route(), eth0);
	netns_ip("rule add not fwmark 51820 table 51820 priority 101");
	assert_int_equal(netlink_default_route(), tun0_index);
	netns_ip("rule del priority 101");
	netns_ip("route del default dev eth0");
	netns_ip("route add unreachable default");
	assert_int_equal(netlink_default_route(), 0);
}

static void netlink_dump_says_where_the_kernel_refuses(void **state)
{
	struct heard heard = { .links = 0 };
	struct failure why;
	(void)state;

	assert_int_equal(netlink_dump(0x7ffe, hear, &heard, &why), FAIL_IO);
	assert_non_null(strstr(why.text, "netlink"));
}

static void netlink_answers_an_unprivileged_user_too(void **state)
{
	pid_t child;
	int status;
	(void)state;

	child = fork();
	if (child == 0) {
		struct heard heard = { .links = 0 };
		struct failure why;
		int fd;
		bool right = (geteuid() != 0 || setuid(65534) == 0) &&
		             !netlink_dump(RTM_GETLINK, hear, &heard, &why) && heard.links > 0 &&
		             !netlink_listen(&fd, &why);

		_exit(right ? 0 : 1);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void netlink_drain_takes_what_has_changed(void **state)
{
	struct heard heard = { .links = 0 };
	struct pollfd readable = { .events = POLLIN };
	(void)state;

	netns_enter();
	readable.fd = listening();
	assert_int_equal(poll(&readable, 1, 0), 0);
	netns_ip("link add tun0 type veth peer name far0");
	netns_ip("address add 10.2.0.2/32 dev tun0");
	assert_int_equal(poll(&readable, 1, 10000), 1);
	assert_true(netlink_drain(readable.fd, hear, &heard));
	assert_true(heard.named_twice);
	assert_int_equal(heard.addresses, 1);
	assert_true(heard.address.usable);
	assert_memory_equal(&heard.address.address.v4, v4, sizeof v4);
	heard = (struct heard){ .links = 0 };
	netns_ip("link del tun0");
	assert_true(netlink_drain(readable.fd, hear, &heard));
	assert_true(heard.gone >= 2);
	close(readable.fd);
}

static void netlink_drain_finds_nothing_where_nothing_changed(void **state)
{
	struct heard heard = { .links = 0 };
	int fd;
	(void)state;

	netns_enter();
	fd = listening();
	assert_true(netlink_drain(fd, hear, &heard));
	assert_int_equal(heard.links + heard.addresses, 0);
	close(fd);
}

static void netlink_drain_says_once_that_something_was_lost(void **state)
{
	struct heard heard = { .links = 0 };
	struct pollfd readable = { .events = POLLIN };
	char command[64];
	int fd;
	(void)state;

	netns_enter();
	readable.fd = fd = listening();
	/* The kernel takes its own least for it. */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int)), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(command, sizeof command, "link set lo mtu %d", 2000 + i);
		netns_ip(command);
	}
	/* What did come is taken, too. */
	assert_false(netlink_drain(fd, hear, &heard));
	assert_true(netlink_drain(fd, hear, &heard));
	assert_true(heard.links > 0);
	assert_int_equal(poll(&readable, 1, 0), 0);
	assert_true(netlink_drain(fd, hear, &heard));
	heard = (struct heard){ .links = 0 };
	netns_ip("link set lo mtu 3000");
	assert_true(netlink_drain(fd, hear, &heard));
	assert_true(heard.links > 0);
	close(fd);
}

static void netlink_listens_to_nobody_but_the_kernel(void **state)
{
	const struct datagram datagram = tun0();
	struct sockaddr_nl to = { 0 };
	socklen_t len = sizeof to;
	struct heard heard = { .links = 0 };
	int fd, other;
	(void)state;

	netns_enter();
	fd = listening();
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	to.nl_groups = 0;
	other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	assert_true(other >= 0);
	assert_int_equal(
		sendto(other, datagram.bytes, datagram.len, 0, (struct sockaddr *)&to, sizeof to),
		datagram.len);
	assert_true(netlink_drain(fd, hear, &heard));
	assert_int_equal(heard.links, 0);
	netns_ip("link set lo mtu 3000");
	assert_true(netlink_drain(fd, hear, &heard));
	assert_true(heard.links > 0);
	close(other);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netlink_takes_one_message_after_the_other),
		cmocka_unit_test(netlink_takes_no_message_that_is_not_whole),
		cmocka_unit_test(netlink_takes_no_message_shorter_than_its_header),
		cmocka_unit_test(netlink_takes_no_message_longer_than_what_is_left),
		cmocka_unit_test(netlink_reads_a_link),
		cmocka_unit_test(netlink_reads_the_flags_of_a_link),
		cmocka_unit_test(netlink_reads_that_a_link_is_gone),
		cmocka_unit_test(netlink_takes_names_of_15_bytes_that_end),
		cmocka_unit_test(netlink_takes_no_link_without_a_name),
		cmocka_unit_test(netlink_takes_no_port_of_a_bridge_for_a_link),
		cmocka_unit_test(netlink_takes_no_link_without_a_right_index),
		cmocka_unit_test(netlink_takes_no_link_cut_at_any_length),
		cmocka_unit_test(netlink_reads_the_type_of_a_link),
		cmocka_unit_test(netlink_reads_how_many_packets_a_link_has_seen),
		cmocka_unit_test(netlink_reads_by_which_interface_a_route_leaves),
		cmocka_unit_test(netlink_takes_no_route_that_leads_nowhere),
		cmocka_unit_test(netlink_takes_no_route_that_is_damaged),
		cmocka_unit_test(netlink_stops_at_an_attribute_longer_than_the_message),
		cmocka_unit_test(netlink_stops_at_an_attribute_shorter_than_its_header),
		cmocka_unit_test(netlink_passes_over_attributes_that_are_padded_or_empty),
		cmocka_unit_test(netlink_reads_an_ipv4_address),
		cmocka_unit_test(netlink_reads_an_ipv6_address),
		cmocka_unit_test(netlink_takes_the_near_end_of_a_point_to_point_link),
		cmocka_unit_test(netlink_takes_no_address_of_a_wrong_size),
		cmocka_unit_test(netlink_takes_no_address_cut_at_any_length),
		cmocka_unit_test(netlink_knows_which_addresses_peers_can_reach),
		cmocka_unit_test(netlink_prefers_the_flags_with_room_for_all),
		cmocka_unit_test(netlink_tells_messages_of_another_type_apart),
		/* Before the others: in a user namespace of theirs there may be no other user. */
		cmocka_unit_test(netlink_answers_an_unprivileged_user_too),
		cmocka_unit_test(netlink_dump_shows_all_there_is),
		cmocka_unit_test(netlink_dump_goes_on_where_one_datagram_is_not_enough),
		cmocka_unit_test(netlink_dump_says_that_something_was_changed_meanwhile),
		cmocka_unit_test(netlink_dump_tells_the_types_that_the_kernel_gives),
		cmocka_unit_test(netlink_default_route_is_that_of_the_rules),
		cmocka_unit_test(netlink_dump_says_where_the_kernel_refuses),
		cmocka_unit_test(netlink_drain_takes_what_has_changed),
		cmocka_unit_test(netlink_drain_finds_nothing_where_nothing_changed),
		cmocka_unit_test(netlink_drain_says_once_that_something_was_lost),
		cmocka_unit_test(netlink_listens_to_nobody_but_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
