#include "core/patience.h"

#include "base/clock.h"

struct patience patience_start(void)
{
	return (struct patience){ .exchange_ms = PATIENCE_LEAST_MS };
}

struct patience patience_of(int64_t cycle_s)
{
	int64_t most_s = 4 * PATIENCE_MOST_MS / 1000;
	int64_t exchange_ms = mono_earlier(cycle_s, most_s) * 1000 / 4;

	return (struct patience){ .exchange_ms = exchange_ms > PATIENCE_LEAST_MS
		                                         ? exchange_ms
		                                         : PATIENCE_LEAST_MS };
}

void patience_cycle_ended(struct patience *patience, bool overdue, int64_t slowest_ms)
{
	int64_t twice_ms = 2 * patience->exchange_ms, enough_ms = 2 * slowest_ms;

	if (overdue)
		patience->exchange_ms = mono_earlier(twice_ms, PATIENCE_MOST_MS);
	else if (slowest_ms > 0 && enough_ms < patience->exchange_ms)
		patience->exchange_ms =
			enough_ms > PATIENCE_LEAST_MS ? enough_ms : PATIENCE_LEAST_MS;
}

int64_t patience_cycle_ms(const struct patience *patience)
{
	return patience->exchange_ms == PATIENCE_LEAST_MS ? PATIENCE_CYCLE_MS
	                                                  : 4 * patience->exchange_ms;
}
