#include "sidecar/reachability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "netns.h"
#include "scripted_server.h"
#include "sidecar/servers.h"
#include "vpn/probe.h"

/* Nothing else is in the namespace that could have it. */
#define PORT 41000
#define PORT_41000 OK(21, "{\"listen_port\":41000}")
#define FIREWALLED OK(34, "{\"connection_status\":\"firewalled\"}")
#define DISCONNECTED OK(36, "{\"connection_status\":\"disconnected\"}")

static struct http_reply reply;
static struct failure why;
static struct server server;
static struct config config;
static struct qbittorrent qb;
static struct qbittorrent_view view;
static struct reachability reach;
static struct situation situation;
static struct stop stop;
static char logged[4096]; /* by the last cycle */
static int listeners[16];
static size_t listener_count;

/* ---- a world ---- */

/* A namespace, with tun0 as it is when the VPN is connected, and another interface. */
static void enter(void)
{
	netns_enter();
	netns_ip("link set lo up");
	netns_ip("link add eth0 type veth peer name far1");
	netns_ip("link set eth0 up");
	netns_ip("link add tun0 type veth peer name far0");
	netns_ip("address add 10.2.0.2/32 dev tun0");
	netns_ip("link set tun0 up");
	netns_ip("link set far0 up");
}

/* qBittorrent, which has the port, and us; neither asks for anything but by the script. */
static void begin(const char *const script[])
{
	server_start(&server, script);
	stop = (struct stop){ .fd = -1 };
	config = (struct config){ .host = "127.0.0.1",
		                  .api_key = { .value = "" },
		                  .port = server.port,
		                  .tls_ca_file = "",
		                  .vpn_interface = "tun0",
		                  .rebind = true,
		                  .no_port_grace_s = 120,
		                  .interval_s = 30 };
	servers_qbittorrent(&qb, &config, &stop, &reply);
	view = (struct qbittorrent_view){ .listen_port = PORT, .can_bind = true };
	reachability_start(&reach, &config);
	(void)reachability_listen(&reach, &why);
	reach.hints_at_ms = MONO_NEVER;
	situation = (struct situation){ .config = &config,
		                        .sync = sync_start(30000, 120000, 1, mono_now_ms()),
		                        .version = "" };
	sync_file_port(&situation.sync, PORT, mono_now_ms());
	/* What is there at the start is no change. */
	(void)reachability_look(&reach, &situation, &why);
	reach.hints_at_ms = MONO_NEVER;
}

/* From now on nobody has named the tunnel. */
static void seek(void)
{
	if (reach.tunnel.events_fd > 0)
		close(reach.tunnel.events_fd);
	config.vpn_interface = "";
	reachability_start(&reach, &config);
	(void)reachability_listen(&reach, &why);
	reach.hints_at_ms = MONO_NEVER;
	situation.sync.asked_at_ms = MONO_NEVER; /* at the end of a named one's grace */
}

/* A tunnel of its kind, with the address of the other: a veth is never found. */
static void add_tun(const char *name)
{
	char command[64];

	snprintf(command, sizeof command, "tuntap add mode tun %s", name);
	netns_ip(command);
	snprintf(command, sizeof command, "address add 10.2.0.2/32 dev %s", name);
	netns_ip(command);
	snprintf(command, sizeof command, "link set %s up", name);
	netns_ip(command);
}

/* As begin(), with a port that was refused a second ago already, so that a rebind is allowed. */
static void begin_closed(const char *const script[])
{
	begin(script);
	sync_cycle_ended(&situation.sync, SYNC_CLOSED, mono_now_ms() - 2000);
}

static void close_listeners(void)
{
	while (listener_count > 0)
		close(listeners[--listener_count]);
}

static int end_after_test(void **state)
{
	(void)state;
	qbittorrent_end(&qb);
	server_end(&server);
	close_listeners();
	if (reach.tunnel.events_fd > 0)
		close(reach.tunnel.events_fd);
	reach.tunnel.events_fd = -1;
	reachability_release(&reach);
	return 0;
}

static void assert_asked(const char *const *wanted)
{
	end_after_test(NULL);
	server_assert_asked(&server, wanted);
}

static void assert_not_asked(void)
{
	assert_asked((const char *const[]){ NULL });
}

/* Somebody has PORT. Returns whether it could be done; from any thread. */
static bool take_port(int kind, const char *ip)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	bool is_v4 = inet_pton(AF_INET, ip, &v4.sin_addr) == 1;
	struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	int fd = socket(address->sa_family, kind | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET6, ip, &v6.sin6_addr);
	if (fd >= 0)
		listeners[listener_count++] = fd;
	/* A probe of before may not be quite over. */
	return fd >= 0 &&
	       (kind == SOCK_DGRAM ||
	        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0) &&
	       bind(fd, address, is_v4 ? sizeof v4 : sizeof v6) == 0;
}

static bool open_tcp(const char *ip, int backlog)
{
	return take_port(SOCK_STREAM, ip) && listen(listeners[listener_count - 1], backlog) == 0;
}

/* As qBittorrent does. */
static bool open_port(const char *ip, int backlog)
{
	return take_port(SOCK_DGRAM, ip) && open_tcp(ip, backlog);
}

/* The part of a cycle that is about reach. Notes what is logged. */
static enum fail prove(bool just_set)
{
	struct qbittorrent_wanted wanted;
	int pipe_fds[2], real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ssize_t len;
	enum fail f;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	(void)reachability_look(&reach, &situation, &why);
	wanted = reachability_wanted(&reach, &config, PORT);
	qbittorrent_begin(&qb, mono_now_ms() + 15000, NULL);
	f = reachability_prove(&reach, &qb, &view, &wanted, just_set, &situation, &why);
	qbittorrent_end(&qb);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	len = read(pipe_fds[0], logged, sizeof logged - 1);
	logged[len < 0 ? 0 : len] = '\0';
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return f;
}

