#include "vpn/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/wait.h"
#include "netns.h"

/* No test takes as long: what is awaited comes from the kernel at once, bar the end of the trial of
 * an IPv6 address (RFC 4862), which takes two seconds. */
#define LONG_MS 20000

static const struct stop never = { .fd = -1 };
static struct tunnel tunnel;
static struct tunnel_view view;
static struct failure why;

/* A namespace with tun0, down and without an address, and its other end. */
static void enter(void)
{
	netns_enter();
	netns_ip("link set lo up");
	netns_ip("link add tun0 type veth peer name far0");
	tunnel_start(&tunnel, "tun0");
}

/* As far as it is when the VPN is connected. */
static void connect_vpn(void)
{
	netns_ip("address add 10.2.0.2/32 dev tun0");
	netns_ip("link set tun0 up");
	netns_ip("link set far0 up");
}

static void look(void)
{
	if (tunnel_look(&tunnel, &view, &why))
		fail_msg("%s", why.text);
}

static void listen_to_changes(void)
{
	if (tunnel_listen(&tunnel, &why))
		fail_msg("%s", why.text);
}

static bool readable(void)
{
	struct pollfd events = { .fd = tunnel.events_fd, .events = POLLIN };

	return poll(&events, 1, 0) > 0;
}

/* What is made of what `command` does, which must be heard. */
static enum tunnel_event heard(const char *command)
{
	netns_ip(command);
	assert_true(readable());
	return tunnel_drain(&tunnel);
}

