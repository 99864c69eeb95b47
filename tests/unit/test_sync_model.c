/* test_sync_model: the state machine explored, every order of events to a fixed depth.
 *
 * The machine is driven here as sidecar/sidecar.c drives it. A turn is: to sleep until sync_due_ms() or an
 * event; to look where the port is learnt from, where that event or the time wants it; and a cycle
 * if one is due. Of the cycle only what the machine learns is here: what the network looks like, whether
 * a rebind was begun, how it ended, and how long it took. All of these are chosen against the machine, with
 * these limits, which sidecar/cycle.c keeps: a rebind only where the machine allows it; a cycle after a look
 * that has learnt nothing proves nothing. Logins have a model of their own (test_login_model.c).
 *
 * Left out: the jitter is always the same, two ports stand for all, and of times there are few: events
 * come 600 ms later, a cycle takes none or 4 s, a sleep is as long as asked or 20 minutes longer (the
 * machine was suspended). Times are kept relative to the present, those so long past that
 * nothing can tell them from longer past as just that.
 *
 * Explored are all choices for a few turns, and those that have to do with each other for more: see
 * `themes`. From the beginnings, too: fresh, in sync, shut out, rebound in vain and so on.
 *
 * What must hold is computed beside the machine, from the events alone (struct ghost). From every
 * state in which it sleeps, and whatever made it so, it must also come back to SYNC_IN_SYNC once the
 * world is right, in a number of turns and a time that are bounded below. */
#include "core/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define INTERVAL_MS (30 * 1000)
#define GRACE_MS (120 * 1000)
#define EVENT_MS 600
#define SUSPENDED_MS (20 * 60 * 1000)

/* States that are remembered, at most. */
#define STATES_MAX (1u << 21)
#define LEVEL_MAX (1u << 19)

/* In the worst case, once the world is right. Polling alone: a cycle within an interval. */
#define PROVED_TURNS 3
#define PROVED_MS INTERVAL_MS
/* A port that is closed until it is opened again, at the end of the longest pause. */
#define CLOSED_TURNS 80
#define CLOSED_MS (SYNC_REBIND_COSTLY_MAX_MS + INTERVAL_MS + SYNC_CLOSED_MS)

enum { PORT_A = 41000, PORT_B = 42000 };

enum look { LOOK_A, LOOK_B, LOOK_EMPTY, LOOK_BAD, LOOK_SILENT, LOOKS };

/* Where in a turn it is. */
enum phase { ASLEEP, LOOKED, NETWORK_SEEN };

/* What may happen; bits. All of it for a few turns, and what has to do with each other for more. */
struct theme {
	const char *name;
	unsigned turns;
	unsigned looks;
	unsigned events;
	unsigned networks;
	unsigned outcomes;
	bool odd_times; /* it is suspended, or a cycle takes long */
};

enum event { MODIFIED, LINKS_CHANGED, TUNNEL_UP, ASKED, RELOADED, READ_AGAIN, EVENTS };
enum network { AS_BEFORE, ANOTHER_TUNNEL, ALONE, NETWORKS };

#define BIT(which) (1u << (which))
#define ANY (~0u)

static const struct theme themes[] = {
	{ "all", 2, ANY, ANY, ANY, ANY, true },
	{
		.name = "rebinds",
		.turns = 7,
		.looks = BIT(LOOK_A),
		.events = BIT(TUNNEL_UP),
		.networks = BIT(AS_BEFORE) | BIT(ANOTHER_TUNNEL),
		.outcomes = BIT(SYNC_PROVED) | BIT(SYNC_CLOSED),
	},
	{
		.name = "ports",
		.turns = 4,
		.looks = ANY,
		.events = BIT(MODIFIED),
		.networks = BIT(AS_BEFORE) | BIT(ALONE),
		.outcomes = BIT(SYNC_PROVED) | BIT(SYNC_FAILED),
	},
};

static const struct theme *theme;

