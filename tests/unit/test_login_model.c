/* test_login_model: random sequences of faults between qsticky, its commands, and a qBittorrent
 * that bans at the fifth failed login.
 *
 * The gate, the budget and its file are real. qBittorrent (in place of qbittorrent/login.c) and the
 * clock are simulated.
 *
 * No sequence may lead to a fifth failed login. The faults are: restarts of qsticky and of
 * qBittorrent; kills before and after a login; hangs, refusals, lost answers, and sessions that
 * end; `check` and `once` with the same or other credentials, also during another login; changed
 * credentials and passwords; clocks that are set forward or back; and cycles whenever a port file
 * is damaged or written. Some sequences have two qBittorrents that alternate, or of which one
 * stands in for the other. Others have a proxy that puts another cache id into each page.
 *
 * Once the faults are over and the credentials are right, qsticky is in sync within ten minutes. If
 * the budget is used up, qsticky says so, and a restart that is seen or a person (SIGHUP) brings it
 * in sync at the next cycle.
 *
 * The one assumption of core/login_budget.h holds: a login with credentials that were accepted
 * before, are wrong now, and get no answer, was not counted. */
#include "sidecar/login_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "qbittorrent/exchange.h"
#include "qbittorrent/login.h"
#include "temp_dir.h"

#define SEQUENCES 1000
#define STEPS 80
#define INTERVAL_S 30
#define CREDENTIALS 5

static const char *const passwords[CREDENTIALS] = { "alpha", "bravo", "charlie", "delta", "echo" };

/* A process of qsticky. */
struct party {
	struct login_gate gate;
	unsigned password;
	bool session; /* it has a session with the present qBittorrent */
};

static struct world {
	int64_t now_s; /* what the clock shows */
	uint32_t random;

	/* qBittorrent. */
	unsigned password;
	enum { ONE, IN_TURN, FAIL_OVER, NEW_IDS } kind;
	unsigned at;          /* the one of the two that answers */
	unsigned failed[2];   /* failed logins counted by each */
	unsigned process[2];  /* changes at each restart */
	unsigned pages;       /* pages sent, each with another cache id */
	bool shows_cache_id;  /* it has the usual login page */
	bool refuses;         /* refuses connections, at our end of a proxy */
	bool loses_questions; /* loses logins on the way */
	bool loses_answers;   /* accepts logins, but loses the replies */
	bool was_right[CREDENTIALS];

	struct party run;
	char log[STEPS + 64][24]; /* the steps so far */
	unsigned logged;
} w;

static struct config config;

static uint32_t pick(uint32_t count)
{
	w.random ^= w.random << 13;
	w.random ^= w.random >> 17;
	w.random ^= w.random << 5;
	return w.random % count;
}

static void note(const char *what)
{
	snprintf(w.log[w.logged++ % (sizeof w.log / sizeof w.log[0])], sizeof w.log[0], "%s", what);
}

static void tell_story(uint32_t seed)
{
	print_message("seed %u:", (unsigned)seed);
	for (unsigned i = 0; i < w.logged; i++)
		print_message(" %s;", w.log[i]);
	print_message("\n");
}

static uint32_t seed_now;

#define MUST(claim)                                                                                \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			tell_story(seed_now);                                                      \
			fail_msg("broken: %s", #claim);                                            \
		}                                                                                  \
	} while (0)

/* ---- in place of tls/digest.c, which is slow on purpose ---- */

void digest_of(unsigned char digest[static DIGEST_LEN], const unsigned char salt[static DIGEST_LEN],
               const char *const strings[], size_t count)
{
	memcpy(digest, salt, DIGEST_LEN);
	for (size_t i = 0; i < count; i++)
		for (const char *at = strings[i]; *at; at++)
			digest[(size_t)*at % DIGEST_LEN] =
				(unsigned char)(digest[(size_t)*at % DIGEST_LEN] +
			                        (31 * i + 1) * (size_t)*at);
}

void digest_salt(unsigned char salt[static DIGEST_LEN])
{
	static unsigned char next;

	memset(salt, next++, DIGEST_LEN);
}

/* ---- in place of http/peer.c and qbittorrent/login.c ---- */

/* A proxy may choose a server for each connection. */
static void choose_server(void)
{
	if (w.kind == IN_TURN)
		w.at ^= 1;
}

void peer_close(struct peer *peer)
{
	(void)peer;
	choose_server();
}

bool qbittorrent_ask_cache_id(struct qbittorrent *qb,
                              char cache_id[static QBITTORRENT_CACHE_ID_MAX])
{
	(void)qb;
	if (!w.shows_cache_id || w.refuses)
		return false;
	if (w.kind == NEW_IDS)
		w.pages++;
	snprintf(cache_id, QBITTORRENT_CACHE_ID_MAX, "%c%u", w.at ? 'b' : 'a',
	         (w.process[w.at] + w.pages) % 100000);
	return true;
}

