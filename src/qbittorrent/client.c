#include "qbittorrent/client.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/json.h"
#include "base/redact.h"
#include "qbittorrent/exchange.h"
#include "qbittorrent/login.h"

static const char preferences_path[] = "/api/v2/app/preferences";

/* Time kept for the last reading back of a port, in milliseconds. */
#define LAST_READ_MS 1000

void qbittorrent_start(struct qbittorrent *qb, const struct peer_address *address,
                       const struct qbittorrent_account *account, const struct stop *stop,
                       struct http_reply *reply)
{
	struct peer *peer = &qb->peer;

	/* The pairs stay as they are: only `count` of them are valid, and untouched memory costs nothing. */
	memset(qb, 0, offsetof(struct qbittorrent, cookies.pairs));
	qb->account = *account;
	qb->reply = reply;
	peer_start(peer, address, stop);
	peer->name = "qBittorrent";
	peer->ca_variable = "QSTICKY_TLS_CA_FILE";
	peer->https_variable = "QSTICKY_USE_HTTPS";
	peer->name_variable = "QSTICKY_TLS_SERVER_NAME";
	peer->pin_variable = "QSTICKY_TLS_PIN_SHA256";
	peer->if_refused = "connection refused: is it running, and is this its Web UI port?";
	peer->step_ms = QBITTORRENT_EXCHANGE_MS;
	/* qBittorrent refuses a Host header whose port is not its own, as behind a port mapping or
	 * a proxy. */
	peer->omits_port = true;
	/* qBittorrent 4.x reopens its Web UI's socket whenever anybody changes its preferences. A
	 * connection at that moment is refused. */
	peer->is_patient = true;
}

void qbittorrent_begin(struct qbittorrent *qb, int64_t deadline_ms, struct qbittorrent_gate *gate)
{
	qb->peer.deadline_ms = deadline_ms;
	qb->gate = gate;
	qb->login = QBITTORRENT_LOGIN_NONE;
	qb->slowest_ms = 0;
	qb->overdue = false;
}

void qbittorrent_end(struct qbittorrent *qb)
{
	peer_close(&qb->peer);
	qbittorrent_forget_key(qb);
	http_forget(qb->reply);
}

/* ---- preferences ---- */

/* The members that are read. */
static const char listen_port[] = "listen_port";
static const char random_port[] = "random_port";
static const char upnp[] = "upnp";
static const char announce_port[] = "announce_port";
static const char web_ui_port[] = "web_ui_port";
static const char proxy_peers[] = "proxy_peer_connections";
static const char proxy_type[] = "proxy_type";
static const char interface[] = "current_network_interface";
static const char address[] = "current_interface_address";

/* "proxy_type" is a number up to 4.5, where 0 means none (in old versions also -1), and then a
 * word. */
static bool has_proxy(const struct json *json)
{
	int64_t number = 0;
	char word[16] = "None";

	if (json_int(json, proxy_type, &number))
		return number > 0;
	return json_string(json, proxy_type, word, sizeof word) && strcmp(word, "None") != 0;
}

/* Static, since every page of stack counts. */
static struct json_filter filter;
static char kept[JSON_KEPT_MAX];

static bool take_preferences(const char *bytes, size_t len)
{
	return json_filter_take(&filter, bytes, len);
}

static enum fail parse_view(const struct http_reply *reply, struct qbittorrent_view *view,
                            struct failure *why)
{
	struct qbittorrent_view found = { 0 };
	bool peers = true;
	struct json json;
	enum fail f;

	if (qbittorrent_is_html(reply))
		return qbittorrent_unexpected(reply, preferences_path, why);
	f = json_parse_kept(&json, &filter, why);
	if (f) {
		fail_in(why, "not qBittorrent, or its reply to %s is damaged", preferences_path);
		return f;
	}
	if (!json_int(&json, listen_port, &found.listen_port))
		return fail_set(why, FAIL_ANSWER, "not qBittorrent: its preferences lack %s",
		                listen_port);
	(void)json_bool(&json, random_port, &found.random_port);
	(void)json_bool(&json, upnp, &found.upnp);
	(void)json_int(&json, announce_port, &found.announce_port);
	(void)json_int(&json, web_ui_port, &found.web_ui_port);
	(void)json_bool(&json, proxy_peers, &peers);
	found.peer_proxy = peers && has_proxy(&json);
	found.can_bind = json_string(&json, interface, found.interface, sizeof found.interface) &&
	                 json_string(&json, address, found.address, sizeof found.address);
	*view = found;
	return FAIL_NONE;
}

static enum fail read_view(struct qbittorrent *qb, struct qbittorrent_view *view,
                           struct failure *why)
{
	static const char *const keys[] = { listen_port, random_port, upnp,       announce_port,
		                            web_ui_port, proxy_peers, proxy_type, interface,
		                            address,     NULL };
	struct http_request request = { .path = preferences_path };
	enum fail f;

