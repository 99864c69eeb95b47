#include "core/sync.h"

#include "base/clock.h"

struct sync sync_start(int64_t interval_ms, int64_t grace_ms, uint32_t seed, int64_t now_ms)
{
	return (struct sync){
		.interval_ms = interval_ms,
		.grace_ms = grace_ms,
		.random = seed ? seed : 1, /* from 0, xorshift gives only 0 */
		.empty_at_ms = MONO_NEVER,
		.look_at_ms = MONO_NEVER,
		.settled_at_ms = MONO_NEVER,
		.asked_at_ms = MONO_NEVER,
		.closed_at_ms = MONO_NEVER,
		.changed_at_ms = MONO_NEVER,
		.orphan_at_ms = MONO_NEVER,
		.no_port_at_ms = now_ms,
		.cycle_at_ms = now_ms,
		.soon_at_ms = now_ms - SYNC_REBIND_MS,
		/* The first two rebinds need not wait. */
		.rebound_at_ms = { now_ms - SYNC_REBIND_MS, now_ms - SYNC_REBIND_MS },
	};
}

/* ---- the network namespace ---- */

/* Call it whenever `alone` or `file` changes. */
static void judge_orphan(struct sync *sync, int64_t now_ms)
{
	if (!sync->alone || sync->file != SYNC_FILE_PORT)
		sync->orphan_at_ms = MONO_NEVER;
	else if (sync->orphan_at_ms == MONO_NEVER)
		sync->orphan_at_ms = now_ms + SYNC_ORPHAN_MS;
}

void sync_links_seen(struct sync *sync, bool lo_only, int64_t now_ms)
{
	sync->had_company |= !lo_only;
	sync->alone = lo_only && sync->had_company;
	judge_orphan(sync, now_ms);
}

bool sync_is_alone(const struct sync *sync)
{
	return sync->alone;
}

bool sync_is_orphan(const struct sync *sync, int64_t now_ms)
{
	return now_ms >= sync->orphan_at_ms;
}

/* ---- rebinds ---- */

static bool has_rebound(const struct sync *sync, int64_t now_ms)
{
	return now_ms - sync->rebound_at_ms[0] < SYNC_REBIND_MS;
}

/* Whether the tunnel changed lately, and there are two rebinds to spare. Otherwise the second one
 * waits until a tunnel that comes and goes has settled. */
static bool is_soon(const struct sync *sync, int64_t now_ms)
{
	return sync->changed_at_ms != MONO_NEVER && now_ms - sync->changed_at_ms < SYNC_REBIND_MS &&
	       !has_rebound(sync, now_ms);
}

/* The earliest time of the next rebind. */
static int64_t rebind_at_ms(const struct sync *sync)
{
	unsigned failed = sync->rebinds_failed_in_a_row;
	int64_t longest = sync->rebinds_cost ? SYNC_REBIND_COSTLY_MAX_MS : SYNC_REBIND_MAX_MS;
	int64_t pause = longest;

	if (sync->changed_at_ms != MONO_NEVER)
		return sync->rebound_at_ms[1] + SYNC_REBIND_MS;
	if (failed == 1 && sync->rebound_soon)
		pause = SYNC_REBIND_AGAIN_MS;
	else if (failed <= 5)
		pause = (int64_t)SYNC_REBIND_MS << (failed > 0 ? failed - 1 : 0);
	return sync->rebound_at_ms[0] + mono_earlier(pause, longest);
}

bool sync_may_rebind(const struct sync *sync, int64_t now_ms)
{
	return now_ms >= sync->closed_at_ms && now_ms >= rebind_at_ms(sync);
}

bool sync_is_doubtful(const struct sync *sync)
{
	return sync->outcome == SYNC_CLOSED &&
	       (sync->cycle_at_ms == sync->closed_at_ms ||
	        (sync->rebinds_failed_in_a_row == 1 && sync->rebound_soon));
}

void sync_rebound(struct sync *sync, bool costly, int64_t now_ms)
{
	sync->rebound_soon = is_soon(sync, now_ms) && !costly;
	sync->rebinds_cost = costly;
	sync->rebound_at_ms[1] = sync->rebound_at_ms[0];
	sync->rebound_at_ms[0] = now_ms;
	sync->rebinds_failed_in_a_row++;
	sync->soon_at_ms = now_ms;
	sync->changed_at_ms = MONO_NEVER;
}

/* ---- events ---- */

void sync_cycle_at(struct sync *sync, int64_t at_ms)
{
	sync->asked_at_ms = mono_earlier(sync->asked_at_ms, at_ms);
}

