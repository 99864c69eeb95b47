#include "net/tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"

static const struct stop never = { .fd = -1 };
static struct failure why;

/* A TCP socket on a free loopback port; it refuses connections until listen(). -1 without IPv6. */
static int bound_socket(int family, uint16_t *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *address =
		family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = family == AF_INET ? sizeof v4 : sizeof v6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	v4.sin_port = v6.sin6_port = htons(*port);
	if (fd >= 0 && bind(fd, address, len) == 0 && getsockname(fd, address, &len) == 0) {
		*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int listening_socket(int family, uint16_t *port)
{
	int fd = bound_socket(family, port);

	if (fd >= 0)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Makes a connection: `tcp` is our end; returns the peer's descriptor. */
static int connected(struct net_tcp *tcp, const struct stop *stop)
{
	uint16_t port = 0;
	int listener = listening_socket(AF_INET, &port);
	int peer;

	assert_true(listener >= 0);
	if (net_connect(tcp, "127.0.0.1", port, stop, MONO_NEVER, &why))
		fail_msg("%s", why.text);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	close(listener);
	return peer;
}

static enum fail read_some(struct net_tcp *tcp, char *buf, size_t max, size_t *len,
                           int64_t deadline_ms)
{
	return tcp->stream.read(&tcp->stream, buf, max, len, deadline_ms, &why);
}

static struct stop stop_asked(void)
{
	struct stop stop = { .fd = eventfd(1, EFD_CLOEXEC) };

	assert_true(stop.fd >= 0);
	return stop;
}

/* Makes close() reset the connection instead of ending it. */
static void reset(int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	close(fd);
}

/* ---- streams ---- */

static void net_carries_bytes_both_ways(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &never);
	char buf[8];
	size_t len;
	(void)state;

	assert_int_equal(tcp.stream.write(&tcp.stream, "ping", 4, MONO_NEVER, &why), FAIL_NONE);
	assert_int_equal(read(peer, buf, sizeof buf), 4);
	assert_memory_equal(buf, "ping", 4);
	assert_int_equal(write(peer, "pong", 4), 4);
	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, MONO_NEVER), FAIL_NONE);
	assert_int_equal(len, 4);
	assert_memory_equal(buf, "pong", 4);
	close(peer);
	net_close(&tcp);
}

static void net_reads_no_more_than_asked_for(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &never);
	char buf[8];
	size_t len;
	(void)state;

	assert_int_equal(write(peer, "abc", 3), 3);
	assert_int_equal(read_some(&tcp, buf, 2, &len, MONO_NEVER), FAIL_NONE);
	assert_int_equal(len, 2);
	close(peer);
	net_close(&tcp);
}

static void net_reports_the_end_as_no_bytes(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	char buf[8];
	size_t len = 7;
	(void)state;

	close(connected(&tcp, &never));
	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, MONO_NEVER), FAIL_NONE);
	assert_int_equal(len, 0);
	net_close(&tcp);
}

static void net_reports_a_reset_as_closed(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	char buf[8];
	size_t len;
	(void)state;

	reset(connected(&tcp, &never));
	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, MONO_NEVER), FAIL_CLOSED);
	assert_non_null(strstr(why.text, "reset"));
	net_close(&tcp);
}

/* Without MSG_NOSIGNAL this would end the test. */
static void net_reports_a_write_to_nobody_as_closed(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	(void)state;

	reset(connected(&tcp, &never));
	assert_int_equal(tcp.stream.write(&tcp.stream, "x", 1, MONO_NEVER, &why), FAIL_CLOSED);
	assert_int_equal(tcp.stream.write(&tcp.stream, "x", 1, MONO_NEVER, &why), FAIL_CLOSED);
	net_close(&tcp);
}

static void net_read_ends_at_its_deadline(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &never);
	char buf[8];
	size_t len;
	(void)state;

	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, mono_now_ms() + 20), FAIL_TIMEOUT);
	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, 0), FAIL_TIMEOUT);
	close(peer);
	net_close(&tcp);
}

