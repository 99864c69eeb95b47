#include "vpn/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "netns.h"

/* No test takes as long: what is awaited comes from the kernel at once, bar the end of the trial of
 * an IPv6 address (RFC 4862), which takes two seconds. */
#define LONG_MS 20000

static const struct stop never = { .fd = -1 };
static struct tunnel tunnel;
static struct tunnel_view view;
static struct probe probes[] = { PROBE_OF(AF_INET), PROBE_OF(AF_INET6) };
static enum probe_udp udp; /* of the last probe */
static struct failure why;

static void look(void)
{
	if (tunnel_look(&tunnel, &view, &why))
		fail_msg("%s", why.text);
}

/* Puts tun0 as it is when the VPN is connected, and looks. */
static void connect_vpn(void)
{
	netns_ip("address replace 10.2.0.2/32 dev tun0");
	netns_ip("link set tun0 up");
	netns_ip("link set far0 up");
	look();
}

/* A namespace with tun0, connected. */
static void enter(void)
{
	/* The sockets of another namespace probe that one. */
	probe_close(&probes[0]);
	probe_close(&probes[1]);
	netns_enter();
	netns_ip("link set lo up");
	netns_ip("link add tun0 type veth peer name far0");
	tunnel_start(&tunnel, "tun0");
	connect_vpn();
}

/* A socket at an address and a port; 0: a free one. */
static int bind_at(int kind, const char *ip, uint16_t *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(*port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	bool is_v4 = inet_pton(AF_INET, ip, &v4.sin_addr) == 1;
	struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof v4 : sizeof v6;
	int fd = socket(address->sa_family, kind | SOCK_CLOEXEC, 0);

	assert_true(is_v4 || inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, address, len), 0);
	assert_int_equal(getsockname(fd, address, &len), 0);
	*port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
	return fd;
}

/* Listens at an address and a free port. Returns the port. */
static uint16_t listen_at(int *fd, const char *ip)
{
	uint16_t port = 0;

	*fd = bind_at(SOCK_STREAM, ip, &port);
	assert_int_equal(listen(*fd, 0), 0);
	return port;
}

static enum fail probe(sa_family_t family, uint16_t port)
{
	struct probe *one = &probes[family != AF_INET];
	enum fail f = probe_port(one, &view, port, &never, MONO_NEVER, &why);

	udp = one->udp;
	assert_int_equal(one->accepted, !f);
	return f;
}

/* ---- TCP ---- */

static void probe_is_accepted_where_somebody_listens(void **state)
{
	uint16_t port;
	int fd;
	(void)state;

	enter();
	port = listen_at(&fd, "10.2.0.2");
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	close(fd);
	port = listen_at(&fd, "0.0.0.0");
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	close(fd);
}

static void probe_is_refused_where_nobody_listens_on_the_tunnel(void **state)
{
	uint16_t port;
	int fd;
	(void)state;

	enter();
	/* On another address; and later on none. */
	port = listen_at(&fd, "127.0.0.1");
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	close(fd);
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	assert_non_null(strstr(why.text, "refused"));
}

/* Where nobody has the port, the kernel gives it to the probe itself, sooner or later: here soon. */
static void probe_does_not_take_itself_for_a_listener(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(45720) };
	FILE *range;
	int fd;
	(void)state;

	enter();
	range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");
	if (!range)
		skip();
	assert_true(fputs("45720 45723", range) >= 0 && fclose(range) == 0);
	for (int i = 0; i < 64; i++) {
		assert_int_equal(probe(AF_INET, 45720), FAIL_REFUSED);
		assert_int_equal(udp, PROBE_UDP_REFUSED);
	}
	/* Nor does it keep anybody off the port. */
	address.sin_addr = view.v4;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
	close(fd);
}

/* The case that all of this is for: a socket that is bound to a device, and the device is gone. */
static void probe_is_refused_by_a_socket_of_a_device_that_is_gone(void **state)
{
	uint16_t port;
	int fd;
	(void)state;

	enter();
	port = listen_at(&fd, "10.2.0.2");
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5), 0);
	look();
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	netns_ip("link del tun0");
	netns_ip("link add tun0 type veth peer name far0");
	connect_vpn();
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	close(fd);
}

static void probe_takes_the_address_of_the_family(void **state)
{
	int64_t until_ms = mono_now_ms() + LONG_MS;
	enum fail f;
	uint16_t port;
	int fd;
	(void)state;

	enter();
	if (!netns_try("-6 address add 2001:db8::2/128 nodad dev tun0"))
		netns_missing("there is no IPv6 here");
	look();
	port = listen_at(&fd, "2001:db8::2");
	/* Just after it came, the kernel may drop what is sent to an IPv6 address. */
	do
		f = probe(AF_INET6, port);
	while (f == FAIL_TIMEOUT && mono_now_ms() < until_ms);
	assert_int_equal(f, FAIL_NONE);
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	close(fd);
	port = listen_at(&fd, "10.2.0.2");
	assert_int_equal(probe(AF_INET6, port), FAIL_REFUSED);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	close(fd);
}

