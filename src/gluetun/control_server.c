#include "gluetun/control_server.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "config/url.h"

/* Indexed by `old_route`. */
static const char *const routes[] = { "/v1/portforward", "/v1/openvpn/portforwarded" };

void gluetun_start(struct gluetun *gluetun, const struct peer_address *address,
                   const struct gluetun_account *account, const struct stop *stop,
                   struct http_reply *reply)
{
	struct peer *peer = &gluetun->peer;

	*gluetun = (struct gluetun){ .account = *account, .reply = reply };
	peer_start(peer, address, stop);
	peer->name = GLUETUN_NAME;
	peer->ca_variable = "QSTICKY_TLS_CA_FILE";
	peer->https_variable = "QSTICKY_GLUETUN_USE_HTTPS";
	peer->name_variable = "QSTICKY_GLUETUN_HOST";
	peer->if_refused =
		"connection refused: is it running, and is this its HTTP_CONTROL_SERVER_ADDRESS?";
	peer->step_ms = GLUETUN_ASK_MS;
}

void gluetun_name(char out[static GLUETUN_NAME_MAX], const char *host, uint16_t port)
{
	struct text text = text_on(out, GLUETUN_NAME_MAX);

	text_append(&text, GLUETUN_NAME " at ");
	peer_append_authority(&text, host, port);
}

/* ---- credentials ---- */

/* Static, to keep the stack small. */
static struct secret_store store;
static char basic[(2 * SECRET_MAX + 1 + 2) / 3 * 4 + 1];

/* Appends "user:password" in base64 (RFC 7617, section 2). */
static void append_basic(struct text *text, const char *user, const char *password)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *const parts[] = { user, ":", password };
	unsigned bits = 0, count = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		for (const char *at = parts[i]; *at; at++) {
			bits = bits << 8 | (unsigned char)*at;
			for (count += 8; count >= 6; count -= 6)
				text_append_bytes(text, &digits[bits >> (count - 6) & 63], 1);
		}
	}
	if (count > 0)
		text_append_bytes(text, &digits[bits << (6 - count) & 63], 1);
	while (text->len % 4 != 0)
		text_append(text, "=");
}

/* Sets the credential of `request`. It points into the environment, `store` or `basic`, and is
 * valid until forget_credential(). */
static enum fail read_credential(const struct gluetun_account *account,
                                 struct http_request *request, struct failure *why)
{
	struct text text = text_on(basic, sizeof basic);
	const char *user, *password;
	enum fail f;

	if (account->apikey) {
		request->credential_name = "X-API-Key: ";
		return secret_read(account->apikey, &store, &request->credential, why);
	}
	if (!account->username)
		return FAIL_NONE;
	f = secret_read(account->username, &store, &user, why);
	if (!f)
		f = secret_read(account->password, &store, &password, why);
	if (f)
		return f;
	append_basic(&text, user, password);
	request->credential_name = "Authorization: Basic ";
	request->credential = basic;
	return FAIL_NONE;
}

static void forget_credential(void)
{
	secret_forget(&store);
	explicit_bzero(basic, strlen(basic));
}

/* ---- the answer ---- */

static bool is_redirect(int status)
{
	return status >= 300 && status < 400;
}

/* For a route that it does not know, Gluetun sends 400 up to v3.39.0, then 401 as for a missing
 * key, and 404 since v3.41.2. Versions with the new route redirect the old one. */
static bool is_unknown_route(int status)
{
	return status == 400 || status == 401 || status == 404 || is_redirect(status);
}

/* Returns FAIL_ANSWER, with the reason from the last reply. `unauthorized`: at least one reply was
 * a 401. */
static enum fail judge(const struct http_reply *reply, bool unauthorized, struct failure *why)
{
	size_t cursor = 0, len;
	const char *location = http_header(reply, "Location", &cursor, &len);
	char shown[URL_ORIGIN_MAX];
	struct text text = text_on(shown, sizeof shown);

	if (unauthorized)
		return fail_set(
			why, FAIL_ANSWER,
			"HTTP 401: the key or password is missing or wrong "
			"(QSTICKY_GLUETUN_AUTH_TYPE), or no role in its "
			"HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH lists the route that its version "
			"knows: \"GET %s\" since v3.41, \"GET %s\" before",
			routes[0], routes[1]);
	if (!is_redirect(reply->status))
		return fail_set(why, FAIL_ANSWER, "HTTP %d: not what Gluetun answers",
		                reply->status);
	if (location)
		url_append_origin(&text, location, len);
	return fail_set(why, FAIL_ANSWER, "HTTP %d, a redirect to %s: another program answers here",
	                reply->status, location ? shown : "nowhere");
}

static enum fail parse(const struct http_reply *reply, struct port_file_ports *ports,
                       struct failure *why)
{
	enum json_ports found, alone = JSON_PORTS_ABSENT;
	struct port_file_ports told = { .count = 0 };
	struct json json;
	enum fail f;

	if (reply->first == '<')
		return fail_set(why, FAIL_ANSWER, "an HTML page: another program answers here");
	f = json_parse(&json, reply->body, reply->body_len, why);
	if (f) {
		fail_in(why, "not its answer, or a damaged one");
		return f;
	}
	found = json_ports(&json, "ports", told.port, PORT_FILE_PORTS_MAX, &told.count);
	if (found <= JSON_PORTS_NONE)
		alone = json_ports(&json, "port", told.port, PORT_FILE_PORTS_MAX, &told.count);
	if (alone > found)
		found = alone;
	if (found == JSON_PORTS_ABSENT || found == JSON_PORTS_BAD)
		return fail_set(why, FAIL_ANSWER, "its reply holds no port from 1 to 65535");
	*ports = told;
	return FAIL_NONE;
}

/* ---- requests ---- */

/* Sends one request, on a new connection. */
static enum fail get(struct gluetun *gluetun, const struct http_request *request,
                     struct failure *why)
{
	struct peer *peer = &gluetun->peer;
	enum fail f = peer_exchange(peer, request, gluetun->reply, false, why);

	if (f == FAIL_TIMEOUT && peer->used && !gluetun->reply->begun)
		fail_set(why, f,
		         "no answer within %d s (it gives none while its up or down command runs)",
		         GLUETUN_ASK_MS / 1000);
	peer_close(peer);
	return f;
}

static enum fail ask(struct gluetun *gluetun, struct http_request *request,
                     struct port_file_ports *ports, struct failure *why)
{
	bool old = gluetun->old_route, unauthorized = false;
	int status;

	/* First the route that answered last, then the other. */
	do {
		enum fail f;

		request->path = routes[old];
		f = get(gluetun, request, why);
		if (f)
			return f;
		status = gluetun->reply->status;
		if (status == 200) {
			gluetun->old_route = old;
			return parse(gluetun->reply, ports, why);
		}
		unauthorized |= status == 401;
		old = !old;
	} while (is_unknown_route(status) && old != gluetun->old_route);
	return judge(gluetun->reply, unauthorized, why);
}

enum fail gluetun_ask(struct gluetun *gluetun, int64_t deadline_ms, struct port_file_ports *ports,
                      struct failure *why)
{
	struct http_request request = { .post = false };
	enum fail f = read_credential(&gluetun->account, &request, why);

	gluetun->peer.deadline_ms = deadline_ms;
	if (!f)
		f = ask(gluetun, &request, ports, why);
	forget_credential();
	http_forget(gluetun->reply);
	return peer_fail_in(&gluetun->peer, f, why);
}
