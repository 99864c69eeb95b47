#include "qbittorrent/exchange.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/url.h"

void qbittorrent_append_certificate(struct text *text)
{
	tls_append_certificate(text);
	text_append(text, "; QSTICKY_TLS_PIN_SHA256=");
	tls_append_pin(text);
}

/* ---- one exchange ---- */

static void store_cookies(struct qbittorrent *qb)
{
	size_t cursor = 0, len;
	const char *value;

	while ((value = http_header(qb->reply, "Set-Cookie", &cursor, &len)))
		if (cookies_set(&qb->cookies, value, len))
			qb->version_at_ms = 0; /* a new session: perhaps another version */
}

/* Static, since every page of stack counts. */
static struct secret_store store;

enum fail qbittorrent_read_secret(const struct secret *secret, struct secret_store *in,
                                  const char **value, struct failure *why)
{
	if (!secret_read(secret, in, value, why))
		return FAIL_NONE;
	fail_in(why, "%s", secret->name);
	return FAIL_SECRET;
}

enum fail qbittorrent_authorize(struct qbittorrent *qb, struct http_request *request,
                                struct failure *why)
{
	if (!qb->api_key) {
		enum fail f =
			qbittorrent_read_secret(qb->account.api_key, &store, &qb->api_key, why);

		if (f)
			return f;
	}
	if (qb->api_key[0]) {
		request->credential_name = "Authorization: Bearer ";
		request->credential = qb->api_key;
	}
	return FAIL_NONE;
}

void qbittorrent_forget_key(struct qbittorrent *qb)
{
	secret_forget(&store);
	qb->api_key = NULL;
}

/* Whether the reply is qBittorrent's own refusal of the Host header (empty before 4.3), of one in this network
 * namespace. By its address, a proxy elsewhere may be another site. A proxy that wants a login names the way
 * (RFC 9110, section 11.6.1). With HTTPS the header must be the name in TLS. */
static bool refuses_host(const struct qbittorrent *qb)
{
	static const char refusal[] = "Unauthorized";
	const struct http_reply *reply = qb->reply;
	size_t cursor = 0, len;

	return reply->status == 401 && !qb->peer.https && !qbittorrent_is_html(reply) &&
	       (!reply->first || (reply->body_len == sizeof refusal - 1 &&
	                          memcmp(reply->body, refusal, sizeof refusal - 1) == 0)) &&
	       !http_header(reply, "WWW-Authenticate", &cursor, &len) &&
	       net_is_here(&qb->peer.tcp.peer);
}

/* The same with the other spelling of the host: qBittorrent always takes the address that the connection has.
 * Shows neither key nor cookies before that is taken. */
static enum fail say_host_otherwise(struct qbittorrent *qb, const struct http_request *request,
                                    struct failure *why)
{
	struct peer *peer = &qb->peer;
	struct http_request bare = *request;
	enum fail f;

	bare.credential_name = NULL;
	bare.cookies = NULL;
	peer->says_address = !peer->says_address;
	f = peer_exchange(peer, &bare, qb->reply, true, why);
	if (!f && qb->reply->status == 200)
		return f;
	if (!f && qb->reply->status != 401 && !qbittorrent_is_html(qb->reply))
		return peer_exchange(peer, request, qb->reply, true, why);
	peer->says_address = !peer->says_address;
	return f;
}

enum fail qbittorrent_exchange(struct qbittorrent *qb, const struct http_request *request,
                               bool repeatable, struct failure *why)
{
	struct peer *peer = &qb->peer;
	struct http_request sent = *request;
	enum fail f = qbittorrent_authorize(qb, &sent, why);

	sent.cookies = &qb->cookies;
	if (!f) {
		int64_t started_ms = mono_now_ms(), took_ms;

		f = peer_exchange(peer, &sent, qb->reply, repeatable, why);
		if (!f && repeatable && refuses_host(qb))
			f = say_host_otherwise(qb, &sent, why);
		qb->overdue |= f == FAIL_TIMEOUT && peer->connected;
		took_ms = mono_now_ms() - started_ms + 1;
		if (!f && took_ms > qb->slowest_ms)
			qb->slowest_ms = took_ms;
		if (f == FAIL_CLOSED && peer->used && !qb->reply->begun && !peer->https)
			fail_in(why, "no answer to plain HTTP (does this port speak HTTPS?)");
		if (f && f != FAIL_STOPPED && peer->used)
			fail_in(why, "%s %s", sent.post ? "POST" : "GET", sent.path);
	}
	if (f)
		qb->version_at_ms = 0; /* the next answer may come from another version */
	else
		store_cookies(qb);
	return f;
}

/* ---- unexpected replies ---- */

bool qbittorrent_is_html(const struct http_reply *reply)
{
	static const char html[] = "text/html";
	size_t cursor = 0, len;
	const char *type = http_header(reply, "Content-Type", &cursor, &len);

	return reply->first == '<' || (type && reply->first && len >= sizeof html - 1 &&
	                               strncasecmp(type, html, sizeof html - 1) == 0);
}

static enum fail redirected(const struct http_reply *reply, struct failure *why)
{
	size_t cursor = 0, len;
	const char *location = http_header(reply, "Location", &cursor, &len);
	char shown[URL_ORIGIN_MAX];
	struct text text = text_on(shown, sizeof shown);

	if (location)
		url_append_origin(&text, location, len);
	return fail_set(why, FAIL_ANSWER,
	                "not qBittorrent: HTTP %d, a redirect to %s: a proxy or its login page is "
	                "in between; "
	                "address qBittorrent itself",
	                reply->status, location ? shown : "nowhere");
}

enum fail qbittorrent_unexpected(const struct http_reply *reply, const char *path,
                                 struct failure *why)
{
	if (reply->status >= 300 && reply->status < 400)
		return redirected(reply, why);
	if (reply->status == 401)
		return fail_set(
			why, FAIL_ANSWER,
			"HTTP 401: qBittorrent does not accept the Host header: add the name in "
			"QSTICKY_QBITTORRENT_HOST to its server domains (Options, Web UI); or a "
			"proxy in front wants a login");
	if (qbittorrent_is_html(reply))
		return fail_set(why, FAIL_ANSWER,
		                "not qBittorrent: HTTP %d and an HTML page for %s; another program "
		                "or a proxy answers here",
		                reply->status, path);
	return fail_set(why, FAIL_ANSWER, "HTTP %d for %s: not what qBittorrent answers",
	                reply->status, path);
}