enum fail qbittorrent_login_failed(const struct qbittorrent *qb, enum qbittorrent_login login,
                                   struct failure *why)
{
	(void)qb;
	return login == QBITTORRENT_LOGIN_BANNED ? fail_set(why, FAIL_BANNED, "banned")
	                                         : fail_set(why, FAIL_REJECTED, "rejected");
}

/* ---- a login ---- */

static void count_failure(void)
{
	w.failed[w.at]++;
	MUST(w.failed[w.at] < 5);
}

static enum fail arrive(struct party *party, struct qbittorrent *qb, struct failure *why)
{
	bool right = party->password == w.password;

	choose_server();
	if (w.refuses) {
		qb->login = QBITTORRENT_LOGIN_NONE;
		return fail_set(why, FAIL_REFUSED, "refused");
	}
	qb->login = QBITTORRENT_LOGIN_UNANSWERED;
	if (w.loses_questions || (w.loses_answers && !right && w.was_right[party->password]))
		return fail_set(why, FAIL_TIMEOUT, "lost");
	if (right) {
		w.failed[w.at] = 0;
		w.was_right[party->password] = true;
	} else {
		count_failure();
	}
	if (w.loses_answers)
		return fail_set(why, FAIL_TIMEOUT, "lost");
	qb->login = right ? QBITTORRENT_LOGIN_ACCEPTED : QBITTORRENT_LOGIN_REJECTED;
	return right ? FAIL_NONE : qbittorrent_login_failed(qb, qb->login, why);
}

enum death { LIVES, DIES_BEFORE, DIES_AFTER };

static struct party begin_party(unsigned password, bool in_memory)
{
	struct party party = { .password = password };

	login_gate_start(&party.gate, &config);
	party.gate.in_memory = in_memory;
	return party;
}

/* The kernel does this for a process that has ended. */
static void end_party(struct party *party)
{
	login_store_unlock(&party->gate.store);
}

/* Runs one cycle. `meanwhile` is what another process does between the request and its answer. */
static enum fail cycle(struct party *party, enum death death, void (*meanwhile)(void))
{
	struct qbittorrent_gate *gate = &party->gate.gate;
	struct qbittorrent qb = { .login = QBITTORRENT_LOGIN_NONE };
	struct failure why = { .text = "" };
	enum fail f;

	choose_server();
	if (w.refuses)
		return FAIL_REFUSED;
	if (party->session)
		return FAIL_NONE;
	party->gate.now_s = w.now_s;
	f = gate->before(gate, &qb, "admin", passwords[party->password], &why);
	if (f) {
		MUST(party->gate.state != LOGIN_IN_ORDER && why.text[0]);
		return f;
	}
	if (meanwhile)
		meanwhile();
	if (death == DIES_BEFORE)
		return FAIL_STOPPED;
	f = arrive(party, &qb, &why);
	if (death == DIES_AFTER)
		return FAIL_STOPPED;
	f = gate->after(gate, &qb, f, &why);
	party->session = !f;
	return f;
}

/* ---- the steps ---- */

static void command(unsigned password, enum death death)
{
	struct party party = begin_party(password, false);

	if (pick(2))
		login_store_keep(&party.gate.store);
	(void)cycle(&party, death, NULL);
	end_party(&party);
	if (party.gate.store.is_kept)
		close(party.gate.store.fd);
}

static void check_meanwhile(void)
{
	command(pick(CREDENTIALS), LIVES);
}

static void restart_qbittorrent(void)
{
	w.process[w.at]++;
	w.failed[w.at] = 0;
	w.run.session = false;
}

static void fail_over(void)
{
	if (w.kind != FAIL_OVER)
		return;
	w.at ^= 1;
	w.run.session = false;
}

static void restart_qsticky(void)
{
	end_party(&w.run);
	w.run = begin_party(w.run.password, true);
}

static void pass(int64_t seconds)
{
	for (; seconds > 0; seconds -= INTERVAL_S) {
		w.now_s += INTERVAL_S;
		(void)cycle(&w.run, LIVES, NULL);
	}
}

static void cycle_with_restart(void)
{
	w.run.session = false;
	(void)cycle(&w.run, LIVES, restart_qbittorrent);
}

