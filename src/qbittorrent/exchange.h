/* qbittorrent_exchange: one request to qBittorrent and what its answer means.
 *
 * A part of qbittorrent; of the others only check/qbittorrent.c needs it, which takes the steps one by
 * one. */
#ifndef QSTICKY_QBITTORRENT_EXCHANGE_H
#define QSTICKY_QBITTORRENT_EXCHANGE_H

#include "base/text.h"
#include "qbittorrent/session.h"

/* Appends the certificate of a connection that is open, for a person, and the line that pins it. */
void qbittorrent_append_certificate(struct text *text);

/* Adds the API key to `request` where there is one; it is read once a cycle. Fails as secret_read(). */
enum fail qbittorrent_authorize(struct qbittorrent *qb, struct http_request *request,
                                struct failure *why);

/* Wipes the API key that was read. */
void qbittorrent_forget_key(struct qbittorrent *qb);

/* Sends `request` (host and cookies are filled in), on the connection of the cycle or a new one, and
 * reads its reply, whatever its status. A connection that was closed while idle is replaced silently
 * where `repeatable`. Fails as peer_exchange(). */
enum fail qbittorrent_exchange(struct qbittorrent *qb, struct http_request request, bool repeatable,
                               struct failure *why);

/* Whether the reply is a page for people. */
bool qbittorrent_is_html(const struct http_reply *reply);

/* FAIL_ANSWER, and why: the reply to `path` is not one that was expected. */
enum fail qbittorrent_unexpected(const struct http_reply *reply, const char *path,
                                 struct failure *why);

#endif
