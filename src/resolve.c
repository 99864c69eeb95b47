#include "resolve.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "dns.h"
#include "ip.h"
#include "mono.h"
#include "now.h"
#include "text.h"

/* resolv.conf(5): more are not looked at. */
#define SERVERS_MAX 3
#define SEARCH_MAX 256

#define DNS_PORT 53

/* ---- addresses ---- */

struct resolve_address resolve_ip(const void *ip, size_t len, uint16_t port)
{
	/* The port has the same place in both. */
	struct resolve_address address = { .sa.v6.sin6_port = htons(port) };
	bool is_v4 = len == sizeof address.sa.v4.sin_addr;

	address.len = is_v4 ? sizeof address.sa.v4 : sizeof address.sa.v6;
	address.sa.any.sa_family = is_v4 ? AF_INET : AF_INET6;
	memcpy(is_v4 ? (void *)&address.sa.v4.sin_addr : &address.sa.v6.sin6_addr, ip, len);
	return address;
}

/* The number that `digits` begins with; one that is too large comes out as some other. */
static uint32_t number(const char *digits)
{
	uint32_t value = 0;

	for (; isdigit((unsigned char)*digits); digits++)
		value = value * 10 + (uint32_t)(*digits - '0');
	return value;
}

/* The number of an interface, or 0. if_nametoindex(3) would ask by a UNIX socket, and there are none in
 * the sandbox: they reach other programs here. */
static uint32_t interface_index(const char *name)
{
	struct ifreq request = { .ifr_name = "" };
	struct text copy = text_on(request.ifr_name, sizeof request.ifr_name);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	text_puts(&copy, name);
	if (fd < 0)
		return 0;
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		request.ifr_ifindex = 0;
	close(fd);
	return (uint32_t)request.ifr_ifindex;
}

/* Fills `address` from a numeric host; false where it is a name. */
static bool take_numeric(struct resolve_address *address, const char *host, uint16_t port)
{
	const char *zone = strchr(host, '%');
	unsigned char ip[IP_MAX];
	size_t len = ip_parse(ip, host);

	address->len = 0;
	if (len == 0)
		return false;
	*address = resolve_ip(ip, len, port);
	/* A zone: an interface, by name ("6in4" is one) or by number. 0, which none has, where there
	 * is none such: to connect to it fails. */
	if (zone) {
		address->sa.v6.sin6_scope_id = interface_index(zone + 1);
		if (address->sa.v6.sin6_scope_id == 0)
			address->sa.v6.sin6_scope_id = number(zone + 1);
	}
	return true;
}

/* Adds it behind the others of its family, IPv4 first: where there is no way out over IPv6, as in
 * many tunnels, nothing is tried in vain. */
static void add(struct resolve_found *found, const struct resolve_address *address)
{
	size_t at = found->count;

	if (at == RESOLVE_MAX)
		return;
	if (address->sa.any.sa_family == AF_INET)
		for (; at > 0 && found->addresses[at - 1].sa.any.sa_family != AF_INET; at--)
			found->addresses[at] = found->addresses[at - 1];
	found->addresses[at] = *address;
	found->count++;
}

/* ---- /etc/hosts and /etc/resolv.conf ---- */

/* The words of a file, one by one; "#" starts a comment. A word that is too long is cut. */
struct words {
	int fd;
	bool new_line, in_comment;
	bool is_first; /* the word is the first of its line */
	char word[SEARCH_MAX];
	size_t at, len;
	char bytes[512];
};

static bool next_byte(struct words *words, char *c)
{
	if (words->at == words->len) {
		ssize_t got = read(words->fd, words->bytes, sizeof words->bytes);

		if (got <= 0)
			return false;
		words->len = (size_t)got;
		words->at = 0;
	}
	*c = words->bytes[words->at++];
	words->in_comment = *c != '\n' && (words->in_comment || *c == '#');
	if (words->in_comment)
		*c = ' ';
	return true;
}

static bool next_word(struct words *words)
{
	size_t len = 0;
	char c;

	while (next_byte(words, &c)) {
		if (!isspace((unsigned char)c)) {
			if (len == 0)
				words->is_first = words->new_line;
			words->new_line = false;
			if (len < sizeof words->word - 1)
				words->word[len++] = c;
		} else if (len > 0) {
			words->at--; /* not taken: it may begin a line */
			break;
		} else if (c == '\n') {
			words->new_line = true;
		}
	}
	words->word[len] = '\0';
	return len > 0;
}

/* Where it cannot be read it is empty: neither file has to be there. */
static void open_words(struct words *words, const char *path)
{
	*words = (struct words){
		.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK),
		.new_line = true,
	};
}

static void read_hosts(struct resolve_found *found, const char *host, uint16_t port)
{
	struct resolve_address address = { .len = 0 };
	struct words words;

	open_words(&words, "/etc/hosts");
	while (next_word(&words)) {
		if (words.is_first) {
			(void)take_numeric(&address, words.word, port);
		} else if (address.len > 0 && strcasecmp(words.word, host) == 0) {
			add(found, &address);
			address.len = 0;
		}
	}
	close(words.fd);
}