static bool matters(const char *command)
{
	return heard(command) == TUNNEL_CHANGED;
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

/* ---- a look ---- */

static void tunnel_is_not_seen_where_there_is_none(void **state)
{
	(void)state;

	netns_enter();
	tunnel_start(&tunnel, "tun0");
	look();
	assert_true(view.lo_only);
	assert_false(view.exists || view.up || view.has_v4 || view.has_v6);
	netns_ip("link add other type veth peer name far0");
	netns_ip("address add 10.2.0.2/32 dev other");
	netns_ip("link set other up");
	look();
	assert_false(view.lo_only);
	assert_false(view.exists || view.up || view.has_v4 || view.has_v6);
}

static void tunnel_is_seen_as_it_comes_up(void **state)
{
	(void)state;

	enter();
	look();
	assert_true(view.exists && view.lo_only);
	assert_false(view.up || view.has_v4 || view.has_v6);
	netns_ip("address add 10.2.0.2/32 dev tun0");
	look();
	assert_true(view.has_v4);
	assert_false(view.up);
	assert_string_equal(view.v4_text, "10.2.0.2");
	assert_int_equal(view.v4.s_addr, inet_addr("10.2.0.2"));
	netns_ip("link set tun0 up");
	look();
	assert_true(view.exists && view.up && view.has_v4);
}

static void tunnel_is_seen_to_go(void **state)
{
	(void)state;

	enter();
	connect_vpn();
	look();
	netns_ip("link set tun0 down");
	look();
	assert_true(view.exists);
	assert_false(view.up);
	netns_ip("link del tun0");
	look();
	assert_false(view.exists || view.up || view.has_v4);
	assert_true(view.lo_only);
	assert_string_equal(view.v4_text, "");
	assert_int_equal(tunnel.index, 0);
}

static void tunnel_is_known_by_its_whole_name(void **state)
{
	(void)state;

	netns_enter();
	netns_ip("link add tun01 type veth peer name tun");
	tunnel_start(&tunnel, "tun0");
	look();
	assert_false(view.exists);
}

static void tunnel_has_the_first_usable_address(void **state)
{
	(void)state;

	enter();
	netns_ip("address add 10.9.0.9/32 dev far0");
	netns_ip("address add 169.254.7.7/16 scope link dev tun0");
	look();
	assert_false(view.has_v4);
	netns_ip("address add 10.2.0.2/32 dev tun0");
	netns_ip("address add 10.2.0.3/32 dev tun0");
	look();
	assert_string_equal(view.v4_text, "10.2.0.2");
}

static void tunnel_has_the_near_address_of_a_point_to_point_link(void **state)
{
	(void)state;

	enter();
	netns_ip("address add 10.8.0.6 peer 10.8.0.5 dev tun0");
	look();
	assert_string_equal(view.v4_text, "10.8.0.6");
}

/* The link-local one, which each interface has, is no way for a peer. */
static void tunnel_has_an_ipv6_address_only_if_it_is_global(void **state)
{
	int64_t until_ms = mono_now_ms() + LONG_MS;
	(void)state;

	enter();
	connect_vpn();
	if (!netns_try("-6 address add fd00::2/128 dev far0"))
		netns_missing("there is no IPv6 here");
	look();
	assert_false(view.has_v6);
	netns_ip("-6 address add 2001:db8::2/128 nodad dev tun0");
	look();
	assert_true(view.has_v6);
	assert_string_equal(view.v6_text, "2001:db8::2");
	/* One on trial is none yet. */
	netns_ip("-6 address del 2001:db8::2/128 dev tun0");
	netns_ip("-6 address add 2001:db8::3/64 dev tun0");
	look();
	while (!view.has_v6 && mono_now_ms() < until_ms) {
		assert_false(wait_until(&never, mono_now_ms() + 50, &why));
		look();
	}
	assert_string_equal(view.v6_text, "2001:db8::3");
}

static void tunnel_is_not_known_where_the_kernel_does_not_tell(void **state)
{
	struct rlimit limit, none;
	enum fail f;
	(void)state;

	enter();
	connect_vpn();
	look();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	f = tunnel_look(&tunnel, &view, &why);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(f, FAIL_IO);
	assert_non_null(strstr(why.text, "netlink socket"));
	assert_false(view.lo_only || view.exists || view.up || view.has_v4 || view.has_v6);
}

/* ---- changes ---- */

static void tunnel_hears_all_that_becomes_of_it(void **state)
{
	(void)state;

	enter();
	listen_to_changes();
	look();
	assert_false(readable());
	assert_true(matters("address add 10.2.0.2/32 dev tun0"));
	assert_true(matters("link set tun0 up"));
	assert_true(matters("address add 10.2.0.3/32 dev tun0"));
	assert_true(matters("address del 10.2.0.3/32 dev tun0"));
	assert_true(matters("link set tun0 down"));
	assert_true(matters("link del tun0"));
	assert_false(readable());
}

/* As Gluetun's WireGuard does it: without a look in between, the index is not known but by this. */
static void tunnel_hears_of_an_interface_that_is_new(void **state)
{
	(void)state;

	netns_enter();
	tunnel_start(&tunnel, "tun0");
	look();
	listen_to_changes();
	assert_true(matters("link add tun0 type veth peer name far0"));
	assert_true(matters("address add 10.2.0.2/32 dev tun0"));
	assert_true(matters("link del tun0"));
	assert_int_equal(tunnel.index, 0);
	assert_true(matters("link add tun0 type veth peer name far0"));
	assert_true(matters("address add 10.2.0.2/32 dev tun0"));
}

static void tunnel_hears_of_names_given_and_taken(void **state)
{
	(void)state;

	enter();
	look();
	listen_to_changes();
	assert_true(matters("link set tun0 name old0"));
	assert_false(matters("link set old0 mtu 1400"));
	assert_false(matters("address add 10.9.0.9/32 dev old0"));
	assert_true(matters("link set far0 name tun0"));
	assert_true(matters("address add 10.2.0.2/32 dev tun0"));
}

static void tunnel_does_not_mind_other_interfaces(void **state)
{
	(void)state;

	enter();
	look();
	listen_to_changes();
	assert_false(matters("link add eth0 type veth peer name far1"));
	assert_false(matters("address add 10.9.0.9/32 dev eth0"));
	assert_false(matters("link set eth0 up"));
	assert_false(matters("address del 10.9.0.9/32 dev eth0"));
}

/* It may have been the last one. */
static void tunnel_minds_the_end_of_any_interface(void **state)
{
	(void)state;

	enter();
	netns_ip("link add eth0 type veth peer name far1");
	look();
	listen_to_changes();
	assert_int_equal(heard("link del eth0"), TUNNEL_OTHER_GONE);
}

static void tunnel_takes_what_was_lost_for_a_change(void **state)
{
	char command[64];
	(void)state;

	enter();
	look();
	listen_to_changes();
	assert_int_equal(
		setsockopt(tunnel.events_fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int)), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(command, sizeof command, "link set far0 mtu %d", 1400 + i);
		netns_ip(command);
	}
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_QUIET);
}

/* ---- looks while changes are heard ---- */

