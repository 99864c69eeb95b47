#include "sidecar/report.h"

/* FNV-1a, 32 bits. Two problems that share one would cost a line of log, no more. */
static uint32_t digest(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	return hash;
}

bool report_is_news(struct report *report, const char *text, int64_t now_ms)
{
	uint32_t wanted = digest(text);
	size_t oldest = 0, i = 0;

	while (i < report->count && report->problems[i].digest != wanted) {
		if (report->problems[i].said_ms < report->problems[oldest].said_ms)
			oldest = i;
		i++;
	}
	if (i < report->count && now_ms - report->problems[i].said_ms < REPORT_AGAIN_MS)
		return false;
	if (i == REPORT_MAX) {
		/* A peer that finds a new reason every time must not flood the log. */
		if (now_ms - report->problems[oldest].said_ms < REPORT_AGAIN_MS)
			return false;
		i = oldest;
	}
	if (i == report->count)
		report->count++;
	report->problems[i].digest = wanted;
	report->problems[i].said_ms = now_ms;
	return true;
}

bool report_all_clear(struct report *report)
{
	bool had = report->count > 0;

	report->count = 0;
	return had;
}
