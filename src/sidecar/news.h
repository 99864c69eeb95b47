/* news: which problems are news.
 *
 * A problem is said once, and again every ten minutes while it is there. Several that take turns,
 * as two addresses of one name do, are each said as often, not at every turn. */
#ifndef QSTICKY_SIDECAR_NEWS_H
#define QSTICKY_SIDECAR_NEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEWS_AGAIN_MS (10 * 60 * 1000)

/* Problems remembered, and so the most that are said in NEWS_AGAIN_MS. */
#define NEWS_MAX 8

struct news {
	struct {
		uint32_t digest; /* of the text */
		int64_t said_ms;
	} problems[NEWS_MAX];
	size_t count;
};

/* Whether the problem `text` is to be said at `now_ms`; it then counts as said. */
bool news_is_new(struct news *news, const char *text, int64_t now_ms);

/* All is well. Returns whether a problem had been said. */
bool news_all_clear(struct news *news);

#endif