static bool has(unsigned bits, unsigned which)
{
	return bits & BIT(which);
}

/* What is known from the events alone. */
struct ghost {
	uint16_t port; /* 0: none */
	bool silent;   /* the last look has learnt nothing */
	int64_t empty_since;
	int64_t no_port_since;
	bool proved; /* the last cycle has, and the port is the same since */
	bool bad;    /* what the file holds */
	bool shut_out;
	bool had_company;
	int64_t orphan_since;
	int64_t closed_counts; /* when it begins to */
	int64_t rebound[2];
	int64_t differed; /* since the last rebind; MONO_NEVER: it has not */
	bool soon;        /* the last rebind */
	int64_t hasty;    /* when the last cycle was due that did not wait for a second */
	bool hurries;     /* the next one will not */
	bool begun;
	unsigned vain;
	bool costly;    /* the last rebind */
	unsigned spins; /* turns in which no time has passed */
};

struct model {
	struct sync sync;
	struct ghost ghost;
	enum phase phase;
};

/* The present is 0 in every state that is remembered. */
static int64_t now_ms;

/* ---- states that were seen ---- */

/* One is known by 128 bits made of it: that two have the same will not happen. */
struct mark {
	uint64_t high, low;
	uint32_t parent;
	char action[20]; /* what led there */
};

static struct mark marks[STATES_MAX];
static uint32_t table[2 * STATES_MAX];
static uint32_t mark_count;
static uint32_t current; /* the one that is left now */
static char action[sizeof marks[0].action];

static int64_t relative(int64_t time, int64_t least)
{
	if (time == MONO_NEVER)
		return time;
	return time - now_ms < least ? least : time - now_ms;
}

static unsigned capped(unsigned value, unsigned most)
{
	return value < most ? value : most;
}

/* Moves the present to 0, and forgets what can make no difference. */
static void normalise(struct model *m)
{
	struct sync *s = &m->sync;
	struct ghost *g = &m->ghost;

	s->random = 1;
	/* Only whether it is another one matters. */
	s->port = m->ghost.port = sync_port(s) ? PORT_A : 0;
	s->empty_at_ms = relative(s->empty_at_ms, 0);
	s->look_at_ms = relative(s->look_at_ms, 0);
	s->settled_at_ms = relative(s->settled_at_ms, 0);
	s->asked_at_ms = relative(s->asked_at_ms, 0);
	s->cycle_at_ms = relative(s->cycle_at_ms, 0);
	s->orphan_at_ms = relative(s->orphan_at_ms, 0);
	s->closed_at_ms = relative(s->closed_at_ms, 0);
	s->soon_at_ms = relative(s->soon_at_ms, -SYNC_REBIND_MS);
	s->changed_at_ms = relative(s->changed_at_ms, -SYNC_REBIND_MS);
	s->no_port_at_ms = relative(s->no_port_at_ms, -GRACE_MS - 1);
	s->rebound_at_ms[0] = relative(s->rebound_at_ms[0], -SYNC_REBIND_COSTLY_MAX_MS);
	s->rebound_at_ms[1] = relative(s->rebound_at_ms[1], -SYNC_REBIND_COSTLY_MAX_MS);
	s->failures = capped(s->failures, 8);
	s->rebinds_failed_in_a_row = capped(s->rebinds_failed_in_a_row, 7);
	g->empty_since = relative(g->empty_since, -SYNC_SETTLE_MS);
	g->no_port_since = relative(g->no_port_since, -GRACE_MS - 1);
	g->orphan_since = relative(g->orphan_since, -SYNC_ORPHAN_MS);
	g->closed_counts = relative(g->closed_counts, 0);
	g->hasty = relative(g->hasty, -SYNC_REBIND_MS);
	g->differed = relative(g->differed, -SYNC_REBIND_MS);
	g->rebound[0] = relative(g->rebound[0], -SYNC_REBIND_COSTLY_MAX_MS);
	g->rebound[1] = relative(g->rebound[1], -SYNC_REBIND_COSTLY_MAX_MS);
	g->vain = capped(g->vain, 7);
	now_ms = 0;
}

