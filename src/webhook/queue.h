/* webhook_queue: what a receiver is still to be told: changed ports and turns of health. Pure.
 *
 * Of several changes that wait, the last one is told; what cannot be told in some minutes is
 * dropped. */
#ifndef QSTICKY_WEBHOOK_QUEUE_H
#define QSTICKY_WEBHOOK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"

/* Pause after an attempt for which the main job left no time: it counts as none. */
#define WEBHOOK_CUT_MS 1000

/* For how long there are attempts after the last change, in milliseconds. */
#define WEBHOOK_LIFE_MS (5 * 60 * 1000)

/* Room for a body: a message of FAILURE_MAX stands in it three times, with escapes. */
#define WEBHOOK_BODY_MAX (16 * 1024)

enum webhook_event {
	WEBHOOK_PORT_CHANGED,
	WEBHOOK_UNHEALTHY,
	WEBHOOK_HEALTHY,
	WEBHOOK_NOTHING,
};

/* How an attempt to tell ended. */
enum webhook_end {
	WEBHOOK_SENT,
	WEBHOOK_CUT,     /* the main job left it no time, and nothing was sent */
	WEBHOOK_FAILED,  /* may go well another time */
	WEBHOOK_REFUSED, /* will not */
};

/* What waits to be told. All zeros: nothing; it counts as healthy. Times in ms. */
struct webhook {
	bool changed; /* the port; the others of its members count with this only */
	int64_t previous_port;
	uint16_t port;
	bool unhealthy;          /* as last judged */
	bool reported_unhealthy; /* as last told, or given up to tell */
	int64_t health_since_ms; /* when it was last judged otherwise than before */
	int64_t lasted_ms;       /* and how long it had been that way */
	unsigned failures;       /* in a row */
	int64_t due_ms;
	int64_t until_ms;
};

/* The port was `from`, and is `to` now, proved. */
void webhook_port_changed(struct webhook *webhook, int64_t from, uint16_t to, int64_t now_ms);

/* A cycle has ended, and this is the verdict. */
void webhook_judged(struct webhook *webhook, bool healthy, int64_t now_ms);

/* What is to be told next. */
enum webhook_event webhook_next(const struct webhook *webhook);

/* When; MONO_NEVER: nothing waits. */
int64_t webhook_due_ms(const struct webhook *webhook);

/* An attempt to tell webhook_next() has ended; the receiver wants none before `wait_ms` from now. Returns
 * whether that was the last one for it. */
bool webhook_ended(struct webhook *webhook, enum webhook_end end, int64_t wait_ms, int64_t now_ms);

/* What there is to say, for a person. `error`: the present one, needed while unhealthy. `port`: the
 * one forwarded, or 0. */
void webhook_describe(struct failure *message, const struct webhook *webhook, const char *error,
                      uint16_t port);

/* Appends the body that says so. `port` and `state` are the present ones. */
void webhook_append(struct text *text, const struct webhook *webhook, uint16_t port,
                    const char *state, time_t now, const struct failure *message);

#endif
