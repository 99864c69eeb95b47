/* login_budget: whether a login at qBittorrent may be sent. Pure: the time comes in, no file is touched.
 *
 * qBittorrent bans an address at the fifth failed login, and counts them without end: only an accepted
 * login, the end of a ban, or its restart sets the counter to zero. So what may have failed is counted
 * here over all commands and all credentials, and never passes LOGIN_FAILED_MAX. Only a person
 * (SIGHUP), an accepted login, or a restart that was seen clears the count.
 *
 * A restart is seen by the cache id on the public login page (css/login.css?v=...). Measured with 4.2.5, 4.5.2,
 * 5.1.0 and 5.3.0: it stays the same over requests, settings and languages, and is another after each
 * restart. It is a constant member of the object (WebApplication) that owns the login counter, so a
 * new id is a new counter. Other pages (an alternative Web UI, a proxy's) have none: nothing is seen.
 *
 * An id that comes back was no restart: several qBittorrents answer in turn (a load balancer, another
 * host in the settings), or somebody changes the page. Then the count before is added again, and no
 * restart is inferred any more until a person clears it. An accepted login clears the count of
 * one of these only, so it does not clear the sum.
 *
 * One assumption is made. A login that gets no answer may have failed, so it counts. But credentials
 * that were accepted before, while nothing else has failed since, are taken to be right until
 * qBittorrent says otherwise: those only pause, and are never given up for want of an answer. */
#ifndef QSTICKY_CORE_LOGIN_BUDGET_H
#define QSTICKY_CORE_LOGIN_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qbittorrent/login_verdict.h"

/* Logins that may have failed since the counter was known to be zero. The next could be the fifth. */
#define LOGIN_FAILED_MAX 4

/* Rejections of the same credentials, after which they are given up. */
#define LOGIN_REJECTED_MAX 2

/* Seconds from a rejected login, or a ban, to the next with the same credentials; also the longest
 * pause after logins without an answer. */
#define LOGIN_PAUSE_S 600

/* Credentials that are told apart: as many as LOGIN_FAILED_MAX allows, and those accepted before. */
#define LOGIN_PAIRS_MAX 5

/* Cache ids that are remembered after a restart, in case they come back. */
#define LOGIN_PAST_MAX 8

/* Most logins without an answer that are counted for one pair; more make no difference. */
#define LOGIN_UNANSWERED_MAX 99

/* A time that does not come. */
#define LOGIN_NEVER INT64_MAX

/* Length of a digest, in bytes: of a pair of user and password, or of a cache id. */
#define LOGIN_ID_LEN 16

/* How a pair stands: not what became of its last login, but what that and others mean for the next. */
enum login_state {
	LOGIN_IN_ORDER,  /* or not needed, or never tried */
	LOGIN_HELD_BACK, /* for want of an answer, or since others have used the budget */
	LOGIN_WAS_REJECTED,
	LOGIN_WAS_BANNED,
};

/* A pair of user and password at one server. */
struct login_pair {
	unsigned char id[LOGIN_ID_LEN];
	bool accepted;       /* once, and not rejected since */
	bool banned;         /* the last verdict */
	unsigned rejected;   /* since the count was cleared; at most LOGIN_REJECTED_MAX */
	unsigned unanswered; /* since the last verdict; at most LOGIN_UNANSWERED_MAX */
	int64_t last_s;      /* when the last login was sent; seconds since 1970 */
};

/* All zeros: nothing has been tried. */
struct login_budget {
	unsigned
		failed; /* possibly; at most LOGIN_FAILED_MAX. Without those of an accepted pair. */
	bool server_known;
	unsigned char
		server[LOGIN_ID_LEN]; /* the cache id since the last login, with `server_known` */
	bool unsteady;                /* cache ids come and go: no restart is inferred */
	unsigned before;   /* possibly failed before restarts; at most LOGIN_FAILED_MAX */
	size_t past_count; /* of the cache ids before them */
	unsigned char past[LOGIN_PAST_MAX][LOGIN_ID_LEN]; /* the latest first */
	size_t count;                                     /* of pairs */
	struct login_pair pairs[LOGIN_PAIRS_MAX];
};

/* When a login with the pair `id` may be sent: at the time returned or later; LOGIN_NEVER: not before
 * the count is cleared or, unless login_budget_is_spent(), the credentials are others. */
int64_t login_budget_next_s(const struct login_budget *budget,
                            const unsigned char id[static LOGIN_ID_LEN]);

/* Whether no login may be sent, whatever the credentials, before the count is cleared. */
bool login_budget_is_spent(const struct login_budget *budget);

/* Whether the cache id matters: something was sent since the count was zero, or a restart was seen. */
bool login_budget_wants_server(const struct login_budget *budget);

/* Whether the pair `id` was tried since the count was zero. */
bool login_budget_knows(const struct login_budget *budget,
                        const unsigned char id[static LOGIN_ID_LEN]);

/* How the pair `id` stands. */
enum login_state login_budget_state(const struct login_budget *budget,
                                    const unsigned char id[static LOGIN_ID_LEN]);

/* The clock shows `now_s`. Where it was set back, what seems to lie in the future happened just now:
 * a pause then lasts its full length from here, and no longer. (A clock that was set forward may end a
 * pause too early; the count does not depend on it.) Returns whether that changed anything. */
bool login_budget_clock(struct login_budget *budget, int64_t now_s);

/* A login with `id` is about to be sent. Until its verdict it counts as unanswered. */
void login_budget_attempt(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          int64_t now_s);

/* What became of it, which was sent. */
void login_budget_verdict(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          enum qbittorrent_login verdict);

/* Whether the cache id `server` would show a restart. Several requests have to confirm it: see
 * login_budget_unsteady(). */
bool login_budget_is_new_server(const struct login_budget *budget,
                                const unsigned char server[static LOGIN_ID_LEN]);

/* Requests at one time had several cache ids: no restart is inferred any more. */
void login_budget_unsteady(struct login_budget *budget);

/* The login page had the cache id `server`, after the last login. Returns whether that shows a
 * restart of qBittorrent, which has cleared the count. */
bool login_budget_server(struct login_budget *budget,
                         const unsigned char server[static LOGIN_ID_LEN]);

/* A person clears the count. What was accepted before is remembered. */
void login_budget_clear(struct login_budget *budget);

#endif
