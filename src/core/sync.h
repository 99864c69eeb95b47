/* sync: what to do next, and when. A pure state machine: events and the time go in, a due time and
 * a verdict come out; it knows no descriptor, clock or log.
 *
 * It is level-triggered: a cycle compares the file with qBittorrent, whatever happened before; an
 * event only makes a cycle due sooner. */
#ifndef QSTICKY_CORE_SYNC_H
#define QSTICKY_CORE_SYNC_H

#include <stdbool.h>
#include <stdint.h>

/* An empty or missing file counts once it has been so for as long: it may be the instant between
 * truncate and write. A rewrite of the same port settles for as long before it starts a cycle. */
#define SYNC_SETTLE_MS 1000

/* A port that is closed is given as long before it counts as closed: qBittorrent may be opening it. */
#define SYNC_CLOSED_MS 1000

/* Pause after a rebind, doubled up to the longest while they do not help. Where the tunnel has changed
 * since, one more may follow sooner: never more than two in any SYNC_REBIND_MS. What keeps the port is
 * often gone a minute later (TIME-WAIT), and qBittorrent does not try again by itself. */
#define SYNC_REBIND_MS (60 * 1000)
#define SYNC_REBIND_MAX_MS (2 * 60 * 1000)

/* The longest pause where the port is open at another address: there each rebind drops the uTP peers. */
#define SYNC_REBIND_COSTLY_MAX_MS (30 * 60 * 1000)

/* How long nothing but loopback may be left before that counts as an orphaned namespace. */
#define SYNC_ORPHAN_MS (30 * 1000)

/* Longest pause after a failed cycle. */
#define SYNC_RETRY_MAX_MS 60000

/* Pause after SYNC_REFUSED: such an attempt costs next to nothing. */
#define SYNC_REFUSED_MS 1000

/* What the port file was last found to say. */
enum sync_file {
	SYNC_FILE_UNREAD,
	SYNC_FILE_PORT,
	SYNC_FILE_EMPTY, /* none forwarded: leave qBittorrent as it is */
	SYNC_FILE_BAD,
};

/* How a cycle ended. */
enum sync_outcome {
	SYNC_PENDING, /* none has ended since the wanted port is wanted */
	SYNC_PROVED,  /* qBittorrent let us in and has the wanted port open, or none was wanted */
	SYNC_FAILED,  /* it may go better next time */
	SYNC_REFUSED, /* the Web UI is on this machine and refuses connections: qBittorrent may be starting */
	SYNC_CLOSED,   /* it has the wanted port, and refuses connections to it */
	SYNC_SHUT_OUT, /* it will not go better before somebody acts on login, trust or port */
};

enum sync_state {
	SYNC_STARTING,
	SYNC_WAITING_FOR_PORT,
	SYNC_IN_SYNC,
	SYNC_RETRYING, /* the last cycle failed, or the newest port is not proved yet */
	SYNC_ERROR,    /* the port file or the credentials need a person */
};

struct sync {
	int64_t interval_ms;
	int64_t grace_ms;
	uint32_t random; /* state of the jitter */

	enum sync_file file;
	uint16_t port;         /* with SYNC_FILE_PORT */
	int64_t empty_at_ms;   /* when an empty file begins to count; MONO_NEVER: it is not empty */
	int64_t look_at_ms;    /* when to read the file, apart from the cycles; MONO_NEVER: not */
	int64_t no_port_at_ms; /* since when there is no port */

	bool begun; /* a cycle has ended since the start */
	enum sync_outcome outcome;
	unsigned failures; /* cycles failed in a row */
	int64_t cycle_at_ms;
	int64_t settled_at_ms; /* when an event has settled; MONO_NEVER: there is none */
	int64_t asked_at_ms;   /* when a cycle was asked for; MONO_NEVER: not */

	int64_t closed_at_ms;             /* since when the port is closed; MONO_NEVER: it is not */
	int64_t rebound_at_ms[2];         /* the last rebind, and the one before it */
	unsigned rebinds_failed_in_a_row; /* they did not help */
	bool changed_since;               /* the tunnel, since the last rebind */
	bool rebinds_cost;                /* the last one has dropped peers */

	bool had_company;     /* there was more than loopback once */
	bool alone;           /* and now there is not */
	int64_t orphan_at_ms; /* when that begins to count; MONO_NEVER: not */
};

/* A machine whose first cycle is due now. Times in ms; `seed` is for the jitter, any number. */
struct sync sync_start(int64_t interval_ms, int64_t grace_ms, uint32_t seed, int64_t now_ms);

/* The file was read: it holds `port` (not 0); nothing; or something else. The first also returns
 * whether that is another port than before. */
bool sync_file_port(struct sync *sync, uint16_t port, int64_t now_ms);
void sync_file_empty(struct sync *sync, int64_t now_ms);
void sync_file_bad(struct sync *sync, int64_t now_ms);

/* What is forwarded cannot be learnt now: what was known stays so. The cycle that follows has failed,
 * whatever qBittorrent says. */
void sync_source_silent(struct sync *sync, int64_t now_ms);

/* The file is being written, and may not be whole yet: read it when it has settled. */
void sync_file_modified(struct sync *sync, int64_t now_ms);

/* The source was read just now. Read it again at `at_ms`, apart from the cycles. */
void sync_read_again_at(struct sync *sync, int64_t at_ms);

/* Somebody wrote the file, whatever it holds. */
void sync_file_written(struct sync *sync, int64_t now_ms);

/* Something has changed at the tunnel, and may go on changing. */
void sync_links_changed(struct sync *sync, int64_t now_ms);

/* There was a look, and the tunnel is not what it was at the last: rebinds may help again. */
void sync_tunnel_differs(struct sync *sync);

/* Have a cycle at `at_ms`, whatever else is due. */
void sync_cycle_at(struct sync *sync, int64_t at_ms);

/* There was a look: whether nothing but loopback is in this network namespace. */
void sync_links_seen(struct sync *sync, bool lo_only, int64_t now_ms);

/* A cycle ended. */
void sync_cycle_ended(struct sync *sync, enum sync_outcome outcome, int64_t now_ms);

/* When to look at the clock again: the next cycle or, if sooner, the next read of the file. */
int64_t sync_due_ms(const struct sync *sync);

/* Whether a cycle is due; the caller runs it and calls sync_cycle_ended(). */
bool sync_cycle_due(const struct sync *sync, int64_t now_ms);

/* Whether this cycle, if it finds the port closed, may rebind: it was closed a second ago too, and
 * the last rebind is long enough past. */
bool sync_may_rebind(const struct sync *sync, int64_t now_ms);

/* A rebind was begun; `costly`: it drops peers, since the port is open at another address. */
void sync_rebound(struct sync *sync, bool costly, int64_t now_ms);

/* Whether nothing but loopback is left of a network namespace that had more. */
bool sync_is_alone(const struct sync *sync);

/* Whether it has been so for SYNC_ORPHAN_MS although a port is forwarded: another namespace has
 * taken the place of this one. */
bool sync_is_orphan(const struct sync *sync, int64_t now_ms);

/* The port wanted, or 0 where none is known. */
uint16_t sync_port(const struct sync *sync);

enum sync_state sync_state(const struct sync *sync);

/* Whether the last cycle proved that all is well, or that nothing is but a port that may yet come. */
bool sync_healthy(const struct sync *sync, int64_t now_ms);

/* Whether there has been no port for longer than the grace allows. */
bool sync_no_port_too_long(const struct sync *sync, int64_t now_ms);

#endif
