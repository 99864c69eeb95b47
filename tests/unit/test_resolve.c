#include "net/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "name_server.h"
#include "netns.h"
#include "temp_dir.h"

#define PORT 8080

static const struct stop never = { .fd = -1 };
static struct failure why;
static struct resolve_found found;

/* ---- a machine of its own ---- */

/* Runs once for all tests: a network with only loopback, and an empty /etc. */
static void enter(const char *etc)
{
	static bool entered;

	if (!entered) {
		netns_enter();
		if (unshare(CLONE_NEWNS) < 0)
			netns_missing("no mount namespace may be made here");
		assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
		netns_ip("link set lo up");
		netns_ip("link add name 6in4 type veth peer name far");
		netns_ip("addr add fe80::53/64 dev 6in4 nodad");
		netns_ip("link set far up");
		netns_ip("link set 6in4 up");
	}
	entered = true;
	assert_int_equal(mount(etc, "/etc", NULL, MS_BIND, NULL), 0);
}

static int set_up(void **state)
{
	alarm(100); /* ends a test that hangs */
	return temp_dir_make(state);
}

static int tear_down(void **state)
{
	name_servers_end();
	(void)umount2("/etc", MNT_DETACH);
	return temp_dir_remove(state);
}

static void write_file(const char *path, const char *text)
{
	assert_true(temp_dir_write(path, text, strlen(text)));
}

static void hosts(void **state, const char *text)
{
	enter(*state);
	write_file("/etc/hosts", text);
}

static void resolv_conf(void **state, const char *text)
{
	enter(*state);
	write_file("/etc/resolv.conf", text);
}

/* ---- what is found ---- */

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static enum fail look_up_until(const char *host, const struct stop *stop, int64_t deadline_ms)
{
	int lowest = lowest_fd();
	enum fail f;

	memset(&found, 0x55, sizeof found);
	why.text[0] = '\0';
	f = resolve_host(&found, host, PORT, stop, deadline_ms, &why);
	assert_int_equal(lowest_fd(), lowest);
	return f;
}

static enum fail look_up(const char *host)
{
	return look_up_until(host, &never, MONO_NEVER);
}

/* All addresses, as text. */
static const char *found_text(void)
{
	static char text[2048];
	char ip[INET6_ADDRSTRLEN];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < found.count; i++) {
		const struct resolve_address *address = &found.addresses[i];
		bool is_v4 = address->sa.any.sa_family == AF_INET;
		uint32_t scope = is_v4 ? 0 : address->sa.v6.sin6_scope_id;

		assert_int_equal(address->len,
		                 is_v4 ? sizeof address->sa.v4 : sizeof address->sa.v6);
		assert_int_equal(ntohs(is_v4 ? address->sa.v4.sin_port : address->sa.v6.sin6_port),
		                 PORT);
		inet_ntop(address->sa.any.sa_family,
		          is_v4 ? (const void *)&address->sa.v4.sin_addr
		                : &address->sa.v6.sin6_addr,
		          ip, sizeof ip);
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? " " : "", ip);
		if (scope)
			used += (size_t)snprintf(text + used, sizeof text - used, "%%%u", scope);
	}
	return text;
}

static void assert_found(const char *host, const char *wanted)
{
	enum fail f = look_up(host);

	if (f)
		fail_msg("%s: %s", host, why.text);
	assert_string_equal(found_text(), wanted);
}

static void assert_no_name(const char *host)
{
	assert_int_equal(look_up(host), FAIL_RESOLVE);
	assert_string_equal(why.text, "cannot look up the name: no such name");
}

static void assert_no_answer(const char *host)
{
	assert_int_equal(look_up(host), FAIL_RESOLVE);
	assert_string_equal(why.text, "cannot look up the name: no answer from the name server");
}

/* ---- addresses ---- */

static void resolve_takes_addresses_as_they_are(void **state)
{
	char wanted[64];
	(void)state;

	assert_found("192.0.2.1", "192.0.2.1");
	assert_found("fd00::1", "fd00::1");
	assert_found("::ffff:192.0.2.1", "::ffff:192.0.2.1");
	enter(*state);
	snprintf(wanted, sizeof wanted, "fe80::1%%%u", if_nametoindex("lo"));
	assert_found("fe80::1%lo", wanted);
	/* The name of the interface begins with a digit, which is no index. */
	snprintf(wanted, sizeof wanted, "fe80::1%%%u", if_nametoindex("6in4"));
	assert_found("fe80::1%6in4", wanted);
	assert_found("fe80::1%77", "fe80::1%77");
	assert_found("fe80::1%nosuch", "fe80::1");
}

static void resolve_knows_localhost_by_itself(void **state)
{
	hosts(state, "192.0.2.1 localhost\n");
	assert_found("localhost", "127.0.0.1 ::1");
	assert_found("LocalHost", "127.0.0.1 ::1");
}

