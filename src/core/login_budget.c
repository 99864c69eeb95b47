#include "core/login_budget.h"

#include <string.h>

/* Pause in seconds before the next login, by the number of unanswered ones. qBittorrent may just be
 * restarting, so the first pauses are short. */
static const uint16_t unanswered_pauses_s[] = { 0, 0, 60, 120, 240, 480, LOGIN_PAUSE_S };

static const struct login_pair *find(const struct login_budget *budget, const unsigned char *id)
{
	for (size_t i = 0; i < LOGIN_PAIRS_MAX && i < budget->count; i++)
		if (memcmp(budget->pairs[i].id, id, LOGIN_ID_LEN) == 0)
			return &budget->pairs[i];
	return NULL;
}

static unsigned at_most(unsigned value, unsigned most)
{
	return value < most ? value : most;
}

/* Logins that may have failed, including the accepted pair's unanswered ones. At most one pair is
 * accepted. */
static unsigned possibly_failed(const struct login_budget *budget)
{
	unsigned failed = budget->failed;

	for (size_t i = 0; i < budget->count; i++)
		if (budget->pairs[i].accepted)
			failed += budget->pairs[i].unanswered;
	return at_most(failed, LOGIN_FAILED_MAX);
}

static int64_t pause_s(const struct login_pair *pair)
{
	const size_t last = sizeof unanswered_pauses_s / sizeof unanswered_pauses_s[0] - 1;

	if (pair->banned || pair->rejected > 0)
		return LOGIN_PAUSE_S;
	return unanswered_pauses_s[pair->unanswered < last ? pair->unanswered : last];
}

static bool is_given_up(const struct login_budget *budget, const struct login_pair *pair)
{
	/* An accepted pair is assumed right: see the exception in the header. */
	if (pair->accepted && budget->failed == 0)
		return false;
	/* After a rejection, keep one login for the password that a person corrects. */
	return pair->rejected >= LOGIN_REJECTED_MAX ||
	       possibly_failed(budget) + (pair->rejected > 0) >= LOGIN_FAILED_MAX;
}

int64_t login_budget_next_s(const struct login_budget *budget,
                            const unsigned char id[static LOGIN_ID_LEN])
{
	const struct login_pair *pair = find(budget, id);

	if (!pair)
		return login_budget_is_spent(budget) ? LOGIN_NEVER : 0;
	return is_given_up(budget, pair) ? LOGIN_NEVER : pair->last_s + pause_s(pair);
}

bool login_budget_is_spent(const struct login_budget *budget)
{
	return possibly_failed(budget) >= LOGIN_FAILED_MAX;
}

bool login_budget_wants_server(const struct login_budget *budget)
{
	if (budget->unsteady)
		return false;
	if (budget->past_count > 0)
		return true;
	for (size_t i = 0; i < budget->count; i++)
		if (budget->pairs[i].banned)
			return true;
	return possibly_failed(budget) > 0;
}

bool login_budget_knows(const struct login_budget *budget,
                        const unsigned char id[static LOGIN_ID_LEN])
{
	return find(budget, id);
}

enum login_state login_budget_state(const struct login_budget *budget,
                                    const unsigned char id[static LOGIN_ID_LEN])
{
	const struct login_pair *pair = find(budget, id);

	if (pair && pair->banned)
		return LOGIN_WAS_BANNED;
	if (pair && pair->rejected > 0)
		return LOGIN_WAS_REJECTED;
	return (pair && pair->unanswered > 0) || login_budget_is_spent(budget) ? LOGIN_HELD_BACK
	                                                                       : LOGIN_IN_ORDER;
}

bool login_budget_clock(struct login_budget *budget, int64_t now_s)
{
	bool changed = false;

	for (size_t i = 0; i < budget->count; i++) {
		if (budget->pairs[i].last_s <= now_s)
			continue;
		budget->pairs[i].last_s = now_s;
		changed = true;
	}
	return changed;
}

/* Returns the slot for a new pair. If all are in use, that is the slot of the oldest pair that was
 * not accepted; its failures stay counted. */
static struct login_pair *place(struct login_budget *budget)
{
	size_t oldest = LOGIN_PAIRS_MAX;

	if (budget->count < LOGIN_PAIRS_MAX)
		return &budget->pairs[budget->count++];
	for (size_t i = 0; i < LOGIN_PAIRS_MAX; i++)
		if (!budget->pairs[i].accepted &&
		    (oldest == LOGIN_PAIRS_MAX ||
		     budget->pairs[i].last_s < budget->pairs[oldest].last_s))
			oldest = i;
	return &budget->pairs[oldest % LOGIN_PAIRS_MAX];
}

void login_budget_attempt(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          int64_t now_s)
{
	const struct login_pair *known = find(budget, id);
	struct login_pair *pair = known ? &budget->pairs[known - budget->pairs] : place(budget);

	if (!known) {
		*pair = (struct login_pair){ .last_s = now_s };
		memcpy(pair->id, id, LOGIN_ID_LEN);
	}
	pair->banned = false;
	pair->unanswered = at_most(pair->unanswered + 1, LOGIN_UNANSWERED_MAX);
	pair->last_s = now_s;
	if (!pair->accepted)
		budget->failed = at_most(budget->failed + 1, LOGIN_FAILED_MAX);
	/* The server may have restarted before this login: its cache id must be read again. */
	budget->server_known = false;
}

