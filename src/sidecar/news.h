/* news: decides which problems to log.
 *
 * A problem is logged once, and again every ten minutes while it lasts. Problems that alternate,
 * such as two addresses of one name, are each logged that often, not at each change. */
#ifndef QSTICKY_SIDECAR_NEWS_H
#define QSTICKY_SIDECAR_NEWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEWS_AGAIN_MS (10 * 60 * 1000)

/* Problems remembered: at most so many are logged in NEWS_AGAIN_MS. */
#define NEWS_MAX 8

struct news {
	struct {
		uint32_t digest; /* FNV-1a of the text */
		int64_t said_ms;
	} problems[NEWS_MAX];
	size_t count;
};

/* Whether to log the problem `text` at `now_ms`. If so, counts it as logged. */
bool news_is_new(struct news *news, const char *text, int64_t now_ms);

/* Forgets all problems. Returns whether one had been logged. */
bool news_all_clear(struct news *news);

#endif
