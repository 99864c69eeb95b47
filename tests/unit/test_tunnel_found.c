/* A tunnel that nobody has named, in namespaces as people have them. */
#include "vpn/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"

static struct tunnel tunnel;
static struct tunnel_view view;
static struct failure why;

/* A container as Docker makes it, with eth0, and a tunnel that nobody has named, unheard. */
static void enter(void)
{
	netns_enter();
	netns_ip("link set lo up");
	netns_ip("link add eth0 type veth peer name far0");
	netns_ip("address add 172.18.0.2/16 dev eth0");
	netns_ip("link set far0 up");
	netns_ip("link set eth0 up");
	netns_ip("route add default via 172.18.0.1 dev eth0");
	tunnel_start(&tunnel, "");
}

static void add_tun(const char *name, const char *address)
{
	char command[96];

	snprintf(command, sizeof command, "tuntap add mode tun %s", name);
	if (!netns_try(command))
		netns_missing("no tun device may be made here");
	snprintf(command, sizeof command, "address add %s dev %s", address, name);
	netns_ip(command);
	snprintf(command, sizeof command, "link set %s up", name);
	netns_ip(command);
}

static enum choice_verdict look(void)
{
	if (tunnel_look(&tunnel, &view, &why))
		fail_msg("%s", why.text);
	return choice_made(&tunnel.choice);
}

static void assert_found(const char *name)
{
	assert_int_equal(look(), CHOICE_ONE);
	assert_string_equal(tunnel.name, name);
	assert_true(view.exists);
}

static void listen_to_changes(void)
{
	if (tunnel_listen(&tunnel, &why))
		fail_msg("%s", why.text);
}

static enum tunnel_event heard(const char *command)
{
	netns_ip(command);
	return tunnel_drain(&tunnel);
}

static int end_after_test(void **state)
{
	(void)state;
	if (tunnel.events_fd >= 0)
		close(tunnel.events_fd);
	tunnel.events_fd = -1;
	return 0;
}

/* each: NULL, end_after_test */

/* ---- which it is ---- */

static void tunnel_is_found_where_it_is_the_only_one(void **state)
{
	(void)state;

	enter();
	netns_ip("link add br0 type bridge");
	add_tun("wg0", "10.2.0.2/32");
	assert_found("wg0");
	assert_true(view.up && view.has_v4 && !view.lo_only);
	assert_string_equal(view.v4_text, "10.2.0.2");
}

/* The rules and tables of Gluetun v3.41 with WireGuard. tun9 is there so that only they decide. */
static void tunnel_is_found_by_the_rules_of_gluetun(void **state)
{
	(void)state;

	enter();
	add_tun("tun9", "10.9.0.2/32");
	add_tun("tun0", "10.2.0.2/32");
	netns_ip("rule add to 172.18.0.0/16 table main priority 98");
	netns_ip("route add 192.168.1.0/24 via 172.18.0.1 dev eth0 table 199");
	netns_ip("rule add to 192.168.1.0/24 table 199 priority 99");
	netns_ip("route add default via 172.18.0.1 dev eth0 table 200");
	netns_ip("rule add from 172.18.0.2 table 200 priority 100");
	netns_ip("route add default dev tun0 table 51820");
	assert_int_equal(look(), CHOICE_SEVERAL);
	netns_ip("rule add not fwmark 51820 table 51820 priority 101");
	assert_found("tun0");
}

static void tunnel_of_the_default_route_is_not_replaced_by_one_without_it(void **state)
{
	(void)state;

	enter();
	netns_ip("route del default");
	add_tun("wg0", "10.2.0.2/32");
	netns_ip("route add default dev wg0");
	assert_found("wg0");
	tunnel.choose = true;
	add_tun("tailscale0", "100.64.0.3/32");
	assert_found("wg0");
	netns_ip("link del wg0");
	tunnel.choose = true;
	(void)look();
	assert_string_equal(tunnel.name, "wg0");
	assert_false(view.exists);
	assert_true(tunnel.choose);
	/* It is back, at first without its route. */
	add_tun("wg0", "10.2.0.2/32");
	(void)look();
	assert_string_equal(tunnel.name, "wg0");
	assert_true(view.exists);
	netns_ip("link del wg0");
	add_tun("wg1", "10.2.0.9/32");
	(void)look();
	assert_string_equal(tunnel.name, "wg0");
	netns_ip("route add default dev wg1");
	assert_found("wg1");
}

static void tunnel_is_found_by_the_rules_of_wg_quick(void **state)
{
	(void)state;

	enter();
	add_tun("wg9", "10.9.0.2/32");
	add_tun("wg0", "10.2.0.2/32");
	netns_ip("route add default dev wg0 table 51820");
	netns_ip("rule add not fwmark 51820 table 51820");
	netns_ip("rule add table main suppress_prefixlength 0");
	assert_found("wg0");
}

