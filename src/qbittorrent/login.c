#include "qbittorrent/login.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "qbittorrent/exchange.h"

static bool body_is(const struct http_reply *reply, const char *text)
{
	return reply->body_len == strlen(text) && memcmp(reply->body, text, reply->body_len) == 0;
}

enum fail qbittorrent_login_failed(const struct qbittorrent *qb, enum qbittorrent_login login,
                                   struct failure *why)
{
	const struct secret *pass = qb->account.pass;
	static const char makes_one[] =
		"(since 4.6.1, qBittorrent without a stored password makes a "
		"new one at each start)";

	if (login == QBITTORRENT_LOGIN_BANNED)
		return fail_set(
			why, FAIL_BANNED,
			"this address is banned after too many failed logins, by any program: "
			"qBittorrent lifts the ban after an hour (its setting) or when it "
			"restarts");
	if (pass->is_default && qb->origins[true] == pass->name)
		fail_set(why, FAIL_REJECTED,
		         "no password is set, so the default adminadmin was tried (%s: %s); set %s "
		         "%s",
		         pass->usual_file,
		         access(pass->usual_file, F_OK) < 0 ? strerror(errno) : "new", pass->name,
		         makes_one);
	else if (qb->odd)
		fail_set(why, FAIL_REJECTED, "%s %s; correct %s",
		         qb->odd_pass ? "the password" : "the user name", qb->odd,
		         qb->origins[qb->odd_pass]);
	else
		fail_set(why, FAIL_REJECTED, "correct %s and %s %s", qb->origins[false],
		         qb->origins[true], makes_one);
	fail_in(why, "user name or password rejected");
	return FAIL_REJECTED;
}

static enum fail judge_login(struct qbittorrent *qb, struct failure *why)
{
	const struct http_reply *reply = qb->reply;

	if (reply->status == 204 || (reply->status == 200 && body_is(reply, "Ok."))) {
		qb->login = QBITTORRENT_LOGIN_ACCEPTED;
		return FAIL_NONE;
	}
	/* The request before this one was answered by qBittorrent, so this 401 is about the
	 * password. */
	if (reply->status == 401 || (reply->status == 200 && body_is(reply, "Fails."))) {
		qb->login = QBITTORRENT_LOGIN_REJECTED;
		return qbittorrent_login_failed(qb, qb->login, why);
	}
	if (reply->status == 403 && !qbittorrent_is_html(reply)) {
		qb->login = QBITTORRENT_LOGIN_BANNED;
		return qbittorrent_login_failed(qb, qb->login, why);
	}
	/* Not qBittorrent's own reply. A proxy may have replaced a rejection, which counts. */
	return qbittorrent_unexpected(reply, "the login", why);
}

/* Static, since every page of stack counts. */
static struct secret_store secrets;

/* Fills in the login form. Its secrets stay valid until secret_forget(). */
static enum fail read_credentials(struct qbittorrent *qb, struct http_field form[static 2],
                                  struct failure *why)
{
	const struct secret *const account[] = { qb->account.user, qb->account.pass };

	form[0].name = "username";
	form[1].name = "password";
	for (int i = 0; i < 2; i++) {
		enum fail f = qbittorrent_read_secret(account[i], &secrets, &form[i].value, why);

		if (f)
			return f;
		qb->origins[i] = secret_origin(account[i], form[i].value);
	}
	qb->odd = secret_oddity(form[1].value);
	qb->odd_pass = qb->odd;
	if (!qb->odd)
		qb->odd = secret_oddity(form[0].value);
	return FAIL_NONE;
}

bool qbittorrent_ask_cache_id(struct qbittorrent *qb,
                              char cache_id[static QBITTORRENT_CACHE_ID_MAX])
{
	static const char before[] = "css/login.css?v=";
	const struct http_request request = { .path = "/" };
	const struct http_reply *reply = qb->reply;
	const char *at, *end;
	struct failure unused;
	size_t len = 0;

	if (qbittorrent_exchange(qb, &request, true, &unused) || reply->status != 200)
		return false;
	at = text_find(reply->body, reply->body_len, before);
	if (!at)
		return false;
	at += sizeof before - 1;
	end = reply->body + reply->body_len;
	while (at + len < end && len < QBITTORRENT_CACHE_ID_MAX &&
	       ((at[len] >= '0' && at[len] <= '9') || (at[len] >= 'a' && at[len] <= 'z')))
		len++;
	if (len == 0 || len == QBITTORRENT_CACHE_ID_MAX || at + len == end || at[len] != '"')
		return false;
	memcpy(cache_id, at, len);
	cache_id[len] = '\0';
	return true;
}

static enum fail log_in(struct qbittorrent *qb, struct failure *why)
{
	struct http_field form[2];
	const struct http_request request = {
		.post = true, .path = "/api/v2/auth/login", .form = form, .form_count = 2
	};
	enum fail f = read_credentials(qb, form, why);

	if (!f)
		f = qb->gate->before(qb->gate, qb, form[0].value, form[1].value, why);
	if (f) {
		secret_forget(&secrets);
		return f;
	}

	/* Send the login on a new connection, and never repeat it. If a used connection turned out
	 * to be closed, nobody could tell whether the login was counted. */
	peer_close(&qb->peer);
	qb->login = QBITTORRENT_LOGIN_UNANSWERED;
	f = qbittorrent_exchange(qb, &request, false, why);
	secret_forget(&secrets);
	if (!qb->peer.used)
		qb->login = QBITTORRENT_LOGIN_NONE;
	if (!f)
		f = judge_login(qb, why);
	return qb->gate->after(qb->gate, qb, f, why);
}

static enum fail lost_session(const char *path, struct failure *why)
{
	return fail_set(
		why, FAIL_ANSWER,
		"the login was accepted, but %s is still forbidden: does a proxy drop the session "
		"cookie?",
		path);
}

static bool succeeded(const struct http_reply *reply)
{
	return reply->status == 200 || reply->status == 204;
}

enum fail qbittorrent_ask(struct qbittorrent *qb, const struct http_request *request,
                          struct failure *why)
{
	enum fail f = qbittorrent_exchange(qb, request, true, why);

	if (f || succeeded(qb->reply))
		return f;
	/* qBittorrent's 403 is one plain word, or empty in 4.1; a proxy's is a page. Never send the
	 * password to a proxy. */
	if (qb->reply->status != 403 || qbittorrent_is_html(qb->reply))
		return qbittorrent_unexpected(qb->reply, request->path, why);
	if (qb->api_key[0])
		return fail_set(why, FAIL_REJECTED,
		                "API key rejected: correct %s; before 5.2 qBittorrent has no API "
		                "keys and needs user and password",
		                secret_origin(qb->account.api_key, qb->api_key));
	if (qb->login == QBITTORRENT_LOGIN_ACCEPTED)
		return lost_session(request->path, why);
	if (!qb->gate || qb->login != QBITTORRENT_LOGIN_NONE)
		return fail_set(why, FAIL_HELD_BACK, "a login is needed, but is not tried now");
	f = log_in(qb, why);
	if (!f)
		f = qbittorrent_exchange(qb, request, true, why);
	if (f || succeeded(qb->reply))
		return f;
	if (qb->reply->status == 403 && !qbittorrent_is_html(qb->reply))
		return lost_session(request->path, why);
	return qbittorrent_unexpected(qb->reply, request->path, why);
}
