#include "core/drift.h"

bool drift_lasts(const struct drift *drift, uint16_t wanted, int64_t now_ms)
{
	return drift->is_fight && drift->wanted == wanted && now_ms - drift->at_ms[0] < DRIFT_MS;
}

bool drift_ended(struct drift *drift, uint16_t wanted, int64_t now_ms)
{
	bool is_same = drift->wanted == wanted;

	if (!drift->is_fight || now_ms - drift->at_ms[0] < DRIFT_MS)
		return false;
	*drift = (struct drift){ 0 };
	return is_same;
}

enum drift_news drift_seen(struct drift *drift, uint16_t wanted, int64_t foreign, int64_t now_ms)
{
	enum drift_news news = DRIFT_SINGLE;
	int64_t last = drift->foreign;

	if (foreign == last)
		last = drift->other;
	if (drift->wanted != wanted || (foreign != drift->foreign && foreign != drift->other) ||
	    (drift->is_fight && !drift_lasts(drift, wanted, now_ms)))
		*drift = (struct drift){ .wanted = wanted };
	drift->foreign = foreign;
	drift->other = last;
	drift->count++;
	drift->unsaid++;
	if (drift->is_fight)
		news = now_ms - drift->said_ms < DRIFT_MS ? DRIFT_QUIET : DRIFT_SUMMARY;
	else if (drift->count > 2 && now_ms - drift->at_ms[1] < DRIFT_MS)
		news = DRIFT_FIGHT;
	drift->at_ms[1] = drift->at_ms[0];
	drift->at_ms[0] = now_ms;
	drift->is_fight |= news == DRIFT_FIGHT;
	if (news == DRIFT_FIGHT || news == DRIFT_SUMMARY)
		drift->said_ms = now_ms;
	return news;
}