static bool is_running(const char *name)
{
	struct ifreq request = { .ifr_flags = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	close(fd);
	return request.ifr_flags & IFF_RUNNING;
}

/* The kernel notes in the background that a veth has a carrier, and reports it. */
static void wait_until_running(const char *name)
{
	const int64_t deadline_ms = mono_now_ms() + 5000;

	while (!is_running(name))
		if (mono_now_ms() > deadline_ms)
			fail_msg("%s is not running", name);
	netns_ip("link set lo up"); /* changes nothing, and waits for the report to be out */
}

/* A tunnel that is connected, heard, and looked at, and about which nothing more is to come: an IPv6 address
 * of its own would be checked for a second or two, and then be reported. */
static void settle(void)
{
	enter();
	netns_ip("link add eth0 type veth peer name far1");
	/* Fails where there is no IPv6. */
	(void)netns_try("link set tun0 addrgenmode none");
	(void)netns_try("link set far0 addrgenmode none");
	(void)netns_try("link set eth0 addrgenmode none");
	netns_ip("link set eth0 up");
	connect_vpn();
	wait_until_running("tun0");
	wait_until_running("far0");
	listen_to_changes();
	look();
	assert_true(view.up && view.has_v4);
}

/* What a look finds without any means to list all there is. */
static enum fail look_without_lists(void)
{
	struct rlimit limit, none;
	enum fail f;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	f = tunnel_look(&tunnel, &view, &why);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return f;
}

/* What a look finds must be what one finds that knows nothing of before. The kernel checks a new IPv6
 * address in the background, and reports a moment after it has marked it as usable. */
static void assert_seen_rightly(const char *after)
{
	const int64_t deadline_ms = mono_now_ms() + 5000;
	struct tunnel fresh;
	struct tunnel_view now;
	bool same;

	tunnel_start(&fresh, "tun0");
	do {
		look();
		assert_int_equal(tunnel_look(&fresh, &now, &why), FAIL_NONE);
		/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
		same = memcmp(&now, &view, sizeof now) == 0;
	} while (!same && mono_now_ms() < deadline_ms);
	if (!same)
		fail_msg("after \"ip %s\": index %u for %u, %s for %s, %s for %s", after,
		         view.index, now.index, view.v4_text, now.v4_text, view.v6_text,
		         now.v6_text);
	assert_int_equal(tunnel.counts.index, now.index);
}

static void tunnel_is_asked_for_alone_while_nothing_changes(void **state)
{
	struct tunnel_view before;
	uint64_t sent;
	(void)state;

	settle();
	before = view;
	sent = tunnel.counts.sent;
	netns_ip("neighbor add 10.2.0.9 lladdr 02:00:00:00:00:09 dev tun0");
	for (int i = 0; i < 3; i++)
		assert_int_equal(look_without_lists(), FAIL_NONE);
	assert_memory_equal(&view, &before, sizeof view);
	assert_true(tunnel.counts.index == view.index && tunnel.counts.sent >= sent);
	assert_false(readable());
	/* Not after a change of anything, nor where there is more to find out. */
	netns_ip("link set eth0 mtu 1400");
	assert_int_equal(look_without_lists(), FAIL_IO);
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_QUIET);
	look();
	netns_ip("link set eth0 mtu 1300");
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_QUIET);
	assert_int_equal(look_without_lists(), FAIL_IO);
	look();
	assert_int_equal(look_without_lists(), FAIL_NONE);
	netns_ip("address del 10.2.0.2/32 dev tun0");
	(void)tunnel_drain(&tunnel);
	look();
	assert_int_equal(look_without_lists(), FAIL_IO);
}

static void tunnel_is_seen_with_an_address_that_was_replaced(void **state)
{
	(void)state;

	settle();
	netns_ip("address add 10.2.0.3/32 dev tun0");
	netns_ip("address del 10.2.0.2/32 dev tun0");
	look();
	assert_string_equal(view.v4_text, "10.2.0.3");
	/* It is still told, though a part of it was read. */
	assert_true(readable());
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	assert_false(readable());
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_QUIET);
}

static void tunnel_is_seen_to_be_another_of_the_same_name(void **state)
{
	uint32_t index;
	(void)state;

	settle();
	index = view.index;
	netns_ip("link del tun0");
	netns_ip("link add tun0 type veth peer name far0");
	connect_vpn();
	look();
	assert_true(view.up && view.has_v4);
	assert_int_not_equal(view.index, index);
	assert_int_equal(tunnel.counts.index, view.index);
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	/* One change, which the look has read, is all there was. */
	look();
	netns_ip("link set tun0 down");
	look();
	assert_false(view.up);
	assert_true(readable());
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
}

