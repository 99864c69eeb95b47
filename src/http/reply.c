#include "http/reply.h"

#include <string.h>
#include <strings.h>

#include "base/pages.h"
#include "base/text.h"

/* Bytes of an ordinary reply. Their memory stays resident for the next cycle. */
#define KEPT_BYTES (16 * 1024)

void http_touch(struct http_reply *reply, size_t len)
{
	if (len > reply->touched)
		reply->touched = len;
}

const char *http_header(const struct http_reply *reply, const char *name, size_t *cursor,
                        size_t *len)
{
	size_t name_len = strlen(name);

	if (!(reply->names & http_name_bit(name, name_len)))
		return NULL;
	while (*cursor < reply->head_len) {
		const char *line = reply->space + *cursor;
		const char *stop = text_find(line, reply->head_len - *cursor, "\r\n");

		if (!stop)
			break;
		*cursor = (size_t)(stop - reply->space) + 2;
		if ((size_t)(stop - line) <= name_len || line[name_len] != ':' ||
		    strncasecmp(line, name, name_len) != 0)
			continue;
		line += name_len + 1;
		while (line < stop && (*line == ' ' || *line == '\t'))
			line++;
		while (line < stop && (stop[-1] == ' ' || stop[-1] == '\t'))
			stop--;
		*len = (size_t)(stop - line);
		return line;
	}
	return NULL;
}

bool http_value_is(const char *value, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(value, word, len) == 0;
}

void http_forget(struct http_reply *reply)
{
	explicit_bzero(reply->space, reply->touched);
	if (reply->touched > KEPT_BYTES)
		pages_release(reply->space + KEPT_BYTES, sizeof reply->space - KEPT_BYTES);
	reply->head_len = reply->body_len = reply->touched = 0;
}
