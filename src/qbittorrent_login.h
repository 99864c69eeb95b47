/* qbittorrent_login: requests for which a session is needed, and the login where there is none.
 *
 * A part of qbittorrent, whose functions for gates are here, too. User name and password are read for a
 * login and wiped after it. */
#ifndef QSTICKY_QBITTORRENT_LOGIN_H
#define QSTICKY_QBITTORRENT_LOGIN_H

#include "qbittorrent.h"

/* An exchange for which a session is needed: where there is none (any more), logs in, once a cycle and
 * if it may, and repeats it. The reply has succeeded if this returns FAIL_NONE.
 * FAIL_REJECTED (user and password, or the API key), FAIL_BANNED, FAIL_HELD_BACK, FAIL_ANSWER: see
 * qbittorrent_read(). Else as qbittorrent_exchange() and secret_read(). */
enum fail qbittorrent_ask(struct qbittorrent *qb, struct http_request request, struct failure *why);

#endif
