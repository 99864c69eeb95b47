#include "qbittorrent/exchange.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mono.h"
#include "base/text.h"
#include "config/url.h"

/* A 4.x qBittorrent closes and opens the socket its Web UI listens on with every change of its
 * preferences, by whomever; a connect at that instant is refused. */
#define REFUSED_AGAIN_MS 50

void qbittorrent_close(struct qbittorrent *qb)
{
	tls_close(&qb->tls);
	net_close(&qb->tcp);
}

struct stream *qbittorrent_stream(struct qbittorrent *qb)
{
	return qb->config->use_https ? &qb->tls.stream : &qb->tcp.stream;
}

/* ---- one exchange ---- */

static int64_t exchange_deadline(const struct qbittorrent *qb)
{
	return mono_earlier(mono_now_ms() + QBITTORRENT_EXCHANGE_MS, qb->deadline_ms);
}

/* Makes the new connection one that nobody else can read or change, where that is asked for. */
enum fail qbittorrent_secure(struct qbittorrent *qb, int64_t deadline_ms, struct failure *why)
{
	enum fail f = FAIL_NONE;

	if (qb->config->use_https)
		f = tls_open(&qb->tls, &qb->tcp.stream, deadline_ms, why);
	if (f)
		net_close(&qb->tcp);
	return f;
}

enum fail qbittorrent_connect(struct qbittorrent *qb, struct failure *why)
{
	const struct config *config = qb->config;
	enum fail f;

	qb->used = false;
	f = net_connect(&qb->tcp, config->host, config->port, qb->stop, qb->deadline_ms, why);
	if (f == FAIL_REFUSED) {
		f = stop_sleep(qb->stop, mono_now_ms() + REFUSED_AGAIN_MS, why);
		if (f)
			return f;
		f = net_connect(&qb->tcp, config->host, config->port, qb->stop, qb->deadline_ms,
		                why);
	}
	if (f == FAIL_REFUSED)
		return fail_set(why, f,
		                "connection refused: is it running, and is this its Web UI port?");
	return f;
}

static enum fail open_connection(struct qbittorrent *qb, struct failure *why)
{
	enum fail f;

	if (qb->tcp.fd >= 0)
		return FAIL_NONE;
	f = qbittorrent_connect(qb, why);
	return f ? f : qbittorrent_secure(qb, exchange_deadline(qb), why);
}

static void take_cookies(struct qbittorrent *qb)
{
	size_t cursor = 0, len;
	const char *value;

	while ((value = http_header(qb->reply, "Set-Cookie", &cursor, &len)))
		if (cookies_take(&qb->cookies, value, len))
			qb->version_at_ms = 0; /* another session, perhaps of another version */
}

/* The value of the Host header: never with the port, since qBittorrent refuses one that is not the
 * port it listens on itself, as behind a port mapping or a proxy. */
void qbittorrent_host_header(char out[static LIMITS_HOST_MAX + 2], const char *host)
{
	struct text text = text_on(out, LIMITS_HOST_MAX + 2);

	/* The zone of a link-local address means nothing to the other side. */
	if (strchr(host, ':'))
		text_printf(&text, "[%.*s]", (int)strcspn(host, "%"), host);
	else
		text_puts(&text, host);
}

enum fail qbittorrent_told(const struct qbittorrent *qb, enum fail f, struct failure *why)
{
	char host[LIMITS_HOST_MAX + 2];

	qbittorrent_host_header(host, qb->config->host);
	if (f && f != FAIL_STOPPED)
		fail_in(why, "qBittorrent at %s:%u", host, (unsigned)qb->config->port);
	return f;
}

/* What the Host header says. A proxy picks the site by it as it does by the name in TLS, and
 * refuses a request where the two differ (RFC 9110, section 7.4). */
void qbittorrent_host(char out[static LIMITS_HOST_MAX + 2], const struct config *config)
{
	bool named = config->use_https && config->tls_server_name[0];

	qbittorrent_host_header(out, named ? config->tls_server_name : config->host);
}

/* Where a server says, in its way, that it wants HTTPS or a certificate of ours: that it is so. */
static enum fail judge_scheme(const struct qbittorrent *qb, struct failure *why)
{
	const struct http_reply *reply = qb->reply;