static void assert_proved(void)
{
	if (prove(false))
		fail_msg("%s", why.text);
	assert_int_equal(situation.reachable, REACHABLE_YES);
	assert_int_equal(situation.reachable_udp, REACHABLE_YES);
}

static void assert_fails(enum fail wanted, const char *word)
{
	enum fail f = prove(false);

	if (f != wanted || !strstr(why.text, word))
		fail_msg("%d, \"%s\" is not %d or does not say %s", (int)f, f ? why.text : "",
		         (int)wanted, word);
	assert_int_equal(situation.reachable, REACHABLE_NO);
}

/* each: NULL, end_after_test */

/* ---- proof ---- */

static void reachability_is_proved_where_a_connection_is_accepted(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	assert_string_equal(logged, "");
	assert_not_asked();
}

static void reachability_is_not_known_where_there_never_was_a_tunnel(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	begin(SCRIPT(NULL));
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
	assert_not_asked();
}

static void reachability_is_not_known_where_it_is_switched_off(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	config.vpn_interface = "none";
	close(reach.tunnel.events_fd);
	reachability_start(&reach, &config);
	(void)reachability_listen(&reach, &why);
	reach.hints_at_ms = MONO_NEVER;
	assert_int_equal(reach.tunnel.events_fd, -1);
	assert_int_equal(prove(false), FAIL_NONE);
	netns_ip("link del eth0");
	netns_ip("link del tun0");
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
	assert_false(sync_is_alone(&situation.sync));
	assert_not_asked();
}

