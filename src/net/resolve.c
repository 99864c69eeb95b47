#include "net/resolve.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/dns.h"
#include "net/resolve_files.h"

/* Both are asked for at once. */
enum { IPV4, IPV6, KINDS };

#define ALL_KINDS (1u << IPV4 | 1u << IPV6)
/* There is an address, or there is no such name: what is missing need not be asked for again. Above
 * all kinds, as a number. */
#define KNOWN (1u << KINDS)

/* One name, with its servers. */
struct query {
	struct resolve_found *found;
	uint16_t port;
	const struct stop *stop;
	int64_t until_ms;
	const struct resolve_servers *servers;
	size_t server; /* the one to ask */
	/* Of each server: its socket, or -1 where it was not asked yet or has failed; and a bit for
	 * each kind that it does not know, or all where it is not there. */
	int fds[RESOLVE_SERVERS_MAX];
	unsigned failed[RESOLVE_SERVERS_MAX];
	struct dns_question questions[KINDS];
	unsigned answered; /* a bit for each kind, and KNOWN */
	bool unanswered;   /* this name, or one before it */
};

/* Whether there is nothing more to be expected of a server. */
static bool is_done(const struct query *query, size_t server)
{
	return ((query->answered | query->failed[server]) & ALL_KINDS) == ALL_KINDS;
}

static void on_address(void *context, const unsigned char *ip, size_t len)
{
	struct query *query = context;
	struct resolve_address address = resolve_ip(ip, len, query->port);

	resolve_add(query->found, &address);
	query->answered |= KNOWN;
}

/* Reads one reply of a server: if it never ends to send, waits in between notice the deadline. */
static void read_reply(struct query *query, size_t server)
{
	unsigned char reply[DNS_REPLY_MAX];
	ssize_t len = read(query->fds[server], reply, sizeof reply);

	/* Refused: nobody is there. */
	if (len < 0 && errno != EAGAIN)
		query->failed[server] = ALL_KINDS;
	for (unsigned kind = 0; len >= 0 && kind < KINDS; kind++) {
		enum dns_answer answer = DNS_FOREIGN;

		if (!(query->answered & 1u << kind))
			answer = dns_read(&query->questions[kind], reply, (size_t)len, on_address,
			                  query);
		if (answer == DNS_FAILED)
			query->failed[server] |= 1u << kind;
		else if (answer != DNS_FOREIGN)
			query->answered |= 1u << kind;
		if (answer == DNS_NO_NAME)
			query->answered |= KNOWN;
	}
}

/* Sends the open questions to a server. FAIL_IO: there are no sockets. */
static enum fail send_to(struct query *query, size_t server, struct failure *why)
{
	const struct resolve_address *to = &query->servers->addresses[server];
	int *fd = &query->fds[server];

	/* Connected: the kernel passes on what comes from there only, and says who is not there. */
	if (*fd < 0) {
		*fd = socket(to->sa.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (*fd < 0 && errno != EAFNOSUPPORT)
			return fail_errno(why, "socket");
		/* Where this fails, so does writing. */
		(void)connect(*fd, &to->sa.any, to->len);
	}
	for (unsigned kind = 0; kind < KINDS; kind++) {
		const struct dns_question *question = &query->questions[kind];

		if (!((query->answered | query->failed[server]) & 1u << kind) &&
		    write(*fd, question->bytes, question->len) < 0)
			query->failed[server] = ALL_KINDS;
	}
	return FAIL_NONE;
}

/* Waits for what the servers that were asked say, until no more is expected of the one asked last,
 * or the round is over. */
static enum fail listen_to(struct query *query, struct failure *why)
{
	int64_t round_ms = mono_earlier(query->until_ms, mono_now_ms() + RESOLVE_ROUND_MS);

	while (!is_done(query, query->server)) {
		struct pollfd fds[1 + RESOLVE_SERVERS_MAX];
		enum fail f;

		for (size_t i = 0; i < RESOLVE_SERVERS_MAX; i++)
			fds[1 + i] = (struct pollfd){ .fd = query->fds[i], .events = POLLIN };
		f = wait_any(query->stop, fds, 1 + RESOLVE_SERVERS_MAX, round_ms, why);
		if (f)
			return f == FAIL_TIMEOUT ? FAIL_NONE : f;
		for (size_t i = 0; i < RESOLVE_SERVERS_MAX; i++)
			if (fds[1 + i].revents)
				read_reply(query, i);
	}
	return FAIL_NONE;
}

/* Asks one server after the other, and the first again, while none has answered. The next name is
 * asked of the one that has. */
static enum fail ask_servers(struct query *query, struct failure *why)
{
	size_t count = query->servers->count, done = 0;
	enum fail f = FAIL_NONE;