/* Otherwise a peer that never pauses would hold us forever. */
static void net_read_ends_at_its_deadline_though_there_is_more(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &never);
	char buf[8];
	size_t len;
	(void)state;

	assert_int_equal(write(peer, "abc", 3), 3);
	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, 0), FAIL_TIMEOUT);
	close(peer);
	net_close(&tcp);
}

/* Sends more than both buffers hold to a peer that reads nothing. */
static void net_write_ends_at_its_deadline(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &never);
	const size_t len = 64 * 1024 * 1024;
	char *bytes = calloc(1, len);
	(void)state;

	assert_non_null(bytes);
	assert_int_equal(tcp.stream.write(&tcp.stream, bytes, len, mono_now_ms() + 20, &why),
	                 FAIL_TIMEOUT);
	free(bytes);
	close(peer);
	net_close(&tcp);
}

static void net_read_ends_when_a_stop_is_asked_for(void **state)
{
	struct stop stop = { .fd = eventfd(0, EFD_CLOEXEC) };
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &stop);
	char buf[8];
	size_t len;
	(void)state;

	assert_int_equal(eventfd_write(stop.fd, 1), 0);
	assert_int_equal(read_some(&tcp, buf, sizeof buf, &len, MONO_NEVER), FAIL_STOPPED);
	close(peer);
	net_close(&tcp);
	close(stop.fd);
}

static void net_write_ends_when_a_stop_is_asked_for(void **state)
{
	struct stop stop = { .fd = eventfd(0, EFD_CLOEXEC) };
	struct net_tcp tcp = { .fd = -1 };
	int peer = connected(&tcp, &stop);
	const size_t len = 64 * 1024 * 1024;
	char *bytes = calloc(1, len);
	(void)state;

	assert_non_null(bytes);
	assert_int_equal(eventfd_write(stop.fd, 1), 0);
	assert_int_equal(tcp.stream.write(&tcp.stream, bytes, len, MONO_NEVER, &why), FAIL_STOPPED);
	free(bytes);
	close(peer);
	net_close(&tcp);
	close(stop.fd);
}

static void net_close_may_come_twice(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	(void)state;

	close(connected(&tcp, &never));
	net_close(&tcp);
	assert_int_equal(tcp.fd, -1);
	net_close(&tcp);
}

/* ---- connecting ---- */

static void net_reports_a_port_without_listener_as_refused(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	uint16_t port = 0;
	int socket = bound_socket(AF_INET, &port);
	(void)state;

	assert_int_equal(net_connect(&tcp, "127.0.0.1", port, &never, MONO_NEVER, &why),
	                 FAIL_REFUSED);
	assert_non_null(strstr(why.text, "connection refused"));
	assert_int_equal(tcp.fd, -1);
	assert_true(tcp.refused_here);
	close(socket);
}

/* Any of 127.0.0.0/8 is loopback, and what has answered before may refuse now. */
static void net_says_whether_an_address_of_this_machine_has_refused(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	uint16_t port = 0;
	int listener = listening_socket(AF_INET, &port);
	(void)state;

	assert_int_equal(net_connect(&tcp, "127.0.0.2", port, &never, MONO_NEVER, &why),
	                 FAIL_REFUSED);
	assert_true(tcp.refused_here);
	assert_int_equal(net_connect(&tcp, "127.0.0.1", port, &never, MONO_NEVER, &why), FAIL_NONE);
	assert_false(tcp.refused_here);
	net_close(&tcp);
	close(listener);
	assert_int_equal(net_connect_again(&tcp, &never, MONO_NEVER, &why), FAIL_REFUSED);
	assert_true(tcp.refused_here);
}