static struct mark mark_of(const struct model *m)
{
	const struct sync *s = &m->sync;
	const struct ghost *g = &m->ghost;
	const int64_t fields[] = {
		m->phase,
		s->file,
		s->port,
		s->empty_at_ms,
		s->look_at_ms,
		s->no_port_at_ms,
		s->begun,
		s->outcome,
		s->failures,
		s->cycle_at_ms,
		s->settled_at_ms,
		s->asked_at_ms,
		s->soon_at_ms,
		s->closed_at_ms,
		s->rebound_at_ms[0],
		s->rebound_at_ms[1],
		s->rebinds_failed_in_a_row,
		s->changed_at_ms,
		s->rebound_soon,
		s->rebinds_cost,
		s->had_company,
		s->alone,
		s->orphan_at_ms,
		g->port,
		g->silent,
		g->empty_since,
		g->no_port_since,
		g->proved,
		g->had_company,
		g->orphan_since,
		g->closed_counts,
		g->rebound[0],
		g->rebound[1],
		g->vain,
		g->differed,
		g->soon,
		g->hasty,
		g->hurries,
		g->begun,
		g->costly,
		g->spins,
		g->bad,
		g->shut_out,
	};
	struct mark mark = { .high = 0x9e3779b97f4a7c15, .low = 0xcbf29ce484222325 };

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		mark.low = (mark.low ^ (uint64_t)fields[i]) * 0x9fb21c651e98df25;
		mark.low ^= mark.low >> 29;
		mark.high = (mark.high + (uint64_t)fields[i]) * 0xd6e8feb86659fd93;
		mark.high ^= mark.high >> 32;
	}
	return mark;
}

/* Whether it is a new one; then it is the latest mark. */
static bool remember(const struct model *m)
{
	struct mark mark = mark_of(m);
	uint32_t at = (uint32_t)mark.low % (2 * STATES_MAX);

	for (; table[at]; at = (at + 1) % (2 * STATES_MAX))
		if (marks[table[at]].low == mark.low && marks[table[at]].high == mark.high)
			return false;
	if (mark_count + 1 == STATES_MAX)
		fail_msg("more than %u states: take fewer turns", STATES_MAX);
	mark.parent = current;
	memcpy(mark.action, action, sizeof mark.action);
	marks[++mark_count] = mark;
	table[at] = mark_count;
	return true;
}

/* What led here, the last first. */
static void tell_trail(void)
{
	print_message("  %s\n", action);
	for (uint32_t i = current; i; i = marks[i].parent)
		print_message("  %s\n", marks[i].action);
}

#define MUST(claim)                                                                                \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			tell_trail();                                                              \
			fail_msg("broken: %s", #claim);                                            \
		}                                                                                  \
	} while (0)

/* ---- a turn ---- */

static void judge_orphan(struct ghost *g, bool alone)
{
	if (!alone || !g->port)
		g->orphan_since = MONO_NEVER;
	else if (g->orphan_since == MONO_NEVER)
		g->orphan_since = now_ms;
}

static void note_look(struct ghost *g, enum look look, bool alone)
{
	uint16_t before = g->port;

	g->silent = look == LOOK_SILENT;
	/* What was found beside a bad file is nothing to go by any more. */
	if (g->silent && g->bad)
		g->proved = g->shut_out = false;
	if (look != LOOK_EMPTY) {
		g->bad = look == LOOK_BAD;
		g->empty_since = MONO_NEVER;
	} else if (g->empty_since == MONO_NEVER) {
		g->empty_since = now_ms;
	}
	if (look == LOOK_A || look == LOOK_B)
		g->port = look == LOOK_A ? PORT_A : PORT_B;
	else if (look == LOOK_BAD ||
	         (look == LOOK_EMPTY && now_ms - g->empty_since >= SYNC_SETTLE_MS))
		g->port = 0;
	if (look == LOOK_EMPTY && now_ms - g->empty_since >= SYNC_SETTLE_MS)
		g->bad = false;
	if (g->port && g->port != before) {
		g->proved = g->shut_out = false;
		g->closed_counts = MONO_NEVER;
	}
	if (!g->port && before)
		g->no_port_since = now_ms;
	judge_orphan(g, alone);
}