void sync_links_changed(struct sync *sync, bool came, int64_t now_ms)
{
	int64_t since_ms = now_ms - sync->soon_at_ms;

	/* Wait after the last change: the interface comes first, then its addresses. */
	sync->settled_at_ms = now_ms + SYNC_SETTLE_MS;
	if (came && (since_ms < 0 || since_ms >= SYNC_REBIND_MS))
		sync->settled_at_ms = sync->soon_at_ms = now_ms + SYNC_UP_MS;
}

void sync_tunnel_differs(struct sync *sync, int64_t now_ms)
{
	/* What the first look finds is no change: qBittorrent may be starting too. */
	sync->changed_at_ms = sync->begun ? now_ms : now_ms - SYNC_REBIND_MS;
	/* The rebinds that did not help were made in another situation. */
	sync->rebinds_failed_in_a_row = 0;
}

/* ---- the source of the port ---- */

bool sync_file_port(struct sync *sync, uint16_t port, int64_t now_ms)
{
	bool news = sync->file != SYNC_FILE_PORT || sync->port != port;

	sync->look_at_ms = sync->empty_at_ms = MONO_NEVER;
	if (news) {
		sync->file = SYNC_FILE_PORT;
		sync->port = port;
		sync->outcome = SYNC_PENDING;
		sync->cycle_at_ms = now_ms;
		sync->closed_at_ms = MONO_NEVER;
		judge_orphan(sync, now_ms);
	}
	return news;
}

void sync_file_empty(struct sync *sync, int64_t now_ms)
{
	sync->look_at_ms = MONO_NEVER;
	if (sync->file == SYNC_FILE_EMPTY)
		return;
	if (sync->empty_at_ms == MONO_NEVER) {
		sync->empty_at_ms = now_ms + SYNC_SETTLE_MS;
		/* At the start no port is known before that, so a cycle would be useless. */
		if (sync->file == SYNC_FILE_UNREAD)
			sync->cycle_at_ms = sync->empty_at_ms;
	}
	if (now_ms < sync->empty_at_ms)
		return;
	if (sync->file == SYNC_FILE_PORT)
		sync->no_port_at_ms = now_ms;
	/* With a bad file even a proved cycle counted as failed: discard it. */
	if (sync->file == SYNC_FILE_BAD)
		sync->outcome = SYNC_PENDING;
	sync->file = SYNC_FILE_EMPTY;
	sync->empty_at_ms = MONO_NEVER;
	sync->cycle_at_ms = now_ms;
	judge_orphan(sync, now_ms);
}

void sync_file_bad(struct sync *sync, int64_t now_ms)
{
	sync->look_at_ms = sync->empty_at_ms = MONO_NEVER;
	if (sync->file == SYNC_FILE_BAD)
		return;
	if (sync->file == SYNC_FILE_PORT)
		sync->no_port_at_ms = now_ms;
	sync->file = SYNC_FILE_BAD;
	sync->cycle_at_ms = now_ms;
	judge_orphan(sync, now_ms);
}

void sync_source_silent(struct sync *sync, int64_t now_ms)
{
	sync->look_at_ms = sync->empty_at_ms = MONO_NEVER;
	if (sync->file == SYNC_FILE_BAD) {
		/* The file is no longer the source. Discard its state and the outcome with it. */
		sync->file = SYNC_FILE_UNREAD;
		sync->outcome = SYNC_PENDING;
	}
	sync->cycle_at_ms = now_ms;
}

void sync_file_modified(struct sync *sync, int64_t now_ms)
{
	sync->look_at_ms = mono_earlier(sync->look_at_ms, now_ms + SYNC_SETTLE_MS);
}

void sync_read_again_at(struct sync *sync, int64_t at_ms)
{
	sync->look_at_ms = at_ms;
}

void sync_file_written(struct sync *sync, int64_t now_ms)
{
	sync->settled_at_ms = mono_earlier(sync->settled_at_ms, now_ms + SYNC_SETTLE_MS);
}

/* ---- cycles ---- */

/* Marsaglia's xorshift. It only spreads the retries of many sidecars; it need not be secret. */
static uint32_t next_random(struct sync *sync)
{
	sync->random ^= sync->random << 13;
	sync->random ^= sync->random >> 17;
	sync->random ^= sync->random << 5;
	return sync->random;
}

/* Pause after failed cycles: 1, 2, 4 ... seconds, less a random part of up to an eighth. Never
 * longer than the interval, so that a recovery is seen within one. */
static int64_t retry_pause_ms(struct sync *sync)
{
	int64_t pause = SYNC_RETRY_MAX_MS;

	if (sync->failures <= 6)
		pause = (int64_t)1000 << (sync->failures - 1);
	pause = mono_earlier(pause, sync->interval_ms);
	pause = mono_earlier(pause, SYNC_RETRY_MAX_MS);
	return pause - (int64_t)(next_random(sync) % (uint32_t)(pause / 8 + 1));
}

