/* webhook_queue: the messages that wait for the receiver: changes of the port and of health. Pure.
 *
 * Changes that happen while a message is waiting are merged into one message. A message that cannot
 * be sent for some minutes is dropped. */
#ifndef QSTICKY_WEBHOOK_QUEUE_H
#define QSTICKY_WEBHOOK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/fail.h"
#include "base/text.h"

/* Pause after an attempt that a cycle cut short, in milliseconds. It does not count as a
 * failure. */
#define WEBHOOK_CUT_MS 1000

/* How long a message is retried after the last change, in milliseconds. */
#define WEBHOOK_LIFE_MS (5 * 60 * 1000)

/* Room for a body, in bytes: it holds a message of FAILURE_MAX three times, with escapes. */
#define WEBHOOK_BODY_MAX (16 * 1024)

enum webhook_event {
	WEBHOOK_PORT_CHANGED,
	WEBHOOK_UNHEALTHY,
	WEBHOOK_HEALTHY,
	WEBHOOK_NOTHING,
};

/* How an attempt to send ended. */
enum webhook_end {
	WEBHOOK_SENT,
	WEBHOOK_CUT,     /* a cycle was due before anything was sent */
	WEBHOOK_FAILED,  /* try again later */
	WEBHOOK_REFUSED, /* trying again would not help */
};

/* The waiting messages. All zeros: none, and the health was good. Times are in ms. */
struct webhook {
	bool changed; /* the port changed; `previous_port` and `port` are valid */
	int64_t previous_port;
	uint16_t port;
	bool is_fight;           /* of that change: the caller says so, since it is not the first */
	bool unhealthy;          /* the last verdict */
	bool reported_unhealthy; /* the verdict last sent, or dropped */
	int64_t health_since_ms; /* when the verdict last changed */
	int64_t lasted_ms;       /* how long the verdict before it had lasted */
	unsigned failures;       /* in a row */
	int64_t due_ms;
	int64_t until_ms;
};

/* Queues a change of the port from `from` to `to`, which is proved. */
void webhook_port_changed(struct webhook *webhook, int64_t from, uint16_t to, int64_t now_ms);

/* Queues a change of health, if the verdict of this cycle differs from the last one. */
void webhook_judged(struct webhook *webhook, bool healthy, int64_t now_ms);

/* The next message to send. */
enum webhook_event webhook_next(const struct webhook *webhook);

/* When to send it; MONO_NEVER: nothing waits. */
int64_t webhook_due_ms(const struct webhook *webhook);

/* Records how an attempt to send webhook_next() ended. The receiver wants no other one for
 * `wait_ms`. Returns whether the message is done, sent or dropped. */
bool webhook_ended(struct webhook *webhook, enum webhook_end end, int64_t wait_ms, int64_t now_ms);

/* Sets `message` to the next message's text. `error`: the current error, needed while unhealthy.
 * `port`: the forwarded port, or 0. */
void webhook_describe(struct failure *message, const struct webhook *webhook, const char *error,
                      uint16_t port);

/* Appends the JSON body with that text. `port` and `state` are the current ones. */
void webhook_append(struct text *text, const struct webhook *webhook, uint16_t port,
                    const char *state, time_t now, const struct failure *message);

#endif