	if (reply->status != 400)
		return FAIL_NONE;
	if (qb->config->use_https && qb->tls.asked_for_proof)
		return fail_set(why, FAIL_TLS,
		                "HTTP 400, and the server demands a client certificate (mutual "
		                "TLS), which qsticky cannot present");
	if (!qb->config->use_https && (text_find(reply->body, reply->body_len, "HTTPS") ||
	                               text_find(reply->body, reply->body_len, "SSL")))
		return fail_set(why, FAIL_TLS,
		                "HTTP 400: the server speaks TLS on this port (https, not http): "
		                "set QSTICKY_USE_HTTPS=true");
	return FAIL_NONE;
}

/* Not on the stack, whose every page counts. */
static struct secret_store store;

enum fail qbittorrent_authorize(struct qbittorrent *qb, struct http_request *request,
                                struct failure *why)
{
	if (!qb->api_key) {
		enum fail f = secret_read(&qb->config->api_key, &store, &qb->api_key, why);

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

/* A connection that was closed while idle is replaced silently where `repeatable`. */
static enum fail exchange(struct qbittorrent *qb, struct http_request request, bool repeatable,
                          struct failure *why)
{
	char host[LIMITS_HOST_MAX + 2];
	enum fail f;

	qbittorrent_host(host, qb->config);
	request.host = host;
	request.cookies = &qb->cookies;
	f = qbittorrent_authorize(qb, &request, why);
	if (f)
		return f;
	for (;;) {
		bool stale;

		f = open_connection(qb, why);
		if (f)
			return f;
		f = http_send(qbittorrent_stream(qb), &request, qb->reply, exchange_deadline(qb),
		              why);
		stale = f == FAIL_CLOSED && qb->used && !qb->reply->begun;
		if (f || !qb->reply->keep_alive)
			qbittorrent_close(qb);
		qb->used = true;
		if (!stale || !repeatable)
			break;
	}
	if (!f)
		f = judge_scheme(qb, why);
	if (f) {
		if (f == FAIL_CLOSED && !qb->reply->begun && !qb->config->use_https)
			fail_in(why, "no answer to plain HTTP (does this port speak HTTPS?)");
		if (f != FAIL_STOPPED)
			fail_in(why, "%s %s", request.post ? "POST" : "GET", request.path);
		return f;
	}
	take_cookies(qb);
	return FAIL_NONE;
}

enum fail qbittorrent_exchange(struct qbittorrent *qb, struct http_request request, bool repeatable,
                               struct failure *why)
{
	enum fail f = exchange(qb, request, repeatable, why);

	/* Who answers next may be another version. */
	if (f)
		qb->version_at_ms = 0;
	return f;
}

/* ---- what the answer means ---- */

bool qbittorrent_is_html(const struct http_reply *reply)
{
	static const char html[] = "text/html";
	size_t cursor = 0, len;
	const char *type = http_header(reply, "Content-Type", &cursor, &len);
	size_t at = 0;

	while (at < reply->body_len && isspace((unsigned char)reply->body[at]))
		at++;
	return (at < reply->body_len && reply->body[at] == '<') ||
	       (type && reply->body_len > 0 && len >= sizeof html - 1 &&
	        strncasecmp(type, html, sizeof html - 1) == 0);
}

static enum fail redirected(const struct http_reply *reply, struct failure *why)
{
	size_t cursor = 0, len;
	const char *location = http_header(reply, "Location", &cursor, &len);
	char shown[URL_ORIGIN_MAX];
	struct text text = text_on(shown, sizeof shown);

	if (location)
		url_put_origin(&text, location, len);
	return fail_set(why, FAIL_ANSWER,
	                "not qBittorrent: HTTP %d, a redirect to %s: a proxy or its login page is "
	                "in between; "
	                "address qBittorrent itself",
	                reply->status, location ? shown : "nowhere");
}

/* Judges a reply to `path` that is neither expected nor a 403. */
enum fail qbittorrent_unexpected(const struct http_reply *reply, const char *path,
                                 struct failure *why)
{
	if (reply->status >= 300 && reply->status < 400)
		return redirected(reply, why);
	if (reply->status == 401)
		return fail_set(
			why, FAIL_ANSWER,
			"HTTP 401: qBittorrent does not accept the Host header (Options, Web UI, "
			"server domains), or a proxy in front wants a login");
	if (qbittorrent_is_html(reply))
		return fail_set(why, FAIL_ANSWER,
		                "not qBittorrent: HTTP %d and an HTML page for %s; another program "
		                "or a proxy answers here",
		                reply->status, path);
	return fail_set(why, FAIL_ANSWER, "HTTP %d for %s: not what qBittorrent answers",
	                reply->status, path);
}
