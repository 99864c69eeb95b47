/* limit_client: what the benchmark measures qsticky against.
 *
 * `limit_client change WEBUI_PORT COOKIE`
 *     The least a client can do to change qBittorrent's port and know that it has: for each port
 *     number read from stdin, one a line, connect, POST setPreferences, GET preferences, read
 *     both replies to the end, find the number in the second. Answers each with a line holding
 *     the nanoseconds that took by its own clock. No configuration, no parsing worth the name,
 *     no health, no log: it is the floor, not a rival.
 *
 * `limit_client look WEBUI_PORT COOKIE`
 *     The same without the POST: the least that it takes to see that the port is right.
 *
 * `limit_client first`
 *     Connects to the port that QSTICKY_QBITTORRENT_PORT names and sends that GET: what `start`
 *     below measures a start against.
 *
 * `limit_client start COUNT PROGRAM [ARGUMENT...]`
 *     Plays a server on loopback, starts PROGRAM COUNT times with QSTICKY_QBITTORRENT_PORT
 *     naming it, and prints for each the nanoseconds from just before execve() to the arrival
 *     of the first byte of a request. Each is killed then.
 *
 * `limit_client serve BODY`
 *     Plays a qBittorrent on loopback that needs no login and answers at once, so that no time of its
 *     own hides what the others take. Its preferences are the file BODY, whose listen_port becomes
 *     what is set. Prints its port, a line.
 *
 * Any trouble ends it with a message and exit code 1. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Preferences of qBittorrent 4.5.2 are 5 kB; its reply comes with about 0.5 kB of head. */
#define REPLY_MAX 65536

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(int fd, const char *text, size_t len)
{
	ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

	if (sent < 0 || (size_t)sent != len) /* far below the send buffer's size */
		die("send");
}

/* Reads one reply to its end, as Content-Length says. Leaves it terminated in `reply`. */
static void read_reply(int fd, char reply[REPLY_MAX + 1])
{
	size_t len = 0;
	size_t want = 0; /* unknown until the head is there */

	do {
		ssize_t got = recv(fd, reply + len, REPLY_MAX - len, 0);
		const char *head_end;

		if (got <= 0)
			die("recv");
		len += (size_t)got;
		reply[len] = '\0';
		head_end = strstr(reply, "\r\n\r\n");
		if (!want && head_end) {
			/* qBittorrent writes header names in lower case. */
			const char *field = strstr(reply, "content-length: ");

			if (!field)
				die("content-length");
			want = (size_t)(head_end - reply) + 4 + strtoul(field + 16, NULL, 10);
		}
	} while (!want || len < want);
	if (strncmp(reply, "HTTP/1.1 200", 12) != 0) {
		fprintf(stderr, "reply: %.80s\n", reply);
		exit(1);
	}
}

static int connect_to(const char *webui_port)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(webui_port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
		die("connect");
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
		die("TCP_NODELAY");
	return fd;
}

static void send_set(int fd, const char *cookie, unsigned port)
{
	char request[1024], body[128];
	int body_len = snprintf(body, sizeof body, "json=%%7B%%22listen_port%%22%%3A%u%%7D", port);
	int len = snprintf(request, sizeof request,
	                   "POST /api/v2/app/setPreferences HTTP/1.1\r\n"
	                   "Host: 127.0.0.1\r\n"
	                   "Cookie: %s\r\n"
	                   "Content-Type: application/x-www-form-urlencoded\r\n"
	                   "Content-Length: %d\r\n\r\n%s",
	                   cookie, body_len, body);

	send_all(fd, request, (size_t)len);
}

static void send_get(int fd, const char *cookie)
{
	char request[1024];
	int len = snprintf(request, sizeof request,
	                   "GET /api/v2/app/preferences HTTP/1.1\r\n"
	                   "Host: 127.0.0.1\r\n"
	                   "Cookie: %s\r\n\r\n",
	                   cookie);

	send_all(fd, request, (size_t)len);
}

/* One cycle: sees that qBittorrent has the port, after it has `set` it if told to. */
static void cycle(const char *webui_port, const char *cookie, bool set, unsigned port)
{
	static char reply[REPLY_MAX + 1];
	char wanted[32];
	int fd = connect_to(webui_port);

	if (set) {
		send_set(fd, cookie, port);
		read_reply(fd, reply);
	}
	send_get(fd, cookie);
	read_reply(fd, reply);
	snprintf(wanted, sizeof wanted, "\"listen_port\":%u,", port);
	if (!strstr(reply, wanted)) {
		fprintf(stderr, "qBittorrent does not have port %u\n", port);
		exit(1);
	}
	close(fd);
}

