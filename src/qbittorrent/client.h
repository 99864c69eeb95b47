/* qbittorrent: log in; read and set the port that qBittorrent listens on for peers.
 *
 * Versions are told apart by what they answer (4.1 to 5.3). The session is kept for life: its
 * cookies are echoed with every request, where no login was needed too, since qBittorrent opens a
 * new session for each request that comes without. */
#ifndef QSTICKY_QBITTORRENT_CLIENT_H
#define QSTICKY_QBITTORRENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "qbittorrent/session.h"

/* A session with the qBittorrent at that address; nothing is sent yet. Strings, `stop` and `reply` are borrowed
 * for its life. */
struct qbittorrent qbittorrent_for(const struct peer_address *address,
                                   const struct qbittorrent_account *account,
                                   const struct stop *stop, struct http_reply *reply);

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