/* Resets the count, since qBittorrent's counter is zero. Forgets all other pairs: they are wrong.
 * With several servers the count stays, since only one counter was reset. */
static void accept(struct login_budget *budget, const struct login_pair *pair)
{
	struct login_pair accepted = { .accepted = true, .last_s = pair->last_s };

	memcpy(accepted.id, pair->id, LOGIN_ID_LEN);
	/* This login did not fail. */
	budget->failed -= !pair->accepted && budget->failed > 0;
	if (!budget->unsteady)
		budget->failed = 0;
	budget->server_known = false;
	memset(budget->pairs, 0, sizeof budget->pairs);
	budget->pairs[0] = accepted;
	budget->count = 1;
}

void login_budget_verdict(struct login_budget *budget, const unsigned char id[static LOGIN_ID_LEN],
                          enum qbittorrent_login verdict)
{
	const struct login_pair *known = find(budget, id);
	struct login_pair *pair = known ? &budget->pairs[known - budget->pairs] : NULL;

	if (!pair)
		return;
	switch (verdict) {
	case QBITTORRENT_LOGIN_NONE:
		break;
	case QBITTORRENT_LOGIN_ACCEPTED:
		accept(budget, pair);
		break;
	case QBITTORRENT_LOGIN_REJECTED:
		/* The unanswered logins of this pair may have failed, too. */
		if (pair->accepted)
			budget->failed = possibly_failed(budget);
		pair->accepted = false;
		pair->unanswered = 0;
		pair->rejected = at_most(pair->rejected + 1, LOGIN_REJECTED_MAX);
		break;
	case QBITTORRENT_LOGIN_BANNED:
		pair->banned = true;
		pair->unanswered -= pair->unanswered > 0;
		budget->failed -= !pair->accepted && budget->failed > 0;
		break;
	case QBITTORRENT_LOGIN_UNANSWERED:
		break;
	}
}

static bool is_past(const struct login_budget *budget, const unsigned char *server)
{
	for (size_t i = 0; i < LOGIN_PAST_MAX && i < budget->past_count; i++)
		if (memcmp(budget->past[i], server, LOGIN_ID_LEN) == 0)
			return true;
	return false;
}

/* Clears the count and forgets all pairs except the accepted one. */
static void forget_pairs(struct login_budget *budget)
{
	struct login_pair kept[LOGIN_PAIRS_MAX] = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < LOGIN_PAIRS_MAX && i < budget->count; i++) {
		if (!budget->pairs[i].accepted)
			continue;
		kept[0] = budget->pairs[i];
		kept[0].banned = false;
		kept[0].unanswered = 0;
		count = 1;
	}
	memcpy(budget->pairs, kept, sizeof kept);
	budget->count = count;
	budget->failed = 0;
}

static void restart(struct login_budget *budget)
{
	/* If nothing else has failed, the accepted pair has not either: see the header. */
	unsigned failed = budget->failed > 0 ? possibly_failed(budget) : 0;

	budget->before = at_most(budget->before + failed, LOGIN_FAILED_MAX);
	memmove(budget->past[1], budget->past[0], (LOGIN_PAST_MAX - 1) * sizeof budget->past[0]);
	memcpy(budget->past[0], budget->server, LOGIN_ID_LEN);
	budget->past_count = at_most((unsigned)budget->past_count + 1, LOGIN_PAST_MAX);
	forget_pairs(budget);
}

bool login_budget_is_new_server(const struct login_budget *budget,
                                const unsigned char server[static LOGIN_ID_LEN])
{
	return !budget->unsteady && budget->server_known && !is_past(budget, server) &&
	       memcmp(budget->server, server, LOGIN_ID_LEN) != 0;
}

void login_budget_unsteady(struct login_budget *budget)
{
	budget->failed = at_most(budget->failed + budget->before, LOGIN_FAILED_MAX);
	budget->before = 0;
	budget->past_count = 0;
	memset(budget->past, 0, sizeof budget->past);
	budget->server_known = false;
	budget->unsteady = true;
}

bool login_budget_server(struct login_budget *budget,
                         const unsigned char server[static LOGIN_ID_LEN])
{
	bool restarted = login_budget_is_new_server(budget, server);

	if (budget->unsteady)
		return false;
	if (is_past(budget, server)) {
		login_budget_unsteady(budget);
		return false;
	}
	if (restarted)
		restart(budget);
	memcpy(budget->server, server, LOGIN_ID_LEN);
	budget->server_known = true;
	return restarted;
}

void login_budget_clear(struct login_budget *budget)
{
	struct login_budget cleared = { 0 };

	forget_pairs(budget);
	memcpy(cleared.pairs, budget->pairs, sizeof cleared.pairs);
	cleared.count = budget->count;
	*budget = cleared;
}