/* What may be told of it at any time. */
static void check_told(const struct model *m)
{
	const struct sync *s = &m->sync;
	const struct ghost *g = &m->ghost;

	MUST(sync_state(s) != SYNC_IN_SYNC || (g->proved && g->port));
	MUST(!sync_healthy(s, now_ms) || g->proved);
	MUST((sync_state(s) == SYNC_ERROR) == (g->bad || g->shut_out));
}

/* Whether the tunnel has changed in the last minute, and both rebinds of it are left. */
static bool is_soon(const struct ghost *g)
{
	return g->differed != MONO_NEVER && now_ms - g->differed < SYNC_REBIND_MS &&
	       now_ms - g->rebound[0] >= SYNC_REBIND_MS;
}

/* When a rebind is allowed: it is closed for a second, all of it for this port, or less soon after a
 * reconnect; two a minute at most; once more 2 s after one that came too soon; and more seldom in vain,
 * above all where each one drops peers. */
static int64_t rebind_at(const struct ghost *g)
{
	int64_t longest = g->costly ? SYNC_REBIND_COSTLY_MAX_MS : SYNC_REBIND_MAX_MS;
	int64_t pause = longest, allowed;

	if (g->vain == 1 && g->soon)
		pause = SYNC_REBIND_AGAIN_MS;
	else if (g->vain <= 5)
		pause = mono_earlier((int64_t)SYNC_REBIND_MS << (g->vain > 0 ? g->vain - 1 : 0),
		                     longest);
	allowed =
		g->differed != MONO_NEVER ? g->rebound[1] + SYNC_REBIND_MS : g->rebound[0] + pause;
	return g->closed_counts > allowed ? g->closed_counts : allowed;
}

/* Returns whether there is news. */
static bool look_at(struct model *m, enum look look)
{
	struct sync *s = &m->sync;
	bool news = false;

	note_look(&m->ghost, look, sync_is_alone(s));
	switch (look) {
	case LOOK_A:
		news = sync_file_port(s, PORT_A, now_ms);
		break;
	case LOOK_B:
		news = sync_file_port(s, PORT_B, now_ms);
		break;
	case LOOK_EMPTY:
		sync_file_empty(s, now_ms);
		break;
	case LOOK_BAD:
		sync_file_bad(s, now_ms);
		break;
	case LOOK_SILENT:
	case LOOKS:
		sync_source_silent(s, now_ms);
		break;
	}
	MUST(sync_port(s) == m->ghost.port);
	MUST(!(news || look == LOOK_SILENT) || sync_cycle_due(s, now_ms));
	check_told(m);
	return news;
}

static void see_network(struct model *m, bool alone, bool differs)
{
	struct ghost *g = &m->ghost;

	sync_links_seen(&m->sync, alone, now_ms);
	g->had_company = g->had_company || !alone;
	judge_orphan(g, alone && g->had_company);
	MUST(sync_is_alone(&m->sync) == (alone && g->had_company));
	if (differs) {
		sync_tunnel_differs(&m->sync, now_ms);
		g->differed = g->begun ? now_ms : now_ms - SYNC_REBIND_MS;
		g->vain = 0;
	}
	MUST(sync_may_rebind(&m->sync, now_ms) == (now_ms >= rebind_at(g)));
}

