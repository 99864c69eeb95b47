/* qbittorrent_session: a session with qBittorrent, and what is read and set in it.
 *
 * What qbittorrent and its parts share. */
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

/* Longest wait for one request and its reply, in milliseconds. */
#define QBITTORRENT_EXCHANGE_MS 10000

/* Longest wait until a port that was set is read back. */
#define QBITTORRENT_VERIFY_MS 5000

/* The version is asked for again after so long: a restart may go unnoticed. */
#define QBITTORRENT_VERSION_MS (10 * 60 * 1000)

/* Longest time that a logout may take: a stop is to be over in 50 ms. One takes about 1 ms. */
#define QBITTORRENT_LOGOUT_MS 20

/* The preferences that matter here. */
struct qbittorrent_view {
	int64_t listen_port; /* as qBittorrent has it, valid or not */
	bool random_port;
	bool upnp;
	int64_t announce_port; /* 0: the listening port is announced, as it should be */
	int64_t web_ui_port;   /* on which qBittorrent itself listens for us; 0: it does not say */
	bool peer_proxy;       /* peers are reached through a proxy: nothing listens */
	bool can_bind;         /* the two below are there: since 4.2 */
	char interface[32];    /* "": any */
	char address[64];      /* "": all of the interface's; "0.0.0.0", "::": all of that family */
};

/* What they should be. The strings hold nothing that JSON would escape; NULL leaves as it is. */
struct qbittorrent_wanted {
	uint16_t port; /* 1 to 65535 */
	const char *interface;
	const char *address;
};

/* What qBittorrent thinks of its reachability. Only hints: it may lag by seconds, "firewalled" is
 * usual until the first peer has come in, and "connected" stays when none can any more. */
struct qbittorrent_hints {
	char connection_status[16]; /* "" while not known */
	char external_address[sizeof(((struct qbittorrent_view *)0)->address)]; /* since 5.1 */
};

struct qbittorrent;

/* Room for a cache id: 32 bits in base 36. */
#define QBITTORRENT_CACHE_ID_MAX 8

/* Whoever decides whether a login may be sent. */
struct qbittorrent_gate {
	/* Before one with `user` and `password`, which are borrowed for the call. FAIL_NONE: it is sent
	 * now, and after() follows. Else it is not, and this is how the request has failed. */
	enum fail (*before)(struct qbittorrent_gate *gate, struct qbittorrent *qb, const char *user,
	                    const char *password, struct failure *why);

	/* What became of it is in qb->login, and in `f` with `why`. Returns `f`; may add to `why`. */
	enum fail (*after)(struct qbittorrent_gate *gate, struct qbittorrent *qb, enum fail f,
	                   struct failure *why);
};

/* Who we are to it; borrowed. */
struct qbittorrent_account {
	const struct secret *user;
	const struct secret *pass;
	const struct secret *api_key; /* "": user and password instead */
};

struct qbittorrent {
	struct peer peer; /* with the end of the present cycle */
	struct qbittorrent_account account;
	struct http_reply *reply; /* borrowed */
	struct cookies cookies;
	char version[32];         /* "v4.5.2"; "" while not known */
	int64_t version_at_ms;    /* when to ask for it */
	uint16_t port_to_restore; /* to be set again: a rebind has begun; 0: none */

	/* Of the present cycle. */
	struct qbittorrent_gate *gate; /* borrowed; NULL: no login is sent */
	enum qbittorrent_login login;

	const char *api_key; /* "": none; NULL: not read in this cycle */
};

#endif
