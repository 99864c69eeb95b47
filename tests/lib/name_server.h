/* name_server: name servers in a thread, that answer by rules and keep what they were asked.
 *
 * For a network namespace of one's own, since they listen on port 53. To be included after cmocka.h. */
#ifndef QSTICKY_TESTS_NAME_SERVER_H
#define QSTICKY_TESTS_NAME_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns_message.h"

#define NAME_SERVERS_MAX 4
#define NAME_RULES_MAX 8

/* A question as it came. */
struct asked {
	unsigned server; /* from 1, in the order of name_servers_add() */
	int fd;
	struct sockaddr_storage from;
	socklen_t from_len;
	unsigned char bytes[512];
	size_t len;
	size_t type;
	char name[256];
};

/* What is done about a question; `data` is the rule's. */
typedef void deed(const struct asked *asked, const char *data);

/* The first one that fits a question counts; where there is none, it is not answered. */
struct rule {
	unsigned server;  /* 0: any */
	const char *name; /* NULL: any */
	size_t type;      /* 0: any */
	deed *deed;
	const char *data;
};

static struct name_servers {
	struct rule rules[NAME_RULES_MAX + 1]; /* ended by one without a deed */
	struct pollfd fds[1 + NAME_SERVERS_MAX];
	nfds_t count;
	pthread_t thread;
	bool runs;
	char log[4096]; /* "1 A nas, 1 AAAA nas, " */
} name_servers;

/* Whether name_servers_end() was called, for deeds that go on. */
static inline bool name_servers_may_go(void)
{
	struct pollfd end = { .fd = name_servers.fds[0].fd, .events = POLLIN };

	return poll(&end, 1, 0) != 0;
}

static inline void name_server_send_from(int fd, const struct asked *asked,
                                         const struct message *message)
{
	(void)sendto(fd, message->bytes, message->len, MSG_NOSIGNAL,
	             (const struct sockaddr *)&asked->from, asked->from_len);
}

static inline void name_server_send(const struct asked *asked, const struct message *message)
{
	name_server_send_from(asked->fd, asked, message);
}

static inline struct message name_server_reply(const struct asked *asked, unsigned code)
{
	struct message message;

	message_begin(&message, asked->bytes, asked->len, code);
	return message;
}

static inline void name_server_put_ip(struct message *message, const char *ip)
{
	unsigned char bytes[16];
	bool is_v6 = strchr(ip, ':');

	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, bytes) == 1)
		message_put_record(message, is_v6 ? TYPE_AAAA : TYPE_A, bytes, is_v6 ? 16 : 4);
}

/* Answers with the addresses of the asked kind in `data`, between spaces; all with that name, none
 * where it is "". */
static inline void has(const struct asked *asked, const char *data)
{
	struct message message = name_server_reply(asked, 0);
	char words[1024], *rest = words, *ip;

	snprintf(words, sizeof words, "%s", data);
	while ((ip = strsep(&rest, " ")))
		if ((asked->type == TYPE_AAAA) == !!strchr(ip, ':'))
			name_server_put_ip(&message, ip);
	name_server_send(asked, &message);
}

/* Answers with nothing but the code that is `data`. */
static inline void says(const struct asked *asked, const char *data)
{
	struct message message = name_server_reply(asked, (unsigned)(data[0] - '0'));

	name_server_send(asked, &message);
}

#define SERVER_FAILURE "2"
#define NO_NAME "3"
#define NOT_IMPLEMENTED "4"
#define REFUSED "5"

static inline void mute(const struct asked *asked, const char *data)
{
	(void)asked;
	(void)data;
}

static inline bool name_server_parse(struct asked *asked)
{
	size_t at = 12, used = 0;

	while (at < asked->len && asked->bytes[at] > 0) {
		size_t len = asked->bytes[at++];

		if (at + len >= asked->len || used + len + 1 >= sizeof asked->name)
			return false;
		used += (size_t)snprintf(asked->name + used, sizeof asked->name - used, "%s%.*s",
		                         used ? "." : "", (int)len, asked->bytes + at);
		at += len;
	}
	if (at + 5 != asked->len)
		return false;
	asked->type = asked->bytes[at + 2];
	return true;
}