static void rebind(struct model *m, bool costly)
{
	struct ghost *g = &m->ghost;

	MUST(sync_port(&m->sync) != 0 && now_ms >= rebind_at(g));
	MUST(now_ms - g->rebound[1] >= SYNC_REBIND_MS);
	sync_rebound(&m->sync, costly, now_ms);
	g->soon = is_soon(g) && !costly;
	g->costly = costly;
	g->rebound[1] = g->rebound[0];
	g->rebound[0] = now_ms;
	g->vain++;
	g->differed = MONO_NEVER;
}

static void end_cycle(struct model *m, enum sync_outcome outcome, int64_t took)
{
	struct ghost *g = &m->ghost;

	MUST(sync_port(&m->sync) == g->port);
	now_ms += took;
	if (g->hurries && now_ms >= m->sync.settled_at_ms) {
		g->hasty = m->sync.settled_at_ms;
		g->hurries = false;
	}
	sync_cycle_ended(&m->sync, outcome, now_ms);
	g->begun = true;
	g->proved = outcome == SYNC_PROVED;
	g->shut_out = outcome == SYNC_SHUT_OUT;
	if (g->proved)
		g->vain = 0;
	if (outcome != SYNC_CLOSED)
		g->closed_counts = MONO_NEVER;
	else if (g->closed_counts == MONO_NEVER)
		g->closed_counts = now_ms + (is_soon(g) ? SYNC_CLOSED_SOON_MS : SYNC_CLOSED_MS);
}

/* What must hold wherever it falls asleep. */
static void check_asleep(const struct model *m)
{
	const struct sync *s = &m->sync;
	const struct ghost *g = &m->ghost;
	int64_t due = sync_due_ms(s);

	MUST(sync_port(s) == g->port);
	check_told(m);
	MUST(due <= now_ms + INTERVAL_MS);
	/* It looks again when something begins to count. */
	MUST(g->orphan_since == MONO_NEVER || due <= g->orphan_since + SYNC_ORPHAN_MS);
	MUST(rebind_at(g) <= now_ms || due <= rebind_at(g));
	MUST(!sync_healthy(s, now_ms) || g->port || due <= g->no_port_since + GRACE_MS + 1 ||
	     (g->empty_since != MONO_NEVER && due <= g->empty_since + SYNC_SETTLE_MS));
	MUST(due > now_ms || g->spins < 2);
	MUST(!sync_healthy(s, now_ms) || !g->silent);
	/* That there is none is known a second after it was first seen, when it looks again. */
	MUST(!sync_healthy(s, now_ms) || g->port || now_ms - g->no_port_since <= GRACE_MS ||
	     (g->empty_since != MONO_NEVER && due <= g->empty_since + SYNC_SETTLE_MS));
	MUST(sync_healthy(s, now_ms) || sync_state(s) != SYNC_IN_SYNC);
}

/* ---- back to in_sync ---- */

enum world { NEEDS_NOTHING, NEEDS_REBIND, WORLDS };

struct bound {
	unsigned turns;
	int64_t ms;
};

static const struct bound bounds[] = {
	[NEEDS_NOTHING] = { PROVED_TURNS, PROVED_MS },
	[NEEDS_REBIND] = { CLOSED_TURNS, CLOSED_MS },
};

static struct bound worst[WORLDS];

static void good_cycle(struct model *m, enum world world)
{
	struct sync *s = &m->sync;

	if (world == NEEDS_REBIND && !sync_may_rebind(s, now_ms)) {
		end_cycle(m, SYNC_CLOSED, 0);
	} else {
		if (world == NEEDS_REBIND)
			rebind(m, false);
		end_cycle(m, SYNC_PROVED, 0);
	}
}