static void reachability_is_not_known_where_the_kernel_does_not_tell(void **state)
{
	struct rlimit limit, few;
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	netns_ip("link set tun0 mtu 1400"); /* so that all is asked for again */
	assert_true(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	few = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	assert_true(setrlimit(RLIMIT_NOFILE, &few) == 0);
	(void)reachability_look(&reach, &situation, &why);
	assert_true(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	assert_true(reach.unreadable);
	assert_false(sync_is_alone(&situation.sync));
	assert_false(reach.view.exists);
	/* And then it tells again. */
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	assert_false(reach.unreadable);
}

static void reachability_hears_of_the_interface_it_is_given(void **state)
{
	struct pollfd heard = { .events = POLLIN };
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	heard.fd = reach.tunnel.events_fd;
	assert_int_equal(poll(&heard, 1, 0), 0);
	netns_ip("link set tun0 down");
	assert_int_equal(poll(&heard, 1, 0), 1);
}

/* As at the start; then the interface goes down. The look holds until `until_ms`. */
static bool is_up_after_early_look(int64_t until_ms)
{
	netns_ip("link set tun0 up");
	reachability_look_early(&reach);
	assert_true(reach.early_until_ms > mono_now_ms() - 10000);
	reach.early_until_ms = until_ms;
	netns_ip("link set tun0 down");
	return reach.view.up;
}

static void reachability_takes_the_look_of_the_start_once(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(is_up_after_early_look(MONO_NEVER));
	(void)reachability_look(&reach, &situation, &why);
	assert_true(reach.view.up);
	(void)reachability_look(&reach, &situation, &why);
	assert_false(reach.view.up);
}

static void reachability_looks_again_after_a_change_or_a_while(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(is_up_after_early_look(MONO_NEVER));
	(void)reachability_changed(&reach, &situation);
	(void)reachability_look(&reach, &situation, &why);
	assert_false(reach.view.up);
	assert_true(is_up_after_early_look(mono_now_ms()));
	(void)reachability_look(&reach, &situation, &why);
	assert_false(reach.view.up);
}

static void *open_port_later(void *unused)
{
	(void)unused;
	poll(NULL, 0, 300);
	(void)open_port("10.2.0.2", 8);
	return NULL;
}

static void reachability_waits_for_a_port_that_was_set_just_now(void **state)
{
	pthread_t thread;
	enum fail f;
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_int_equal(pthread_create(&thread, NULL, open_port_later, NULL), 0);
	f = prove(true);
	pthread_join(thread, NULL);
	assert_int_equal(f, FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_YES);
}

/* ---- a tunnel that is not there ---- */

static void reachability_says_that_the_tunnel_is_gone(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	(void)reachability_look(&reach, &situation, &why);
	netns_ip("link del tun0");
	assert_fails(FAIL_CUT_OFF, "tun0 is gone");
	assert_not_asked();
}

static void reachability_says_that_the_tunnel_is_down(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	netns_ip("link set tun0 down");
	assert_fails(FAIL_CUT_OFF, "tun0 is down");
	assert_not_asked();
}

static void reachability_says_that_the_tunnel_has_no_address(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	netns_ip("address del 10.2.0.2/32 dev tun0");
	assert_fails(FAIL_CUT_OFF, "tun0 has no address");
	assert_not_asked();
}

static void reachability_says_that_only_loopback_is_left(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	(void)reachability_look(&reach, &situation, &why);
	assert_false(sync_is_alone(&situation.sync));
	netns_ip("link del tun0");
	netns_ip("link del eth0");
	assert_fails(FAIL_CUT_OFF, "only the loopback interface");
	assert_true(sync_is_alone(&situation.sync));
	assert_not_asked();
}

static void reachability_does_not_miss_company_that_never_was(void **state)
{
	(void)state;

	netns_enter();
	netns_ip("link set lo up");
	begin(SCRIPT(NULL));
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
	assert_false(sync_is_alone(&situation.sync));
	assert_not_asked();
}

/* ---- settings to blame ---- */

static void assert_blamed(struct qbittorrent_view set, const char *word)
{
	begin_closed(SCRIPT(NULL));
	set.listen_port = PORT;
	set.can_bind = true;
	view = set;
	assert_fails(FAIL_CUT_OFF, word);
	assert_int_equal(situation.rebinds, 0);
	assert_not_asked();
}

static void reachability_blames_a_setting_and_does_not_rebind_in_vain(void **state)
{
	(void)state;

	enter();
	assert_blamed((struct qbittorrent_view){ .interface = "eth0" }, "interface eth0");
	assert_blamed((struct qbittorrent_view){ .interface = "lo" }, "interface lo");
	/* Of others nobody knows whether it is a name. */
	assert_blamed((struct qbittorrent_view){ .interface = "s3cret" },
	              "bound to an interface that is not here, not to tun0");
	assert_null(strstr(why.text, "s3cret"));
	assert_blamed((struct qbittorrent_view){ .address = "10.9.9.9" },
	              "address 10.9.9.9, but tun0 has 10.2.0.2");
	assert_blamed((struct qbittorrent_view){ .interface = "tun0", .address = "127.0.0.1" },
	              "address 127.0.0.1");
	assert_blamed((struct qbittorrent_view){ .address = "::" }, "address ::");
	assert_blamed((struct qbittorrent_view){ .address = "nonsense" },
	              "address (not an IP address)");
	assert_blamed((struct qbittorrent_view){ .peer_proxy = true }, "proxy");
}

static void reachability_does_not_blame_a_setting_with_which_it_works(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(open_port("10.2.0.2", 8));
	snprintf(view.address, sizeof view.address, "10.9.9.9");
	snprintf(view.interface, sizeof view.interface, "eth0");
	assert_proved();
}

static void reachability_blames_no_setting_that_takes_the_tunnel_in(void **state)
{
	static const char *const addresses[] = { "", "0.0.0.0", "10.2.0.2" };
	static const char *const interfaces[] = { "", "tun0" };
	(void)state;

	enter();
	for (size_t i = 0; i < 6; i++) {
		begin(SCRIPT(NULL));
		snprintf(view.address, sizeof view.address, "%s", addresses[i / 2]);
		snprintf(view.interface, sizeof view.interface, "%s", interfaces[i % 2]);
		assert_fails(FAIL_PORT_CLOSED, "tun0 (10.2.0.2) refuses connections to port 41000");
		assert_not_asked();
	}
}

/* ---- both families ---- */

/* Just after it came, the kernel may drop what is sent to an IPv6 address. */
static void add_v6(void)
{
	struct tunnel tunnel;
	struct tunnel_view seen = { .has_v6 = false };
	struct probe one = PROBE_OF(AF_INET6);
	const struct stop never = { .fd = -1 };
	int64_t until_ms = mono_now_ms() + 20000;
	enum fail f = FAIL_TIMEOUT;

	if (!netns_try("-6 address add 2001:db8::2/128 nodad dev tun0"))
		netns_missing("there is no IPv6 here");
	tunnel_start(&tunnel, "tun0");
	while (f != FAIL_REFUSED && mono_now_ms() < until_ms) {
		assert_int_equal(tunnel_look(&tunnel, &seen, &why), FAIL_NONE);
		if (seen.has_v6)
			f = probe_port(&one, &seen, PORT, &never, MONO_NEVER, &why);
		else
			(void)wait_until(&never, mono_now_ms() + 10, &why);
	}
	assert_int_equal(f, FAIL_REFUSED);
}

static void reachability_probes_every_address_that_should_be_listened_on(void **state)
{
	static const struct {
		const char *set;
		const char *open;
		const char *refuses; /* NULL: none */
	} cases[] = {
		{ "", "10.2.0.2", "2001:db8::2" },
		{ "", "2001:db8::2", "10.2.0.2" },
		{ "", "::", NULL },
		{ "0.0.0.0", "10.2.0.2", NULL },
		{ "10.2.0.2", "10.2.0.2", NULL },
		{ "0.0.0.0", "2001:db8::2", "10.2.0.2" },
		{ "::", "2001:db8::2", NULL },
		{ "2001:db8::2", "2001:db8::2", NULL },
		{ "2001:db8:0::2", "10.2.0.2", "2001:db8::2" },
	};
	(void)state;

	enter();
	add_v6();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin(SCRIPT(NULL));
		snprintf(view.address, sizeof view.address, "%s", cases[i].set);
		assert_true(open_port(cases[i].open, 8));
		if (cases[i].refuses)
			assert_fails(FAIL_PORT_CLOSED, cases[i].refuses);
		else
			assert_proved();
		assert_not_asked();
	}
}

/* ---- rebinds ---- */

static void reachability_does_not_rebind_a_port_that_is_refused_for_the_first_time(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_fails(FAIL_PORT_CLOSED, "refuses connections to port 41000");
	assert_int_equal(situation.rebinds, 0);
	assert_string_equal(logged, "");
	assert_not_asked();
}

static void *open_port_soon(void *unused)
{
	(void)unused;
	poll(NULL, 0, 30);
	(void)open_port("10.2.0.2", 8);
	return NULL;
}

/* A rebind drops the uTP peers. */
static void reachability_does_not_rebind_what_opens_by_itself(void **state)
{
	pthread_t thread;
	enum fail f;
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	assert_int_equal(pthread_create(&thread, NULL, open_port_soon, NULL), 0);
	f = prove(false);
	pthread_join(thread, NULL);
	assert_int_equal(f, FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_YES);
	assert_int_equal(situation.rebinds, 0);
	assert_string_equal(logged, "");
	assert_not_asked();
}

static void open_at_second_request(size_t count)
{
	if (count == 2)
		(void)open_port("10.2.0.2", 8);
}

static void reachability_rebinds_a_port_that_is_refused_again(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(OK(0, ""), OK(0, ""), PORT_41000));
	server.before_reply = open_at_second_request;
	assert_proved();
	assert_int_equal(situation.rebinds, 1);
	assert_int_equal(view.listen_port, PORT);
	assert_non_null(strstr(logged, " INFO  had qBittorrent reopen its port: tun0 "
	                               "(10.2.0.2) refuses connections to port 41000"));
	assert_asked(SCRIPT("listen_port%22%3A41001", "listen_port%22%3A41000", "GET "));
	assert_false(sync_may_rebind(&situation.sync, mono_now_ms() + 30000));
}