static void net_tells_addresses_of_this_network_from_others(void **state)
{
	static const struct {
		const char *address;
		bool here;
	} cases[] = { { "127.0.0.1", true },  { "127.0.0.2", true }, { "::1", true },
		      { "192.0.2.1", false }, { "8.8.8.8", false },  { "2001:db8::1", false } };
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct resolve_found found;

		assert_int_equal(
			resolve_host(&found, cases[i].address, 80, &never, MONO_NEVER, &why),
			FAIL_NONE);
		assert_int_equal(net_is_here(&found.addresses[0]), cases[i].here);
	}
}

static void net_connects_to_localhost_by_either_address(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		struct net_tcp tcp = { .fd = -1 };
		uint16_t port = 0;
		int listener = listening_socket(families[i], &port);

		if (listener < 0)
			continue; /* no IPv6 here */
		assert_int_equal(net_connect(&tcp, "LocalHost", port, &never, MONO_NEVER, &why),
		                 FAIL_NONE);
		net_close(&tcp);
		close(listener);
	}
}

/* 127.0.0.1 refuses; ::1 refuses too or does not exist. */
static void net_reports_localhost_without_listener_as_refused(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	uint16_t port = 0;
	int socket = bound_socket(AF_INET, &port);
	(void)state;

	assert_int_equal(net_connect(&tcp, "localhost", port, &never, MONO_NEVER, &why),
	                 FAIL_REFUSED);
	close(socket);
}

static void net_connects_to_an_ipv6_address(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	uint16_t port = 0;
	int listener = listening_socket(AF_INET6, &port);
	(void)state;

	if (listener < 0)
		skip();
	assert_int_equal(net_connect(&tcp, "::1", port, &never, MONO_NEVER, &why), FAIL_NONE);
	net_close(&tcp);
	close(listener);
}

/* A label of 64 bytes fits in no query (RFC 1035, section 2.3.4): no name server is asked. */
static void net_reports_a_name_without_address(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	char name[65];
	(void)state;

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_int_equal(net_connect(&tcp, name, 80, &never, MONO_NEVER, &why), FAIL_RESOLVE);
	assert_int_equal(tcp.fd, -1);
}

/* The accept queue of one is full: the kernel drops further attempts, like a black hole. */
static void net_connect_ends_at_its_deadline(void **state)
{
	struct net_tcp first = { .fd = -1 }, second = { .fd = -1 }, third = { .fd = -1 };
	uint16_t port = 0;
	int listener = bound_socket(AF_INET, &port);
	enum fail f;
	(void)state;

	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(net_connect(&first, "127.0.0.1", port, &never, MONO_NEVER, &why),
	                 FAIL_NONE);
	(void)net_connect(&second, "127.0.0.1", port, &never, mono_now_ms() + 20, &why);
	f = net_connect(&third, "127.0.0.1", port, &never, mono_now_ms() + 20, &why);
	assert_int_equal(f, FAIL_TIMEOUT);
	assert_non_null(strstr(why.text, "timed out"));
	net_close(&first);
	net_close(&second);
	close(listener);
}

static void net_connect_ends_when_a_stop_is_asked_for(void **state)
{
	struct net_tcp first = { .fd = -1 }, second = { .fd = -1 }, third = { .fd = -1 };
	struct stop stop = stop_asked();
	uint16_t port = 0;
	int listener = bound_socket(AF_INET, &port);
	(void)state;

	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(net_connect(&first, "127.0.0.1", port, &never, MONO_NEVER, &why),
	                 FAIL_NONE);
	(void)net_connect(&second, "127.0.0.1", port, &never, mono_now_ms() + 20, &why);
	assert_int_equal(net_connect(&third, "127.0.0.1", port, &stop, MONO_NEVER, &why),
	                 FAIL_STOPPED);
	net_close(&first);
	net_close(&second);
	close(listener);
	close(stop.fd);
}

static int late_listener;

static void accept_all(int signal)
{
	int saved = errno;

	(void)signal;
	while (accept(late_listener, NULL, NULL) >= 0) {
	}
	errno = saved;
}