static int follow(const char *webui_port, const char *cookie, bool set)
{
	char line[32];
	ssize_t len;

	/* read() and write(), not stdio: nothing in between that could wait for more. */
	while ((len = read(STDIN_FILENO, line, sizeof line - 1)) > 0) {
		int64_t start_ns = now_ns();

		line[len] = '\0';
		cycle(webui_port, cookie, set, (unsigned)strtoul(line, NULL, 10));
		len = snprintf(line, sizeof line, "%lld\n", (long long)(now_ns() - start_ns));
		if (write(STDOUT_FILENO, line, (size_t)len) < 0)
			die("write");
	}
	return 0;
}

static int first(void)
{
	const char *port = getenv("QSTICKY_QBITTORRENT_PORT");
	char byte;
	int fd = connect_to(port ? port : "");

	send_get(fd, "");
	return recv(fd, &byte, 1, 0) < 0; /* there is no answer, only the end */
}

static int listen_here(uint16_t *port)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t here_len = sizeof here;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof here) < 0 ||
	    listen(listener, 16) < 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &here_len) < 0)
		die("listen");
	*port = ntohs(here.sin_port);
	return listener;
}

static int start(unsigned long count, char *const command[])
{
	uint16_t here = 0;
	char port[8];
	int64_t *start_ns = mmap(NULL, sizeof *start_ns, PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener = listen_here(&here);

	if (start_ns == MAP_FAILED)
		die("mmap");
	snprintf(port, sizeof port, "%u", (unsigned)here);
	if (setenv("QSTICKY_QBITTORRENT_PORT", port, 1) < 0)
		die("setenv");

	while (count-- > 0) {
		char byte;
		int peer;
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (child == 0) {
			*start_ns = now_ns();
			execv(command[0], command);
			die(command[0]);
		}
		peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0 || recv(peer, &byte, 1, 0) != 1)
			die("first byte");
		printf("%lld\n", (long long)(now_ns() - *start_ns));
		/* Ours and not yet waited for: the number cannot have passed to another. */
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(peer);
	}
	return 0;
}

/* ---- a server that answers at once ---- */

/* Splits the preferences around the number of listen_port. */
static void read_preferences(const char *path, char body[REPLY_MAX + 1], const char **rest)
{
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(body, 1, REPLY_MAX, file) : 0;
	static const char name[] = "\"listen_port\":";
	char *number;

	if (len == 0)
		die(path);
	(void)fclose(file);
	body[len] = '\0';
	number = strstr(body, name);
	if (!number)
		die("listen_port");
	number += sizeof name - 1;
	*rest = number + strspn(number, "0123456789");
	number[0] = '\0';
	if (*rest == number)
		die("listen_port");
}

/* Answers a request. `*port` becomes what it sets. */
static void answer(int fd, const char *request, const char *before, const char *rest,
                   unsigned *port)
{
	static char body[2 * REPLY_MAX], reply[sizeof body + 128];
	const char *set = strstr(request, "listen_port%22%3A");
	int len = 0;

	if (set)
		*port = (unsigned)strtoul(set + strlen("listen_port%22%3A"), NULL, 10);
	else if (strstr(request, "/api/v2/app/version "))
		len = snprintf(body, sizeof body, "v4.5.2");
	else
		len = snprintf(body, sizeof body, "%s%u%s", before, *port, rest);
	len = snprintf(reply, sizeof reply,
	               "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n"
	               "content-type: application/json\r\ncontent-length: %d\r\n\r\n%.*s",
	               len, len, body);
	send_all(fd, reply, (size_t)len);
}

static _Noreturn void serve(const char *path)
{
	static char before[REPLY_MAX + 1];
	const char *rest = NULL;
	unsigned set_port = 1;
	uint16_t port = 0;
	int listener = listen_here(&port);

	read_preferences(path, before, &rest);
	printf("%u\n", (unsigned)port);
	(void)fflush(stdout);
	for (;;) {
		char request[4096];
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		ssize_t got;

		if (fd < 0)
			die("accept");
		/* Both clients write a request at once. */
		while ((got = recv(fd, request, sizeof request - 1, 0)) > 0) {
			request[got] = '\0';
			answer(fd, request, before, rest, &set_port);
		}
		close(fd);
	}
}

int main(int argc, char *argv[])
{
	if (argc == 4 && strcmp(argv[1], "change") == 0)
		return follow(argv[2], argv[3], true);
	if (argc == 4 && strcmp(argv[1], "look") == 0)
		return follow(argv[2], argv[3], false);
	if (argc == 2 && strcmp(argv[1], "first") == 0)
		return first();
	if (argc >= 4 && strcmp(argv[1], "start") == 0)
		return start(strtoul(argv[2], NULL, 10), argv + 3);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	fprintf(stderr, "usage: limit_client change|look WEBUI_PORT COOKIE\n"
	                "       limit_client first\n"
	                "       limit_client start COUNT PROGRAM [ARGUMENT...]\n"
	                "       limit_client serve BODY\n");
	return 2;
}
