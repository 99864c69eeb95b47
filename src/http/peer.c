#include "http/peer.h"

#include <string.h>

#include "base/clock.h"

void peer_start(struct peer *peer, const struct peer_address *address, const struct stop *stop)
{
	*peer = (struct peer){
		.host = address->host,
		.port = address->port,
		.https = address->https,
		.stop = stop,
		.tcp = { .fd = -1 },
	};
	tls_start(&peer->tls, &address->trust);
}

/* ---- names ---- */

void peer_append_authority(struct text *text, const char *host, uint16_t port)
{
	/* The zone of a link-local address has no meaning for the other side. */
	text_printf(text, strchr(host, ':') ? "[%.*s]" : "%.*s", (int)strcspn(host, "%"), host);
	if (port)
		text_printf(text, ":%u", (unsigned)port);
}

/* Appends the value of the Host header. A proxy selects the site by this header and by the name in
 * TLS. It refuses a request if the two differ (RFC 9110, section 7.4). */
static void append_host(struct text *text, const struct peer *peer)
{
	bool is_usual = peer->port == (peer->https ? 443 : 80);

	if (peer->says_address) {
		resolve_append(text, &peer->tcp.peer, true);
		return;
	}
	peer_append_authority(text, peer->https ? peer->tls.trust.name : peer->host,
	                      is_usual || peer->omits_port ? 0 : peer->port);
}

enum fail peer_fail_in(const struct peer *peer, enum fail f, struct failure *why)
{
	char authority[PEER_AUTHORITY_MAX];
	struct text text = text_on(authority, sizeof authority);

	peer_append_authority(&text, peer->host, peer->port);
	if (f && f != FAIL_STOPPED)
		fail_in(why, "%s at %s", peer->name, authority);
	return f;
}

/* ---- advice ---- */

/* Appends the refused certificate. The setting to paste comes first, since the end may be cut. */
static void show_certificate(const struct peer *peer, struct text *text)
{
	if (peer->pin_variable && tls_can_be_pinned()) {
		text_printf(text, ". If it is the right one, set %s=", peer->pin_variable);
		tls_append_pin(text);
	}
	text_append(text, " - presented: ");
	tls_append_certificate(text);
}

static void advise(const struct peer *peer, struct failure *why)
{
	struct text text = text_at_end(why->text, sizeof why->text);
	const char *https = peer->https_variable;

	if (peer->tls.reason == TLS_REASON_CA_FILE)
		fail_in(why, "%s", peer->ca_variable);
	if (!https)
		return;
	switch (peer->tls.reason) {
	case TLS_REASON_OTHER:
	case TLS_REASON_CA_FILE:
		return;
	case TLS_REASON_UNKNOWN_SITE:
		text_printf(&text, ": set %s", peer->name_variable);
		return;
	case TLS_REASON_SILENT:
		text_printf(&text, "; if this port speaks plain HTTP, set %s=false", https);
		return;
	case TLS_REASON_PLAIN:
		text_printf(&text, ": set %s=false, or use another port", https);
		return;
	case TLS_REASON_NO_CA_FILE:
		text_printf(&text, ": %sno CA file", peer->pin_variable ? "no pin, and " : "");
		break;
	case TLS_REASON_NOT_PINNED:
		text_printf(&text, " (%s)", peer->pin_variable);
		break;
	case TLS_REASON_NAME:
		text_printf(&text, " (see %s)", peer->name_variable);
		break;
	case TLS_REASON_CERTIFICATE:
		break;
	}
	show_certificate(peer, &text);
}

/* ---- steps ---- */

static int64_t step_deadline(const struct peer *peer)
{
	return mono_earlier(mono_now_ms() + peer->step_ms, peer->deadline_ms);
}

static enum fail connect_once(struct peer *peer, struct failure *why)
{
	if (peer->looks_up_none)
		return net_connect_again(&peer->tcp, peer->stop, peer->deadline_ms, why);
	return net_connect(&peer->tcp, peer->host, peer->port, peer->stop, peer->deadline_ms, why);
}

enum fail peer_connect(struct peer *peer, struct failure *why)
{
	enum fail f;

	peer->used = false;
	f = connect_once(peer, why);
	if (f == FAIL_REFUSED && peer->is_patient && !peer->looks_up_none) {
		f = wait_until(peer->stop, mono_now_ms() + PEER_AGAIN_MS, why);
		if (!f)
			f = connect_once(peer, why);
	}
	peer->connected = !f;
	if (f == FAIL_REFUSED && peer->if_refused)
		fail_set(why, f, "%s", peer->if_refused);
	return f;
}

enum fail peer_secure(struct peer *peer, struct failure *why)
{
	enum fail f = FAIL_NONE;

	if (peer->https) {
		net_send_now(&peer->tcp);
		f = tls_open(&peer->tls, &peer->tcp.stream, step_deadline(peer), why);
	}
	if (f) {
		advise(peer, why);
		peer_close(peer);
	}
	return f;
}

static enum fail open_connection(struct peer *peer, struct failure *why)
{
	enum fail f = FAIL_NONE;

	if (peer->tcp.fd >= 0)
		return f;
	f = peer_connect(peer, why);
	return f ? f : peer_secure(peer, why);
}

/* Recognizes a reply by which a server demands HTTPS or a client certificate. */
static enum fail judge_scheme(const struct peer *peer, const struct http_reply *reply,
                              struct failure *why)
{
	if (reply->status != 400)
		return FAIL_NONE;
	if (peer->https && peer->tls.client_certificate_asked)
		return fail_set(why, FAIL_TLS, TLS_FAULT_CLIENT_CERTIFICATE, "HTTP", 400);
	if (peer->https || (!text_find(reply->body, reply->body_len, "HTTPS") &&
	                    !text_find(reply->body, reply->body_len, "SSL")))
		return FAIL_NONE;
	return fail_set(why, FAIL_TLS,
	                "HTTP 400: the server speaks TLS on this port (https, not http)%s%s%s",
	                peer->https_variable ? ": set " : "",
	                peer->https_variable ? peer->https_variable : "",
	                peer->https_variable ? "=true" : "");
}

enum fail peer_exchange(struct peer *peer, const struct http_request *request,
                        struct http_reply *reply, bool repeatable, struct failure *why)
{
	struct http_request sent = *request;
	char host[PEER_AUTHORITY_MAX];
	struct text text;
	struct stream *stream = peer->https ? &peer->tls.stream : &peer->tcp.stream;
	bool stale;
	enum fail f;

	sent.host = host;
	do {
		f = open_connection(peer, why);
		if (f)
			return f;
		text = text_on(host, sizeof host);
		append_host(&text, peer);
		f = http_send(stream, &sent, reply, step_deadline(peer), why);
		stale = f == FAIL_CLOSED && peer->used && !reply->begun;
		if (f || !reply->keep_alive)
			peer_close(peer);
		peer->used = true;
	} while (stale && repeatable);
	return f ? f : judge_scheme(peer, reply, why);
}

void peer_close(struct peer *peer)
{
	tls_close(&peer->tls);
	net_close(&peer->tcp);
}

void peer_forget(struct peer *peer)
{
	peer_close(peer);
	explicit_bzero(&peer->tls.session, sizeof peer->tls.session);
}