	for (; !f && done < count && mono_now_ms() < query->until_ms;
	     query->server = (query->server + 1) % count) {
		done++;
		if (is_done(query, query->server))
			continue;
		done = 0;
		f = send_to(query, query->server, why);
		if (!f)
			f = listen_to(query, why);
		/* With an address in hand it need not wait for those of the other kind; there may
		 * be a server that never says anything about these. */
		if (query->answered >= ALL_KINDS)
			break;
	}
	return f;
}

/* Asks for `name` below `domain` ("": as it is), unless an address is known by now.
 * FAIL_NONE also where there is none. */
static enum fail look_up(struct query *query, const char *name, const char *domain,
                         struct failure *why)
{
	uint16_t ids[KINDS];
	enum fail f;

	if (query->found->count > 0)
		return FAIL_NONE;
	/* Not only the port should be hard to guess. Without randomness (getrandom(2) is of Linux 3.17),
	 * it is the nanoseconds. */
	if (getrandom(ids, sizeof ids, GRND_NONBLOCK) < 0)
		ids[IPV4] = ids[IPV6] = (uint16_t)now_by(CLOCK_MONOTONIC).tv_nsec;
	query->answered = 0;
	memset(query->failed, 0, sizeof query->failed);
	memset(query->fds, -1, sizeof query->fds);
	if (!dns_ask(&query->questions[IPV4], ids[IPV4], name, domain, DNS_IPV4) ||
	    !dns_ask(&query->questions[IPV6], ids[IPV6], name, domain, DNS_IPV6))
		return FAIL_NONE;
	f = ask_servers(query, why);
	for (size_t i = 0; i < RESOLVE_SERVERS_MAX; i++)
		if (query->fds[i] >= 0)
			close(query->fds[i]);
	query->unanswered |= query->answered < ALL_KINDS;
	return f;
}

static enum fail ask(struct resolve_found *found, const char *name, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	struct resolve_servers servers;
	struct query query = {
		.found = found,
		.port = port,
		.stop = stop,
		.until_ms = mono_earlier(deadline_ms, mono_now_ms() + RESOLVE_MS),
		.servers = &servers,
	};
	const char *domain = servers.search, *end = name;
	enum fail f = FAIL_NONE;
	uint32_t dots = 0;
	bool as_is_first;

	resolve_read_servers(&servers);
	for (; *end; end++)
		dots += *end == '.';
	as_is_first = dots >= servers.ndots;
	/* Docker sets ndots:0, and a plain name may be one of a domain there too. */
	if (dots > 0 && (as_is_first || end[-1] == '.'))
		domain = "";
	if (as_is_first)
		f = look_up(&query, name, "", why);
	for (; *domain && !f; domain += strlen(domain) + 1)
		f = look_up(&query, name, domain, why);
	if (!as_is_first && !f)
		f = look_up(&query, name, "", why);
	if (f || found->count > 0)
		return f;
	/* Who was asked may not be who should have been. */
	errno = servers.unread;
	if (errno)
		f = fail_errno(why, "/etc/resolv.conf (replaced? Then restart qsticky)");
	else
		f = fail_set(why, FAIL_RESOLVE,
		             query.unanswered ? "no answer from the name server" : "no such name");
	fail_in(why, "cannot look up the name");
	return f;
}

enum fail resolve_host(struct resolve_found *found, const char *host, uint16_t port,
                       const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	found->count = 0;
	if (strcasecmp(host, "localhost") == 0) {
		found->count = resolve_numeric(&found->addresses[0], "127.0.0.1", port);
		found->count += resolve_numeric(&found->addresses[1], "::1", port);
	} else {
		found->count = resolve_numeric(&found->addresses[0], host, port);
	}
	if (found->count == 0)
		resolve_read_hosts(found, host, port);
	return found->count > 0 ? FAIL_NONE : ask(found, host, port, stop, deadline_ms, why);
}
