/* cycle_server: cycles as fast as qsticky can run them, for the benchmark.
 *
 * `cycle_server BODY`
 *     Plays a qBittorrent on loopback that needs no login and whose preferences are the file BODY.
 *     Prints its port, a line. Then reads lines "PID COUNT" from stdin: it has the process PID run
 *     COUNT cycles, each by a SIGHUP that is sent when the cycle before has closed its connection,
 *     and answers with a line when the last one has. PID 0 sends no signal: that cycle comes by
 *     itself, as the first does.
 *
 * Any trouble ends it with a message and exit code 1. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define HEAD_MAX 256
#define BODY_MAX (32 * 1024 * 1024)
/* Longer than a cycle may take. */
#define PATIENCE_MS 30000

struct reply {
	const char *bytes;
	size_t len;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The reply with the file's content, in static storage. */
static struct reply read_preferences(const char *path)
{
	static char bytes[HEAD_MAX + BODY_MAX];
	char *body = bytes + HEAD_MAX;
	FILE *file = fopen(path, "re");
	char head[HEAD_MAX];
	size_t head_len, len;

	if (!file)
		die(path);
	len = fread(body, 1, BODY_MAX, file);
	if (ferror(file))
		die(path);
	(void)fclose(file);
	head_len = (size_t)snprintf(head, sizeof head,
	                            "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n"
	                            "content-type: application/json\r\n"
	                            "content-length: %zu\r\n\r\n",
	                            len);
	memcpy(body - head_len, head, head_len);
	return (struct reply){ body - head_len, head_len + len };
}

static void send_all(int peer, struct reply reply)
{
	while (reply.len > 0) {
		ssize_t sent = send(peer, reply.bytes, reply.len, MSG_NOSIGNAL);

		if (sent < 0)
			die("send");
		reply.bytes += sent;
		reply.len -= (size_t)sent;
	}
}

/* What is asked besides the preferences. */
static const struct {
	const char *path, *reply;
} others[] = {
	{ "/api/v2/app/version ", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nv4.5.2" },
	{ "/api/v2/transfer/info ", "HTTP/1.1 200 OK\r\ncontent-length: 33\r\n\r\n"
	                            "{\"connection_status\":\"connected\"}" },
};

/* Serves one connection until the other side closes it. */
static void serve(int listener, struct reply preferences)
{
	struct pollfd waiting = { .fd = listener, .events = POLLIN };
	char request[REQUEST_MAX + 1];
	size_t len = 0;
	int peer;

	if (poll(&waiting, 1, PATIENCE_MS) != 1)
		die("no cycle");
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer < 0)
		die("accept");
	for (;;) {
		ssize_t got = recv(peer, request + len, REQUEST_MAX - len, 0);
		struct reply reply = preferences;

		if (got <= 0)
			break; /* an end by reset is one, too */
		len += (size_t)got;
		request[len] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue; /* none of the requests has a body */
		for (size_t i = 0; i < sizeof others / sizeof *others; i++)
			if (strstr(request, others[i].path))
				reply = (struct reply){ others[i].reply, strlen(others[i].reply) };
		send_all(peer, reply);
		len = 0;
	}
	close(peer);
}

int main(int argc, char *argv[])
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t here_len = sizeof here;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct reply preferences;
	char line[64];

	if (argc != 2) {
		fprintf(stderr, "usage: cycle_server BODY\n");
		return 2;
	}
	preferences = read_preferences(argv[1]);
	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof here) < 0 ||
	    listen(listener, 16) < 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &here_len) < 0)
		die("listen");
	printf("%u\n", (unsigned)ntohs(here.sin_port));
	(void)fflush(stdout);

	while (fgets(line, sizeof line, stdin)) {
		char *end;
		pid_t pid = (pid_t)strtol(line, &end, 10);

		for (unsigned long left = strtoul(end, NULL, 10); left > 0; left--) {
			if (pid > 0 && kill(pid, SIGHUP) < 0)
				die("kill");
			serve(listener, preferences);
		}
		printf("done\n");
		(void)fflush(stdout);
	}
	return 0;
}