static void tunnel_is_found_by_the_two_halves_of_openvpn(void **state)
{
	(void)state;

	enter();
	add_tun("tun9", "10.9.0.2/32");
	add_tun("tun1", "10.8.0.6 peer 10.8.0.5");
	netns_ip("route add 198.51.100.1 via 172.18.0.1 dev eth0");
	netns_ip("route add 0.0.0.0/1 via 10.8.0.5 dev tun1");
	netns_ip("route add 128.0.0.0/1 via 10.8.0.5 dev tun1");
	assert_found("tun1");
}

static void tunnel_is_found_by_a_default_route_of_its_own(void **state)
{
	(void)state;

	enter();
	add_tun("tailscale0", "100.64.0.2/32");
	add_tun("proton0", "10.2.0.2/32");
	netns_ip("route del default");
	netns_ip("route add default dev proton0");
	assert_found("proton0");
}

static void tunnel_is_not_found_between_several(void **state)
{
	(void)state;

	enter();
	add_tun("tailscale0", "100.64.0.2/32");
	add_tun("proton0", "10.2.0.2/32");
	assert_int_equal(look(), CHOICE_SEVERAL);
	assert_string_equal(tunnel.choice.names, "tailscale0, proton0");
	assert_string_equal(tunnel.name, "");
	assert_false(view.exists || view.lo_only);
	/* A route is not heard of, but looked for as long as the tunnel is not known. */
	listen_to_changes();
	netns_ip("route add default dev proton0 metric 1");
	netns_ip("route del default via 172.18.0.1");
	assert_found("proton0");
}

/* A tap has the kind of a tun, and is an Ethernet. So rootless containers have their Internet. */
static void tunnel_is_not_found_where_there_is_no_tunnel(void **state)
{
	(void)state;

	netns_enter();
	tunnel_start(&tunnel, "");
	assert_int_equal(look(), CHOICE_NONE);
	assert_string_equal(tunnel.choice.names, "");
	assert_true(view.lo_only);
	if (!netns_try("tuntap add mode tap tap0"))
		netns_missing("no tun device may be made here");
	netns_ip("address add 10.0.2.100/24 dev tap0");
	netns_ip("link set tap0 up");
	netns_ip("route add default via 10.0.2.2 dev tap0");
	netns_ip("link add br0 type bridge");
	netns_ip("link set br0 up");
	assert_int_equal(look(), CHOICE_NONE);
	assert_string_equal(tunnel.choice.names, "tap0, br0");
	assert_string_equal(tunnel.name, "");
}

/* ---- as it comes and goes ---- */

static void tunnel_is_found_when_it_comes_later(void **state)
{
	(void)state;

	enter();
	listen_to_changes();
	assert_int_equal(look(), CHOICE_NONE);
	add_tun("wg0", "10.2.0.2/32");
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	assert_found("wg0");
	/* Known for sure: not chosen again at each look. */
	assert_false(tunnel.choose);
}

static void tunnel_keeps_its_name_while_it_is_gone(void **state)
{
	uint32_t index;
	(void)state;

	enter();
	add_tun("wg0", "10.2.0.2/32");
	listen_to_changes();
	assert_found("wg0");
	index = tunnel.index;
	assert_int_equal(heard("link del wg0"), TUNNEL_CHANGED);
	assert_int_equal(look(), CHOICE_NONE);
	assert_string_equal(tunnel.name, "wg0");
	assert_false(view.exists);
	assert_int_equal(tunnel.counts.index, 0);
	add_tun("wg0", "10.2.0.2/32");
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	assert_found("wg0");
	assert_int_not_equal(view.index, index);
}

static void tunnel_is_found_again_where_it_has_another_name(void **state)
{
	(void)state;

	enter();
	add_tun("tun0", "10.2.0.2/32");
	listen_to_changes();
	assert_found("tun0");
	netns_ip("link set tun0 down");
	assert_int_equal(heard("link set tun0 name wg0"), TUNNEL_CHANGED);
	assert_found("wg0");
	assert_int_equal(heard("link set wg0 up"), TUNNEL_CHANGED);
	assert_found("wg0");
	assert_true(view.up);
}

static void tunnel_stays_what_it_was_until_another_is_sure(void **state)
{
	(void)state;

	enter();
	add_tun("tun0", "10.2.0.2/32");
	listen_to_changes();
	assert_found("tun0");
	add_tun("tun1", "10.3.0.2/32");
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	assert_int_equal(look(), CHOICE_SEVERAL);
	assert_string_equal(tunnel.name, "tun0");
	assert_true(view.exists);
	assert_int_equal(heard("link del tun0"), TUNNEL_CHANGED);
	assert_found("tun1");
	assert_string_equal(view.v4_text, "10.3.0.2");
}

static void tunnel_does_not_mind_other_interfaces_where_it_is_sought(void **state)
{
	(void)state;

	enter();
	listen_to_changes();
	assert_int_equal(look(), CHOICE_NONE);
	assert_int_equal(heard("link add eth1 type veth peer name far1"), TUNNEL_QUIET);
	assert_int_equal(heard("link set eth1 up"), TUNNEL_QUIET);
	assert_int_equal(heard("link del eth1"), TUNNEL_OTHER_GONE);
}

