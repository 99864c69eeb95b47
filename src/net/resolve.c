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

/* The two kinds of addresses; both are asked for at the same time. */
enum { IPV4, IPV6, KINDS };

#define ALL_KINDS (1u << IPV4 | 1u << IPV6)
/* A bit above those of all kinds: an address is known, or the name does not exist. Nobody needs to be
 * asked again. */
#define KNOWN (1u << KINDS)

/* One lookup. */
struct query {
	struct resolve_found *found;
	uint16_t port;
	const struct stop *stop;
	int64_t until_ms;
	const struct resolve_servers *servers;
	size_t server;                /* the server to ask now */
	int fds[RESOLVE_SERVERS_MAX]; /* a server's socket; -1 before it is asked */
	/* A bit for each kind for which a server failed; all bits if it is unreachable. */
	unsigned failed[RESOLVE_SERVERS_MAX];
	struct dns_question questions[KINDS];
	unsigned answered; /* a bit for each kind, and KNOWN */
	bool unanswered;   /* no server answered for this name or an earlier one */
};

/* Whether nothing more is expected of a server. */
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

/* Reads one reply only: the wait between two replies checks the deadline. */
static void read_reply(struct query *query, size_t server)
{
	unsigned char reply[DNS_REPLY_MAX];
	ssize_t len = read(query->fds[server], reply, sizeof reply);

	/* Refused: no server listens there. */
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

	/* A connected socket receives from this server only, and reports if it is unreachable. */
	if (*fd < 0) {
		*fd = socket(to->sa.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (*fd < 0 && errno != EAFNOSUPPORT)
			return fail_errno(why, "socket");
		/* If connecting fails, so does writing below. */
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

/* Waits for replies of all servers asked so far. Ends when the last one asked is done, or after
 * RESOLVE_ROUND_MS. */
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

/* Asks one server after the other, round and round, until one has answered. The next name goes to
 * that server first. */
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
		/* One address is enough: some servers never answer for the other kind. */
		if (query->answered >= ALL_KINDS)
			break;
	}
	return f;
}

/* Asks for `name` below `domain` ("": `name` itself), unless an address is known already.
 * FAIL_NONE also if there is no address. */
static enum fail look_up(struct query *query, const char *name, const char *domain,
                         struct failure *why)
{
	uint16_t ids[KINDS];
	enum fail f;

	if (query->found->count > 0)
		return FAIL_NONE;
	/* An attacker must guess the id as well as the port. Before Linux 3.17, without getrandom(2),
	 * the id comes from the clock's nanoseconds. */
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
	/* A name without dots is also looked up in the domains: Docker sets ndots:0. */
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
	/* We may have asked the wrong servers, since resolv.conf could not be read. */
	errno = servers.unread;
	if (errno)
		f = fail_errno(
			why, "cannot read /etc/resolv.conf (if it was replaced, restart qsticky)");
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
