/* webhook_send: sends the waiting messages, each by a POST of JSON.
 *
 * Messages are sent only while the sidecar is idle. Sending stops when a cycle is due. */
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

/* The receiver of the messages; borrowed. The URL's file is read again for each message. */
struct webhook_receiver {
	const struct secret *url; /* "": no webhook */
	const char *ca_file;      /* to verify the receiver with, over HTTPS */
};

/* The facts that a message holds, as they are now. */
struct webhook_facts {
	int64_t cycle_ms;  /* when the next cycle is due */
	uint16_t port;     /* the forwarded port, or 0 */
	const char *state; /* the state's name in the health file */
	const char *error; /* the current error while unhealthy; NULL: none */
};

/* Sends the message that is due, unless a cycle is due, and logs the result without the URL's path.
 * Takes at most WEBHOOK_SEND_MS. Ends early when a cycle is due or one of the `count` descriptors
 * is readable; the first is the stop's. `reply` may be shared. Returns when to call again. */
int64_t webhook_work(struct webhook *webhook, const struct webhook_receiver *receiver,
                     const struct webhook_facts *facts, const struct pollfd fds[], size_t count,
                     struct http_reply *reply);

/* Connects to the receiver without sending anything. `why` says what was seen, also with FAIL_NONE,
 * which includes "not set". FAIL_FORMAT: not a URL. FAIL_UNTRUSTED: no CA file. Else as
 * secret_read() and net_connect(). */
enum fail webhook_try(const struct webhook_receiver *receiver, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why);

#endif
