/* webhook_send: sends what waits, by a POST of JSON each.
 *
 * Messages are sent only while the main job rests; sending stops when that wakes. */
#ifndef QSTICKY_WEBHOOK_SEND_H
#define QSTICKY_WEBHOOK_SEND_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/wait.h"
#include "config/secret.h"
#include "http/http.h"
#include "webhook/queue.h"

/* Longest time for one attempt, in milliseconds. */
#define WEBHOOK_SEND_MS 5000

/* Who is told; its file is read for each message. Borrowed. */
struct webhook_receiver {
	const struct secret *url; /* "": nobody */
	const char *ca_file;      /* by which it has to prove who it is, over HTTPS */
};

/* What there is to tell of: the present moment. */
struct webhook_facts {
	int64_t cycle_ms;  /* when the next cycle is due */
	uint16_t port;     /* the one forwarded, or 0 */
	const char *state; /* its name in the health file */
	const char *error; /* the present one, while unhealthy; NULL: none */
};

/* Tells what is due, unless a cycle is. Takes WEBHOOK_SEND_MS at most, ends before the next cycle is due
 * and when one of the `count` descriptors is readable, of which the first is the stop's; says in the log how it
 * went, bar the path of the URL. `reply` may be shared. Returns when to come again, or for the next
 * cycle. */
int64_t webhook_work(struct webhook *webhook, const struct webhook_receiver *receiver,
                     const struct webhook_facts *facts, const struct pollfd fds[], size_t count,
                     struct http_reply *reply);

/* Connects to the receiver, and sends nothing. `why` then says what was seen; FAIL_NONE also where none
 * is configured. Else as secret_read() and net_connect(); FAIL_FORMAT: not a URL; FAIL_UNTRUSTED: no CA
 * file. */
enum fail webhook_try(const struct webhook_receiver *receiver, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why);

#endif
