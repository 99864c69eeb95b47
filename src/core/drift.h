/* drift: tells a single change of qBittorrent's port by somebody else from a fight over it. Pure.
 *
 * A drift is a cycle that finds another port than the one that was proved. All times are in
 * milliseconds on the monotonic clock. */
#ifndef QSTICKY_CORE_DRIFT_H
#define QSTICKY_CORE_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

/* A fight: the third drift to the same port within this time; where two ports alternate, the fourth. It
 * ends after this time without one. While it lasts, a line is logged this often. */
#define DRIFT_MS (10 * 60 * 1000)

/* All zeros: no drift yet. */
struct drift {
	uint16_t wanted;
	int64_t foreign;  /* the port that somebody else sets */
	int64_t other;    /* the last one that differs from `foreign` */
	int64_t at_ms[2]; /* the last drift, and the one before it */
	unsigned count;   /* drifts to these ports */
	unsigned unsaid;  /* of a fight: drifts since the last line, this one included */
	int64_t said_ms;
	bool is_fight;
};

/* What to tell of a drift. Code compares the values. */
enum drift_news {
	DRIFT_NONE,    /* the caller's: the forwarded port has changed instead */
	DRIFT_SINGLE,  /* tell it as a change of the port */
	DRIFT_FIGHT,   /* a fight begins: tell that instead */
	DRIFT_SUMMARY, /* log that the fight goes on, with `unsaid` */
	DRIFT_QUIET,
};

/* A cycle found `foreign`, although `wanted` was set and proved before. */
enum drift_news drift_seen(struct drift *drift, uint16_t wanted, int64_t foreign, int64_t now_ms);

/* Whether a fight over `wanted` goes on. */
bool drift_lasts(const struct drift *drift, uint16_t wanted, int64_t now_ms);

/* Forgets a fight that has ended. Whether it was over `wanted`: a fight over a port that is no longer
 * forwarded ends unsaid. */
bool drift_ended(struct drift *drift, uint16_t wanted, int64_t now_ms);

#endif
