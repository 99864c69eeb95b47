/* qbittorrent_replies: what replies say, by a second and simpler reading of their bytes; where that cannot
 * tell, they may say anything. For fuzz_qbittorrent. */
#ifndef QSTICKY_TESTS_QBITTORRENT_REPLIES_H
#define QSTICKY_TESTS_QBITTORRENT_REPLIES_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Bytes from `at` to `end`. */
struct replies {
	const uint8_t *at;
	const uint8_t *end;
};

/* Whether `word` is there, in any case. */
static inline bool replies_hold(struct replies replies, const char *word)
{
	size_t len = strlen(word);

	for (const uint8_t *at = replies.at; (size_t)(replies.end - at) >= len; at++)
		if (strncasecmp((const char *)at, word, len) == 0)
			return true;
	return false;
}

/* The bytes behind the next `word`; `at` NULL: there is none. */
static inline struct replies replies_behind(struct replies replies, const char *word)
{
	size_t len = strlen(word);
	const uint8_t *found = memmem(replies.at, (size_t)(replies.end - replies.at), word, len);

	return (struct replies){ found ? found + len : NULL, replies.end };
}

/* Whether some Set-Cookie header is about `pair`. */
static inline bool replies_give(struct replies replies, const char *pair)
{
	static const char name[] = "set-cookie:";
	struct replies rest = replies;

	while ((rest = replies_behind(rest, pair)).at) {
		const uint8_t *start = rest.at - strlen(pair);

		while (start > replies.at && (start[-1] == ' ' || start[-1] == '\t'))
			start--;
		if ((size_t)(start - replies.at) >= sizeof name - 1 &&
		    strncasecmp((const char *)start - (sizeof name - 1), name, sizeof name - 1) ==
		            0 &&
		    rest.at < rest.end && *rest.at && strchr("; \t\r", *rest.at))
			return true;
	}
	return false;
}

/* Whether a reply may say that `port` is the listening one. */
static inline bool replies_say_port(struct replies reply, int64_t port)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)port);

	if (port <= 0 || memchr(reply.at, '\\', (size_t)(reply.end - reply.at)) ||
	    replies_hold(reply, "chunked"))
		return true;
	while ((reply = replies_behind(reply, "\"listen_port\"")).at) {
		const uint8_t *at = reply.at;

		while (at < reply.end && (isspace(*at) || *at == ':' || *at == '0'))
			at++;
		if ((size_t)(reply.end - at) > len && memcmp(at, digits, len) == 0 &&
		    !isdigit(at[len]))
			return true;
	}
	return false;
}

/* Whether a reply may be a 403 of qBittorrent's own: not another status, not a page. */
static inline bool replies_say_forbidden(struct replies reply)
{
	struct replies body = replies_behind(reply, "\r\n\r\n"), head = { reply.at, body.at };

	if (!replies_behind(reply, " 403").at)
		return false;
	/* Where the body begins and ends is plain only then. */
	if (!body.at || !replies_hold((struct replies){ reply.at + 8, reply.at + 12 }, " 403") ||
	    replies_hold(head, "content-length") || replies_hold(head, "transfer-encoding"))
		return true;
	while (body.at < body.end && isspace(*body.at))
		body.at++;
	return body.at == body.end || *body.at != '<';
}

#endif