static void reachability_says_that_a_rebind_did_not_help(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(OK(0, ""), OK(0, ""), PORT_41000));
	assert_fails(FAIL_PORT_CLOSED, "does not help");
	assert_int_equal(situation.rebinds, 1);
	/* It goes on saying so, and does not try again at once. */
	sync_cycle_ended(&situation.sync, SYNC_CLOSED, mono_now_ms());
	assert_fails(FAIL_PORT_CLOSED, "does not help");
	assert_int_equal(situation.rebinds, 1);
	assert_asked(SCRIPT("POST ", "POST ", "GET "));
}

/* It ended in the middle: that is not about the port. */
static void reachability_tells_a_web_ui_that_refuses_from_a_port_that_does(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT("!!HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(prove(false), FAIL_REFUSED);
	assert_non_null(strstr(why.text, "qBittorrent at 127.0.0.1"));
	assert_int_equal(situation.rebinds, 1);
	assert_int_equal(qb.port_to_restore, PORT);
}

static void reachability_does_not_rebind_where_that_is_switched_off(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	config.rebind = false;
	assert_fails(FAIL_PORT_CLOSED, "QSTICKY_REBIND=false");
	assert_int_equal(situation.rebinds, 0);
	assert_not_asked();
}

static void reachability_sends_what_is_to_be_bound_with_a_rebind(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(OK(0, ""), OK(0, ""),
	                    OK(95, "{\"listen_port\":41000,\"current_network_interface\":\"tun0\","
	                           "\"current_interface_address\":\"10.2.0.2\"}")));
	server.before_reply = open_at_second_request;
	config.bind_interface = true;
	assert_proved();
	assert_asked(SCRIPT("listen_port%22%3A41001", "%3A%22tun0%22", "GET "));
}

/* ---- what is to be bound ---- */

static void reachability_wants_no_more_than_the_port_unless_asked_to(void **state)
{
	struct qbittorrent_wanted wanted;
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	(void)reachability_look(&reach, &situation, &why);
	wanted = reachability_wanted(&reach, &config, PORT);
	assert_int_equal(wanted.port, PORT);
	assert_null(wanted.interface);
	assert_null(wanted.address);
}

static void reachability_wants_the_tunnel_with_its_address_where_asked_to(void **state)
{
	struct qbittorrent_wanted wanted;
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	config.bind_interface = true;
	(void)reachability_look(&reach, &situation, &why);
	wanted = reachability_wanted(&reach, &config, PORT);
	assert_string_equal(wanted.interface, "tun0");
	assert_string_equal(wanted.address, "10.2.0.2");
	/* Another address after a reconnect. */
	netns_ip("address del 10.2.0.2/32 dev tun0");
	(void)reachability_look(&reach, &situation, &why);
	wanted = reachability_wanted(&reach, &config, PORT);
	assert_null(wanted.interface);
	assert_null(wanted.address);
	netns_ip("address add 10.2.0.77/32 dev tun0");
	(void)reachability_look(&reach, &situation, &why);
	wanted = reachability_wanted(&reach, &config, PORT);
	assert_string_equal(wanted.address, "10.2.0.77");
	netns_ip("link del tun0");
	(void)reachability_look(&reach, &situation, &why);
	wanted = reachability_wanted(&reach, &config, PORT);
	assert_null(wanted.interface);
}

/* ---- no answer, and a stop ---- */

/* Listens on PORT without a program that accepts. What the kernel keeps for it is soon full, and then
 * nothing answers. */
static void fill_port(void)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		                        .sin_port = htons(PORT),
		                        .sin_addr = { inet_addr("10.2.0.2") } };

	assert_true(open_tcp("10.2.0.2", 0));
	for (int i = 0; i < 4; i++) {
		struct pollfd connecting = { .events = POLLOUT };

		connecting.fd = listeners[listener_count++] =
			socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(connecting.fd, (const struct sockaddr *)&to, sizeof to);
		(void)poll(&connecting, 1, 100);
	}
}

static void reachability_says_that_nothing_answers(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(NULL));
	fill_port();
	assert_fails(FAIL_TIMEOUT, "no answer from port 41000 at tun0 (10.2.0.2)");
	assert_int_equal(situation.rebinds, 0);
	assert_not_asked();
}

