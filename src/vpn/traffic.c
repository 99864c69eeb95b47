#include "vpn/traffic.h"

#include "base/clock.h"

#define LAST 2

static void begin(struct traffic *traffic, const struct traffic_counts *counts, int64_t now_ms)
{
	*traffic = (struct traffic){
		.index = counts->index,
		.received = counts->received,
		.silent_at_ms = now_ms,
		.sent_before = counts->sent,
		.look_at_ms = MONO_NEVER,
	};
	for (int i = 0; i <= LAST; i++) {
		traffic->looks[i].at_ms = now_ms;
		traffic->looks[i].sent = counts->sent;
	}
}

/* Whether packets were sent both before and after the last sample, and often enough. Programs that
 * get no answer retry like this. */
static bool keeps_sending(const struct traffic *traffic, uint64_t sent, int64_t now_ms)
{
	uint64_t before = traffic->looks[0].sent, lately = traffic->looks[LAST].sent;
	uint64_t elapsed_ms = (uint64_t)(now_ms - traffic->looks[0].at_ms);

	return lately > before && sent > lately &&
	       sent - before >= elapsed_ms * TRAFFIC_SENT_A_MINUTE / (60 * 1000);
}

static void step(struct traffic *traffic, uint64_t sent, int64_t now_ms)
{
	for (int i = 0; i < LAST; i++)
		traffic->looks[i] = traffic->looks[i + 1];
	traffic->looks[LAST].at_ms = now_ms;
	traffic->looks[LAST].sent = sent;
}

void traffic_see(struct traffic *traffic, const struct traffic_counts *counts, int64_t now_ms)
{
	uint64_t sent = counts->sent;

	if (counts->index != traffic->index || counts->received != traffic->received ||
	    sent < traffic->looks[LAST].sent) {
		begin(traffic, counts, now_ms);
		return;
	}
	traffic->unanswered = sent - traffic->sent_before;
	if (now_ms - traffic->looks[LAST].at_ms >= TRAFFIC_STEP_MS) {
		traffic->one_way |= now_ms - traffic->silent_at_ms >= TRAFFIC_SILENT_MS &&
		                    keeps_sending(traffic, sent, now_ms);
		step(traffic, sent, now_ms);
	}
	traffic->look_at_ms = MONO_NEVER;
	if (traffic->one_way)
		traffic->look_at_ms = now_ms + TRAFFIC_DEAD_MS;
	else if (sent > traffic->looks[0].sent)
		traffic->look_at_ms = now_ms + TRAFFIC_DOUBT_MS;
}
