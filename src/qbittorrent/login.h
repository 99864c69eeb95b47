/* qbittorrent_login: requests that need a session, and the login that opens one.
 *
 * A part of qbittorrent, also for login gates. User name and password are read for a login and
 * wiped after it. */
#ifndef QSTICKY_QBITTORRENT_LOGIN_H
#define QSTICKY_QBITTORRENT_LOGIN_H

#include "qbittorrent/session.h"

/* Sends a request that needs a session. Without one, logs in, at most once a cycle and if the gate
 * allows it, and repeats the request. FAIL_NONE: the reply is a success.
 * FAIL_REJECTED (user and password, or the API key), FAIL_BANNED, FAIL_HELD_BACK, FAIL_ANSWER: see
 * qbittorrent_read(). Else as qbittorrent_exchange() and qbittorrent_read_secret(). */
enum fail qbittorrent_ask(struct qbittorrent *qb, const struct http_request *request,
                          struct failure *why);

/* Explains that the login was rejected or the address banned, and what to do. Names where the user name
 * and password last read come from, and what is odd about them. Returns FAIL_REJECTED or FAIL_BANNED. */
enum fail qbittorrent_login_failed(const struct qbittorrent *qb, enum qbittorrent_login login,
                                   struct failure *why);

/* Reads the cache id from the public login page; it changes with each restart of qBittorrent (see
 * core/login_budget.h). False: no answer, or no id. For login gates. */
bool qbittorrent_ask_cache_id(struct qbittorrent *qb,
                              char cache_id[static QBITTORRENT_CACHE_ID_MAX]);

#endif
