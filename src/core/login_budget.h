/* login_budget: decides whether a login to qBittorrent may be sent. Pure: no clock, no file.
 *
 * qBittorrent bans an address at the fifth failed login. Only an accepted login, the end of a ban,
 * or a restart resets its counter. So qsticky counts the logins that may have failed, over all
 * commands and all credentials, and never passes LOGIN_FAILED_MAX. Only a person (SIGHUP), an
 * accepted login, or a restart that was seen clears the count.
 *
 * A restart is seen by the cache id on the public login page (css/login.css?v=...). Measured with
 * 4.2.5, 4.5.2, 5.1.0 and 5.3.0: the id stays the same over requests, settings and languages, and
 * changes at each restart. It is a constant member of the object (WebApplication) that owns the
 * login counter, so a new id means a new counter. Other pages (an alternative Web UI, a proxy's)
 * have no id: then no restart is seen.
 *
 * An id that comes back does not show a restart. Either several qBittorrents answer (a load
 * balancer, another host in the settings), or somebody changes the page. Then the earlier count is
 * added again, and no restart is inferred until a person clears the count. An accepted login then
 * resets the counter of one server only, so it does not clear the sum.
 *
 * One assumption is made. A login without an answer may have failed, so it counts. But credentials
 * that were accepted before are taken to be right until qBittorrent rejects them, if nothing else
 * has failed since. Without an answer they only pause, and are never given up. */
#ifndef QSTICKY_CORE_LOGIN_BUDGET_H
#define QSTICKY_CORE_LOGIN_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qbittorrent/login_verdict.h"

/* Most logins that may have failed since the counter was known to be zero. One more could be the
 * fifth. */
#define LOGIN_FAILED_MAX 4

/* Rejections after which the same credentials are given up. */
#define LOGIN_REJECTED_MAX 2

/* Pause after a rejected login or a ban, for the same credentials, in seconds. Also the longest
 * pause after unanswered logins. */
#define LOGIN_PAUSE_S 600

/* Credentials that are remembered: LOGIN_FAILED_MAX of them, and those accepted before. */
#define LOGIN_PAIRS_MAX 5

/* Cache ids remembered from before restarts, in case they come back. */
#define LOGIN_PAST_MAX 8

/* Most unanswered logins counted for one pair; more make no difference. */
#define LOGIN_UNANSWERED_MAX 99

/* A time that never comes. */
#define LOGIN_NEVER INT64_MAX

/* Length of a digest, in bytes. It identifies a pair of user and password, or a cache id. */
#define LOGIN_ID_LEN 16

/* Whether a pair may log in, and if not, why. It is not the result of its last login. */
enum login_state {
	LOGIN_IN_ORDER,  /* may log in, or need not */
	LOGIN_HELD_BACK, /* the last login got no answer, or others have used up the budget */
	LOGIN_WAS_REJECTED,
	LOGIN_WAS_BANNED,
};

/* A pair of user and password at one server. */
struct login_pair {
	unsigned char id[LOGIN_ID_LEN];
	bool accepted;       /* accepted once and not rejected since */
	bool banned;         /* the last verdict was a ban */
	unsigned rejected;   /* since the count was cleared; at most LOGIN_REJECTED_MAX */
	unsigned unanswered; /* since the last verdict; at most LOGIN_UNANSWERED_MAX */
	int64_t last_s;      /* when the last login was sent; seconds since 1970 */
};

/* All zeros: nothing has been tried. */
struct login_budget {
	unsigned failed; /* possibly failed, without the accepted pair; at most LOGIN_FAILED_MAX */
	bool server_known;
	unsigned char
		server[LOGIN_ID_LEN]; /* the cache id since the last login, if `server_known` */
	bool unsteady;                /* cache ids alternate: no restart is inferred */
	unsigned before;   /* possibly failed before restarts; at most LOGIN_FAILED_MAX */
	size_t past_count; /* number of cache ids in `past` */
	unsigned char past[LOGIN_PAST_MAX][LOGIN_ID_LEN]; /* earlier cache ids, the latest first */
	size_t count;                                     /* number of pairs */
	struct login_pair pairs[LOGIN_PAIRS_MAX];
};

/* Returns the earliest time for a login with the pair `id`. LOGIN_NEVER: not before the count is
 * cleared. Unless login_budget_is_spent(), other credentials may log in. */
int64_t login_budget_next_s(const struct login_budget *budget,
                            const unsigned char id[static LOGIN_ID_LEN]);

/* Whether no login may be sent with any credentials until the count is cleared. */
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

/* Corrects the times if the clock, now at `now_s`, was set back. A login that seems to lie in the
 * future counts as sent just now, so its pause lasts its full length, and no longer. Returns
 * whether anything changed. (A clock set forward may end a pause early; the count does not depend
 * on it.) */
bool login_budget_clock(struct login_budget *budget, int64_t now_s);

/* Counts a login with `id` that is about to be sent. It counts as unanswered until its verdict. */
void login_budget_attempt(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          int64_t now_s);

/* Records the verdict of a login that was sent. */
void login_budget_verdict(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          enum qbittorrent_login verdict);

/* Whether the cache id `server` would show a restart. Confirm it with several requests: see
 * login_budget_unsteady(). */
bool login_budget_is_new_server(const struct login_budget *budget,
                                const unsigned char server[static LOGIN_ID_LEN]);

/* Notes that requests at one time had several cache ids: no restart is inferred any more. */
void login_budget_unsteady(struct login_budget *budget);

/* Records the cache id `server` of the login page, read after the last login. Returns whether it
 * shows a restart of qBittorrent, which clears the count. */
bool login_budget_server(struct login_budget *budget,
                         const unsigned char server[static LOGIN_ID_LEN]);

/* Clears the count for a person. Keeps the accepted pair. */
void login_budget_clear(struct login_budget *budget);

#endif
