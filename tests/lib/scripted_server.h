/* scripted_server: an HTTP server in a thread, that answers by a script and keeps what it was asked.
 *
 * To be included after cmocka.h. */
#ifndef QSTICKY_TESTS_SCRIPTED_SERVER_H
#define QSTICKY_TESTS_SCRIPTED_SERVER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OK(len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #len "\r\n\r\n" body
#define FORBIDDEN "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden"
#define LOGGED_IN                                                                                  \
	"HTTP/1.1 200 OK\r\nSet-Cookie: SID=c00kie; path=/\r\nContent-Length: 3\r\n\r\nOk."
#define PORT_41000 OK(21, "{\"listen_port\":41000}")
#define PORT_42000 OK(21, "{\"listen_port\":42000}")

#define REQUESTS_MAX 16
#define REQUEST_MAX 2048

/* Replies, one a request, ended by NULL; then the last one for ever if `repeat`, else 500. "" hangs
 * up instead. A reply that begins with '!' is sent without it, and then the connection is closed; with
 * one that begins with "!!", the server has ended too. */
struct server {
	const char *script[REQUESTS_MAX + 1];
	void (*before_reply)(size_t count); /* to the request of that number, from 1; or NULL */
	bool repeat;
	bool runs;
	int listener;
	uint16_t port;
	pthread_t thread;
	size_t count;
	size_t connections;
	size_t connection_of[REQUESTS_MAX]; /* on which each request came */
	char requests[REQUESTS_MAX][REQUEST_MAX];
};

static inline bool server_has_whole(const char *request)
{
	const char *head_end = strstr(request, "\r\n\r\n");
	const char *length = strstr(request, "Content-Length: ");

	return head_end && (!length || strlen(head_end + 4) >= strtoul(length + 16, NULL, 10));
}

/* Reads a request; false where the client closed instead. */
static inline bool server_take(struct server *server, int fd)
{
	char request[REQUEST_MAX] = "";
	size_t len = 0;

	while (!server_has_whole(request)) {
		ssize_t got = len < sizeof request - 1
		                      ? read(fd, request + len, sizeof request - 1 - len)
		                      : 0;

		if (got <= 0)
			return false;
		len += (size_t)got;
		request[len] = '\0';
	}
	if (server->count < REQUESTS_MAX) {
		memcpy(server->requests[server->count], request, len + 1);
		server->connection_of[server->count] = server->connections;
	}
	server->count++;
	return true;
}

static inline const char *server_reply(const struct server *server)
{
	size_t scripted = 0;

	while (scripted < server->count && server->script[scripted])
		scripted++;
	if (scripted == server->count && scripted > 0)
		return server->script[scripted - 1];
	if (server->repeat && scripted > 0)
		return server->script[scripted - 1];
	return "!HTTP/1.1 500 Beyond the script\r\nContent-Length: 0\r\n\r\n";
}

static inline void *server_run(void *argument)
{
	struct server *self = argument;
	int fd;

	while ((fd = accept(self->listener, NULL, NULL)) >= 0) {
		self->connections++;
		while (server_take(self, fd)) {
			const char *answer = server_reply(self);
			bool close_after = *answer == '!' || *answer == '\0';

			answer += *answer == '!' ? 1 : 0;
			if (*answer == '!') {
				shutdown(self->listener, SHUT_RDWR);
				answer++;
			}
			if (self->before_reply)
				self->before_reply(self->count);
			if (write(fd, answer, strlen(answer)) < 0 || close_after)
				break;
		}
		close(fd);
	}
	return NULL;
}

/* Starts it on a free port of the loopback interface. `script` ends with NULL. */
static inline void server_start(struct server *server, const char *const script[])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;

	*server = (struct server){ .runs = true };
	for (size_t i = 0; script[i]; i++) {
		assert_true(i < REQUESTS_MAX);
		server->script[i] = script[i];
	}
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(server->listener, 8), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, server_run, server), 0);
}

/* Ends it, once the client has closed its connection. Only then is it certain what was asked. */
static inline void server_end(struct server *server)
{
	if (!server->runs)
		return;
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
	server->runs = false;
}

/* Whether the requests, each of which holds its own of the `wanted` strings, were all. After
 * server_end(). */
static inline void server_assert_asked(const struct server *server, const char *const *wanted)
{
	size_t i = 0;

	for (; wanted[i]; i++) {
		if (i >= server->count || !strstr(server->requests[i], wanted[i]))
			fail_msg("request %zu is not %s but %s", i, wanted[i],
			         i < server->count ? server->requests[i] : "none");
	}
	assert_int_equal(server->count, i);
}

#define SCRIPT(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