static void resolve_makes_addresses_of_bytes(void **state)
{
	struct resolve_address address = resolve_ip("\xc0\x00\x02\x01", 4, PORT);
	(void)state;

	assert_int_equal(address.len, sizeof address.sa.v4);
	assert_int_equal(address.sa.v4.sin_family, AF_INET);
	assert_int_equal(address.sa.v4.sin_addr.s_addr, htonl(0xc0000201));
	address = resolve_ip("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16, PORT);
	assert_int_equal(address.len, sizeof address.sa.v6);
	assert_int_equal(address.sa.v6.sin6_family, AF_INET6);
	assert_int_equal(address.sa.v6.sin6_port, htons(PORT));
	assert_int_equal(address.sa.v6.sin6_scope_id, 0);
	assert_memory_equal(&address.sa.v6.sin6_addr, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

/* ---- /etc/hosts ---- */

static void resolve_finds_names_in_the_hosts_file(void **state)
{
	hosts(state, "127.0.0.1 localhost\n"
	             "\n"
	             "  192.0.2.1\tnas nas.example  # nas3 192.0.2.99 nas2\n"
	             "#192.0.2.9 nas\n"
	             "192.0.2.2 box#nas\r\n"
	             "192.0.2.3 nas2 nas2 \r\n"
	             "192.0.2.4\n"
	             "nas4 192.0.2.5\n"
	             "192.0.2.256 nas4\n"
	             "192.0.2.6 last");
	assert_found("nas", "192.0.2.1");
	assert_found("nas.example", "192.0.2.1");
	assert_found("NAS.Example", "192.0.2.1");
	assert_found("box", "192.0.2.2");
	assert_found("nas2", "192.0.2.3");
	assert_found("last", "192.0.2.6");
	assert_no_answer("nas3");
	assert_no_answer("nas4");
	assert_no_answer("na");
	assert_no_answer("nas.exampl");
}

static void resolve_takes_every_line_and_ipv4_first(void **state)
{
	hosts(state, "fd00::1 nas\nfd00::2 other nas\n192.0.2.2 nas\nfd00::3 nas\n192.0.2.1 nas\n"
	             "fe80::1%1 nas\n");
	assert_found("nas", "192.0.2.2 192.0.2.1 fd00::1 fd00::2 fd00::3 fe80::1%1");
}

static void resolve_asks_no_server_for_what_the_hosts_file_has(void **state)
{
	hosts(state, "192.0.2.1 nas\n");
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.2" }));
	assert_found("nas", "192.0.2.1");
	assert_found("nos", "192.0.2.2");
	name_servers_assert_asked("1 A nos, 1 AAAA nos, ");
}

static void resolve_keeps_16_addresses(void **state)
{
	char text[1024] = "", *at = text;
	size_t i;

	for (i = 1; i <= 17; i++)
		at += sprintf(at, "192.0.2.%zu nas\n", i);
	hosts(state, text);
	assert_int_equal(look_up("nas"), FAIL_NONE);
	assert_int_equal(found.count, RESOLVE_MAX);
	for (i = 0; i < RESOLVE_MAX; i++)
		assert_int_equal(ntohl(found.addresses[i].sa.v4.sin_addr.s_addr), 0xc0000201 + i);
}

/* A prefix of a name does not match either. */
static void resolve_survives_words_that_are_too_long(void **state)
{
	char word[3001], text[3100], name[256];

	memset(word, 'a', sizeof word);
	word[sizeof word - 1] = '\0';
	snprintf(text, sizeof text, "%s\n192.0.2.1 nas\n", word);
	hosts(state, text);
	assert_found("nas", "192.0.2.1");
	snprintf(text, sizeof text, "192.0.2.2 %s\n192.0.2.1 nas\n", word);
	write_file("/etc/hosts", text);
	assert_found("nas", "192.0.2.1");
	memset(name, 'a', sizeof name);
	name[254] = '\0';
	assert_no_name(name);
}

static void resolve_reads_a_hosts_file_to_its_end(void **state)
{
	/* Like a block list. */
	static const char line[] = "0.0.0.0 some.advertiser.example\n";
	size_t count = 5 * 1024 * 1024 / (sizeof line - 1), len = count * (sizeof line - 1);
	char *text = malloc(len + 64);

	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
	snprintf(text + len, 64, "192.0.2.1 nas");
	hosts(state, text);
	free(text);
	assert_found("nas", "192.0.2.1");
}

/* Puts a word at each offset of the blocks in which the file is read. */
static void resolve_finds_words_across_blocks(void **state)
{
	char text[2048];

	enter(*state);
	for (int pad = 480; pad < 530; pad++) {
		snprintf(text, sizeof text, "#%*s\n192.0.2.1 nas\n", pad, "");
		write_file("/etc/hosts", text);
		assert_found("nas", "192.0.2.1");
	}
}

static void assert_asks_the_server(const char *host)
{
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.2" }));
	assert_found(host, "192.0.2.2");
	name_servers_end();
}

static void resolve_does_without_readable_files(void **state)
{
	static const char *const paths[] = { "/etc/hosts", "/etc/resolv.conf" };

	enter(*state);
	assert_asks_the_server("nas"); /* no such file */
	for (size_t i = 0; i < 2; i++) {
		int fd;

		assert_int_equal(mkdir(paths[i], 0755), 0);
		assert_asks_the_server("nas");
		assert_int_equal(rmdir(paths[i]), 0);
		assert_int_equal(symlink("/proc/self/mem", paths[i]), 0); /* EIO at its start */
		assert_asks_the_server("nas");
		assert_int_equal(unlink(paths[i]), 0);
		assert_int_equal(symlink("nowhere", paths[i]), 0);
		assert_asks_the_server("nas");
		assert_int_equal(unlink(paths[i]), 0);
		/* A FIFO without a writer, and one whose writer writes nothing. */
		assert_int_equal(mkfifo(paths[i], 0644), 0);
		assert_asks_the_server("nas");
		fd = open(paths[i], O_RDWR | O_CLOEXEC);
		assert_asks_the_server("nas");
		close(fd);
		assert_int_equal(unlink(paths[i]), 0);
		write_file(paths[i], "");
		assert_asks_the_server("nas");
		write_file(paths[i], "\xff\xfe garbage \x01\x02\n\n\n#");
		assert_asks_the_server("nas");
	}
}

/* ---- /etc/resolv.conf ---- */

static bool names_resolv_conf(const char *host, const char *error)
{
	char wanted[160];

	snprintf(
		wanted, sizeof wanted,
		"cannot look up the name: cannot read /etc/resolv.conf (if it was replaced, restart qsticky): %s",
		error);
	return look_up(host) == FAIL_IO && strcmp(why.text, wanted) == 0;
}

/* Root without the capability to read all files. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capset, &header, none) < 0)
		_exit(2);
}

static void resolve_names_the_file_where_it_cannot_be_read(void **state)
{
	pid_t child;
	int status;

	enter(*state);
	assert_no_answer("nas"); /* the file is optional */
	assert_int_equal(mkdir("/etc/resolv.conf", 0755), 0);
	assert_true(names_resolv_conf("nas", "Is a directory"));
	name_servers_start(RULES({ .name = "nas", .deed = has, .data = "192.0.2.1" },
	                         { .deed = says, .data = NO_NAME }));
	assert_found("nas", "192.0.2.1"); /* the server at 127.0.0.1 may be the right one */
	assert_true(names_resolv_conf("nos", "Is a directory"));
	name_servers_end();
	assert_int_equal(rmdir("/etc/resolv.conf"), 0);
	write_file("/etc/resolv.conf", "nameserver 127.0.0.2\n");
	assert_int_equal(chmod("/etc/resolv.conf", 0), 0);
	child = fork();
	if (child == 0) {
		drop_capabilities();
		_exit(names_resolv_conf("nas", "Permission denied") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void resolve_asks_the_server_of_this_machine_where_none_is_named(void **state)
{
	resolv_conf(state, "# nothing but comments\n; nameserver 127.0.0.2\n#nameserver 127.0.0.2\n"
	                   ";nameserver 127.0.0.2\nnameserver\nnameserver dns.example\n"
	                   "nameserverx 127.0.0.2\nNAMESERVER 127.0.0.2\n");
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.1" }));
	assert_found("nas.example", "192.0.2.1");
	name_servers_assert_asked("1 A nas.example, 1 AAAA nas.example, ");
}

static void resolve_asks_servers_in_their_order(void **state)
{
	resolv_conf(state, "nameserver 127.0.0.2 # the second\n\tnameserver\t127.0.0.1 ; this\r\n"
	                   "nameserver 127.0.0.3\nnameserver 127.0.0.4\n");
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_add("127.0.0.3", 0);
	name_servers_add("127.0.0.4", 0);
	name_servers_start(RULES({ .server = 4, .deed = has, .data = "192.0.2.4" },
	                         { .deed = says, .data = SERVER_FAILURE }));
	assert_no_answer("nas"); /* the fourth is not asked */
	name_servers_assert_asked(
		"2 A nas, 2 AAAA nas, 1 A nas, 1 AAAA nas, 3 A nas, 3 AAAA nas, ");
}

static void resolve_asks_servers_over_ipv6(void **state)
{
	resolv_conf(state, "nameserver fe80::53%6in4\nnameserver ::1\n");
	name_servers_add("::1", 0);
	name_servers_add("fe80::53", if_nametoindex("6in4"));
	name_servers_start(RULES({ .server = 1, .deed = has, .data = "192.0.2.1 fd00::1" },
	                         { .server = 2, .deed = says, .data = REFUSED }));
	assert_found("nas", "192.0.2.1 fd00::1");
	name_servers_assert_asked("2 A nas, 2 AAAA nas, 1 A nas, 1 AAAA nas, ");
}

static void resolve_looks_for_names_in_domains(void **state)
{
	/* The last such line wins. */
	resolv_conf(state, "search one two\ndomain three\nsearch example lan. # four\noptions "
	                   "timeout:1 ndots:2 rotate\n");
	name_servers_start(RULES({ .name = "box.lan", .deed = has, .data = "192.0.2.1" },
	                         { .name = "far.away", .deed = has, .data = "192.0.2.2" },
	                         { .name = "nas", .deed = has, .data = "192.0.2.3" },
	                         { .name = "a.b.c", .deed = has, .data = "192.0.2.4" },
	                         { .deed = says, .data = NO_NAME }));
	assert_found("box", "192.0.2.1");
	name_servers_assert_asked("1 A box.example, 1 AAAA box.example, "
	                          "1 A box.lan, 1 AAAA box.lan, ");
	name_servers_start(name_servers.rules);
	assert_found("far.away", "192.0.2.2");
	name_servers_assert_asked("1 A far.away.example, 1 AAAA far.away.example, "
	                          "1 A far.away.lan, 1 AAAA far.away.lan, "
	                          "1 A far.away, 1 AAAA far.away, ");
	/* With `ndots` dots, or a dot at the end, the name is looked up alone. */
	name_servers_start(name_servers.rules);
	assert_found("a.b.c", "192.0.2.4");
	assert_no_name("a.b.d");
	assert_found("nas.", "192.0.2.3");
	assert_no_name("box.");
	name_servers_assert_asked("1 A a.b.c, 1 AAAA a.b.c, 1 A a.b.d, 1 AAAA a.b.d, "
	                          "1 A nas, 1 AAAA nas, 1 A box, 1 AAAA box, ");
}

static void resolve_knows_either_word_for_domains_and_ndots_is_1(void **state)
{
	resolv_conf(state, "domain lan\n");
	name_servers_start(RULES({ .deed = says, .data = NO_NAME }));
	assert_no_name("nas");
	assert_no_name("far.away");
	name_servers_assert_asked("1 A nas.lan, 1 AAAA nas.lan, 1 A nas, 1 AAAA nas, "
	                          "1 A far.away, 1 AAAA far.away, ");
}

/* Docker sets this: its own server knows containers by their plain names. */
static void resolve_asks_for_the_name_as_it_is_first_with_ndots_0(void **state)
{
	resolv_conf(state, "nameserver 127.0.0.1\nsearch lan\noptions edns0 trust-ad ndots:0\n");
	name_servers_start(RULES({ .name = "gluetun", .deed = has, .data = "172.18.0.2" },
	                         { .name = "nas.lan", .deed = has, .data = "192.0.2.1" },
	                         { .deed = says, .data = NO_NAME }));
	assert_found("gluetun", "172.18.0.2");
	assert_found("nas", "192.0.2.1");
	assert_no_name("nas.local");
	name_servers_assert_asked("1 A gluetun, 1 AAAA gluetun, "
	                          "1 A nas, 1 AAAA nas, 1 A nas.lan, 1 AAAA nas.lan, "
	                          "1 A nas.local, 1 AAAA nas.local, ");
}

/* Kubernetes sets this. */
static void resolve_finds_services_with_ndots_5(void **state)
{
	resolv_conf(state, "search media.svc.cluster.local svc.cluster.local cluster.local\n"
	                   "nameserver 127.0.0.1\noptions ndots:5\n");
	name_servers_start(
		RULES({ .name = "qb.media.svc.cluster.local", .deed = has, .data = "10.96.0.1" },
	              { .name = "www.example", .deed = has, .data = "192.0.2.1" },
	              { .deed = says, .data = NO_NAME }));
	assert_found("qb", "10.96.0.1");
	assert_found("qb.media", "10.96.0.1");
	assert_found("qb.media.svc", "10.96.0.1");
	assert_found("qb.media.svc.cluster.local", "10.96.0.1");
	assert_found("qb.media.svc.cluster.local.", "10.96.0.1");
	assert_found("www.example", "192.0.2.1");
}

static void resolve_skips_what_is_no_domain(void **state)
{
	char text[1024], part[65];

	memset(part, 'a', sizeof part);
	part[64] = '\0';
	snprintf(text, sizeof text, "search . %s ..x lan\n", part);
	resolv_conf(state, text); /* systemd-resolved writes "search ." */
	name_servers_start(RULES({ .deed = says, .data = NO_NAME }));
	assert_no_name("nas");
	name_servers_assert_asked("1 A nas.lan, 1 AAAA nas.lan, 1 A nas, 1 AAAA nas, ");
	write_file("/etc/resolv.conf", "search lan\nsearch\n");
	name_servers_start(name_servers.rules);
	assert_no_name("nas");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, ");
}

/* The domains that fit are whole: a cut one could belong to somebody else. */
static void resolve_cuts_no_domain(void **state)
{
	char text[1024] = "search", *at = text + 6;

	for (int c = 'a'; c <= 'i'; c++)
		at += sprintf(at, " %c2345678901234567890123456789", c); /* and its NUL: 30 each */
	resolv_conf(state, text);
	name_servers_start(RULES({ .deed = says, .data = NO_NAME }));
	assert_no_name("nas");
	name_servers_end();
	assert_non_null(strstr(name_servers.log, "A nas.h2345678901234567890123456789, "));
	assert_null(strstr(name_servers.log, "nas.i"));
	assert_non_null(strstr(name_servers.log, "1 A nas, 1 AAAA nas, "));
}

/* ---- faulty servers ---- */

static void two_servers(void **state)
{
	resolv_conf(state, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n");
}

static void resolve_asks_the_second_where_nobody_is_at_the_first(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.1 fd00::1" }));
	assert_found("nas", "192.0.2.1 fd00::1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, ");
}

/* The server is unreachable: there is no default route. */
static void resolve_asks_the_second_where_the_first_is_out_of_reach(void **state)
{
	resolv_conf(state,
	            "nameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver 127.0.0.1\n");
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.1" }));
	assert_found("nas", "192.0.2.1");
}

/* Like a kernel without IPv6. */
static void refuse_ipv6_sockets(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = sizeof code / sizeof code[0], .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(2);
}

static void resolve_asks_the_second_where_there_is_no_ipv6_to_ask_the_first(void **state)
{
	pid_t child;
	int status;

	resolv_conf(state, "nameserver ::1\nnameserver 127.0.0.1\n");
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.1" }));
	child = fork();
	if (child == 0) {
		refuse_ipv6_sockets();
		_exit(look_up("nas") == FAIL_NONE && found.count == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void resolve_asks_the_second_where_the_first_fails(void **state)
{
	static const char *const codes[] = { "1", SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED };

	two_servers(state);
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		name_servers_add("127.0.0.1", 0);
		name_servers_add("127.0.0.2", 0);
		name_servers_start(RULES({ .server = 1, .deed = says, .data = codes[i] },
		                         { .deed = has, .data = "192.0.2.1" }));
		assert_found("nas", "192.0.2.1");
		name_servers_assert_asked("1 A nas, 1 AAAA nas, 2 A nas, 2 AAAA nas, ");
	}
}

static void resolve_asks_the_second_where_the_first_is_mute(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(RULES({ .server = 1, .deed = mute },
	                         { .name = "nas", .deed = has, .data = "192.0.2.1" },
	                         { .deed = says, .data = NO_NAME }));
	assert_found("nas", "192.0.2.1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, 2 A nas, 2 AAAA nas, ");
	/* The next domain asks that server first; otherwise each would take a second. */
	write_file("/etc/resolv.conf", "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"
	                               "search one two three four five six\n");
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(name_servers.rules);
	assert_found("nas", "192.0.2.1");
	name_servers_end();
	assert_non_null(strstr(name_servers.log, "1 AAAA nas.one, 2 A nas.one, "));
	assert_null(strstr(name_servers.log, "1 A nas.two"));
}

static void resolve_believes_the_first_that_there_is_no_such_name(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(RULES({ .server = 1, .deed = says, .data = NO_NAME },
	                         { .deed = has, .data = "192.0.2.1" }));
	assert_no_name("nas");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, ");
}

/* A server that fails for one domain may know the next. */
static void resolve_looks_on_where_a_server_fails_for_one_domain(void **state)
{
	resolv_conf(state, "nameserver 127.0.0.1\nsearch corp lan\n");
	name_servers_start(RULES({ .name = "nas.corp", .deed = says, .data = REFUSED },
	                         { .name = "box.corp", .deed = says, .data = REFUSED },
	                         { .name = "nas.lan", .deed = has, .data = "192.0.2.1" },
	                         { .deed = says, .data = NO_NAME }));
	assert_found("nas", "192.0.2.1");
	assert_no_answer("box"); /* it may exist */
	name_servers_end();
}

static struct asked kept[2];
static size_t kept_count;

static void keep(const struct asked *asked, const char *data)
{
	(void)data;
	kept[kept_count++ % 2] = *asked;
}

/* This server answers the first server's questions in its name, and none of its own. */
static void answer_kept(const struct asked *asked, const char *data)
{
	(void)asked;
	if (kept_count == 2) {
		kept_count = 0;
		has(&kept[0], data);
		has(&kept[1], data);
	}
}

static void resolve_takes_the_late_reply_of_the_first(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	kept_count = 0;
	name_servers_start(
		RULES({ .server = 1, .deed = keep },
	              { .server = 2, .deed = answer_kept, .data = "192.0.2.1 fd00::1" }));
	assert_found("nas", "192.0.2.1 fd00::1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, 2 A nas, 2 AAAA nas, ");
}

static int to_lose;

static void lose_some(const struct asked *asked, const char *data)
{
	if (to_lose-- <= 0)
		has(asked, data);
}

static void resolve_asks_again_for_what_was_lost(void **state)
{
	enter(*state);
	to_lose = 2;
	name_servers_start(RULES({ .deed = lose_some, .data = "192.0.2.1" }));
	assert_found("nas", "192.0.2.1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, 1 A nas, 1 AAAA nas, ");
	/* Not asked again for the kind that was answered. */
	to_lose = 1;
	name_servers_start(RULES({ .deed = lose_some, .data = "192.0.2.1" }));
	assert_found("nas", "192.0.2.1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, 1 A nas, ");
	/* Not asked again for the kind for which the server failed. */
	to_lose = 1;
	name_servers_start(RULES({ .type = TYPE_AAAA, .deed = says, .data = SERVER_FAILURE },
	                         { .deed = lose_some, .data = "192.0.2.1" }));
	assert_found("nas", "192.0.2.1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, 1 A nas, ");
}

/* ---- one kind of address without the other ---- */

static void resolve_is_content_with_one_kind(void **state)
{
	enter(*state);
	name_servers_start(RULES({ .name = "four", .deed = has, .data = "192.0.2.1 192.0.2.2" },
	                         { .name = "six", .deed = has, .data = "fd00::1 fd00::2" },
	                         { .deed = has, .data = "" }));
	assert_found("four", "192.0.2.1 192.0.2.2");
	assert_found("six", "fd00::1 fd00::2");
	assert_no_name("none");
	name_servers_assert_asked("1 A four, 1 AAAA four, 1 A six, 1 AAAA six, "
	                          "1 A none, 1 AAAA none, ");
}

static void keep_then_turn_round(const struct asked *asked, const char *data)
{
	keep(asked, data);
	if (kept_count == 2) {
		has(&kept[1], data);
		has(&kept[0], data);
	}
}

static void resolve_has_ipv4_first_whichever_comes_first(void **state)
{
	enter(*state);
	kept_count = 0;
	name_servers_start(RULES(
		{ .deed = keep_then_turn_round, .data = "192.0.2.1 fd00::1 192.0.2.2 fd00::2" }));
	assert_found("nas", "192.0.2.1 192.0.2.2 fd00::1 fd00::2");
}

static void has_twice(const struct asked *asked, const char *data)
{
	has(asked, data);
	has(asked, data);
}

static void resolve_takes_an_answer_once(void **state)
{
	enter(*state);
	name_servers_start(RULES({ .deed = has_twice, .data = "192.0.2.1 fd00::1" }));
	assert_found("nas", "192.0.2.1 fd00::1");
}

/* The server is not asked a second time, since some servers drop such questions. */
static void resolve_waits_one_round_for_the_other_kind(void **state)
{
	enter(*state);
	name_servers_start(
		RULES({ .name = "four", .type = TYPE_A, .deed = has, .data = "192.0.2.1" },
	              { .name = "six", .type = TYPE_AAAA, .deed = has, .data = "fd00::1" },
	              { .name = "none", .type = TYPE_A, .deed = says, .data = NO_NAME }));
	assert_found("four", "192.0.2.1");
	assert_found("six", "fd00::1");
	assert_no_name("none");
	name_servers_assert_asked("1 A four, 1 AAAA four, 1 A six, 1 AAAA six, "
	                          "1 A none, 1 AAAA none, ");
}

static void fail_first(const struct asked *asked, const char *data)
{
	if (asked->type == TYPE_A) {
		keep(asked, data);
		return;
	}
	says(asked, SERVER_FAILURE);
	has(&kept[0], data);
}

/* Some routers fail for IPv6 before they answer for IPv4. */
static void resolve_takes_one_kind_from_a_server_that_fails_for_the_other(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	kept_count = 0;
	name_servers_start(RULES({ .server = 1, .deed = fail_first, .data = "192.0.2.1" },
	                         { .deed = has, .data = "192.0.2.2 fd00::2" }));
	assert_found("nas", "192.0.2.1");
	name_servers_assert_asked("1 A nas, 1 AAAA nas, ");
}

/* ---- lies ---- */

static void lie_then_has(const struct asked *asked, const char *data)
{
	struct message lie = name_server_reply(asked, 0);

	name_server_put_ip(&lie, asked->type == TYPE_AAAA ? "fd66::6" : "192.0.2.66");
	/* From another address. */
	name_server_send_from(name_servers.fds[asked->server == 1 ? 2 : 1].fd, asked, &lie);
	lie.bytes[0] ^= 0x40; /* of another question, by its ID */
	name_server_send(asked, &lie);
	lie.bytes[0] ^= 0x40;
	lie.bytes[13] ^= 0x02; /* by its name */
	name_server_send(asked, &lie);
	lie.bytes[13] ^= 0x02;
	lie.bytes[2] ^= 0x80; /* a question itself */
	name_server_send(asked, &lie);
	lie.len = 0;
	name_server_send(asked, &lie);
	has(asked, data);
}

static void resolve_believes_only_the_answer_to_its_question(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(RULES({ .deed = lie_then_has, .data = "192.0.2.1 fd00::1" }));
	for (int i = 0; i < 50; i++)
		assert_found("nas", "192.0.2.1 fd00::1");
}

static uint32_t ids[4];
static size_t ids_count;

static void note_id(const struct asked *asked, const char *data)
{
	ids[ids_count++ % 4] = (uint32_t)asked->bytes[0] << 8 | asked->bytes[1];
	has(asked, data);
}

static void resolve_has_another_id_each_time(void **state)
{
	enter(*state);
	ids_count = 0;
	name_servers_start(RULES({ .deed = note_id, .data = "192.0.2.1" }));
	assert_found("nas", "192.0.2.1");
	assert_found("nas", "192.0.2.1");
	name_servers_end();
	/* All four are equal by chance once in 2^48 runs. */
	assert_false(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] == ids[3]);
}

/* The reply is cut, since it needs TCP: the addresses in it are enough. */
static void resolve_takes_what_fits(void **state)
{
	char text[1024] = "", wanted[1024] = "", *at = text;

	enter(*state);
	for (int i = 1; i <= 40; i++) {
		at += sprintf(at, "%s192.0.2.%d", i > 1 ? " " : "", i);
		if (i == RESOLVE_MAX)
			snprintf(wanted, sizeof wanted, "%s", text);
	}
	name_servers_start(RULES({ .name = "nas", .deed = has, .data = text }));
	assert_found("nas", wanted);
	name_servers_end();
}

/* ---- the end of a wait ---- */

static void resolve_gives_up_at_its_deadline(void **state)
{
	two_servers(state);
	name_servers_add("127.0.0.1", 0);
	name_servers_add("127.0.0.2", 0);
	name_servers_start(RULES({ .deed = mute }));
	assert_int_equal(look_up_until("nas", &never, mono_now_ms() + 300), FAIL_RESOLVE);
	assert_int_equal(look_up_until("nas", &never, mono_now_ms()), FAIL_RESOLVE);
	assert_string_equal(why.text, "cannot look up the name: no answer from the name server");
	/* The deadline came during the first round, so there was no second lookup. */
	name_servers_assert_asked("1 A nas, 1 AAAA nas, ");
}

static int64_t too_late_ms;

static void has_too_late(const struct asked *asked, const char *data)
{
	while (mono_now_ms() < too_late_ms)
		(void)poll(NULL, 0, 10);
	has(asked, data);
}

static void resolve_takes_nothing_after_its_deadline(void **state)
{
	int64_t deadline_ms = mono_now_ms() + 300;

	enter(*state);
	too_late_ms = deadline_ms + 200;
	name_servers_start(RULES({ .deed = has_too_late, .data = "192.0.2.1" }));
	assert_int_equal(look_up_until("nas", &never, deadline_ms), FAIL_RESOLVE);
}

static void resolve_gives_up_after_5_s(void **state)
{
	size_t asked = 0;

	resolv_conf(state, "search one two three\n");
	name_servers_start(RULES({ .deed = mute }));
	assert_no_answer("nas");
	name_servers_end();
	for (const char *at = name_servers.log; (at = strstr(at, "1 A nas.one")); at++)
		asked++;
	assert_true(asked > 1 && asked <= RESOLVE_MS / RESOLVE_ROUND_MS);
	assert_null(strstr(name_servers.log, "nas.two"));
}

static void flood(const struct asked *asked, const char *data)
{
	struct message message = name_server_reply(asked, 0);

	(void)data;
	message.bytes[0] ^= 0x40;
	while (!name_servers_may_go())
		for (int i = 0; i < 100; i++)
			name_server_send(asked, &message);
}

static void resolve_gives_up_though_a_server_never_pauses(void **state)
{
	enter(*state);
	name_servers_start(RULES({ .deed = flood }));
	assert_int_equal(look_up_until("nas", &never, mono_now_ms() + 100), FAIL_RESOLVE);
}

static int stop_fd;

static void ask_for_stop(const struct asked *asked, const char *data)
{
	(void)asked;
	(void)data;
	(void)eventfd_write(stop_fd, 1);
}

static void resolve_ends_when_a_stop_is_asked_for(void **state)
{
	struct stop stop;

	resolv_conf(state, "search one two\n");
	stop_fd = stop.fd = eventfd(0, EFD_CLOEXEC);
	name_servers_start(RULES({ .deed = ask_for_stop }));
	assert_int_equal(look_up_until("nas", &stop, MONO_NEVER), FAIL_STOPPED);
	/* After a stop, even a lookup that would not wait fails. */
	assert_int_equal(look_up_until("nos", &stop, MONO_NEVER), FAIL_STOPPED);
	name_servers_end();
	assert_null(strstr(name_servers.log, "nas.two"));
	assert_null(strstr(name_servers.log, "AAAA nas, "));
	close(stop.fd);
}

static void resolve_tells_that_there_are_no_descriptors(void **state)
{
	struct rlimit limit, none;

	resolv_conf(state, "search one two\n");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)lowest_fd();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(resolve_host(&found, "nas", PORT, &never, MONO_NEVER, &why), FAIL_IO);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_non_null(strstr(why.text, "socket: "));
}

/* ---- names ---- */

static void resolve_asks_nobody_for_what_is_no_name(void **state)
{
	char name[300];

	enter(*state);
	name_servers_start(RULES({ .deed = has, .data = "192.0.2.1" }));
	memset(name, 'a', 64);
	snprintf(name + 64, sizeof name - 64, ".example");
	assert_no_name(name);
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 60 == 59 ? '.' : 'a';
	name[254] = '\0';
	assert_no_name(name);
	assert_no_name("nas..example");
	assert_no_name(".");
	assert_no_name("1.2.3.4.5..");     /* not an address either */
	assert_no_name("fe80::1::2%lo.."); /* as long as an address */
	name_servers_assert_asked("");
}

#define TEST(promise) cmocka_unit_test_setup_teardown(promise, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(resolve_takes_addresses_as_they_are),
		TEST(resolve_knows_localhost_by_itself),
		TEST(resolve_makes_addresses_of_bytes),
		TEST(resolve_finds_names_in_the_hosts_file),
		TEST(resolve_takes_every_line_and_ipv4_first),
		TEST(resolve_asks_no_server_for_what_the_hosts_file_has),
		TEST(resolve_keeps_16_addresses),
		TEST(resolve_survives_words_that_are_too_long),
		TEST(resolve_reads_a_hosts_file_to_its_end),
		TEST(resolve_finds_words_across_blocks),
		TEST(resolve_does_without_readable_files),
		TEST(resolve_names_the_file_where_it_cannot_be_read),
		TEST(resolve_asks_the_server_of_this_machine_where_none_is_named),
		TEST(resolve_asks_servers_in_their_order),
		TEST(resolve_asks_servers_over_ipv6),
		TEST(resolve_looks_for_names_in_domains),
		TEST(resolve_knows_either_word_for_domains_and_ndots_is_1),
		TEST(resolve_asks_for_the_name_as_it_is_first_with_ndots_0),
		TEST(resolve_finds_services_with_ndots_5),
		TEST(resolve_skips_what_is_no_domain),
		TEST(resolve_cuts_no_domain),
		TEST(resolve_asks_the_second_where_nobody_is_at_the_first),
		TEST(resolve_asks_the_second_where_the_first_is_out_of_reach),
		TEST(resolve_asks_the_second_where_there_is_no_ipv6_to_ask_the_first),
		TEST(resolve_asks_the_second_where_the_first_fails),
		TEST(resolve_asks_the_second_where_the_first_is_mute),
		TEST(resolve_believes_the_first_that_there_is_no_such_name),
		TEST(resolve_looks_on_where_a_server_fails_for_one_domain),
		TEST(resolve_takes_the_late_reply_of_the_first),
		TEST(resolve_asks_again_for_what_was_lost),
		TEST(resolve_is_content_with_one_kind),
		TEST(resolve_has_ipv4_first_whichever_comes_first),
		TEST(resolve_takes_an_answer_once),
		TEST(resolve_waits_one_round_for_the_other_kind),
		TEST(resolve_takes_one_kind_from_a_server_that_fails_for_the_other),
		TEST(resolve_believes_only_the_answer_to_its_question),
		TEST(resolve_has_another_id_each_time),
		TEST(resolve_takes_what_fits),
		TEST(resolve_gives_up_at_its_deadline),
		TEST(resolve_takes_nothing_after_its_deadline),
		TEST(resolve_gives_up_after_5_s),
		TEST(resolve_gives_up_though_a_server_never_pauses),
		TEST(resolve_ends_when_a_stop_is_asked_for),
		TEST(resolve_tells_that_there_are_no_descriptors),
		TEST(resolve_asks_nobody_for_what_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
