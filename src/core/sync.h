/* sync: decides what to do next, and when. A pure state machine: events and the time go in; a due
 * time and a verdict come out. It uses no descriptor, clock or log. No function blocks or fails.
 *
 * It is level-triggered: each cycle compares the wanted port with qBittorrent's, whatever happened
 * before. An event only makes the next cycle due sooner.
 *
 * All times are in milliseconds on the monotonic clock (base/clock.h); MONO_NEVER is never. */
#ifndef QSTICKY_CORE_SYNC_H
#define QSTICKY_CORE_SYNC_H

#include <stdbool.h>
#include <stdint.h>

/* How long a file must be empty or missing before that counts: the writer may be between truncate
 * and write. Also how long to wait for a cycle after a rewrite of the same port. */
#define SYNC_SETTLE_MS 1000

/* The same after the tunnel came: once in SYNC_REBIND_MS, if no rebind was in that time. */
#define SYNC_UP_MS 50

/* How long a port must be closed before that counts: qBittorrent may be opening it. SOON: after
 * such a change. libtorrent opens its sockets again by itself within 43 ms, or not at all. */
#define SYNC_CLOSED_MS 1000
#define SYNC_CLOSED_SOON_MS 150

/* Pause after a rebind. It doubles with each rebind that does not help, up to the MAX. If the
 * tunnel has changed since, the next rebind may follow sooner, but at most two in any
 * SYNC_REBIND_MS. Whatever occupies the port is often gone after a minute (TIME-WAIT), but
 * qBittorrent does not try to open it again by itself. */
#define SYNC_REBIND_MS (60 * 1000)
#define SYNC_REBIND_MAX_MS (2 * 60 * 1000)

/* Pause after a rebind that came soon after a change of the tunnel, and did not help: it may have
 * come before qBittorrent had noticed the tunnel. */
#define SYNC_REBIND_AGAIN_MS 2000

/* Longest pause if the port is open at another address: there each rebind drops the uTP peers. */
#define SYNC_REBIND_COSTLY_MAX_MS (30 * 60 * 1000)

/* How long the namespace may have only loopback before it counts as orphaned. */
#define SYNC_ORPHAN_MS (30 * 1000)

/* Longest pause after a failed cycle. */
#define SYNC_RETRY_MAX_MS 60000

/* Pause after SYNC_REFUSED. It is short: a refused connection costs almost nothing. */
#define SYNC_REFUSED_MS 1000

/* What the last read of the source (port file or control server) found. */
enum sync_file {
	SYNC_FILE_UNREAD,
	SYNC_FILE_PORT,
	SYNC_FILE_EMPTY, /* no port is forwarded: leave qBittorrent as it is */
	SYNC_FILE_BAD,   /* the file is unreadable or holds no port */
};

/* How a cycle ended. */
enum sync_outcome {
	SYNC_PENDING,  /* no cycle has ended since the wanted port changed */
	SYNC_PROVED,   /* qBittorrent answered and has the wanted port open, or none is wanted */
	SYNC_FAILED,   /* a retry may succeed */
	SYNC_REFUSED,  /* the Web UI on this machine refuses connections: it may be starting */
	SYNC_CLOSED,   /* qBittorrent has the wanted port set, but connections to it are refused */
	SYNC_SHUT_OUT, /* a retry fails until a person corrects login, trust or port */
};

enum sync_state {
	SYNC_STARTING,
	SYNC_WAITING_FOR_PORT,
	SYNC_IN_SYNC,
	SYNC_RETRYING, /* the last cycle failed, or the wanted port is not proved yet */
	SYNC_ERROR,    /* a person must correct the port file, login, trust or port */
};

struct sync {
	int64_t interval_ms;
	int64_t grace_ms;
	uint32_t random; /* state of the jitter */

	enum sync_file file;
	uint16_t port;         /* valid if `file` is SYNC_FILE_PORT */
	int64_t empty_at_ms;   /* when an empty file begins to count; MONO_NEVER: none is pending */
	int64_t look_at_ms;    /* when to read the source between cycles; MONO_NEVER: not */
	int64_t no_port_at_ms; /* since when no port is forwarded */

	bool begun; /* at least one cycle has ended */
	enum sync_outcome outcome;
	unsigned failures;     /* cycles failed in a row */
	int64_t cycle_at_ms;   /* the next regular cycle or retry */
	int64_t settled_at_ms; /* the cycle after an event; MONO_NEVER: no event */
	int64_t soon_at_ms;    /* the last cycle SYNC_UP_MS after an event, or a rebind since */
	int64_t asked_at_ms;   /* the cycle that sync_cycle_at() asked for; MONO_NEVER: none */