/* The first SYN is dropped, the next comes a second later. */
static void net_connect_waits_for_a_peer_that_accepts_late(void **state)
{
	const struct sigaction action = { .sa_handler = accept_all };
	const struct itimerval soon = { .it_value = { .tv_usec = 20 * 1000 } };
	struct net_tcp first = { .fd = -1 }, second = { .fd = -1 }, third = { .fd = -1 };
	uint16_t port = 0;
	(void)state;

	late_listener = bound_socket(AF_INET, &port);
	assert_int_equal(fcntl(late_listener, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(listen(late_listener, 0), 0);
	assert_int_equal(net_connect(&first, "127.0.0.1", port, &never, MONO_NEVER, &why),
	                 FAIL_NONE);
	(void)net_connect(&second, "127.0.0.1", port, &never, mono_now_ms() + 20, &why);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(net_connect(&third, "127.0.0.1", port, &never, MONO_NEVER, &why),
	                 FAIL_NONE);
	assert_int_equal(third.stream.write(&third.stream, "ping", 4, MONO_NEVER, &why), FAIL_NONE);
	net_close(&first);
	net_close(&second);
	net_close(&third);
	close(late_listener);
}

static void net_connects_again_to_the_same_peer(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	uint16_t port = 0;
	int listener = listening_socket(AF_INET, &port);
	(void)state;

	assert_int_equal(net_connect(&tcp, "127.0.0.1", port, &never, MONO_NEVER, &why), FAIL_NONE);
	net_close(&tcp);
	assert_int_equal(net_connect_again(&tcp, &never, MONO_NEVER, &why), FAIL_NONE);
	net_close(&tcp);
	close(listener);
}

static void net_cannot_connect_again_where_it_never_was(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	(void)state;

	assert_int_equal(net_connect_again(&tcp, &never, MONO_NEVER, &why), FAIL_IO);
}

static void net_leaves_no_descriptors_behind(void **state)
{
	struct net_tcp tcp = { .fd = -1 };
	uint16_t port = 0;
	int socket = bound_socket(AF_INET, &port);
	int lowest = dup(socket);
	(void)state;

	close(lowest);
	for (int i = 0; i < 10; i++)
		net_connect(&tcp, "localhost", port, &never, MONO_NEVER, &why);
	assert_int_equal(dup(socket), lowest);
	close(lowest);
	close(socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(net_carries_bytes_both_ways),
		cmocka_unit_test(net_reads_no_more_than_asked_for),
		cmocka_unit_test(net_reports_the_end_as_no_bytes),
		cmocka_unit_test(net_reports_a_reset_as_closed),
		cmocka_unit_test(net_reports_a_write_to_nobody_as_closed),
		cmocka_unit_test(net_read_ends_at_its_deadline),
		cmocka_unit_test(net_read_ends_at_its_deadline_though_there_is_more),
		cmocka_unit_test(net_write_ends_at_its_deadline),
		cmocka_unit_test(net_read_ends_when_a_stop_is_asked_for),
		cmocka_unit_test(net_write_ends_when_a_stop_is_asked_for),
		cmocka_unit_test(net_close_may_come_twice),
		cmocka_unit_test(net_reports_a_port_without_listener_as_refused),
		cmocka_unit_test(net_says_whether_an_address_of_this_machine_has_refused),
		cmocka_unit_test(net_tells_addresses_of_this_network_from_others),
		cmocka_unit_test(net_connects_to_localhost_by_either_address),
		cmocka_unit_test(net_reports_localhost_without_listener_as_refused),
		cmocka_unit_test(net_connects_to_an_ipv6_address),
		cmocka_unit_test(net_reports_a_name_without_address),
		cmocka_unit_test(net_connect_ends_at_its_deadline),
		cmocka_unit_test(net_connect_ends_when_a_stop_is_asked_for),
		cmocka_unit_test(net_connect_waits_for_a_peer_that_accepts_late),
		cmocka_unit_test(net_connects_again_to_the_same_peer),
		cmocka_unit_test(net_cannot_connect_again_where_it_never_was),
		cmocka_unit_test(net_leaves_no_descriptors_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
