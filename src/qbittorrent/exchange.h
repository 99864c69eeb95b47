/* qbittorrent_exchange: one request to qBittorrent, and what its reply means.
 *
 * A part of qbittorrent. Outside this room only check/qbittorrent.c uses it, to take the steps one
 * by one. */
#ifndef QSTICKY_QBITTORRENT_EXCHANGE_H
#define QSTICKY_QBITTORRENT_EXCHANGE_H

#include "base/text.h"
#include "qbittorrent/session.h"

/* Appends the server's certificate, for a person, and the setting that pins it. The connection must
 * be open. */
void qbittorrent_append_certificate(struct text *text);

/* As secret_read(), but puts the variable's name before `why`, and any failure is FAIL_SECRET. */
enum fail qbittorrent_read_secret(const struct secret *secret, struct secret_store *in,
                                  const char **value, struct failure *why);

/* Adds the API key, if there is one, to `request`. The key is read once a cycle. Fails as
 * qbittorrent_read_secret(). */
enum fail qbittorrent_authorize(struct qbittorrent *qb, struct http_request *request,
                                struct failure *why);

/* Wipes the API key that was read. */
void qbittorrent_forget_key(struct qbittorrent *qb);

/* Sends `request`, with host and cookies, on the connection of the cycle or a new one, and reads
 * the reply, whatever its status. If `repeatable`, a connection that was closed while idle is
 * replaced silently. Fails as peer_exchange(). */
enum fail qbittorrent_exchange(struct qbittorrent *qb, const struct http_request *request,
                               bool repeatable, struct failure *why);

/* Whether the reply is an HTML page. */
bool qbittorrent_is_html(const struct http_reply *reply);

/* Explains a reply to `path` that is neither a success nor qBittorrent's own 403. Returns
 * FAIL_ANSWER. */
enum fail qbittorrent_unexpected(const struct http_reply *reply, const char *path,
                                 struct failure *why);

#endif
