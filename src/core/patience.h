/* patience: how long qBittorrent may take for an answer. On a small machine with many torrents it may need a
 * minute. The limit doubles after each answer that did not come in time, and shrinks with answers. Pure. */
#ifndef QSTICKY_CORE_PATIENCE_H
#define QSTICKY_CORE_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Limits of one exchange, in milliseconds. */
#define PATIENCE_LEAST_MS 10000
#define PATIENCE_MOST_MS 60000

/* Longest cycle at the shortest limit, in milliseconds. */
#define PATIENCE_CYCLE_MS 15000

struct patience {
	int64_t exchange_ms; /* for a request and its reply */
};

struct patience patience_start(void);

/* Returns the patience whose patience_cycle_ms() is that many seconds, or the nearest one. `cycle_s` is 0 or
 * more. */
struct patience patience_of(int64_t cycle_s);

/* A cycle has ended. `overdue`: an answer did not come within the limit. Else the
 * slowest came after `slowest_ms` (0: there was none), which never raises the limit. */
void patience_cycle_ended(struct patience *patience, bool overdue, int64_t slowest_ms);

/* Returns the limit of a cycle. Above the shortest limit it has room for four exchanges: a login takes three. */
int64_t patience_cycle_ms(const struct patience *patience);

#endif
