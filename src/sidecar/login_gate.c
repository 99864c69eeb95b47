#include "sidecar/login_gate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "qbittorrent/login.h"

static const char *const names[] = {
	[LOGIN_IN_ORDER] = NULL,
	[LOGIN_HELD_BACK] = "held_back",
	[LOGIN_WAS_REJECTED] = "rejected",
	[LOGIN_WAS_BANNED] = "banned",
};

const char *login_gate_name(enum login_state state)
{
	return names[state];
}

static struct login_gate *gate_of(struct qbittorrent_gate *gate)
{
	/* Cast by way of void: `gate` is the first member, and the whole is aligned more strictly
	 * (32-bit ARM). */
	void *whole = gate;

	return whole;
}

/* ---- its file ---- */

static void keep_trouble(struct login_gate *gate, const char *what, const struct failure *why)
{
	fail_set(&gate->trouble, FAIL_IO, "login budget: %s: %s", why->text, what);
}

/* Decides what to do if the file is unusable. The sidecar counts in memory. A command that ends
 * sends no login, since the next command would not know of it. */
static enum fail without_file(struct login_gate *gate, struct failure *why)
{
	struct failure unread;

	gate->useless = true;
	if (!gate->in_memory) {
		fail_in(why, "a login is needed, but failed logins cannot be counted");
		return FAIL_HELD_BACK;
	}
	if (!gate->file_tried && login_store_read_only(&gate->store, &gate->budget, &unread)) {
		gate->budget = (struct login_budget){ .failed = LOGIN_FAILED_MAX };
		keep_trouble(
			gate,
			"it holds counted logins, so no login before SIGHUP (docker kill -s HUP). "
			"Let this user read and write it",
			why);
	} else {
		keep_trouble(
			gate,
			"failed logins are counted in memory only, and a restart forgets them. Let "
			"this user write there",
			why);
	}
	gate->file_tried = true;
	return FAIL_NONE;
}

/* Locks and reads the file. FAIL_NONE also if the login may go on without it. */
static enum fail lock(struct login_gate *gate, struct failure *why)
{
	unsigned char salt[DIGEST_LEN];
	const struct login_budget known = gate->budget;
	bool was_useless = gate->useless;
	enum fail f;

	memcpy(salt, gate->store.salt, sizeof salt);
	f = login_store_lock(&gate->store, &gate->budget, why);
	if (f == FAIL_HELD_BACK)
		return f;
	gate->useless = false;
	gate->trouble.text[0] = '\0';
	if (f == FAIL_FORMAT) {
		gate->budget = (struct login_budget){ .failed = LOGIN_FAILED_MAX };
		keep_trouble(gate, "no login before SIGHUP (docker kill -s HUP)", why);
		return FAIL_NONE;
	}
	if (f)
		return without_file(gate, why);
	gate->file_tried = true;
	/* The file is another one, or was unusable: keep what was counted in memory. */
	if (was_useless || memcmp(salt, gate->store.salt, sizeof salt) != 0) {
		if (gate->budget.failed < known.failed)
			gate->budget.failed = known.failed;
		gate->budget.unsteady |= known.unsteady;
	}
	return FAIL_NONE;
}

static enum fail write_budget(struct login_gate *gate, struct failure *why)
{
	enum fail f;

	if (gate->useless)
		return FAIL_NONE;
	f = login_store_write(&gate->store, &gate->budget, why);
	return f ? without_file(gate, why) : FAIL_NONE;
}

/* ---- messages ---- */

static void add_prospect(const struct login_gate *gate, struct failure *why)
{
	const struct login_budget *budget = &gate->budget;
	int64_t next_s = login_budget_next_s(budget, gate->pair);
	bool seen = budget->server_known; /* never true while `unsteady` */
	struct text text = text_at_end(why->text, sizeof why->text);

	if (next_s != LOGIN_NEVER) {
		char utc[UTC_MAX];

		utc_format(utc, (time_t)next_s);
		text_printf(&text, "; the next login is not before %s", utc);
		return;
	}
	text_printf(&text, "; no more logins until %s%s",
	            login_budget_is_spent(budget) ? "" : "the credentials are changed or ",
	            seen ? "qBittorrent restarts or you send SIGHUP (docker kill -s HUP)"
	                 : "you send SIGHUP (docker kill -s HUP)");
	if (!seen && login_budget_is_spent(budget))
		text_append(&text,
		            " after a restart of qBittorrent, which qsticky cannot see here");
	else if (!seen)
		text_append(&text, "; qsticky cannot see a restart of qBittorrent here");
}

/* Explains why the pair may not log in now, as a failure. */
static enum fail explain_state(const struct login_gate *gate, const struct qbittorrent *qb,
                               struct failure *why)
{
	enum fail f = FAIL_HELD_BACK;

	switch (gate->state) {
	case LOGIN_WAS_REJECTED:
		f = qbittorrent_login_failed(qb, QBITTORRENT_LOGIN_REJECTED, why);
		break;
	case LOGIN_WAS_BANNED:
		f = qbittorrent_login_failed(qb, QBITTORRENT_LOGIN_BANNED, why);
		break;
	case LOGIN_IN_ORDER:
	case LOGIN_HELD_BACK:
		fail_set(
			why, f, "%s",
			!login_budget_knows(&gate->budget, gate->pair)
				? "four logins may have failed, and a fifth would get this address "
				  "banned"
			: gate->unanswered.text[0] ? gate->unanswered.text
						   : "the last login got no answer");
		break;
	}
	add_prospect(gate, why);
	return f;
}