static void probe_says_where_there_is_no_way(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	assert_int_equal(probe(AF_INET, 41000), FAIL_IO);
	assert_non_null(strstr(why.text, "unreachable"));
}

/* Fills what the kernel keeps for a program that does not accept; what comes then is not answered. */
static size_t fill(int fds[static 8], uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		                        .sin_port = htons(port),
		                        .sin_addr = view.v4 };
	size_t count = 0;

	for (; count < 8; count++) {
		struct pollfd connecting = { .events = POLLOUT };

		connecting.fd = fds[count] =
			socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(connecting.fd >= 0);
		(void)connect(connecting.fd, (const struct sockaddr *)&to, sizeof to);
		if (poll(&connecting, 1, 100) == 0)
			return count + 1;
	}
	fail_msg("%s", "all were accepted");
	return 0;
}

static void probe_waits_a_second_for_an_answer_and_no_longer(void **state)
{
	int fds[8], fd;
	int64_t began_ms;
	uint16_t port;
	size_t count;
	(void)state;

	enter();
	port = listen_at(&fd, "10.2.0.2");
	count = fill(fds, port);
	began_ms = mono_now_ms();
	assert_int_equal(probe(AF_INET, port), FAIL_TIMEOUT);
	assert_in_range((uintmax_t)(mono_now_ms() - began_ms), PROBE_MS, 2 * PROBE_MS - 1);
	/* The deadline of the cycle may be sooner. */
	began_ms = mono_now_ms();
	assert_int_equal(probe_port(&probes[0], &view, port, &never, began_ms + 20, &why),
	                 FAIL_TIMEOUT);
	assert_in_range((uintmax_t)(mono_now_ms() - began_ms), 20, PROBE_MS - 1);
	while (count > 0)
		close(fds[--count]);
	close(fd);
}

static void probe_ends_with_a_stop(void **state)
{
	struct stop stop = { .fd = -1 };
	int fds[8], fd, pipe_fds[2];
	uint16_t port;
	size_t count;
	(void)state;

	enter();
	port = listen_at(&fd, "10.2.0.2");
	count = fill(fds, port);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(write(pipe_fds[1], "", 1), 1);
	stop.fd = pipe_fds[0];
	assert_int_equal(probe_port(&probes[0], &view, port, &stop, MONO_NEVER, &why),
	                 FAIL_STOPPED);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	while (count > 0)
		close(fds[--count]);
	close(fd);
}

/* A look and a probe a cycle, for months. */
static void probe_leaves_no_descriptor_open(void **state)
{
	uint16_t port;
	int fd, before, after;
	(void)state;

	enter();
	port = listen_at(&fd, "10.2.0.2");
	assert_int_equal(listen(fd, 64), 0);
	before = dup(fd);
	for (int i = 0; i < 20; i++) {
		look();
		(void)probe(AF_INET, i % 2 ? port : 1);
	}
	probe_close(&probes[0]);
	after = dup(fd);
	assert_int_equal(after, before + 1);
	close(after);
	close(before);
	close(fd);
}

/* Listens over TCP and UDP at the tunnel's address, as qBittorrent does. Returns the port. */
static uint16_t open_both(int fds[static 2])
{
	uint16_t port = listen_at(&fds[0], "10.2.0.2");

	assert_int_equal(listen(fds[0], 64), 0);
	fds[1] = bind_at(SOCK_DGRAM, "10.2.0.2", &port);
	return port;
}

static void close_both(const int fds[static 2])
{
	close(fds[0]);
	close(fds[1]);
}

static uint16_t own_port_of(int fd)
{
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof own;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	return ntohs(own.sin_port);
}

/* ---- sockets that are kept ---- */

static void probe_keeps_its_sockets_from_one_success_to_the_next(void **state)
{
	int fds[2], tcp_fd, udp_fd;
	uint16_t port, own;
	(void)state;

	enter();
	port = open_both(fds);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	tcp_fd = probes[0].tcp_fd;
	udp_fd = probes[0].udp_fd;
	own = own_port_of(udp_fd);
	assert_true(tcp_fd >= 0 && udp_fd >= 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(probe(AF_INET, port), FAIL_NONE);
		assert_int_equal(udp, PROBE_UDP_SILENT);
	}
	assert_int_equal(probes[0].tcp_fd, tcp_fd);
	assert_int_equal(probes[0].udp_fd, udp_fd);
	assert_int_equal(own_port_of(udp_fd), own);
	/* Not after a refusal. */
	close(fds[1]);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	assert_int_equal(udp, PROBE_UDP_REFUSED);
	assert_int_equal(probes[0].tcp_fd, -1);
	assert_int_equal(probes[0].udp_fd, -1);
	close(fds[0]);
}

