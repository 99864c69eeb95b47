/* qbittorrent: log in; read and set the port on which qBittorrent listens for peers.
 *
 * Versions 4.1 to 5.3 are told apart by their replies. The session lasts as long as the program:
 * every request sends its cookies. That holds without a login too, since qBittorrent opens a new
 * session for each request without cookies. */
#ifndef QSTICKY_QBITTORRENT_CLIENT_H
#define QSTICKY_QBITTORRENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "qbittorrent/session.h"

/* Makes a session with the qBittorrent at that address; sends nothing yet. Strings, `stop` and
 * `reply` are borrowed for its life. */
void qbittorrent_start(struct qbittorrent *qb, const struct peer_address *address,
                       const struct qbittorrent_account *account, const struct stop *stop,
                       struct http_reply *reply);

/* Begins a cycle, which must end by `deadline_ms`. At most one login is sent, and only if `gate`
 * allows it; NULL: none. `gate` is borrowed until the cycle ends. */
void qbittorrent_begin(struct qbittorrent *qb, int64_t deadline_ms, struct qbittorrent_gate *gate);

/* Reads the preferences into `*view`, and logs in if necessary.
 * FAIL_REJECTED, FAIL_BANNED: the login was refused. FAIL_HELD_BACK: a login is needed, but it was
 * not allowed, or one failed earlier in this cycle; the gate may return other kinds. FAIL_ANSWER:
 * not a reply of qBittorrent. Else as net_connect() and http_send(). */
enum fail qbittorrent_read(struct qbittorrent *qb, struct qbittorrent_view *view,
                           struct failure *why);

/* Whether everything in `*wanted` is set. Settings that this version lacks count as set. */
bool qbittorrent_has(const struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted);

/* Whether `port` is the Web UI's own port. qBittorrent would accept it for peers, but break at its
 * next start: 4.5.2 ends, later versions run without a Web UI. If `*view` lacks the Web UI's port,
 * the configured one counts. */
bool qbittorrent_is_web_ui(const struct qbittorrent *qb, const struct qbittorrent_view *view,
                           uint16_t port);

/* Sets what is wanted, and turns off what in `*view` would change the port again. Then reads the
 * preferences into `*view` until they show that.
 * FAIL_UNPROVEN: they do not within QBITTORRENT_VERIFY_MS. Else as qbittorrent_read(). */
enum fail qbittorrent_set(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                          struct qbittorrent_view *view, struct failure *why);

/* Makes qBittorrent reopen its port: sets another port (never the Web UI's), and then, in a second
 * request, what is wanted. Only a change of port makes it reopen its sockets. Fails as
 * qbittorrent_set(). If it fails in between, the other port stays until the next qbittorrent_set()
 * or qbittorrent_logout(). */
enum fail qbittorrent_rebind(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                             struct qbittorrent_view *view, struct failure *why);

/* Announces all torrents to their trackers. Must be the last request of a cycle. Fails as
 * qbittorrent_read(), but sends no login: an earlier request of the cycle has done so. */
enum fail qbittorrent_reannounce(struct qbittorrent *qb, struct failure *why);

/* Has qBittorrent end itself, which it does a moment after its answer. As qbittorrent_read(). */
enum fail qbittorrent_shutdown(struct qbittorrent *qb, struct failure *why);

/* Reads the hints. On failure `*hints` is all zeros, and the cycle goes on. */
void qbittorrent_ask_hints(struct qbittorrent *qb, struct qbittorrent_hints *hints);

/* Reads qb->version if the session is new, an exchange has failed since, or the last answer is
 * QBITTORRENT_VERSION_MS old. On failure the version is "", and the cycle goes on. */
void qbittorrent_ask_version(struct qbittorrent *qb);

/* Ends the cycle: closes the connection, which qBittorrent would keep for 7 s at most, and wipes
 * the secrets that were read. */
void qbittorrent_end(struct qbittorrent *qb);

/* Logs out of qBittorrent, within QBITTORRENT_LOGOUT_MS. If a rebind has only begun, restores the
 * port first. Wipes the session's cookies and its TLS session. */
void qbittorrent_logout(struct qbittorrent *qb);

/* The same within `longest_ms`. */
void qbittorrent_logout_within(struct qbittorrent *qb, int64_t longest_ms);

#endif