/* When to probe a closed port again: after the usual pause, or sooner. Sooner is when "closed"
 * begins to count, or when the next rebind is allowed. */
static int64_t closed_again_at_ms(struct sync *sync, int64_t now_ms)
{
	int64_t at_ms = now_ms + retry_pause_ms(sync);

	if (now_ms < sync->closed_at_ms)
		return sync->closed_at_ms;
	return now_ms < rebind_at_ms(sync) ? mono_earlier(at_ms, rebind_at_ms(sync)) : at_ms;
}

void sync_cycle_ended(struct sync *sync, enum sync_outcome outcome, int64_t now_ms)
{
	sync->begun = true;
	sync->outcome = outcome;
	if (now_ms >= sync->settled_at_ms)
		sync->settled_at_ms = MONO_NEVER;
	if (now_ms >= sync->asked_at_ms)
		sync->asked_at_ms = MONO_NEVER;
	sync->failures =
		outcome == SYNC_PROVED && sync->file != SYNC_FILE_BAD ? 0 : sync->failures + 1;
	if (outcome == SYNC_PROVED)
		sync->rebinds_failed_in_a_row = 0;
	if (outcome != SYNC_CLOSED)
		sync->closed_at_ms = MONO_NEVER;
	else if (sync->closed_at_ms == MONO_NEVER)
		sync->closed_at_ms =
			now_ms + (is_soon(sync, now_ms) ? SYNC_CLOSED_SOON_MS : SYNC_CLOSED_MS);
	if (outcome == SYNC_CLOSED)
		sync->cycle_at_ms = closed_again_at_ms(sync, now_ms);
	else if (outcome == SYNC_FAILED)
		sync->cycle_at_ms = now_ms + retry_pause_ms(sync);
	else if (outcome == SYNC_REFUSED)
		sync->cycle_at_ms = now_ms + mono_earlier(SYNC_REFUSED_MS, sync->interval_ms);
	else
		sync->cycle_at_ms = now_ms + sync->interval_ms;
	/* The end of the grace changes the verdict: run a cycle then, not an interval later. */
	if (sync->file == SYNC_FILE_EMPTY && !sync_no_port_too_long(sync, now_ms))
		sync->cycle_at_ms =
			mono_earlier(sync->cycle_at_ms, sync->no_port_at_ms + sync->grace_ms + 1);
}

static int64_t cycle_due_ms(const struct sync *sync)
{
	int64_t event_ms = mono_earlier(sync->settled_at_ms, sync->asked_at_ms);

	return mono_earlier(mono_earlier(sync->cycle_at_ms, event_ms), sync->orphan_at_ms);
}

int64_t sync_due_ms(const struct sync *sync)
{
	return mono_earlier(cycle_due_ms(sync), mono_earlier(sync->empty_at_ms, sync->look_at_ms));
}

bool sync_cycle_due(const struct sync *sync, int64_t now_ms)
{
	return now_ms >= cycle_due_ms(sync);
}

/* ---- verdict ---- */

uint16_t sync_port(const struct sync *sync)
{
	return sync->file == SYNC_FILE_PORT ? sync->port : 0;
}

bool sync_no_port_too_long(const struct sync *sync, int64_t now_ms)
{
	return sync->file == SYNC_FILE_EMPTY && now_ms - sync->no_port_at_ms > sync->grace_ms;
}

enum sync_state sync_state(const struct sync *sync)
{
	if (sync->file == SYNC_FILE_BAD || sync->outcome == SYNC_SHUT_OUT)
		return SYNC_ERROR;
	if (!sync->begun)
		return SYNC_STARTING;
	if (sync->outcome == SYNC_FAILED || sync->outcome == SYNC_REFUSED ||
	    sync->outcome == SYNC_CLOSED)
		return SYNC_RETRYING;
	if (sync->file == SYNC_FILE_EMPTY || sync->file == SYNC_FILE_UNREAD)
		return SYNC_WAITING_FOR_PORT;
	return sync->outcome == SYNC_PROVED ? SYNC_IN_SYNC : SYNC_RETRYING;
}

bool sync_healthy(const struct sync *sync, int64_t now_ms)
{
	enum sync_state state = sync_state(sync);

	if (sync->outcome != SYNC_PROVED)
		return false;
	return state == SYNC_IN_SYNC ||
	       (state == SYNC_WAITING_FOR_PORT && !sync_no_port_too_long(sync, now_ms));
}