static void take_step(void)
{
	static const struct {
		const char *name;
		unsigned weight;
	} steps[] = {
		{ "cycle", 6 },
		{ "port file", 2 },
		{ "ten minutes", 4 },
		{ "check", 4 },
		{ "once", 2 },
		{ "check with others", 2 },
		{ "check meanwhile", 1 },
		{ "restart", 3 },
		{ "killed before", 2 },
		{ "killed after", 2 },
		{ "check killed", 1 },
		{ "qbittorrent restarts", 2 },
		{ "refuses", 2 },
		{ "loses questions", 2 },
		{ "loses answers", 2 },
		{ "all well", 4 },
		{ "credentials", 2 },
		{ "password", 1 },
		{ "clock forward", 1 },
		{ "clock back", 1 },
		{ "session ends", 3 },
		{ "restart meanwhile", 2 },
		{ "fail over", 3 },
	};
	unsigned total = 0, at, i = 0;

	for (size_t j = 0; j < sizeof steps / sizeof steps[0]; j++)
		total += steps[j].weight;
	at = pick(total);
	while (at >= steps[i].weight)
		at -= steps[i++].weight;
	note(steps[i].name);
	switch (i) {
	case 0:
		pass(INTERVAL_S);
		break;
	case 1:
		for (int times = 0; times < 5; times++) {
			w.now_s++;
			(void)cycle(&w.run, LIVES, NULL);
		}
		break;
	case 2:
		pass(600);
		break;
	case 3:
	case 4:
		command(w.run.password, LIVES);
		break;
	case 5:
		command(pick(CREDENTIALS), LIVES);
		break;
	case 6:
		(void)cycle(&w.run, LIVES, check_meanwhile);
		break;
	case 7:
		restart_qsticky();
		w.run.session = false;
		(void)cycle(&w.run, LIVES, NULL);
		break;
	case 8:
	case 9:
		w.run.session = false;
		(void)cycle(&w.run, i == 8 ? DIES_BEFORE : DIES_AFTER, NULL);
		restart_qsticky();
		break;
	case 10:
		command(pick(CREDENTIALS), pick(2) ? DIES_BEFORE : DIES_AFTER);
		break;
	case 11:
		restart_qbittorrent();
		break;
	case 12:
		w.refuses = true;
		break;
	case 13:
		w.loses_questions = true;
		break;
	case 14:
		w.loses_answers = true;
		break;
	case 15:
		w.refuses = w.loses_questions = w.loses_answers = false;
		break;
	case 16:
		w.run.password = pick(CREDENTIALS);
		break;
	case 17:
		w.password = pick(CREDENTIALS);
		break;
	case 18:
		w.now_s += pick(1000000);
		break;
	case 19:
		w.now_s = pick(2) ? pick(100) : w.now_s - pick(3600);
		w.now_s = w.now_s < 0 ? 0 : w.now_s;
		break;
	case 20:
		w.run.session = false;
		break;
	case 21:
		cycle_with_restart();
		break;
	default:
		fail_over();
		break;
	}
}

/* ---- the end ---- */

static struct {
	unsigned in_sync, seen, person;
} ends;

static void come_back(void)
{
	struct login_gate *gate = &w.run.gate;
	int64_t end_s;

	w.refuses = w.loses_questions = w.loses_answers = false;
	w.password = w.run.password;
	w.run.session = false;
	(void)cycle(&w.run, LIVES, NULL);
	end_s = w.now_s + LOGIN_PAUSE_S;
	while (!w.run.session && w.now_s < end_s)
		pass(INTERVAL_S);
	if (w.run.session) {
		ends.in_sync++;
		MUST(gate->state == LOGIN_IN_ORDER);
		MUST(w.kind == IN_TURN || w.failed[w.at] == 0);
		return;
	}
	/* Rejected twice, or the budget is used up: qsticky must stop by itself, and say so. */
	MUST(login_budget_next_s(&gate->budget, gate->pair) == LOGIN_NEVER);
	MUST(login_budget_state(&gate->budget, gate->pair) != LOGIN_IN_ORDER);
	MUST(gate->state != LOGIN_IN_ORDER);
	for (int hour = 0; hour < 24; hour++) {
		w.now_s += 3600;
		pass(INTERVAL_S);
	}
	MUST(!w.run.session);
	if (w.shows_cache_id && !gate->budget.unsteady) {
		ends.seen++;
		restart_qbittorrent();
	} else {
		ends.person++;
		login_gate_clear(gate);
	}
	pass(INTERVAL_S);
	MUST(w.run.session);
}

static void no_sequence_of_events_has_a_fifth_failed_login_or_an_end_without_a_way_out(void **state)
{
	char path[PATH_MAX];

	snprintf(config.host, sizeof config.host, "localhost");
	config.port = 8080;
	for (uint32_t seed = 1; seed <= SEQUENCES; seed++) {
		seed_now = seed;
		snprintf(path, sizeof path, "%s/%u.json", (const char *)*state, (unsigned)seed);
		config.health_path = path;
		memset(&w, 0, sizeof w);
		w.random = seed * 2654435761u | 1;
		w.now_s = 1796000000;
		w.shows_cache_id = pick(4);
		w.kind = pick(2) ? ONE : 1 + pick(3);
		w.run = begin_party(pick(CREDENTIALS), true);
		w.password = pick(2) ? w.run.password : pick(CREDENTIALS);
		for (int i = 0; i < STEPS; i++)
			take_step();
		note("the end");
		come_back();
		end_party(&w.run);
		(void)unlink(w.run.gate.store.path);
	}
	print_message(
		"in sync within ten minutes %u, after a restart that was seen %u, by a person %u\n",
		ends.in_sync, ends.seen, ends.person);
	/* Each step does happen. */
	MUST(ends.in_sync > SEQUENCES / 4 && ends.seen > 0 && ends.person > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			no_sequence_of_events_has_a_fifth_failed_login_or_an_end_without_a_way_out,
			temp_dir_make, temp_dir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
