/* qbittorrent_session: a session with qBittorrent, and the preferences read and set in it.
 *
 * Shared by the parts of qbittorrent. */
#ifndef QSTICKY_QBITTORRENT_SESSION_H
#define QSTICKY_QBITTORRENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "config/secret.h"
#include "http/cookies.h"
#include "http/http.h"
#include "http/peer.h"
#include "qbittorrent/login_verdict.h"

/* Longest wait for one request and its reply, in milliseconds, unless the caller sets another in `peer`. */
#define QBITTORRENT_EXCHANGE_MS 10000

/* Longest wait until a new port is read back, in milliseconds. */
#define QBITTORRENT_VERIFY_MS 5000

/* Age at which the version is read again, in milliseconds: a restart may go unnoticed. */
#define QBITTORRENT_VERSION_MS (10 * 60 * 1000)

/* Longest time for a logout, in milliseconds: a stop must be over in 50 ms. A logout takes about 1
 * ms. */
#define QBITTORRENT_LOGOUT_MS 20

/* The preferences that matter to qsticky, as last read. */
struct qbittorrent_view {
	int64_t listen_port; /* as qBittorrent reports it, valid or not */
	bool random_port;
	bool upnp;
	int64_t announce_port; /* 0: the listening port is announced, which is right */
	int64_t web_ui_port;   /* the Web UI's own port; 0: not reported */
	bool peer_proxy;       /* peers go through a proxy: nothing listens */
	bool can_bind;         /* the two fields below are valid: since 4.2 */
	char interface[32];    /* "": any */
	char address[64];      /* "": all of the interface; "0.0.0.0", "::": all of that family */
};

/* The preferences to set. The strings must not need JSON escapes; NULL: leave unchanged. */
struct qbittorrent_wanted {
	uint16_t port; /* 1 to 65535 */
	const char *interface;
	const char *address;
};

/* What qBittorrent says about its reachability. These are only hints, and may lag by seconds.
 * "firewalled" is usual until the first peer connects; "connected" stays even if none can connect
 * any more. */
struct qbittorrent_hints {
	char connection_status[16]; /* "" while not known */
	int64_t transferred;        /* bytes sent and received since its start; 0: not known */
	char external_address[sizeof(((struct qbittorrent_view *)0)->address)]; /* since 5.1 */
};

struct qbittorrent;

/* Room for a cache id: 32 bits in base 36. */
#define QBITTORRENT_CACHE_ID_MAX 8

/* Decides whether a login may be sent. */
struct qbittorrent_gate {
	/* Called before a login with `user` and `password`, which are borrowed for the call.
	 * FAIL_NONE: the login is sent now, and after() follows. Else no login is sent, and the
	 * request fails so. */
	enum fail (*before)(struct qbittorrent_gate *gate, struct qbittorrent *qb, const char *user,
	                    const char *password, struct failure *why);

	/* Called after the login. The result is in qb->login, and in `f` with `why`. Returns `f`;
	 * may add to `why`. */
	enum fail (*after)(struct qbittorrent_gate *gate, struct qbittorrent *qb, enum fail f,
	                   struct failure *why);
};

/* The credentials for qBittorrent; borrowed. */
struct qbittorrent_account {
	const struct secret *user;
	const struct secret *pass;
	const struct secret *api_key; /* "": use user and password */
};

struct qbittorrent {
	struct qbittorrent_account account;
	struct http_reply *reply; /* borrowed */
	int64_t version_at_ms;    /* when to read it */
	uint16_t port_to_restore; /* a rebind has begun and must end with this port; 0: none */

	/* Of the current cycle. */
	struct qbittorrent_gate *gate; /* borrowed; NULL: no login is sent */
	enum qbittorrent_login login;
	int64_t slowest_ms; /* the longest exchange, rounded up; 0: nothing was answered */
	bool overdue;       /* a reply did not come in time */

	/* Of the user name and password last read. */
	const char *origins[2]; /* their secret_origin(); the password's is the second */
	const char *odd;        /* what is odd about one of them; NULL: nothing */
	bool odd_pass;          /* it is the password */

	const char *api_key;    /* "": none; NULL: not read in this cycle */
	char version[32];       /* "v4.5.2"; "" while not known */
	struct peer peer;       /* holds the deadline of the current cycle */
	struct cookies cookies; /* last: see qbittorrent_start() */
};

#endif