	request.sink = take_preferences;
	json_filter_start(&filter, keys, kept);
	f = qbittorrent_ask(qb, &request, why);
	return f ? f : parse_view(qb->reply, view, why);
}

enum fail qbittorrent_read(struct qbittorrent *qb, struct qbittorrent_view *view,
                           struct failure *why)
{
	return peer_fail_in(&qb->peer, read_view(qb, view, why), why);
}

/* ---- setting preferences ---- */

bool qbittorrent_has(const struct qbittorrent_view *view, const struct qbittorrent_wanted *wanted)
{
	if (view->listen_port != wanted->port)
		return false;
	return !view->can_bind ||
	       ((!wanted->interface || strcmp(view->interface, wanted->interface) == 0) &&
	        (!wanted->address || strcmp(view->address, wanted->address) == 0));
}

bool qbittorrent_is_web_ui(const struct qbittorrent *qb, const struct qbittorrent_view *view,
                           uint16_t port)
{
	return port == (view->web_ui_port ? view->web_ui_port : qb->peer.port);
}

/* Reads the preferences until they show what is wanted. The status proves nothing: qBittorrent
 * answers 200 to any number. */
static enum fail verify(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                        struct qbittorrent_view *view, struct failure *why)
{
	const int64_t longest_pause_ms = 250;
	/* Leave time for the last reading before the end of the cycle. */
	int64_t until_ms = mono_earlier(mono_now_ms() + QBITTORRENT_VERIFY_MS,
	                                qb->peer.deadline_ms - LAST_READ_MS);
	int64_t pause_ms = 20;

	for (;;) {
		enum fail f = read_view(qb, view, why);
		int64_t now_ms = mono_now_ms();

		if (f || qbittorrent_has(view, wanted))
			return f;
		if (now_ms >= until_ms && view->listen_port == wanted->port)
			return fail_set(
				why, FAIL_UNPROVEN,
				"it accepted interface %s and its address, but still reports "
				"others",
				wanted->interface);
		if (now_ms >= until_ms)
			return fail_set(why, FAIL_UNPROVEN,
			                "it accepted port %u, but still reports port %lld",
			                (unsigned)wanted->port, (long long)view->listen_port);
		f = wait_until(qb->peer.stop, mono_earlier(now_ms + pause_ms, until_ms), why);
		if (f)
			return f;
		pause_ms = mono_earlier(2 * pause_ms, longest_pause_ms);
	}
}

/* A request that sets preferences. Its form borrows `preferences`. */
struct setting {
	char preferences[192];
	struct http_field form;
	struct http_request request;
};

static void make_setting(struct setting *setting, const struct qbittorrent_wanted *wanted,
                         const struct qbittorrent_view *view)
{
	struct text text = text_on(setting->preferences, sizeof setting->preferences);

	text_printf(&text, "{\"listen_port\":%u", (unsigned)wanted->port);
	if (view->random_port)
		text_append(&text, ",\"random_port\":false");
	if (view->upnp)
		text_append(&text, ",\"upnp\":false");
	if (wanted->interface && view->can_bind)
		text_printf(&text, ",\"current_network_interface\":\"%s\"", wanted->interface);
	if (wanted->address && view->can_bind)
		text_printf(&text, ",\"current_interface_address\":\"%s\"", wanted->address);
	text_append(&text, "}");
	setting->form = (struct http_field){ "json", setting->preferences };
	setting->request = (struct http_request){
		.post = true,
		.path = "/api/v2/app/setPreferences",
		.form = &setting->form,
		.form_count = 1,
	};
}

static enum fail set(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                     const struct qbittorrent_view *view, struct failure *why)
{
	struct setting setting;

	make_setting(&setting, wanted, view);
	return qbittorrent_ask(qb, &setting.request, why);
}

static enum fail set_and_verify(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                                struct qbittorrent_view *view, struct failure *why)
{
	enum fail f = set(qb, wanted, view, why);

	if (f)
		return f;
	qb->port_to_restore = 0;
	return verify(qb, wanted, view, why);
}

enum fail qbittorrent_set(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                          struct qbittorrent_view *view, struct failure *why)
{
	return peer_fail_in(&qb->peer, set_and_verify(qb, wanted, view, why), why);
}

enum fail qbittorrent_rebind(struct qbittorrent *qb, const struct qbittorrent_wanted *wanted,
                             struct qbittorrent_view *view, struct failure *why)
{
	/* The neighbouring port; 1024 or higher, since qBittorrent could not open a lower one. */
	struct qbittorrent_wanted other = { .port = wanted->port < 1024 ? wanted->port | 0x8000
		                                                        : wanted->port ^ 1 };
	enum fail f;

	if (qbittorrent_is_web_ui(qb, view, other.port))
		other.port ^= 2;
	qb->port_to_restore = wanted->port;
	f = set(qb, &other, view, why);
	if (!f) {
		view->listen_port = other.port;
		f = set_and_verify(qb, wanted, view, why);
	}
	return peer_fail_in(&qb->peer, f, why);
}