struct servers {
	size_t count;
	struct resolve_address addresses[SERVERS_MAX];
	uint32_t ndots;
	char search[SEARCH_MAX]; /* domains, each with its NUL; an empty one is the end */
};

static void read_resolv_conf(struct servers *servers)
{
	struct text search = text_on(servers->search, sizeof servers->search - 1);
	enum { OTHER, SERVER, SEARCH, OPTION } line = OTHER;
	struct words words;

	servers->count = 0;
	servers->ndots = 1;
	open_words(&words, "/etc/resolv.conf");
	while (next_word(&words)) {
		const char *word = words.word;

		if (words.is_first) {
			line = strcmp(word, "nameserver") == 0                              ? SERVER
			       : strcmp(word, "options") == 0                               ? OPTION
			       : strcmp(word, "search") == 0 || strcmp(word, "domain") == 0 ? SEARCH
			                                                                    : OTHER;
			/* The last such line counts. */
			if (line == SEARCH)
				search = text_on(servers->search, sizeof servers->search - 1);
		} else if (line == SERVER && servers->count < SERVERS_MAX) {
			servers->count +=
				take_numeric(&servers->addresses[servers->count], word, DNS_PORT);
		} else if (line == SEARCH) {
			text_add(&search, word, strlen(word) + 1);
		} else if (line == OPTION && strncmp(word, "ndots:", 6) == 0) {
			servers->ndots = number(word + 6);
		}
	}
	close(words.fd);
	servers->search[search.len] = '\0';
	if (servers->count == 0)
		servers->count = take_numeric(&servers->addresses[0], "127.0.0.1", DNS_PORT);
}

/* ---- asking ---- */

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
	const struct servers *servers;
	size_t server;                /* the one to ask */
	int fds[SERVERS_MAX];         /* -1: not asked yet, or failed */
	unsigned failed[SERVERS_MAX]; /* a bit for each kind: it does not know, or is not there */
	struct dns_question questions[KINDS];
	unsigned answered; /* a bit for each kind, and KNOWN */
	bool unanswered;   /* this name, or one before it */
};

/* Whether there is nothing more to be expected of a server. */
static bool is_done(const struct query *query, size_t server)
{
	return ((query->answered | query->failed[server]) & ALL_KINDS) == ALL_KINDS;
}

static void take_found(void *context, const unsigned char *ip, size_t len)
{
	struct query *query = context;
	struct resolve_address address = resolve_ip(ip, len, query->port);

	add(query->found, &address);
	query->answered |= KNOWN;
}

/* Reads one reply of a server: if it never ends to send, waits in between notice the deadline. */
static void take_reply(struct query *query, size_t server)
{
	unsigned char reply[DNS_REPLY_MAX];
	ssize_t len = read(query->fds[server], reply, sizeof reply);

	/* Refused: nobody is there. */
	if (len < 0 && errno != EAGAIN)
		query->failed[server] = ALL_KINDS;
	for (unsigned kind = 0; len >= 0 && kind < KINDS; kind++) {
		enum dns_answer answer = DNS_FOREIGN;

		if (!(query->answered & 1u << kind))
			answer = dns_read(&query->questions[kind], reply, (size_t)len, take_found,
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
		struct pollfd fds[1 + SERVERS_MAX];
		enum fail f;

		for (size_t i = 0; i < SERVERS_MAX; i++)
			fds[1 + i] = (struct pollfd){ .fd = query->fds[i], .events = POLLIN };
		f = stop_poll(query->stop, fds, 1 + SERVERS_MAX, round_ms, why);
		if (f)
			return f == FAIL_TIMEOUT ? FAIL_NONE : f;
		for (size_t i = 0; i < SERVERS_MAX; i++)
			if (fds[1 + i].revents)
				take_reply(query, i);
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
	for (size_t i = 0; i < SERVERS_MAX; i++)
		if (query->fds[i] >= 0)
			close(query->fds[i]);
	query->unanswered |= query->answered < ALL_KINDS;
	return f;
}

static enum fail ask(struct resolve_found *found, const char *name, uint16_t port,
                     const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	struct servers servers;
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

	read_resolv_conf(&servers);
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
	if (!f && found->count == 0)
		f = fail_set(why, FAIL_RESOLVE, "cannot look up the name: %s",
		             query.unanswered ? "no answer from the name server" : "no such name");
	return f;
}

enum fail resolve_host(struct resolve_found *found, const char *host, uint16_t port,
                       const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	found->count = 0;
	if (strcasecmp(host, "localhost") == 0) {
		found->count = take_numeric(&found->addresses[0], "127.0.0.1", port);
		found->count += take_numeric(&found->addresses[1], "::1", port);
	} else {
		found->count = take_numeric(&found->addresses[0], host, port);
	}
	if (found->count == 0)
		read_hosts(found, host, port);
	return found->count > 0 ? FAIL_NONE : ask(found, host, port, stop, deadline_ms, why);
}
