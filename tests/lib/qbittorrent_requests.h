/* qbittorrent_requests: the requests that qsticky may make to qBittorrent, to the last byte. For
 * fuzz_qbittorrent. */
#ifndef QSTICKY_TESTS_QBITTORRENT_REQUESTS_H
#define QSTICKY_TESTS_QBITTORRENT_REQUESTS_H

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "qbittorrent/client.h"

enum route {
	GET_PREFERENCES,
	GET_INFO,
	GET_VERSION,
	GET_PAGE,
	POST_LOGIN,
	POST_PREFERENCES,
	POST_REANNOUNCE,
	POST_LOGOUT,
	ROUTES,
};

static const char *const request_lines[ROUTES] = {
	[GET_PREFERENCES] = "GET /api/v2/app/preferences HTTP/1.1\r\n",
	[GET_INFO] = "GET /api/v2/transfer/info HTTP/1.1\r\n",
	[GET_VERSION] = "GET /api/v2/app/version HTTP/1.1\r\n",
	[GET_PAGE] = "GET / HTTP/1.1\r\n",
	[POST_LOGIN] = "POST /api/v2/auth/login HTTP/1.1\r\n",
	[POST_PREFERENCES] = "POST /api/v2/app/setPreferences HTTP/1.1\r\n",
	[POST_REANNOUNCE] = "POST /api/v2/torrents/reannounce HTTP/1.1\r\n",
	[POST_LOGOUT] = "POST /api/v2/auth/logout HTTP/1.1\r\n",
};

/* What qsticky does, in the order of a cycle. */
enum operation { READ, SET, REBIND, HINTS, VERSION, REANNOUNCE, LOGOUT, OPERATIONS };

/* Which requests an operation may take, and how often: twice each, since a connection may turn out to
 * be closed, and twice again behind a login. The login page twice before and twice after a login. */
static const unsigned requests_most[OPERATIONS][ROUTES] = {
	[READ] = { [GET_PREFERENCES] = 4, [GET_PAGE] = 4, [POST_LOGIN] = 1 },
	[SET] = { [GET_PREFERENCES] = -1U,
	          [POST_PREFERENCES] = 4,
	          [GET_PAGE] = 4,
	          [POST_LOGIN] = 1 },
	[REBIND] = { [GET_PREFERENCES] = -1U,
	             [POST_PREFERENCES] = 6,
	             [GET_PAGE] = 4,
	             [POST_LOGIN] = 1 },
	[HINTS] = { [GET_INFO] = 2 },
	[VERSION] = { [GET_VERSION] = 2 },
	[REANNOUNCE] = { [POST_REANNOUNCE] = 4 },
	[LOGOUT] = { [POST_PREFERENCES] = 1, [POST_LOGOUT] = 1 },
};

/* What they depend on. */
struct requests {
	const char *host;
	const struct cookies *cookies;
	const char *password; /* escaped */
	const char *key;      /* NULL: none */
	struct qbittorrent_wanted wanted;
	struct qbittorrent_view view; /* as it was when the settings were to be changed */
	bool ending;                  /* the session: only the port is set then */
};

static inline void requests_put_escaped(struct text *text, const char *string)
{
	for (; *string; string++) {
		if (isalnum((unsigned char)*string) || strchr("-._~", *string))
			text_append_bytes(text, string, 1);
		else
			text_printf(text, "%%%02X", (unsigned)*string);
	}
}

/* `other`: the port that a rebind sets first. */
static inline void requests_put_preferences(const struct requests *its, struct text *text,
                                            bool other)
{
	char json[256];
	struct text plain = text_on(json, sizeof json);
	bool bound = !its->ending && !other && its->view.can_bind;
	unsigned port = its->wanted.port;

	if (other)
		port = port < 1024 ? port + 0x8000 : port ^ 1;
	/* Never the Web UI's own, or the one that is configured where it does not say. */
	if (other && port == (its->view.web_ui_port ? its->view.web_ui_port : 8080))
		port ^= 2;
	text_printf(&plain, "{\"listen_port\":%u", port);
	text_append(&plain, !its->ending && its->view.random_port ? ",\"random_port\":false" : "");
	text_append(&plain, !its->ending && its->view.upnp ? ",\"upnp\":false" : "");
	if (bound && its->wanted.interface)
		text_printf(&plain, ",\"current_network_interface\":\"%s\"", its->wanted.interface);
	if (bound && its->wanted.address)
		text_printf(&plain, ",\"current_interface_address\":\"%s\"", its->wanted.address);
	text_append(&plain, "}");
	text_append(text, "json=");
	requests_put_escaped(text, json);
}

static inline void requests_put_body(const struct requests *its, struct text *text,
                                     enum route route, bool other)
{
	if (route == POST_LOGIN)
		text_printf(text, "username=admin&password=%s", its->password);
	if (route == POST_PREFERENCES)
		requests_put_preferences(its, text, other);
	if (route == POST_REANNOUNCE)
		text_append(text, "hashes=all");
}

/* The request as it should be, the cookies of the session included. */
static inline void requests_put(const struct requests *its, struct text *text, enum route route,
                                bool other)
{
	char body[512];
	struct text content = text_on(body, sizeof body);

	requests_put_body(its, &content, route, other);
	text_append(text, request_lines[route]);
	text_printf(text, "Host: %s\r\n", its->host);
	/* It has no session that could be ended. */
	if (its->key && route != POST_LOGOUT)
		text_printf(text, "Authorization: Bearer %s\r\n", its->key);
	for (size_t i = 0; i < its->cookies->count; i++)
		text_printf(text, "%s%s", i > 0 ? "; " : "Cookie: ", its->cookies->pairs[i]);
	text_append(text, its->cookies->count > 0 ? "\r\n" : "");
	if (route >= POST_LOGIN)
		text_printf(text,
		            "Content-Type: application/x-www-form-urlencoded\r\n"
		            "Content-Length: %zu\r\n",
		            content.len);
	text_append(text, "\r\n");
	text_append(text, body);
	assert(!text->full && !content.full);
}

/* The one that these bytes begin as; there must be one. */
static inline enum route requests_route(const char *data, size_t len)
{
	enum route route = GET_PREFERENCES;

	while (route < ROUTES &&
	       (len < strlen(request_lines[route]) ||
	        memcmp(data, request_lines[route], strlen(request_lines[route])) != 0))
		route++;
	assert(route < ROUTES);
	return route;
}

/* Whether the bytes are just that. */
static inline bool requests_are(const struct requests *its, const char *data, size_t len,
                                enum route route, bool other)
{
	static char buf[HTTP_REQUEST_MAX];
	struct text text = text_on(buf, sizeof buf);

	requests_put(its, &text, route, other);
	return text.len == len && memcmp(buf, data, len) == 0;
}

#endif