static void reachability_ends_with_a_stop(void **state)
{
	int pipe_fds[2];
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(write(pipe_fds[1], "", 1), 1);
	stop.fd = pipe_fds[0];
	fill_port();
	reach.hints_at_ms = 0;
	snprintf(situation.hints.connection_status, sizeof situation.hints.connection_status,
	         "connected");
	assert_int_equal(prove(false), FAIL_STOPPED);
	assert_string_equal(situation.hints.connection_status, "connected");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_not_asked();
}

/* ---- TCP and UDP ---- */

/* Somebody else has the one, so libtorrent has neither. */
static void reachability_knows_who_accepts_tcp_alone_for_another_program(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(open_tcp("10.2.0.2", 64));
	assert_fails(FAIL_PORT_CLOSED, "another program has port 41000 at tun0 (10.2.0.2)");
	assert_int_equal(situation.reachable_udp, REACHABLE_NO);
	assert_int_equal(situation.rebinds, 0);
	assert_not_asked();
}

static void *take_udp_later(void *unused)
{
	(void)unused;
	poll(NULL, 0, 30);
	(void)take_port(SOCK_DGRAM, "10.2.0.2");
	return NULL;
}

/* libtorrent opens UDP after TCP. */
static void reachability_gives_udp_the_time_to_follow_tcp(void **state)
{
	pthread_t thread;
	enum fail f;
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(open_tcp("10.2.0.2", 64));
	assert_int_equal(pthread_create(&thread, NULL, take_udp_later, NULL), 0);
	f = prove(false);
	pthread_join(thread, NULL);
	assert_int_equal(f, FAIL_NONE);
	assert_int_equal(situation.reachable_udp, REACHABLE_YES);
}

/* The other program may be gone by now, and qBittorrent does not try again by itself. */
static void reachability_rebinds_a_port_whose_udp_is_refused_again(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(OK(0, ""), OK(0, ""), PORT_41000));
	assert_true(open_tcp("10.2.0.2", 64));
	assert_fails(FAIL_PORT_CLOSED, "UDP is refused, so qBittorrent does not listen there, and "
	                               "a rebind does not help");
	assert_int_equal(situation.rebinds, 1);
	assert_asked(SCRIPT("POST ", "POST ", "GET "));
}

/* Silence is no evidence where nobody accepts: a firewall may have dropped the datagram. */
static void reachability_does_not_take_silence_for_proof(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(take_port(SOCK_DGRAM, "10.2.0.2"));
	assert_fails(FAIL_PORT_CLOSED, "refuses connections to port 41000");
	assert_int_equal(situation.reachable_udp, REACHABLE_UNKNOWN);
}

static void reachability_proves_udp_at_every_address_too(void **state)
{
	(void)state;

	enter();
	add_v6();
	begin(SCRIPT(NULL));
	assert_true(open_port("10.2.0.2", 8));
	assert_true(open_tcp("2001:db8::2", 64));
	assert_fails(FAIL_PORT_CLOSED, "another program has port 41000 at tun0 (2001:db8");
	assert_int_equal(situation.reachable_udp, REACHABLE_NO);
	assert_true(take_port(SOCK_DGRAM, "2001:db8::2"));
	assert_proved();
}

static void reachability_rebinds_more_seldom_where_another_address_is_open(void **state)
{
	int64_t now_ms;
	(void)state;

	enter();
	add_v6();
	for (int open = 0; open < 2; open++) {
		begin_closed(SCRIPT(OK(0, ""), OK(0, ""), PORT_41000));
		if (open)
			assert_true(open_port("2001:db8::2", 8));
		assert_fails(FAIL_PORT_CLOSED, "10.2.0.2");
		assert_int_equal(situation.rebinds, 1);
		now_ms = mono_now_ms();
		/* In vain for the third time. */
		sync_rebound(&situation.sync, open, now_ms);
		sync_rebound(&situation.sync, situation.sync.rebinds_cost, now_ms);
		assert_true(situation.sync.rebinds_cost == open);
		assert_true(sync_may_rebind(&situation.sync, now_ms + SYNC_REBIND_MAX_MS) != open);
	}
}

/* ---- a tunnel that there has to be ---- */

/* At the time of the next look, the tunnel has been missing for as long. */
static void missing_since(int64_t ms)
{
	reach.missing_at_ms = mono_now_ms() - ms;
}

static void reachability_misses_a_tunnel_that_is_named_after_the_grace(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	begin(SCRIPT(NULL));
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
	/* It looks again when that begins to count, not at its next check. */
	assert_in_range((uintmax_t)(situation.sync.asked_at_ms - mono_now_ms()), 100000, 120000);
	missing_since(119000);
	assert_int_equal(prove(false), FAIL_NONE);
	missing_since(120000);
	assert_fails(FAIL_CUT_OFF, "there is no tun0 here, which QSTICKY_VPN_INTERFACE names");
	assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why), FAIL_CUT_OFF);
	/* Then it comes. */
	netns_ip("link add tun0 type veth peer name far2");
	netns_ip("address add 10.2.0.2/32 dev tun0");
	netns_ip("link set tun0 up");
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why), FAIL_NONE);
}

static void reachability_misses_no_tunnel_that_nobody_has_named(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	begin(SCRIPT(NULL));
	seek();
	assert_int_equal(prove(false), FAIL_NONE);
	assert_true(reachability_is_unfound(&reach));
	assert_string_equal(reach.tunnel.choice.names, "eth0");
	missing_since(24 * 3600 * 1000);
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
	assert_int_equal(situation.sync.asked_at_ms, MONO_NEVER);
	/* Then it comes. */
	add_tun("wg0");
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	assert_false(reachability_is_unfound(&reach));
	assert_string_equal(reach.tunnel.name, "wg0");
	/* And from then on it is missed. */
	netns_ip("link del wg0");
	assert_fails(FAIL_CUT_OFF, "wg0 is gone");
}