static void tunnel_is_chosen_at_each_look_where_changes_go_unheard(void **state)
{
	(void)state;

	enter();
	add_tun("tun0", "10.2.0.2/32");
	assert_found("tun0");
	netns_ip("link del tun0");
	add_tun("wg0", "10.2.0.2/32");
	assert_found("wg0");
}

static void tunnel_that_is_named_is_never_another(void **state)
{
	(void)state;

	enter();
	tunnel_start(&tunnel, "wg0");
	listen_to_changes();
	add_tun("tun0", "10.2.0.2/32");
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_QUIET);
	assert_int_equal(heard("link add wg0 type veth peer name far1"), TUNNEL_CHANGED);
	assert_int_equal(heard("link del wg0"), TUNNEL_CHANGED);
	(void)look();
	assert_string_equal(tunnel.name, "wg0");
	assert_false(view.exists);
	assert_false(tunnel.choose);
}

/* ---- what is counted ---- */

/* The other end of a new tun device, where a VPN's program would be. */
static int open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		netns_missing("no tun device may be made here");
	return fd;
}

/* Takes all that was sent into the tunnel; returns how many packets of IPv4. The rest is what the kernel
 * sends of its own where there is IPv6. */
static unsigned take_packets(int fd, unsigned *all)
{
	unsigned char packet[2048];
	unsigned count = 0;

	for (*all = 0; read(fd, packet, sizeof packet) > 0; ++*all)
		count += packet[0] >> 4 == 4;
	assert_int_equal(errno, EAGAIN);
	return count;
}

static void send_datagram(const char *ip, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = inet_addr(ip);
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
	close(fd);
}

/* An IPv4 packet of nothing, from the far end. */
static void answer(int fd)
{
	static const unsigned char packet[20] = { 0x45, 0,    0,  20, 0, 0, 0,  0, 64, 59,
		                                  0x66, 0xcc, 10, 2,  0, 1, 10, 2, 0,  2 };

	assert_int_equal(write(fd, packet, sizeof packet), sizeof packet);
}

static void tunnel_counts_what_goes_in_and_comes_out(void **state)
{
	unsigned all, before;
	int fd;
	(void)state;

	enter();
	fd = open_tun("tun0");
	netns_ip("address add 10.2.0.2/32 dev tun0");
	netns_ip("link set tun0 up");
	netns_ip("route add 10.2.0.1/32 dev tun0");
	assert_found("tun0");
	assert_int_equal(tunnel.counts.index, view.index);
	assert_int_equal(tunnel.counts.received, 0);
	send_datagram("10.2.0.1", 9);
	send_datagram("10.2.0.1", 9);
	assert_int_equal(take_packets(fd, &before), 2);
	(void)look();
	assert_int_equal(tunnel.counts.sent, before);
	assert_int_equal(tunnel.counts.received, 0);
	answer(fd);
	assert_int_equal(take_packets(fd, &all), 0);
	(void)look();
	assert_int_equal(tunnel.counts.received, 1);
	assert_int_equal(tunnel.counts.sent, before + all);
	close(fd);
}

/* So the probe of the port neither keeps a dead tunnel alive nor makes a living one look dead. */
static void tunnel_does_not_count_what_is_sent_to_its_own_address(void **state)
{
	unsigned all, before;
	int fd;
	(void)state;

	enter();
	fd = open_tun("tun0");
	netns_ip("address add 10.2.0.2/32 dev tun0");
	netns_ip("link set tun0 up");
	(void)take_packets(fd, &before);
	for (unsigned i = 0; i < 50; i++)
		send_datagram("10.2.0.2", 45720);
	assert_int_equal(take_packets(fd, &all), 0);
	assert_found("tun0");
	assert_int_equal(tunnel.counts.sent, before + all);
	assert_int_equal(tunnel.counts.received, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tunnel_is_found_where_it_is_the_only_one, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_found_by_the_rules_of_gluetun, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			tunnel_of_the_default_route_is_not_replaced_by_one_without_it, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_found_by_the_rules_of_wg_quick, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_found_by_the_two_halves_of_openvpn, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_found_by_a_default_route_of_its_own, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_not_found_between_several, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_not_found_where_there_is_no_tunnel, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_found_when_it_comes_later, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_keeps_its_name_while_it_is_gone, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_found_again_where_it_has_another_name,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_stays_what_it_was_until_another_is_sure,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			tunnel_does_not_mind_other_interfaces_where_it_is_sought, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			tunnel_is_chosen_at_each_look_where_changes_go_unheard, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_that_is_named_is_never_another, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_counts_what_goes_in_and_comes_out, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			tunnel_does_not_count_what_is_sent_to_its_own_address, NULL,
			end_after_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