static void tunnel_is_seen_rightly_where_changes_were_lost(void **state)
{
	char command[64];
	(void)state;

	settle();
	assert_int_equal(
		setsockopt(tunnel.events_fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int)), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(command, sizeof command, "link set far0 mtu %d", 1400 + i);
		netns_ip(command);
	}
	netns_ip("address add 10.2.0.7/32 dev tun0");
	netns_ip("address del 10.2.0.2/32 dev tun0");
	look();
	assert_string_equal(view.v4_text, "10.2.0.7");
	assert_true(readable());
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_QUIET);
	assert_seen_rightly("address del");
	assert_int_equal(look_without_lists(), FAIL_NONE);
}

/* Does what `command` says, where that is possible. */
static void try_quietly(const char *command)
{
	int real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(nowhere, STDERR_FILENO);
	(void)netns_try(command);
	dup2(real_stderr, STDERR_FILENO);
	close(nowhere);
	close(real_stderr);
}

/* With an answer that waits unread behind a change, or several. */
static void tunnel_is_seen_rightly_after_any_changes(void **state)
{
	static const char *const commands[] = {
		"address replace 10.2.0.2/32 dev tun0",
		"address replace 10.2.0.2/32 dev tun0",
		"address del 10.2.0.2/32 dev tun0",
		"address replace 10.2.0.3/32 dev tun0",
		"address del 10.2.0.3/32 dev tun0",
		"-6 address replace 2001:db8::2/128 nodad dev tun0",
		"-6 address del 2001:db8::2/128 dev tun0",
		"-6 address replace 2001:db8::3/64 dev tun0",
		"-6 address del 2001:db8::3/64 dev tun0",
		"link set tun0 down",
		"link set tun0 mtu 1400",
		"link del tun0",
		"link set tun0 name old0",
		"link set eth0 down",
		"link set eth0 up",
		"link set eth0 mtu 1400",
	};
	unsigned random = 20261130, usable = 0;
	(void)state;

	settle();
	for (int i = 0; i < 400; i++) {
		const char *command;

		random = random * 1103515245U + 12345U;
		command = commands[(random >> 16) % (sizeof commands / sizeof commands[0])];
		/* Back to where it is usable, so that there is something to lose. */
		if (!view.exists && random >> 27 & 1)
			command = if_nametoindex("old0") ? "link set old0 name tun0"
			                                 : "link add tun0 type veth peer name far0";
		else if (view.exists && !view.up && random >> 27 & 1)
			command = "link set tun0 up";
		try_quietly(command);
		if (random >> 24 & 1)
			assert_seen_rightly(command);
		if (random >> 25 & 1)
			(void)tunnel_drain(&tunnel);
		if (random >> 26 & 1)
			assert_seen_rightly(command);
		usable += view.up && (view.has_v4 || view.has_v6);
	}
	assert_in_range(usable, 150, 400);
}

static void tunnel_that_is_the_last_to_go_leaves_loopback_alone(void **state)
{
	(void)state;

	settle();
	netns_ip("link del eth0");
	look();
	assert_false(view.lo_only);
	netns_ip("link del tun0");
	look();
	assert_true(view.lo_only);
	assert_int_equal(tunnel_drain(&tunnel), TUNNEL_CHANGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tunnel_is_not_seen_where_there_is_none, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_seen_as_it_comes_up, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_seen_to_go, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_known_by_its_whole_name, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_has_the_first_usable_address, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			tunnel_has_the_near_address_of_a_point_to_point_link, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_has_an_ipv6_address_only_if_it_is_global,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_not_known_where_the_kernel_does_not_tell,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_hears_all_that_becomes_of_it, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_hears_of_an_interface_that_is_new, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_hears_of_names_given_and_taken, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_does_not_mind_other_interfaces, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_minds_the_end_of_any_interface, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_takes_what_was_lost_for_a_change, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_asked_for_alone_while_nothing_changes,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_seen_with_an_address_that_was_replaced,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_seen_to_be_another_of_the_same_name, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_seen_rightly_where_changes_were_lost,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_is_seen_rightly_after_any_changes, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(tunnel_that_is_the_last_to_go_leaves_loopback_alone,
		                                NULL, end_after_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