static void reachability_does_not_guess_which_of_several_is_the_tunnel(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	begin(SCRIPT(NULL));
	seek();
	add_tun("wg0");
	netns_ip("tuntap add mode tun wg1");
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
	assert_true(reachability_is_unfound(&reach));
	assert_int_equal(choice_made(&reach.tunnel.choice), CHOICE_SEVERAL);
	assert_not_asked();
}

/* A tunnel whose absence was unhealthy does not get better because its port is taken back. */
static void reachability_goes_on_missing_a_tunnel_that_has_failed_a_cycle(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	netns_ip("link set tun0 down");
	assert_fails(FAIL_CUT_OFF, "tun0 is down");
	for (int look = 0; look < 2; look++) {
		(void)reachability_look(&reach, &situation, &why);
		assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why),
		                 FAIL_CUT_OFF);
	}
	netns_ip("link set tun0 up");
	(void)reachability_look(&reach, &situation, &why);
	assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why), FAIL_NONE);
	/* The next one that goes has its time again. */
	netns_ip("link set tun0 down");
	(void)reachability_look(&reach, &situation, &why);
	assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why), FAIL_NONE);
}

/* ---- a tunnel that is not answered ---- */

/* As if it had sent so many packets in vain, for as long. Nobody holds it, so the kernel counts none. */
static void sent_in_vain(uint64_t packets, int64_t ms)
{
	struct traffic *traffic = &reach.traffic;

	assert_int_equal(reach.tunnel.counts.sent, 0);
	reach.tunnel.counts.sent = packets;
	traffic->silent_at_ms -= ms;
	for (int i = 0; i < 3; i++)
		traffic->looks[i].at_ms -= ms;
	traffic->looks[2].sent = packets / 2;
	traffic_see(traffic, &reach.tunnel.counts, mono_now_ms());
	traffic->looks[2].sent = 0;
}

static void reachability_says_that_nothing_comes_back(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	add_tun("tun0");
	begin(SCRIPT(NULL));
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	sent_in_vain(20, 100 * 1000);
	assert_true(reach.traffic.one_way);
	assert_fails(FAIL_CUT_OFF, "tun0 sends, and nothing comes back");
	assert_in_range((uintmax_t)(situation.sync.asked_at_ms - mono_now_ms()), 1,
	                TRAFFIC_DEAD_MS);
	/* Whether a port is forwarded or not. */
	assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why), FAIL_CUT_OFF);
	assert_non_null(strstr(why.text, "nothing comes back"));
	/* Another one is not to blame. */
	netns_ip("link del tun0");
	add_tun("tun0");
	assert_proved();
	assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why), FAIL_NONE);
	assert_not_asked();
}

/* Whether a port is forwarded or not; with one, reachability_prove() says so at once. */
static void reachability_misses_a_tunnel_that_was_here_after_a_while(void **state)
{
	static const struct {
		const char *command, *word;
	} cases[] = {
		{ "link set tun0 down", "tun0 is down" },
		{ "address del 10.2.0.2/32 dev tun0", "tun0 has no address" },
		{ "link del tun0", "tun0 is gone" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enter();
		begin(SCRIPT(NULL));
		netns_ip(cases[i].command);
		(void)reachability_look(&reach, &situation, &why);
		assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why),
		                 FAIL_NONE);
		assert_in_range((uintmax_t)(situation.sync.asked_at_ms - mono_now_ms()), 20000,
		                REACHABILITY_LOST_MS);
		missing_since(REACHABILITY_LOST_MS);
		(void)reachability_look(&reach, &situation, &why);
		assert_int_equal(reachability_judge_missing(&reach, mono_now_ms(), &why),
		                 FAIL_CUT_OFF);
		assert_non_null(strstr(why.text, cases[i].word));
		end_after_test(NULL);
	}
}

/* ---- hints ---- */

static void reachability_asks_for_hints_every_ten_minutes_only(void **state)
{
	int64_t began_ms = mono_now_ms();
	(void)state;

	enter();
	begin(SCRIPT(FIREWALLED, FIREWALLED));
	assert_true(open_port("10.2.0.2", 8));
	reach.hints_at_ms = began_ms;
	for (int i = 0; i < 5; i++)
		assert_proved();
	assert_string_equal(situation.hints.connection_status, "firewalled");
	assert_true(reach.hints_at_ms >= began_ms + REACHABILITY_HINTS_EVERY_MS);
	assert_asked(SCRIPT("GET /api/v2/transfer/info "));
}

/* What qBittorrent says at the next cycle, `after_ms` later. */
static void hear(const char *body, int64_t after_ms)
{
	char script[256];

	snprintf(script, sizeof script, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
	         strlen(body), body);
	server_end(&server);
	server_start(&server, SCRIPT(script));
	qbittorrent_end(&qb);
	config.port = server.port;
	servers_qbittorrent(&qb, &config, &stop, &reply);
	qbittorrent_begin(&qb, mono_now_ms() + 5000, NULL);
	if (reach.firewalled_at_ms != MONO_NEVER)
		reach.firewalled_at_ms -= after_ms;
	reach.hints_at_ms = 0;
	assert_proved();
}

#define SAYS(status, bytes)                                                                        \
	"{\"connection_status\":\"" status "\",\"dl_info_data\":" bytes ",\"up_info_data\":5}"