static void come_back(struct model m, enum world world)
{
	unsigned turns = 0, cycles = 0;

	now_ms = 0;
	do {
		int64_t due = sync_due_ms(&m.sync);

		now_ms = due > now_ms ? due : now_ms;
		MUST(turns < bounds[world].turns && now_ms <= bounds[world].ms);
		turns++;
		(void)look_at(&m, LOOK_A);
		if (!sync_cycle_due(&m.sync, now_ms))
			continue;
		see_network(&m, false, false);
		MUST(!sync_is_orphan(&m.sync, now_ms));
		good_cycle(&m, world);
		cycles++;
	} while (cycles == 0 || sync_state(&m.sync) != SYNC_IN_SYNC);
	MUST(sync_healthy(&m.sync, now_ms) && sync_port(&m.sync) == PORT_A);
	if (turns > worst[world].turns)
		worst[world].turns = turns;
	if (now_ms > worst[world].ms)
		worst[world].ms = now_ms;
	now_ms = 0;
}

/* ---- every choice ---- */

struct entry {
	struct model model;
	uint32_t mark;
};

struct queue {
	size_t count;
	struct entry entries[LEVEL_MAX];
};

static struct queue levels[2];
static struct queue *later; /* those that are asleep wait for the next level */

static void push(struct queue *queue, const struct model *m)
{
	if (queue->count == LEVEL_MAX)
		fail_msg("more than %u states at a time: take fewer turns", LEVEL_MAX);
	queue->entries[queue->count++] = (struct entry){ *m, mark_count };
}

static struct queue awake;

/* A state that was reached by what `action` says. */
static void reach(struct model m, enum phase phase)
{
	m.phase = phase;
	if (phase == ASLEEP)
		check_asleep(&m);
	normalise(&m);
	if (!remember(&m))
		return;
	push(phase == ASLEEP ? later : &awake, &m);
	if (phase != ASLEEP)
		return;
	for (enum world world = 0; world < WORLDS; world++)
		come_back(m, world);
}

static void act(const char *what)
{
	snprintf(action, sizeof action, "%s", what);
}

/* After the look, if there was one: a cycle, or sleep. */
static void after_look(const struct model *m)
{
	reach(*m, sync_cycle_due(&m->sync, now_ms) ? LOOKED : ASLEEP);
}

static const char *const looks[] = { "A", "B", "empty", "bad", "silent" };

static void leave_event(const struct model *from, int64_t at)
{
	for (enum look look = 0; look < LOOKS; look++) {
		struct model m = *from;
		bool news;

		if (!has(theme->looks, look))
			continue;
		now_ms = at;
		snprintf(action, sizeof action, "written: %s", looks[look]);
		news = look_at(&m, look);
		if (!news)
			sync_file_written(&m.sync, now_ms);
		MUST(sync_due_ms(&m.sync) <= now_ms + SYNC_SETTLE_MS);
		after_look(&m);
	}
	for (enum event event = 0; event < EVENTS; event++) {
		static const char *const names[] = { "modified", "links",  "up",
			                             "asked",    "SIGHUP", "A, and again" };
		struct model m = *from;

		if (!has(theme->events, event))
			continue;
		now_ms = at;
		act(names[event]);
		switch (event) {
		case MODIFIED:
			sync_file_modified(&m.sync, now_ms);
			break;
		case LINKS_CHANGED:
		case TUNNEL_UP:
			sync_links_changed(&m.sync, event == TUNNEL_UP, now_ms);
			/* Once a minute, and not in the minute after a rebind. */
			m.ghost.hurries = event == TUNNEL_UP &&
			                  now_ms - m.ghost.hasty >= SYNC_REBIND_MS &&
			                  now_ms - m.ghost.rebound[0] >= SYNC_REBIND_MS;
			MUST(m.sync.settled_at_ms - now_ms ==
			     (m.ghost.hurries ? SYNC_UP_MS : SYNC_SETTLE_MS));
			break;
		case ASKED:
			sync_cycle_at(&m.sync, now_ms + SYNC_SETTLE_MS);
			break;
		case RELOADED:
			sync_cycle_at(&m.sync, now_ms);
			break;
		case READ_AGAIN:
		case EVENTS:
			(void)look_at(&m, LOOK_A);
			sync_read_again_at(&m.sync, now_ms + SYNC_SETTLE_MS);
			break;
		}
		MUST(sync_due_ms(&m.sync) <= now_ms + (event == RELOADED ? 0 : SYNC_SETTLE_MS));
		/* A cycle that is due then waits for its look. */
		reach(m, ASLEEP);
	}
}