static inline bool name_server_take(unsigned server)
{
	struct asked asked = { .server = server,
		               .fd = name_servers.fds[server].fd,
		               .from_len = sizeof asked.from };
	size_t used = strlen(name_servers.log);
	ssize_t len = recvfrom(asked.fd, asked.bytes, sizeof asked.bytes, MSG_DONTWAIT,
	                       (struct sockaddr *)&asked.from, &asked.from_len);
	bool is_question;

	if (len < 0)
		return false;
	asked.len = (size_t)len;
	is_question = name_server_parse(&asked);
	snprintf(name_servers.log + used, sizeof name_servers.log - used, "%u %s %s, ", server,
	         !is_question              ? "garbage"
	         : asked.type == TYPE_AAAA ? "AAAA"
	                                   : "A",
	         asked.name);
	for (const struct rule *rule = name_servers.rules; is_question && rule->deed; rule++) {
		if ((rule->server == 0 || rule->server == server) &&
		    (!rule->name || strcasecmp(rule->name, asked.name) == 0) &&
		    (rule->type == 0 || rule->type == asked.type)) {
			rule->deed(&asked, rule->data);
			break;
		}
	}
	return true;
}

static inline void *name_servers_run(void *unused)
{
	bool ends = false;

	(void)unused;
	while (!ends) {
		(void)poll(name_servers.fds, name_servers.count, -1);
		/* What came before the end is still to be kept. */
		ends = name_servers_may_go();
		for (unsigned server = 1; server < name_servers.count; server++)
			while (name_server_take(server)) {
			}
	}
	return NULL;
}

/* One more, which listens at `ip`; those not added refuse what they are asked. */
static inline void name_servers_add(const char *ip, unsigned scope)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		                   .sin6_port = htons(53),
		                   .sin6_scope_id = scope };
	bool is_v6 = strchr(ip, ':');
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (name_servers.count == 0)
		name_servers.fds[name_servers.count++].fd = eventfd(0, EFD_CLOEXEC);
	assert_true(name_servers.count <= NAME_SERVERS_MAX);
	assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, ip,
	                           is_v6 ? (void *)&v6.sin6_addr : &v4.sin_addr),
	                 1);
	if (bind(fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
	         is_v6 ? sizeof v6 : sizeof v4) < 0)
		fail_msg("bind %s: %s", ip, strerror(errno));
	name_servers.fds[name_servers.count++].fd = fd;
}

/* Starts those that were added, or 127.0.0.1. */
static inline void name_servers_start(const struct rule *rules)
{
	if (name_servers.count == 0)
		name_servers_add("127.0.0.1", 0);
	/* Copied: a question may be taken after the test that wrote them has returned. */
	for (size_t i = 0; i == 0 || rules[i - 1].deed; i++) {
		assert_true(i <= NAME_RULES_MAX);
		name_servers.rules[i] = rules[i];
	}
	name_servers.log[0] = '\0';
	for (nfds_t i = 0; i < name_servers.count; i++)
		name_servers.fds[i].events = POLLIN;
	assert_int_equal(pthread_create(&name_servers.thread, NULL, name_servers_run, NULL), 0);
	name_servers.runs = true;
}

/* Only then is it certain what was asked. */
static inline void name_servers_end(void)
{
	if (name_servers.runs) {
		assert_int_equal(eventfd_write(name_servers.fds[0].fd, 1), 0);
		pthread_join(name_servers.thread, NULL);
	}
	name_servers.runs = false;
	for (nfds_t i = 0; i < name_servers.count; i++)
		close(name_servers.fds[i].fd);
	name_servers.count = 0;
}

/* Ends them. `wanted` is all that they were asked. */
static inline void name_servers_assert_asked(const char *wanted)
{
	name_servers_end();
	assert_string_equal(name_servers.log, wanted);
}

#define RULES(...) ((const struct rule[]){ __VA_ARGS__, { .deed = NULL } })

#endif