	int64_t closed_at_ms;             /* when a closed port counts; MONO_NEVER: it is open */
	int64_t rebound_at_ms[2];         /* the last rebind, and the one before it */
	unsigned rebinds_failed_in_a_row; /* rebinds that did not open the port */
	int64_t changed_at_ms; /* the tunnel's last change after the last rebind; MONO_NEVER: none */
	bool rebound_soon;     /* the last rebind came soon after a change, and dropped no peers */
	bool rebinds_cost;     /* the last rebind dropped peers */

	bool had_company;     /* an interface other than loopback was here once */
	bool alone;           /* now there is only loopback */
	int64_t orphan_at_ms; /* when `alone` counts as orphaned; MONO_NEVER: it does not */
};

/* Returns a machine whose first cycle is due at `now_ms`. `interval_ms`: between two good cycles.
 * `grace_ms`: how long "no port" stays healthy. `seed` is for the jitter; any number will do. */
struct sync sync_start(int64_t interval_ms, int64_t grace_ms, uint32_t seed, int64_t now_ms);

/* The source, file or control server, was read and lists `port` (1 to 65535). Returns whether the
 * wanted port changed; then a cycle is due now. */
bool sync_file_port(struct sync *sync, uint16_t port, int64_t now_ms);

/* The source was read and lists no port. This counts only if a read SYNC_SETTLE_MS later gives the
 * same; sync_due_ms() includes that read. Then no port is wanted, and a cycle is due now. */
void sync_file_empty(struct sync *sync, int64_t now_ms);

/* The file holds something else, or cannot be read. No port is wanted, and a cycle is due now. */
void sync_file_bad(struct sync *sync, int64_t now_ms);

/* The source does not answer. The last port stays wanted. A cycle is due now; the caller must end
 * it as failed, whatever qBittorrent says. */
void sync_source_silent(struct sync *sync, int64_t now_ms);

/* The file is being written and may be incomplete: read it SYNC_SETTLE_MS later. */
void sync_file_modified(struct sync *sync, int64_t now_ms);

/* The source was read just now. Makes the next read between cycles due at `at_ms`. */
void sync_read_again_at(struct sync *sync, int64_t at_ms);

/* The file was written, perhaps with the same port. Makes a cycle due SYNC_SETTLE_MS later. */
void sync_file_written(struct sync *sync, int64_t now_ms);

/* The tunnel changed and may change again. Makes a cycle due SYNC_SETTLE_MS after the last change.
 * SYNC_UP_MS if it `came`: it is usable, and was not or was another one. But neither a rebind nor
 * such a cycle may have been in the last SYNC_REBIND_MS. */
void sync_links_changed(struct sync *sync, bool came, int64_t now_ms);

/* The tunnel was read and differs from the last time. A rebind may help again, so the long pauses
 * end. */
void sync_tunnel_differs(struct sync *sync, int64_t now_ms);

/* Makes a cycle due at `at_ms`, or sooner if one is due sooner. */
void sync_cycle_at(struct sync *sync, int64_t at_ms);

/* The interfaces were read. `lo_only`: this network namespace has only loopback. */
void sync_links_seen(struct sync *sync, bool lo_only, int64_t now_ms);

/* A cycle ended with `outcome`. Sets when the next one is due. */
void sync_cycle_ended(struct sync *sync, enum sync_outcome outcome, int64_t now_ms);

/* Returns when to wake up: for the next cycle or, if sooner, for the next read of the source. */
int64_t sync_due_ms(const struct sync *sync);

/* Whether a cycle is due; the caller runs it and calls sync_cycle_ended(). */
bool sync_cycle_due(const struct sync *sync, int64_t now_ms);

/* Whether a cycle that finds the port closed may rebind. The port must have been closed for long
 * enough, and the pause since the last rebind must be over. */
bool sync_may_rebind(const struct sync *sync, int64_t now_ms);

/* Whether a closed port may soon be open, so that it is too early to report it: it does not count
 * yet, or a rebind came too soon and is repeated. */
bool sync_is_doubtful(const struct sync *sync);

/* A rebind was started. `costly`: it drops peers, since the port is open at another address. */
void sync_rebound(struct sync *sync, bool costly, int64_t now_ms);

/* Whether the network namespace has only loopback, and had another interface before. */
bool sync_is_alone(const struct sync *sync);

/* Whether sync_is_alone() has held for SYNC_ORPHAN_MS while a port is forwarded. Then Gluetun runs
 * in another namespace, and this one is dead. */
bool sync_is_orphan(const struct sync *sync, int64_t now_ms);

/* Returns the wanted port, or 0 if none is known. */
uint16_t sync_port(const struct sync *sync);

enum sync_state sync_state(const struct sync *sync);

/* Whether the last cycle succeeded, and a port is forwarded or its absence is within the grace. */
bool sync_healthy(const struct sync *sync, int64_t now_ms);

/* Whether no port has been forwarded for longer than the grace. */
bool sync_no_port_too_long(const struct sync *sync, int64_t now_ms);

#endif