static void leave_sleep(const struct model *from)
{
	int64_t due = sync_due_ms(&from->sync);
	struct model rested = *from;

	rested.ghost.spins = 0;
	if (due > EVENT_MS)
		leave_event(&rested, EVENT_MS);
	for (int64_t late = 0; late <= (theme->odd_times ? SUSPENDED_MS : 0);
	     late += SUSPENDED_MS) {
		for (enum look look = 0; look < (late ? LOOK_EMPTY : LOOKS); look++) {
			struct model m = *from;

			if (!has(theme->looks, look))
				continue;
			now_ms = (due > 0 ? due : 0) + late;
			m.ghost.spins = now_ms > 0 ? 0 : m.ghost.spins + 1;
			snprintf(action, sizeof action, "due%s: %s", late ? ", late" : "",
			         looks[look]);
			(void)look_at(&m, look);
			after_look(&m);
		}
	}
}

static void leave_look(const struct model *from)
{
	for (enum network network = 0; network < NETWORKS; network++) {
		static const char *const names[] = { "as before", "another tunnel", "alone" };
		struct model m = *from;
		bool orphan;

		if (!has(theme->networks, network))
			continue;
		now_ms = 0;
		act(names[network]);
		see_network(&m, network == ALONE, network != AS_BEFORE);
		orphan = m.ghost.orphan_since != MONO_NEVER &&
		         now_ms - m.ghost.orphan_since >= SYNC_ORPHAN_MS;
		MUST(sync_is_orphan(&m.sync, now_ms) == orphan);
		if (orphan)
			continue; /* the end */
		reach(m, NETWORK_SEEN);
	}
}

static bool is_possible(const struct model *m, enum sync_outcome outcome, bool rebinds)
{
	if (outcome == SYNC_CLOSED && !sync_port(&m->sync))
		return false;
	if (outcome == SYNC_PROVED && m->ghost.silent)
		return false;
	return !rebinds || (sync_port(&m->sync) && sync_may_rebind(&m->sync, 0));
}

static void leave_network(const struct model *from)
{
	static const char *const outcomes[] = { "",        "proved", "failed",
		                                "refused", "closed", "shut out" };

	for (unsigned i = 0; i < 5 * 3 * 2; i++) {
		enum sync_outcome outcome = SYNC_PROVED + i % 5;
		unsigned rebinds = i / 5 % 3; /* 2: a costly one */
		struct model m = *from;

		if (!has(theme->outcomes, outcome) || !is_possible(&m, outcome, rebinds > 0) ||
		    (i >= 15 && !theme->odd_times))
			continue;
		now_ms = 0;
		snprintf(action, sizeof action, "%s%s%s", rebinds ? "+" : "", outcomes[outcome],
		         i >= 15 ? ", 4 s" : "");
		if (rebinds)
			rebind(&m, rebinds == 2);
		end_cycle(&m, outcome, i >= 15 ? 4000 : 0);
		MUST(outcome != SYNC_REFUSED || sync_due_ms(&m.sync) <= now_ms + SYNC_REFUSED_MS);
		reach(m, ASLEEP);
	}
}

static void leave(const struct model *m)
{
	switch (m->phase) {
	case ASLEEP:
		leave_sleep(m);
		break;
	case LOOKED:
		leave_look(m);
		break;
	case NETWORK_SEEN:
		leave_network(m);
		break;
	}
}

/* All that comes after one turn of what is in `now_asleep`. */
static void explore(struct queue *now_asleep)
{
	awake.count = 0;
	for (size_t i = 0; i < now_asleep->count; i++) {
		struct model m = now_asleep->entries[i].model;

		current = now_asleep->entries[i].mark;
		leave(&m);
		for (size_t j = 0; j < awake.count; j++) {
			struct model next = awake.entries[j].model;

			current = awake.entries[j].mark;
			leave(&next);
		}
		awake.count = 0;
	}
}