static void reachability_tells_of_an_hour_of_firewalled_while_torrents_run(void **state)
{
	const int64_t minute_ms = 60 * 1000;
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(open_port("10.2.0.2", 64));
	hear(SAYS("firewalled", "100"), 0);
	hear(SAYS("firewalled", "200"), 59 * minute_ms);
	assert_false(situation.firewalled);
	hear("{}", 0); /* no answer is none */
	hear(SAYS("firewalled", "100"), 2 * minute_ms);
	assert_false(situation.firewalled); /* no torrent runs */
	hear(SAYS("firewalled", "200"), 0);
	assert_true(situation.firewalled);
	hear(SAYS("connected", "300"), 0);
	assert_false(situation.firewalled);
	hear(SAYS("firewalled", "400"), 0);
	assert_false(situation.firewalled);
	hear(SAYS("firewalled", "500"), 61 * minute_ms);
	assert_true(situation.firewalled);
	hear(SAYS("firewalled", "1"), 0); /* it was restarted */
	assert_false(situation.firewalled);
	hear(SAYS("firewalled", "2"), 59 * minute_ms);
	assert_false(situation.firewalled);
}

static void reachability_asks_for_hints_a_while_after_the_start(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	close(reach.tunnel.events_fd);
	reachability_start(&reach, &config);
	(void)reachability_listen(&reach, &why);
	assert_in_range((uintmax_t)(reach.hints_at_ms - mono_now_ms()), 1,
	                REACHABILITY_HINTS_LAG_MS);
}

static void reachability_asks_for_hints_a_while_after_a_change(void **state)
{
	int64_t began_ms = mono_now_ms();
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_true(open_port("10.2.0.2", 8));
	assert_int_equal(prove(true), FAIL_NONE);
	assert_in_range((uintmax_t)(reach.hints_at_ms - began_ms), REACHABILITY_HINTS_LAG_MS,
	                REACHABILITY_HINTS_LAG_MS + 15000);
	assert_not_asked();
}

static void reachability_asks_for_hints_a_while_after_a_rebind(void **state)
{
	int64_t began_ms = mono_now_ms();
	(void)state;

	enter();
	begin_closed(SCRIPT(OK(0, ""), OK(0, ""), PORT_41000));
	server.before_reply = open_at_second_request;
	assert_proved();
	assert_in_range((uintmax_t)(reach.hints_at_ms - began_ms), REACHABILITY_HINTS_LAG_MS,
	                REACHABILITY_HINTS_LAG_MS + 15000);
}

static void reachability_asks_for_hints_without_a_tunnel_and_without_reach_too(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(FIREWALLED, FIREWALLED));
	reach.hints_at_ms = 0;
	assert_fails(FAIL_PORT_CLOSED, "refuses");
	assert_string_equal(situation.hints.connection_status, "firewalled");
	close(reach.tunnel.events_fd);
	config.vpn_interface = "none";
	reachability_start(&reach, &config);
	(void)reachability_listen(&reach, &why);
	reach.hints_at_ms = 0;
	assert_int_equal(prove(false), FAIL_NONE);
	assert_asked(SCRIPT("GET ", "GET "));
}

static void reachability_does_not_fail_without_hints(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT("!HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
	assert_true(open_port("10.2.0.2", 8));
	reach.hints_at_ms = 0;
	assert_proved();
	assert_string_equal(situation.hints.connection_status, "");
}

static void reachability_knows_when_another_program_has_the_port(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(DISCONNECTED, DISCONNECTED, DISCONNECTED, FIREWALLED));
	assert_true(open_port("10.2.0.2", 8));
	reach.hints_at_ms = 0;
	/* It says so while it starts, too. */
	assert_proved();
	assert_int_equal(reach.hints_at_ms, reach.disconnected_at_ms + REACHABILITY_HINTS_LAG_MS);
	assert_proved();
	reach.disconnected_at_ms -= REACHABILITY_HINTS_LAG_MS;
	reach.hints_at_ms -= REACHABILITY_HINTS_LAG_MS;
	assert_fails(FAIL_CUT_OFF, "another program");
	/* Until it says otherwise. */
	assert_fails(FAIL_CUT_OFF, "another program");
	assert_proved();
	assert_proved();
	assert_asked(SCRIPT("GET ", "GET ", "GET ", "GET "));
}

/* It was disconnected while the port was closed, and is asked again later. */
static void reachability_does_not_believe_hints_from_before_a_change(void **state)
{
	(void)state;

	enter();
	begin_closed(SCRIPT(DISCONNECTED));
	config.rebind = false;
	reach.hints_at_ms = 0;
	assert_fails(FAIL_PORT_CLOSED, "refuses");
	assert_string_equal(situation.hints.connection_status, "disconnected");
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	assert_int_equal(prove(true), FAIL_NONE);
	assert_asked(SCRIPT("GET "));
}

/* Two outages within an interval: what was said in them is no evidence, whatever lies between. */
static void reachability_does_not_believe_hints_from_an_outage(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(DISCONNECTED, DISCONNECTED, DISCONNECTED, FIREWALLED));
	assert_true(open_port("10.2.0.2", 8));
	assert_proved();
	for (int outage = 0; outage < 3; outage++) {
		netns_ip("link set tun0 down");
		(void)reachability_look(&reach, &situation, &why);
		reach.hints_at_ms = 0;
		assert_fails(FAIL_CUT_OFF, "tun0 is down");
		assert_string_equal(situation.hints.connection_status, "disconnected");
		netns_ip("link set tun0 up");
		assert_proved();
		assert_string_equal(situation.hints.connection_status, "");
		assert_int_equal(reach.disconnected_at_ms, MONO_NEVER);
	}
	reach.hints_at_ms = 0;
	assert_proved();
	assert_string_equal(situation.hints.connection_status, "firewalled");
}

