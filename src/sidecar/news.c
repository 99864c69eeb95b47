#include "sidecar/news.h"

/* FNV-1a, 32 bits. If two problems collide, one log line is lost. */
static uint32_t digest(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	return hash;
}

bool news_is_new(struct news *news, const char *text, int64_t now_ms)
{
	uint32_t wanted = digest(text);
	size_t oldest = 0, i = 0;

	while (i < news->count && news->problems[i].digest != wanted) {
		if (news->problems[i].said_ms < news->problems[oldest].said_ms)
			oldest = i;
		i++;
	}
	if (i < news->count && now_ms - news->problems[i].said_ms < NEWS_AGAIN_MS)
		return false;
	if (i == NEWS_MAX) {
		/* A peer with a new reason each time must not flood the log. */
		if (now_ms - news->problems[oldest].said_ms < NEWS_AGAIN_MS)
			return false;
		i = oldest;
	}
	if (i == news->count)
		news->count++;
	news->problems[i].digest = wanted;
	news->problems[i].said_ms = now_ms;
	return true;
}

bool news_all_clear(struct news *news)
{
	bool had = news->count > 0;

	news->count = 0;
	return had;
}