/* Each refusal is heard of in the probe that it is of, and in no other. */
static void probe_with_kept_sockets_finds_what_has_changed(void **state)
{
	int fds[2];
	uint16_t port;
	(void)state;

	enter();
	for (int i = 0; i < 50; i++) {
		port = open_both(fds);
		assert_int_equal(probe(AF_INET, port), FAIL_NONE);
		assert_int_equal(udp, PROBE_UDP_SILENT);
		close(fds[i % 2]);
		assert_int_equal(probe(AF_INET, port), i % 2 ? FAIL_NONE : FAIL_REFUSED);
		assert_int_equal(udp, i % 2 ? PROBE_UDP_REFUSED : PROBE_UDP_SILENT);
		close(fds[1 - i % 2]);
		assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
		assert_int_equal(udp, PROBE_UDP_REFUSED);
	}
}

/* A datagram of nobody's is refused after the probe; the next one must not take that for its own. */
static void probe_does_not_report_a_refusal_of_before(void **state)
{
	int fds[2];
	uint16_t port;
	(void)state;

	enter();
	port = open_both(fds);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	close(fds[1]);
	assert_int_equal(send(probes[0].udp_fd, "", 0, MSG_NOSIGNAL), 0);
	fds[1] = bind_at(SOCK_DGRAM, "10.2.0.2", &port);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	assert_int_equal(udp, PROBE_UDP_SILENT);
	close_both(fds);
}

static void probe_with_kept_sockets_does_not_take_itself_for_a_listener(void **state)
{
	FILE *range;
	int fds[2];
	(void)state;

	enter();
	range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");
	if (!range)
		skip();
	assert_true(fputs("45720 45723", range) >= 0 && fclose(range) == 0);
	for (uint16_t port = 45719; port <= 45724; port++) {
		for (int i = 0; i < 16; i++) {
			fds[1] = bind_at(SOCK_DGRAM, "10.2.0.2", &port);
			fds[0] = bind_at(SOCK_STREAM, "10.2.0.2", &port);
			assert_int_equal(listen(fds[0], 8), 0);
			assert_int_equal(probe(AF_INET, port), FAIL_NONE);
			close(fds[0]);
			assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
			assert_int_equal(udp, PROBE_UDP_SILENT);
			close(fds[1]);
		}
	}
}

/* No socket of ours, nor the rest of a connection, keeps a port from qBittorrent. */
static void probe_leaves_no_port_taken_once_it_is_closed(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fds[2], fd;
	uint16_t port;
	FILE *range;
	(void)state;

	enter();
	port = open_both(fds);
	range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");
	if (!range)
		skip();
	assert_true(fputs("45720 45723", range) >= 0 && fclose(range) == 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	probe_close(&probes[0]);
	address.sin_addr = view.v4;
	for (uint16_t taken = 45720; taken <= 45723; taken++) {
		address.sin_port = htons(taken);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
		close(fd);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
		close(fd);
	}
	close_both(fds);
}

static void probe_takes_new_sockets_for_another_interface_address_or_port(void **state)
{
	static const char *const changes[] = { "address replace 10.2.0.2/32 dev tun0",
		                               "address add 10.2.0.3/32 dev tun0" };
	int fds[2], udp_fd;
	uint16_t port;
	(void)state;

	enter();
	port = open_both(fds);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	close_both(fds);
	port = open_both(fds);
	assert_int_equal(probe(AF_INET, port), FAIL_NONE);
	assert_int_equal(udp, PROBE_UDP_SILENT);
	close_both(fds);
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_in own = { 0 };
		socklen_t len = sizeof own;

		netns_ip("link del tun0");
		netns_ip("link add tun0 type veth peer name far0");
		netns_ip("link set tun0 up");
		netns_ip(changes[i]);
		look();
		port = 0;
		fds[0] = bind_at(SOCK_STREAM, i ? "10.2.0.3" : "10.2.0.2", &port);
		assert_int_equal(listen(fds[0], 8), 0);
		fds[1] = bind_at(SOCK_DGRAM, i ? "10.2.0.3" : "10.2.0.2", &port);
		assert_int_equal(probe(AF_INET, port), FAIL_NONE);
		assert_int_equal(udp, PROBE_UDP_SILENT);
		udp_fd = probes[0].udp_fd;
		assert_int_equal(getpeername(udp_fd, (struct sockaddr *)&own, &len), 0);
		assert_int_equal(own.sin_addr.s_addr, view.v4.s_addr);
		assert_int_equal(ntohs(own.sin_port), port);
		close_both(fds);
	}
}