/* Nor where no look has seen it: the tunnel was down and up between two. */
static void
reachability_does_not_believe_hints_from_before_a_change_that_was_only_heard(void **state)
{
	int64_t began_ms = mono_now_ms();
	(void)state;

	enter();
	begin(SCRIPT(DISCONNECTED));
	assert_true(open_port("10.2.0.2", 8));
	reach.hints_at_ms = 0;
	assert_proved();
	assert_true(reach.disconnected_at_ms != MONO_NEVER);
	reachability_changed(&reach, &situation);
	assert_int_equal(reach.disconnected_at_ms, MONO_NEVER);
	assert_string_equal(situation.hints.connection_status, "");
	assert_in_range((uintmax_t)(reach.hints_at_ms - began_ms), 0,
	                REACHABILITY_HINTS_LAG_MS + 15000);
	/* More of them do not put the question off. */
	reach.hints_at_ms = 7;
	reachability_changed(&reach, &situation);
	assert_int_equal(reach.hints_at_ms, 7);
}

static bool changed(const char *command)
{
	netns_ip(command);
	return reachability_changed(&reach, &situation);
}

/* Then it is looked at soon. Not while it is half there: that would be told as a fault. */
static void reachability_says_whether_the_tunnel_has_come(void **state)
{
	(void)state;

	enter();
	begin(SCRIPT(NULL));
	assert_false(changed("link set tun0 mtu 1400"));
	assert_false(changed("address del 10.2.0.2/32 dev tun0"));
	assert_true(changed("address add 10.2.0.3/32 dev tun0"));
	assert_false(changed("link set tun0 down"));
	assert_true(changed("link set tun0 up"));
	(void)reachability_look(&reach, &situation, &why);
	assert_false(changed("link set tun0 mtu 1300"));
	assert_false(changed("link del tun0"));
	assert_false(changed("link add tun0 type veth peer name far"));
	assert_false(changed("link set tun0 up"));
	assert_true(changed("address add 10.2.0.3/32 dev tun0"));
}

static void reachability_takes_nobody_for_another_program_without_a_probe(void **state)
{
	(void)state;

	enter();
	netns_ip("link del tun0");
	begin(SCRIPT(DISCONNECTED));
	reach.hints_at_ms = 0;
	assert_int_equal(prove(false), FAIL_NONE);
	assert_int_equal(situation.reachable, REACHABLE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			reachability_is_proved_where_a_connection_is_accepted, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_is_not_known_where_there_never_was_a_tunnel, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_is_not_known_where_it_is_switched_off,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_is_not_known_where_the_kernel_does_not_tell, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_hears_of_the_interface_it_is_given,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_takes_the_look_of_the_start_once, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_looks_again_after_a_change_or_a_while,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_waits_for_a_port_that_was_set_just_now,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_the_tunnel_is_gone, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_the_tunnel_is_down, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_the_tunnel_has_no_address,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_only_loopback_is_left, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_does_not_miss_company_that_never_was,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_blames_a_setting_and_does_not_rebind_in_vain, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_does_not_blame_a_setting_with_which_it_works, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_blames_no_setting_that_takes_the_tunnel_in, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_probes_every_address_that_should_be_listened_on, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_does_not_rebind_a_port_that_is_refused_for_the_first_time,
			NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_does_not_rebind_what_opens_by_itself,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_rebinds_a_port_that_is_refused_again,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_a_rebind_did_not_help, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_tells_a_web_ui_that_refuses_from_a_port_that_does, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_does_not_rebind_where_that_is_switched_off, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_sends_what_is_to_be_bound_with_a_rebind, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_wants_no_more_than_the_port_unless_asked_to, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_wants_the_tunnel_with_its_address_where_asked_to, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_nothing_answers, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_ends_with_a_stop, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_asks_for_hints_every_ten_minutes_only,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_tells_of_an_hour_of_firewalled_while_torrents_run, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_asks_for_hints_a_while_after_the_start,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_asks_for_hints_a_while_after_a_change,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_asks_for_hints_a_while_after_a_rebind,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_asks_for_hints_without_a_tunnel_and_without_reach_too, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_does_not_fail_without_hints, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_knows_when_another_program_has_the_port, NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_does_not_believe_hints_from_before_a_change, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_knows_who_accepts_tcp_alone_for_another_program, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_gives_udp_the_time_to_follow_tcp, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_rebinds_a_port_whose_udp_is_refused_again, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_does_not_take_silence_for_proof, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(reachability_proves_udp_at_every_address_too, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_rebinds_more_seldom_where_another_address_is_open, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_misses_a_tunnel_that_is_named_after_the_grace, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_misses_no_tunnel_that_nobody_has_named,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_does_not_guess_which_of_several_is_the_tunnel, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_goes_on_missing_a_tunnel_that_has_failed_a_cycle, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_that_nothing_comes_back, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_misses_a_tunnel_that_was_here_after_a_while, NULL,
			end_after_test),
		cmocka_unit_test_setup_teardown(reachability_does_not_believe_hints_from_an_outage,
		                                NULL, end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_does_not_believe_hints_from_before_a_change_that_was_only_heard,
			NULL, end_after_test),
		cmocka_unit_test_setup_teardown(reachability_says_whether_the_tunnel_has_come, NULL,
		                                end_after_test),
		cmocka_unit_test_setup_teardown(
			reachability_takes_nobody_for_another_program_without_a_probe, NULL,
			end_after_test),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