/* ---- where it begins ---- */

static struct model fresh(void)
{
	struct model m = {
		.sync = sync_start(INTERVAL_MS, GRACE_MS, 1, 0),
		.ghost = {
			.empty_since = MONO_NEVER,
			.orphan_since = MONO_NEVER,
			.closed_counts = MONO_NEVER,
			.differed = MONO_NEVER,
			.rebound = { -SYNC_REBIND_MS, -SYNC_REBIND_MS },
			.hasty = -SYNC_REBIND_MS,
		},
	};

	return m;
}

/* A turn as it is wanted, when it is due. */
static void turn_with(struct model *m, enum look look, bool alone, enum sync_outcome outcome,
                      bool costly)
{
	int64_t due = sync_due_ms(&m->sync);

	now_ms = due > 0 ? due : 0;
	(void)look_at(m, look);
	if (sync_cycle_due(&m->sync, now_ms)) {
		see_network(m, alone, false);
		if (outcome == SYNC_CLOSED && sync_may_rebind(&m->sync, now_ms))
			rebind(m, costly);
		end_cycle(m, outcome, 0);
	}
	check_asleep(m);
	normalise(m);
}

static void turn(struct model *m, enum look look, bool alone, enum sync_outcome outcome)
{
	turn_with(m, look, alone, outcome, false);
}

static struct model begin(unsigned which)
{
	struct model m = fresh();

	if (which == 0)
		return m;
	turn(&m, LOOK_A, false, SYNC_PROVED);
	turn(&m, LOOK_A, false, SYNC_PROVED);
	/* Shut out by a wrong password. */
	if (which == 2)
		turn(&m, LOOK_A, false, SYNC_SHUT_OUT);
	/* Closed, and opened again in vain: once, and up to the longest pause. */
	while ((which == 3 && m.ghost.vain < 1) || (which == 4 && m.ghost.vain < 7))
		turn_with(&m, LOOK_A, false, SYNC_CLOSED, m.ghost.vain > 0);
	/* No port, just before that is too long. */
	while (which == 5 && now_ms - m.ghost.no_port_since + INTERVAL_MS < GRACE_MS)
		turn(&m, LOOK_EMPTY, false, SYNC_PROVED);
	/* Alone for a while; a source that is silent. */
	if (which == 6)
		turn(&m, LOOK_A, true, SYNC_FAILED);
	for (unsigned times = 0; which == 7 && times < 8; times++)
		turn(&m, LOOK_SILENT, false, SYNC_FAILED);
	return m;
}

#define BEGINNINGS 8

static void explore_theme(void)
{
	memset(table, 0, sizeof table);
	mark_count = 0;
	levels[0].count = 0;
	later = &levels[0];
	for (unsigned which = 0; which < BEGINNINGS; which++) {
		current = 0;
		snprintf(action, sizeof action, "beginning %u", which);
		reach(begin(which), ASLEEP);
	}
	assert_int_equal(levels[0].count, BEGINNINGS);
	for (unsigned i = 0; i < theme->turns; i++) {
		later = &levels[1 - i % 2];
		later->count = 0;
		explore(&levels[i % 2]);
	}
	print_message("%s: %u states in %u turns from each of %d beginnings\n", theme->name,
	              mark_count, theme->turns, BEGINNINGS);
}

static void sync_keeps_its_promises_whatever_comes_in_whatever_order(void **state)
{
	(void)state;

	for (theme = themes; theme < themes + sizeof themes / sizeof themes[0]; theme++)
		explore_theme();
	for (enum world world = 0; world < WORLDS; world++)
		print_message("back in sync after at most %u turns and %.1f s\n",
		              worst[world].turns, (double)worst[world].ms / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sync_keeps_its_promises_whatever_comes_in_whatever_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
