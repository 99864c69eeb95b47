/* qbittorrent_login: requests for which a session is needed, and the login where there is none.
 *
 * A part of qbittorrent, whose functions for gates are here, too. User name and password are read for a
 * login and wiped after it. */
#ifndef QSTICKY_QBITTORRENT_LOGIN_H
#define QSTICKY_QBITTORRENT_LOGIN_H

#include "qbittorrent/session.h"

/* An exchange for which a session is needed: where there is none (any more), logs in, once a cycle and
 * if it may, and repeats it. The reply has succeeded if this returns FAIL_NONE.
 * FAIL_REJECTED (user and password, or the API key), FAIL_BANNED, FAIL_HELD_BACK, FAIL_ANSWER: see
 * qbittorrent_read(). Else as qbittorrent_exchange() and secret_read(). */
enum fail qbittorrent_ask(struct qbittorrent *qb, struct http_request request, struct failure *why);

/* Says that a login was rejected, or the address banned, and what to do. Returns FAIL_REJECTED or
 * FAIL_BANNED. */
enum fail qbittorrent_login_failed(enum qbittorrent_login login, struct failure *why);

/* Asks for the cache id on the public login page, which is another after each restart of qBittorrent
 * (see core/login_budget.h). False where there is none, or no answer. For a gate. */
bool qbittorrent_ask_cache_id(struct qbittorrent *qb,
                              char cache_id[static QBITTORRENT_CACHE_ID_MAX]);

#endif
