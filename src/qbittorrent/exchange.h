/* qbittorrent_exchange: one request to qBittorrent and what its answer means.
 *
 * A part of qbittorrent; of the others only check/qbittorrent.c needs it, which takes the steps one by
 * one. */
#ifndef QSTICKY_QBITTORRENT_EXCHANGE_H
#define QSTICKY_QBITTORRENT_EXCHANGE_H

#include "base/limits.h"
#include "qbittorrent/session.h"

/* Closes the connection; nothing happens where it is closed already. */
void qbittorrent_close(struct qbittorrent *qb);

/* What requests pass through once the connection is open: TLS, or TCP itself. */
struct stream *qbittorrent_stream(struct qbittorrent *qb);

/* Opens a connection, which must be closed. Fails as net_connect(). */
enum fail qbittorrent_connect(struct qbittorrent *qb, struct failure *why);

/* Makes a new connection one that nobody else can read or change, where that is asked for. After a
 * failure, as tls_open()'s, it is closed. */
enum fail qbittorrent_secure(struct qbittorrent *qb, int64_t deadline_ms, struct failure *why);

/* `host` as URLs and the Host header have it: an IPv6 address in brackets, without its zone. */
void qbittorrent_host_header(char out[static LIMITS_HOST_MAX + 2], const char *host);

/* What the Host header says. */
void qbittorrent_host(char out[static LIMITS_HOST_MAX + 2], const struct config *config);

/* Every failure is to name the server it is about. Returns `f`. */
enum fail qbittorrent_told(const struct qbittorrent *qb, enum fail f, struct failure *why);

/* Adds the API key to `request` where there is one; it is read once a cycle. Fails as secret_read(). */
enum fail qbittorrent_authorize(struct qbittorrent *qb, struct http_request *request,
                                struct failure *why);

/* Wipes the API key that was read. */
void qbittorrent_forget_key(struct qbittorrent *qb);

/* Sends `request` (host and cookies are filled in), on the connection of the cycle or a new one, and
 * reads its reply, whatever its status. A connection that was closed while idle is replaced silently
 * where `repeatable`. Fails as net_connect(), tls_open() and http_send(). */
enum fail qbittorrent_exchange(struct qbittorrent *qb, struct http_request request, bool repeatable,
                               struct failure *why);

/* Whether the reply is a page for people. */
bool qbittorrent_is_html(const struct http_reply *reply);

/* FAIL_ANSWER, and why: the reply to `path` is not one that was expected. */
enum fail qbittorrent_unexpected(const struct http_reply *reply, const char *path,
                                 struct failure *why);

#endif
