#include "vpn/choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

/* Interfaces as the kernel tells of them. Their types are those of Linux 6.1. */
static struct netlink_link other(uint32_t index, const char *name, uint16_t type, bool up)
{
	struct netlink_link link = { .index = index, .type = type, .up = up };

	snprintf(link.name, sizeof link.name, "%s", name);
	return link;
}

static struct netlink_link lo(void)
{
	struct netlink_link link = other(1, "lo", ARPHRD_LOOPBACK, true);

	link.loopback = true;
	return link;
}

static struct netlink_link ethernet(uint32_t index, const char *name)
{
	return other(index, name, ARPHRD_ETHER, true);
}

/* A tun device, WireGuard (in the kernel or not), ovpn, amneziawg, xfrm: all have this type. */
static struct netlink_link tunnel(uint32_t index, const char *name)
{
	return other(index, name, ARPHRD_NONE, true);
}

static struct choice choice;

static enum choice_verdict choose(uint32_t route, const struct netlink_link *links, size_t count)
{
	choice = (struct choice){ .route = route };
	for (size_t i = 0; i < count; i++)
		choice_see(&choice, &links[i]);
	return choice_made(&choice);
}

#define CHOOSE(route, ...)                                                                         \
	choose((route), (const struct netlink_link[]){ __VA_ARGS__ },                              \
	       sizeof(struct netlink_link[]){ __VA_ARGS__ } / sizeof(struct netlink_link))

static void choice_is_the_only_tunnel(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(2, lo(), ethernet(2, "eth0"), tunnel(7, "wg0")), CHOICE_ONE);
	assert_string_equal(choice.name, "wg0");
	assert_int_equal(CHOOSE(0, tunnel(7, "proton0"), ethernet(2, "eth0"), lo()), CHOICE_ONE);
	assert_string_equal(choice.name, "proton0");
}

static void choice_is_the_tunnel_of_the_default_route(void **state)
{
	(void)state;

	for (uint32_t route = 7; route <= 9; route++) {
		static const char *const names[] = { "tailscale0", "tun0", "wg0" };

		assert_int_equal(CHOOSE(route, lo(), tunnel(7, "tailscale0"), ethernet(2, "eth0"),
		                        tunnel(8, "tun0"), tunnel(9, "wg0")),
		                 CHOICE_ONE);
		assert_string_equal(choice.name, names[route - 7]);
	}
}

static void choice_cannot_be_made_between_several(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(2, lo(), ethernet(2, "eth0"), tunnel(7, "wg0"), tunnel(8, "tun0")),
	                 CHOICE_SEVERAL);
	assert_string_equal(choice.names, "wg0, tun0");
	assert_int_equal(CHOOSE(0, tunnel(7, "wg0"), other(8, "ppp0", ARPHRD_PPP, true)),
	                 CHOICE_SEVERAL);
	assert_string_equal(choice.names, "wg0, ppp0");
}

/* Ethernet: so are veth, bridge, bond, macvlan, ipvlan, dummy and tap. Rootless containers have their
 * default route on a tap. */
static void choice_is_never_an_ethernet_or_loopback(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(3, lo(), ethernet(3, "tap0")), CHOICE_NONE);
	assert_string_equal(choice.names, "tap0");
	assert_int_equal(CHOOSE(2, lo(), ethernet(2, "tun0"), ethernet(3, "br0")), CHOICE_NONE);
	assert_string_equal(choice.names, "tun0, br0");
	assert_int_equal(CHOOSE(1, lo()), CHOICE_NONE);
	assert_string_equal(choice.names, "");
	assert_int_equal(CHOOSE(0, other(2, "", ARPHRD_ETHER, false)), CHOICE_NONE);
}

/* The kernel puts these into each namespace, where it has the modules. */
static void choice_is_none_of_the_tunnels_that_nobody_made(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(2, lo(), other(3, "tunl0", ARPHRD_TUNNEL, false),
	                        other(4, "sit0", ARPHRD_SIT, false),
	                        other(5, "gre0", ARPHRD_IPGRE, false), ethernet(2, "eth0")),
	                 CHOICE_NONE);
	assert_string_equal(choice.names, "eth0");
	assert_int_equal(CHOOSE(2, lo(), other(3, "tunl0", ARPHRD_TUNNEL, false),
	                        other(6, "ppp0", ARPHRD_PPP, true), ethernet(2, "eth0")),
	                 CHOICE_ONE);
	assert_string_equal(choice.name, "ppp0");
}

/* Gluetun makes it, and takes it up a moment later. */
static void choice_is_a_tunnel_that_is_not_up_yet(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(2, lo(), ethernet(2, "eth0"), other(7, "tun0", ARPHRD_NONE, false)),
	                 CHOICE_ONE);
	assert_string_equal(choice.name, "tun0");
}

/* The route decides between tunnels. What it says of others, such as the line of a router, is not asked. */
static void choice_does_not_follow_the_route_to_what_is_no_tun_or_wireguard(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(6, other(6, "ppp0", ARPHRD_PPP, true), tunnel(7, "wg0")),
	                 CHOICE_SEVERAL);
}

/* Such a name would be told to qBittorrent, and be in JSON. */
static void choice_takes_no_name_that_a_user_could_not_give(void **state)
{
	(void)state;

	assert_int_equal(CHOOSE(7, lo(), tunnel(7, "a\"b")), CHOICE_NONE);
	assert_int_equal(CHOOSE(7, lo(), tunnel(7, "a\nb"), tunnel(8, "wg0")), CHOICE_ONE);
	assert_string_equal(choice.name, "wg0");
	assert_int_equal(CHOOSE(0, tunnel(8, "abcdefgh-._@123")), CHOICE_ONE);
}

static void choice_names_as_many_as_there_is_room_for(void **state)
{
	static const char wanted[] = "veth00000000000, veth00000000001, veth00000000002, "
				     "veth00000000003, veth00000000004, ...";
	(void)state;

	choice = (struct choice){ .route = 0 };
	for (uint32_t i = 0; i < 300; i++) {
		char name[IF_NAMESIZE];
		struct netlink_link link;

		snprintf(name, sizeof name, "veth%011u", (unsigned)(i % 1000));
		link = ethernet(i + 2, name);
		choice_see(&choice, &link);
	}
	assert_int_equal(choice_made(&choice), CHOICE_NONE);
	assert_string_equal(choice.names, wanted);
	/* A tunnel has the room for itself. */
	choice_see(&choice, (const struct netlink_link[]){ tunnel(999, "wg0") });
	choice_see(&choice, (const struct netlink_link[]){ ethernet(1000, "eth0") });
	choice_see(&choice, (const struct netlink_link[]){ tunnel(1001, "wg1") });
	assert_string_equal(choice.names, "wg0, wg1");
	assert_int_equal(choice_made(&choice), CHOICE_SEVERAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choice_is_the_only_tunnel),
		cmocka_unit_test(choice_is_the_tunnel_of_the_default_route),
		cmocka_unit_test(choice_cannot_be_made_between_several),
		cmocka_unit_test(choice_is_never_an_ethernet_or_loopback),
		cmocka_unit_test(choice_is_none_of_the_tunnels_that_nobody_made),
		cmocka_unit_test(choice_is_a_tunnel_that_is_not_up_yet),
		cmocka_unit_test(choice_does_not_follow_the_route_to_what_is_no_tun_or_wireguard),
		cmocka_unit_test(choice_takes_no_name_that_a_user_could_not_give),
		cmocka_unit_test(choice_names_as_many_as_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
