/* login_budget: decides whether a login to qBittorrent may be sent. Pure: no clock, no file. No
 * function blocks or fails.
 *
 * At most LOGIN_FAILED_MAX logins may have failed since qBittorrent's counter was zero. All
 * commands and all credentials count together. Only an accepted login, a restart that was seen, or
 * a person (SIGHUP) clears the count.
 *
 * The reason: qBittorrent bans an address at the fifth failed login. Only an accepted login, the
 * end of a ban, or a restart resets its counter.
 *
 * A restart is recognised by the cache id on the public login page (css/login.css?v=...). Measured
 * with 4.2.5, 4.5.2, 5.1.0 and 5.3.0: the id is the same for all requests, settings and languages.
 * It changes at each restart. It is a constant member of the object (WebApplication) that owns the
 * login counter, so a new id means a new counter. Other pages (an alternative Web UI, a proxy's)
 * have no id; with them no restart is seen.
 *
 * An id that was seen before does not prove a restart. Either several qBittorrents answer (a load
 * balancer, another host in the settings), or something changes the page. Then the failures from
 * before the restarts count again. No restart is inferred until a person clears the count. An
 * accepted login then resets one server's counter only, so it does not clear the count.
 *
 * A login without an answer may have failed, so it counts. One exception: credentials that were
 * accepted before are assumed right until qBittorrent rejects them, if nothing else has failed
 * since. Without an answer they only pause, and are never given up. */
#ifndef QSTICKY_CORE_LOGIN_BUDGET_H
#define QSTICKY_CORE_LOGIN_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qbittorrent/login_verdict.h"

/* Most logins that may have failed since qBittorrent's counter was known to be zero. One more could
 * be the fifth, which brings a ban. */
#define LOGIN_FAILED_MAX 4

/* After this many rejections, credentials are given up. */
#define LOGIN_REJECTED_MAX 2

/* Pause after a rejected login or a ban, for the same credentials, in seconds. Also the longest
 * pause after unanswered logins. */
#define LOGIN_PAUSE_S 600

/* Most pairs remembered: one for each login that may have failed, and the accepted one. */
#define LOGIN_PAIRS_MAX 5

/* Most earlier cache ids remembered, to recognise one that comes back. */
#define LOGIN_PAST_MAX 8

/* Most unanswered logins counted for one pair; more make no difference. */
#define LOGIN_UNANSWERED_MAX 99

/* The time "never". */
#define LOGIN_NEVER INT64_MAX

/* Length in bytes of a digest, which stands for a user with a password, or for a cache id. */
#define LOGIN_ID_LEN 16

/* Whether a pair may log in and, if not, why. This is not the result of its last login. */
enum login_state {
	LOGIN_IN_ORDER,  /* the pair may log in, or needs no login */
	LOGIN_HELD_BACK, /* its last login got no answer, or other pairs have used up the budget */
	LOGIN_WAS_REJECTED,
	LOGIN_WAS_BANNED,
};

/* A pair of user and password at one server. */
struct login_pair {
	unsigned char id[LOGIN_ID_LEN];
	bool accepted;     /* accepted once and not rejected since */
	bool banned;       /* the last verdict was a ban */
	unsigned rejected; /* rejections since the count was cleared; at most LOGIN_REJECTED_MAX */
	unsigned unanswered; /* logins since the last verdict; at most LOGIN_UNANSWERED_MAX */
	int64_t last_s;      /* when the last login was sent; seconds since 1970 */
};

/* All zeros at first: no login was sent. */
struct login_budget {
	unsigned failed; /* may have failed, without the accepted pair; at most LOGIN_FAILED_MAX */
	bool server_known;
	bool unsteady;     /* cache ids alternate: no restart is inferred */
	unsigned before;   /* may have failed before the restarts; at most LOGIN_FAILED_MAX */
	size_t past_count; /* number of cache ids in `past` */
	size_t count;      /* number of pairs */
	unsigned char
		server[LOGIN_ID_LEN]; /* the cache id since the last login, if `server_known` */
	unsigned char past[LOGIN_PAST_MAX][LOGIN_ID_LEN]; /* earlier cache ids, the latest first */
	struct login_pair pairs[LOGIN_PAIRS_MAX];
};

/* Returns the earliest time of the next login with the pair `id`, in seconds since 1970.
 * LOGIN_NEVER: not until the count is cleared. Other pairs may log in even then, unless
 * login_budget_is_spent(). */
int64_t login_budget_next_s(const struct login_budget *budget,
                            const unsigned char id[static LOGIN_ID_LEN]);

/* Whether the budget is used up: no pair may log in until the count is cleared. (The accepted pair
 * may, while only its own logins went unanswered.) */
bool login_budget_is_spent(const struct login_budget *budget);

/* Whether to read the cache id: a login was sent since the counter was zero, or a restart was
 * seen. */
bool login_budget_wants_server(const struct login_budget *budget);

/* Whether the pair `id` was tried since the counter was zero. */
bool login_budget_knows(const struct login_budget *budget,
                        const unsigned char id[static LOGIN_ID_LEN]);

/* Returns the state of the pair `id`. */
enum login_state login_budget_state(const struct login_budget *budget,
                                    const unsigned char id[static LOGIN_ID_LEN]);

/* Corrects the times if the clock was set back. `now_s`: seconds since 1970. A login dated in the
 * future then counts as sent now, so its pause lasts its full length and no longer. Returns whether
 * any time changed. A clock set forward may end a pause early; the count does not depend on it. */
bool login_budget_clock(struct login_budget *budget, int64_t now_s);

/* Counts a login with the pair `id`; call it before the login is sent. `now_s`: seconds since 1970.
 * The login counts as unanswered until login_budget_verdict(). */
void login_budget_attempt(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          int64_t now_s);

/* Records the verdict on the last login with the pair `id`. */
void login_budget_verdict(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          enum qbittorrent_login verdict);

/* Whether the cache id `server` would show a restart. The caller confirms it by several requests;
 * if their ids differ, it calls login_budget_unsteady(). */
bool login_budget_is_new_server(const struct login_budget *budget,
                                const unsigned char server[static LOGIN_ID_LEN]);

/* Records that several cache ids are in use at once. Failures from before the restarts count again;
 * no restart is inferred until the count is cleared. */
void login_budget_unsteady(struct login_budget *budget);

/* Records the cache id `server` of the login page, read after the last login. Returns whether it
 * shows a restart of qBittorrent, which clears the count. */
bool login_budget_server(struct login_budget *budget,
                         const unsigned char server[static LOGIN_ID_LEN]);

/* Clears the count, at a person's request (SIGHUP). Keeps the accepted pair. */
void login_budget_clear(struct login_budget *budget);

#endif