/* ---- the gate ---- */

/* Requests that must all show a new cache id before it counts, each on its own connection. */
#define CONFIRMATIONS 5

static bool ask_server(const struct login_gate *gate, struct qbittorrent *qb,
                       unsigned char server[static LOGIN_ID_LEN])
{
	char cache_id[QBITTORRENT_CACHE_ID_MAX];
	const char *const strings[] = { cache_id };

	if (!qbittorrent_ask_cache_id(qb, cache_id))
		return false;
	digest_of(server, gate->store.salt, strings, 1);
	return true;
}

/* Reads the cache id, and updates the budget if qBittorrent was restarted. If the id cannot be
 * read, nothing is inferred. Returns whether the budget changed. */
static bool check_server(struct login_gate *gate, struct qbittorrent *qb)
{
	struct login_budget *budget = &gate->budget;
	unsigned char server[LOGIN_ID_LEN], again[LOGIN_ID_LEN];
	bool known = budget->server_known, restarted;

	if (budget->unsteady || !ask_server(gate, qb, server))
		return false;
	for (int look = 1; look < CONFIRMATIONS && login_budget_is_new_server(budget, server);
	     look++) {
		/* A load balancer may choose a server for each connection. */
		peer_close(&qb->peer);
		if (!ask_server(gate, qb, again))
			return false;
		if (memcmp(again, server, LOGIN_ID_LEN) == 0)
			continue;
		login_budget_unsteady(budget);
		return true;
	}
	restarted = login_budget_server(budget, server);
	gate->restarted |= restarted;
	return restarted || budget->unsteady || !known;
}

/* `is_new`: the pair is another one than at the last attempt, which may have been held back. */
static enum fail decide(struct login_gate *gate, struct qbittorrent *qb, bool is_new,
                        struct failure *why)
{
	bool changed = gate->clear;
	struct failure unused;

	if (gate->clear)
		login_budget_clear(&gate->budget);
	gate->clear = false;
	changed |= login_budget_clock(&gate->budget, gate->now_s);
	if (login_budget_wants_server(&gate->budget))
		changed |= check_server(gate, qb);
	gate->unsent = gate->budget;
	gate->others =
		is_new && gate->budget.count > 0 && !login_budget_knows(&gate->budget, gate->pair);
	if (gate->now_s < login_budget_next_s(&gate->budget, gate->pair)) {
		enum fail f;

		gate->state = login_budget_state(&gate->budget, gate->pair);
		f = explain_state(gate, qb, why);
		if (changed)
			(void)write_budget(gate, &unused);
		return f;
	}
	login_budget_attempt(&gate->budget, gate->pair, gate->now_s);
	return write_budget(gate, why);
}

static enum fail before(struct qbittorrent_gate *base, struct qbittorrent *qb, const char *user,
                        const char *password, struct failure *why)
{
	struct login_gate *gate = gate_of(base);
	char port[8];
	struct text port_text = text_on(port, sizeof port);
	const char *const strings[] = { gate->config->host, port, user, password };
	unsigned char last[LOGIN_ID_LEN];
	enum fail f = lock(gate, why);

	gate->state = LOGIN_HELD_BACK;
	if (f)
		return f;
	text_printf(&port_text, "%u", (unsigned)gate->config->port);
	memcpy(last, gate->pair, sizeof last);
	digest_of(gate->pair, gate->store.salt, strings, sizeof strings / sizeof strings[0]);
	f = decide(gate, qb, memcmp(last, gate->pair, sizeof last) != 0, why);
	if (f)
		login_store_unlock(&gate->store);
	return f;
}

static enum fail after(struct qbittorrent_gate *base, struct qbittorrent *qb, enum fail f,
                       struct failure *why)
{
	struct login_gate *gate = gate_of(base);
	struct login_budget *budget = &gate->budget;
	struct failure reason = *why, unused;

	if (qb->login == QBITTORRENT_LOGIN_NONE)
		*budget = gate->unsent;
	else
		login_budget_verdict(budget, gate->pair, qb->login);
	/* Write the verdict first: what follows may block. */
	(void)write_budget(gate, &unused);
	if (f && f != FAIL_STOPPED && qb->login != QBITTORRENT_LOGIN_NONE && check_server(gate, qb))
		(void)write_budget(gate, &unused);
	login_store_unlock(&gate->store);
	gate->state = LOGIN_IN_ORDER;
	*why = reason;
	gate->unanswered.text[0] = '\0';
	if (qb->login == QBITTORRENT_LOGIN_UNANSWERED && f)
		gate->unanswered = reason;
	if (!f || f == FAIL_STOPPED || qb->login == QBITTORRENT_LOGIN_NONE ||
	    gate->now_s >= login_budget_next_s(budget, gate->pair))
		return f;
	gate->state = login_budget_state(budget, gate->pair);
	add_prospect(gate, why);
	return f;
}

void login_gate_start(struct login_gate *gate, const struct config *config)
{
	*gate = (struct login_gate){ .gate = { before, after }, .config = config };
	login_store_start(&gate->store, config->health_path);
}

void login_gate_clear(struct login_gate *gate)
{
	struct failure unused;
	enum fail f;

	login_budget_clear(&gate->budget);
	/* Without any counted login there is no file, and none is needed. */
	if (access(gate->store.path, F_OK) < 0 && errno == ENOENT)
		return;
	f = lock(gate, &unused);
	if (f) {
		gate->clear = true;
		return;
	}
	login_budget_clear(&gate->budget);
	(void)write_budget(gate, &unused);
	login_store_unlock(&gate->store);
}