/* ---- announcing, hints ---- */

enum fail qbittorrent_reannounce(struct qbittorrent *qb, struct failure *why)
{
	const struct http_field form = { "hashes", "all" };
	const struct http_request request = {
		.post = true, .path = "/api/v2/torrents/reannounce", .form = &form, .form_count = 1
	};

	qb->gate = NULL;
	return peer_fail_in(&qb->peer, qbittorrent_ask(qb, &request, why), why);
}

enum fail qbittorrent_shutdown(struct qbittorrent *qb, struct failure *why)
{
	const struct http_request request = { .post = true, .path = "/api/v2/app/shutdown" };

	return peer_fail_in(&qb->peer, qbittorrent_ask(qb, &request, why), why);
}

/* The values that all versions use. */
static bool is_status(const char *word)
{
	return strcmp(word, "connected") == 0 || strcmp(word, "firewalled") == 0 ||
	       strcmp(word, "disconnected") == 0;
}

static bool is_address(const char *word)
{
	unsigned char ip[IP_MAX];

	/* Anything may follow a '%'. */
	return ip_parse(ip, word) > 0 && !strchr(word, '%');
}

void qbittorrent_ask_hints(struct qbittorrent *qb, struct qbittorrent_hints *hints)
{
	static const char *const addresses[] = { "last_external_address_v4",
		                                 "last_external_address_v6" };
	const struct http_request request = { .path = "/api/v2/transfer/info" };
	struct failure unused;
	struct json json;
	int64_t received = 0, sent = 0;

	*hints = (struct qbittorrent_hints){ 0 };
	if (qbittorrent_exchange(qb, &request, true, &unused) || qb->reply->status != 200 ||
	    json_parse(&json, qb->reply->body, qb->reply->body_len, &unused))
		return;
	(void)json_string(&json, "connection_status", hints->connection_status,
	                  sizeof hints->connection_status);
	(void)json_int(&json, "dl_info_data", &received);
	(void)json_int(&json, "up_info_data", &sent);
	if (__builtin_add_overflow(received, sent, &hints->transferred))
		hints->transferred = 0;
	for (size_t i = 0; i < 2 && !hints->external_address[0]; i++) {
		if (json_string(&json, addresses[i], hints->external_address,
		                sizeof hints->external_address) &&
		    !is_address(hints->external_address))
			hints->external_address[0] = '\0';
	}
	if (!is_status(hints->connection_status))
		hints->connection_status[0] = '\0';
}

/* ---- version, logout ---- */

void qbittorrent_ask_version(struct qbittorrent *qb)
{
	const struct http_request request = { .path = "/api/v2/app/version" };
	int64_t now_ms = mono_now_ms();
	struct failure unused;
	struct text text;

	if (now_ms < qb->version_at_ms)
		return;
	qb->version_at_ms = now_ms + QBITTORRENT_VERSION_MS;
	text = text_on(qb->version, sizeof qb->version);
	if (qbittorrent_exchange(qb, &request, true, &unused) || qb->reply->status != 200 ||
	    qbittorrent_is_html(qb->reply))
		return;
	/* Accept only a version: another reply may echo a secret, and the version is public. */
	if (redact_is_version(qb->reply->body, qb->reply->body_len))
		text_append_bytes(&text, qb->reply->body, qb->reply->body_len);
}

static void log_out(struct qbittorrent *qb)
{
	const struct http_request logout = { .post = true,
		                             .path = "/api/v2/auth/logout",
		                             .cookies = &qb->cookies };
	const struct qbittorrent_wanted owed = { .port = qb->port_to_restore };
	struct setting setting;
	struct failure unused;

	if (qb->cookies.count == 0 && !owed.port)
		return;
	if (owed.port) {
		make_setting(&setting, &owed, &(const struct qbittorrent_view){ 0 });
		if (qbittorrent_exchange(qb, &setting.request, false, &unused))
			return;
	}
	(void)peer_exchange(&qb->peer, &logout, qb->reply, false, &unused);
}

void qbittorrent_logout_within(struct qbittorrent *qb, int64_t longest_ms)
{
	const struct stop none = { .fd = -1 };
	const struct stop *stop = qb->peer.stop;

	peer_close(&qb->peer);
	qb->peer.stop = &none;
	qb->peer.deadline_ms = mono_now_ms() + longest_ms;
	/* Use the last known address: a lookup could take longer than the stop allows. */
	qb->peer.looks_up_none = true;
	log_out(qb);
	qbittorrent_end(qb);
	explicit_bzero(&qb->cookies, sizeof qb->cookies);
	peer_forget(&qb->peer);
	qb->peer.looks_up_none = false;
	qb->peer.stop = stop;
}

void qbittorrent_logout(struct qbittorrent *qb)
{
	qbittorrent_logout_within(qb, QBITTORRENT_LOGOUT_MS);
}
