/* qbittorrent: log in; read and set the port that qBittorrent listens on for peers.
 *
 * Versions are told apart by what they answer (4.1 to 5.3). The session is kept for life: its
 * cookies are echoed with every request, where no login was needed too, since qBittorrent opens a
 * new session for each request that comes without. */
#ifndef QSTICKY_QBITTORRENT_H
#define QSTICKY_QBITTORRENT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "cookies.h"
#include "fail.h"
#include "http.h"
#include "net.h"
#include "tls.h"

/* Longest wait for one request and its reply, in milliseconds. */
#define QBITTORRENT_EXCHANGE_MS 10000

/* Longest wait until a port that was set is read back. */
#define QBITTORRENT_VERIFY_MS 5000

/* The version is asked for again after so long: a restart may go unnoticed. */
#define QBITTORRENT_VERSION_MS (10 * 60 * 1000)

/* Longest time that a logout may take: a stop is to be over in 50 ms. One takes about 1 ms. */
#define QBITTORRENT_LOGOUT_MS 20

/* What became of the login of this cycle. */
enum qbittorrent_login {
	QBITTORRENT_LOGIN_NONE, /* none was sent */
	QBITTORRENT_LOGIN_ACCEPTED,
	QBITTORRENT_LOGIN_REJECTED,   /* counted by qBittorrent, which bans after five */
	QBITTORRENT_LOGIN_BANNED,     /* this address may not log in at all */
	QBITTORRENT_LOGIN_UNANSWERED, /* sent, and no verdict came: it may have counted */
};

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

struct qbittorrent {
	const struct config *config; /* borrowed */
	const struct stop *stop;     /* borrowed */
	struct http_reply *reply;    /* borrowed */
	struct net_tcp tcp;
	struct tls tls; /* over `tcp`, with QSTICKY_USE_HTTPS */
	bool used;      /* the connection has carried a reply */
	struct cookies cookies;
	char version[32];      /* "v4.5.2"; "" while not known */
	int64_t version_at_ms; /* when to ask for it */
	uint16_t owed_port;    /* to be set again: a rebind has begun; 0: none */

	/* Of the present cycle. */
	int64_t deadline_ms;
	struct qbittorrent_gate *gate; /* borrowed; NULL: no login is sent */
	enum qbittorrent_login login;

	const char *api_key; /* "": none; NULL: not read in this cycle */
};

/* A session with the qBittorrent that `config` names; nothing is sent yet. All three are borrowed
 * for its life. */
struct qbittorrent qbittorrent_for(const struct config *config, const struct stop *stop,
                                   struct http_reply *reply);

/* Begins a cycle, all of which must end by `deadline_ms`. One login is sent at most, and only if `gate`
 * lets it pass; NULL: none. It is borrowed until the cycle ends. */
void qbittorrent_begin(struct qbittorrent *qb, int64_t deadline_ms, struct qbittorrent_gate *gate);

/* Reads the preferences into `*view`, logging in where that is asked for.
 * FAIL_REJECTED, FAIL_BANNED: the login was refused. FAIL_HELD_BACK: a login is needed, and was not
 * allowed (then it may fail otherwise, as the gate says), or failed before in this cycle. FAIL_ANSWER: not what qBittorrent answers. Else as
 * net_connect() and http_send(). */
enum fail qbittorrent_read(struct qbittorrent *qb, struct qbittorrent_view *view,
                           struct failure *why);

/* Whether all that is wanted is so, as far as qBittorrent knows these settings. */
bool qbittorrent_has(const struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted);

/* Whether `port` is the Web UI's own. qBittorrent would take it for peers, too, and not survive its next
 * start: 4.5.2 ends, later ones run without a Web UI. Where `*view` does not say, the configured port
 * counts. */
bool qbittorrent_is_web_ui(const struct qbittorrent *qb, const struct qbittorrent_view *view,
                           uint16_t port);

/* Sets what is wanted, and switches off what in `*view` would change the port again. Then reads
 * `*view` anew until it shows that. FAIL_UNPROVEN: it does not within QBITTORRENT_VERIFY_MS. Else as
 * qbittorrent_read(). */
enum fail qbittorrent_set(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                          struct qbittorrent_view *view, struct failure *why);

/* Sets another port (never the Web UI's) and then, in a request of its own, what is wanted: only a change makes
 * qBittorrent open its sockets anew. As qbittorrent_set(); where it fails in between, the other port
 * stays until the next qbittorrent_set() or qbittorrent_logout(). */
enum fail qbittorrent_rebind(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                             struct qbittorrent_view *view, struct failure *why);

/* Has all torrents announced to their trackers; the last request of a cycle. Fails as qbittorrent_read(),
 * but sends no login: what came before in this cycle has. */
enum fail qbittorrent_reannounce(struct qbittorrent *qb, struct failure *why);

/* Asks for the cache id on the public login page, which is another after each restart of qBittorrent
 * (see login_budget.h). False where there is none, or no answer. For a gate. */
bool qbittorrent_ask_cache_id(struct qbittorrent *qb,
                              char cache_id[static QBITTORRENT_CACHE_ID_MAX]);

/* Says that a login was rejected, or the address banned, and what to do. Returns FAIL_REJECTED or
 * FAIL_BANNED. */
enum fail qbittorrent_login_failed(enum qbittorrent_login login, struct failure *why);

/* Asks for the hints. A failure is no failure of the cycle: `*hints` is all zeros then. */
void qbittorrent_ask_hints(struct qbittorrent *qb, struct qbittorrent_hints *hints);

/* Asks for qb->version where the session is new, an exchange has failed since, or the answer is
 * QBITTORRENT_VERSION_MS old. A failure is no failure of the cycle: the version is "" then. */
void qbittorrent_ask_version(struct qbittorrent *qb);

/* Ends the cycle: closes the connection, which qBittorrent would not keep for longer than 7 s, and
 * forgets what was read of secrets. */
void qbittorrent_end(struct qbittorrent *qb);

/* Ends the session at qBittorrent too, and before that a rebind that had only begun, if that takes
 * no longer than QBITTORRENT_LOGOUT_MS. Wipes the session's cookies and that of TLS. */
void qbittorrent_logout(struct qbittorrent *qb);

/* The same, for who has more time. */
void qbittorrent_logout_within(struct qbittorrent *qb, int64_t longest_ms);

#endif