/* ---- UDP ---- */

static void probe_hears_at_once_that_nobody_has_the_udp_port(void **state)
{
	uint16_t port;
	int fd;
	(void)state;

	enter();
	port = listen_at(&fd, "10.2.0.2");
	/* Somebody has it elsewhere. */
	close(bind_at(SOCK_DGRAM, "127.0.0.1", &port));
	for (int i = 0; i < 200; i++) {
		assert_int_equal(probe(AF_INET, port), FAIL_NONE);
		assert_int_equal(udp, PROBE_UDP_REFUSED);
		close(accept(fd, NULL, NULL));
	}
	close(fd);
	/* And where there is no TCP either. */
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	assert_int_equal(udp, PROBE_UDP_REFUSED);
}

static void probe_hears_nothing_where_somebody_has_the_udp_port(void **state)
{
	static const char *const addresses[] = { "10.2.0.2", "0.0.0.0" };
	(void)state;

	enter();
	for (size_t i = 0; i < 2; i++) {
		uint16_t port = 0;
		int fd = bind_at(SOCK_DGRAM, addresses[i], &port);
		char byte;

		assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
		assert_int_equal(udp, PROBE_UDP_SILENT);
		/* One, and nothing in it. */
		assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
		assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
		close(fd);
	}
}

/* As qBittorrent's, after a reconnect. */
static void probe_is_refused_by_a_udp_socket_of_a_device_that_is_gone(void **state)
{
	uint16_t port = 0;
	int fd;
	(void)state;

	enter();
	fd = bind_at(SOCK_DGRAM, "10.2.0.2", &port);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5), 0);
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	assert_int_equal(udp, PROBE_UDP_SILENT);
	netns_ip("link del tun0");
	netns_ip("link add tun0 type veth peer name far0");
	connect_vpn();
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	assert_int_equal(udp, PROBE_UDP_REFUSED);
	close(fd);
}

static void probe_asks_over_ipv6_too(void **state)
{
	uint16_t port = 0;
	int fd;
	(void)state;

	enter();
	if (!netns_try("-6 address add 2001:db8::2/128 nodad dev tun0"))
		netns_missing("there is no IPv6 here");
	connect_vpn();
	fd = bind_at(SOCK_DGRAM, "2001:db8::2", &port);
	/* Just after it came, the kernel may drop what is sent to an IPv6 address. */
	while (probe(AF_INET6, port) == FAIL_TIMEOUT) {
	}
	assert_int_equal(udp, PROBE_UDP_SILENT);
	assert_int_equal(probe(AF_INET, port), FAIL_REFUSED);
	assert_int_equal(udp, PROBE_UDP_REFUSED);
	close(fd);
	assert_int_equal(probe(AF_INET6, port), FAIL_REFUSED);
	assert_int_equal(udp, PROBE_UDP_REFUSED);
}

static void probe_does_not_know_of_udp_where_there_is_no_way(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	assert_int_equal(probe(AF_INET, 41000), FAIL_IO);
	assert_int_equal(udp, PROBE_UDP_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_is_accepted_where_somebody_listens),
		cmocka_unit_test(probe_is_refused_where_nobody_listens_on_the_tunnel),
		cmocka_unit_test(probe_does_not_take_itself_for_a_listener),
		cmocka_unit_test(probe_is_refused_by_a_socket_of_a_device_that_is_gone),
		cmocka_unit_test(probe_takes_the_address_of_the_family),
		cmocka_unit_test(probe_says_where_there_is_no_way),
		cmocka_unit_test(probe_waits_a_second_for_an_answer_and_no_longer),
		cmocka_unit_test(probe_ends_with_a_stop),
		cmocka_unit_test(probe_leaves_no_descriptor_open),
		cmocka_unit_test(probe_keeps_its_sockets_from_one_success_to_the_next),
		cmocka_unit_test(probe_with_kept_sockets_finds_what_has_changed),
		cmocka_unit_test(probe_does_not_report_a_refusal_of_before),
		cmocka_unit_test(probe_with_kept_sockets_does_not_take_itself_for_a_listener),
		cmocka_unit_test(probe_leaves_no_port_taken_once_it_is_closed),
		cmocka_unit_test(probe_takes_new_sockets_for_another_interface_address_or_port),
		cmocka_unit_test(probe_hears_at_once_that_nobody_has_the_udp_port),
		cmocka_unit_test(probe_hears_nothing_where_somebody_has_the_udp_port),
		cmocka_unit_test(probe_is_refused_by_a_udp_socket_of_a_device_that_is_gone),
		cmocka_unit_test(probe_asks_over_ipv6_too),
		cmocka_unit_test(probe_does_not_know_of_udp_where_there_is_no_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
