#include "gluetun/control_server.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "config/secret.h"
#include "config/url.h"

/* By `old_route`. */
static const char *const routes[] = { "/v1/portforward", "/v1/openvpn/portforwarded" };

struct gluetun gluetun_for(const struct config *config, const struct stop *stop,
                           struct http_reply *reply)
{
	return (struct gluetun){ .config = config, .stop = stop, .reply = reply };
}

void gluetun_name(char out[static GLUETUN_NAME_MAX], const struct config *config)
{
	struct text text = text_on(out, GLUETUN_NAME_MAX);
	const char *host = config->gluetun_host;

	/* The zone of a link-local address means nothing to the other side. */
	text_puts(&text, GLUETUN_NAME);
	text_printf(&text, strchr(host, ':') ? "[%.*s]:%u" : "%.*s:%u", (int)strcspn(host, "%"),
	            host, (unsigned)config->gluetun_port);
}

/* ---- who we are ---- */

/* Not on the stack, whose every page counts. */
static struct secret_store store;
static char basic[(2 * SECRET_MAX + 1 + 2) / 3 * 4 + 1];

/* Appends "user:password" in base64 (RFC 7617, section 2). */
static void put_basic(struct text *text, const char *user, const char *password)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *const parts[] = { user, ":", password };
	unsigned bits = 0, count = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		for (const char *at = parts[i]; *at; at++) {
			bits = bits << 8 | (unsigned char)*at;
			for (count += 8; count >= 6; count -= 6)
				text_add(text, &digits[bits >> (count - 6) & 63], 1);
		}
	}
	if (count > 0)
		text_add(text, &digits[bits << (6 - count) & 63], 1);
	while (text->len % 4 != 0)
		text_puts(text, "=");
}

/* What it gives is in the environment, `store` or `basic`, until forget_credential(). */
static enum fail read_credential(const struct config *config, struct http_request *request,
                                 struct failure *why)
{
	struct text text = text_on(basic, sizeof basic);
	const char *user, *password;
	enum fail f;

	switch (config->gluetun_auth) {
	case CONFIG_AUTH_NONE:
		break;
	case CONFIG_AUTH_APIKEY:
		request->credential_name = "X-API-Key: ";
		return secret_read(&config->gluetun_apikey, &store, &request->credential, why);
	case CONFIG_AUTH_BASIC:
		f = secret_read(&config->gluetun_username, &store, &user, why);
		if (!f)
			f = secret_read(&config->gluetun_password, &store, &password, why);
		if (f)
			return f;
		put_basic(&text, user, password);
		request->credential_name = "Authorization: Basic ";
		request->credential = basic;
		break;
	}
	return FAIL_NONE;
}

static void forget_credential(void)
{
	secret_forget(&store);
	explicit_bzero(basic, strlen(basic));
}

/* ---- what the answer means ---- */

static bool is_redirect(int status)
{
	return status >= 300 && status < 400;
}

/* A route that its version does not know is a 400 up to v3.39.0, then a 401 as if a key were missing,
 * and from v3.41.2 on a 404. The old route is a redirect since there is the new one. */
static bool is_unknown_route(int status)
{
	return status == 400 || status == 401 || status == 404 || is_redirect(status);
}

/* FAIL_ANSWER, and why: by the last reply, and whether it or the one before was a 401. */
static enum fail judge(const struct http_reply *reply, bool unauthorized, struct failure *why)
{
	size_t cursor = 0, len;
	const char *location = http_header(reply, "Location", &cursor, &len);
	char shown[URL_ORIGIN_MAX];
	struct text text = text_on(shown, sizeof shown);

	if (unauthorized)
		return fail_set(
			why, FAIL_ANSWER,
			"HTTP 401: either the key or password is missing or wrong ("
			"QSTICKY_GLUETUN_AUTH_TYPE and what belongs to it), or no role in its "
			"HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH lists the route that its version "
			"knows: \"GET %s\" since v3.41, \"GET %s\" before",
			routes[0], routes[1]);
	if (!is_redirect(reply->status))
		return fail_set(why, FAIL_ANSWER, "HTTP %d: not what Gluetun answers",
		                reply->status);
	if (location)
		url_put_origin(&text, location, len);
	return fail_set(why, FAIL_ANSWER, "HTTP %d, a redirect to %s: another program answers here",
	                reply->status, location ? shown : "nowhere");
}

static enum fail parse(const struct http_reply *reply, uint16_t *port, struct failure *why)
{
	enum json_ports found, alone = JSON_PORTS_ABSENT;
	struct json json;
	uint16_t first = 0;
	enum fail f;

	if (reply->body_len > 0 && *reply->body == '<')
		return fail_set(why, FAIL_ANSWER, "an HTML page: another program answers here");
	f = json_parse(&json, reply->body, reply->body_len, why);
	if (f) {
		fail_in(why, "not its answer, or a damaged one");
		return f;
	}
	found = json_ports(&json, "ports", &first);
	if (found <= JSON_PORTS_NONE)
		alone = json_ports(&json, "port", &first);
	if (alone > found)
		found = alone;
	json_forget(&json);
	if (found == JSON_PORTS_ABSENT || found == JSON_PORTS_BAD)
		return fail_set(why, FAIL_ANSWER, "its reply holds no port from 1 to 65535");
	*port = first;
	return FAIL_NONE;
}

/* ---- asking ---- */

static enum fail get(struct gluetun *gluetun, const struct http_request *request,
                     int64_t deadline_ms, struct failure *why)
{
	const struct config *config = gluetun->config;
	struct net_tcp tcp;
	enum fail f = net_connect(&tcp, config->gluetun_host, config->gluetun_port, gluetun->stop,
	                          deadline_ms, why);

	if (f == FAIL_REFUSED)
		return fail_set(why, f,
		                "connection refused: is it running, and is this its "
		                "HTTP_CONTROL_SERVER_ADDRESS?");
	if (f)
		return f;
	f = http_send(&tcp.stream, request, gluetun->reply, deadline_ms, why);
	net_close(&tcp);
	if (f == FAIL_TIMEOUT && !gluetun->reply->begun)
		return fail_set(why, f,
		                "no answer within %d s (it gives none while its up or down command "
		                "runs)",
		                GLUETUN_ASK_MS / 1000);
	return f;
}

static enum fail ask(struct gluetun *gluetun, struct http_request *request, int64_t deadline_ms,
                     uint16_t *port, struct failure *why)
{
	bool old = gluetun->old_route, unauthorized = false;
	int status;

	/* The route of last time, then the other. */
	do {
		enum fail f;

		request->path = routes[old];
		f = get(gluetun, request, deadline_ms, why);
		if (f)
			return f;
		status = gluetun->reply->status;
		if (status == 200) {
			gluetun->old_route = old;
			return parse(gluetun->reply, port, why);
		}
		unauthorized |= status == 401;
		old = !old;
	} while (is_unknown_route(status) && old != gluetun->old_route);
	return judge(gluetun->reply, unauthorized, why);
}

enum fail gluetun_ask(struct gluetun *gluetun, int64_t deadline_ms, uint16_t *port,
                      struct failure *why)
{
	char name[GLUETUN_NAME_MAX];
	struct http_request request = { .host = name + sizeof GLUETUN_NAME - 1 };
	enum fail f;

	gluetun_name(name, gluetun->config);
	f = read_credential(gluetun->config, &request, why);
	if (!f)
		f = ask(gluetun, &request, deadline_ms, port, why);
	forget_credential();
	http_forget(gluetun->reply);
	if (f && f != FAIL_STOPPED)
		fail_in(why, "%s", name);
	return f;
}
