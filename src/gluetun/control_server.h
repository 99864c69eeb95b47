/* gluetun: asks Gluetun's control server for the forwarded ports.
 *
 * The route depends on Gluetun's version: /v1/portforward since v3.41, /v1/openvpn/portforwarded
 * before. qsticky remembers which route answered, and tries the other one when that route fails. */
#ifndef QSTICKY_GLUETUN_CONTROL_SERVER_H
#define QSTICKY_GLUETUN_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "config/secret.h"
#include "gluetun/port_file.h"
#include "http/peer.h"

/* Longest time for one gluetun_ask(), in milliseconds, with the connects. Gluetun does not answer
 * while an up or down command runs, which may take over a minute. */
#define GLUETUN_ASK_MS 5000

/* The server's name in messages. */
#define GLUETUN_NAME "Gluetun's control server"

/* Size in bytes for the name with host and port, with the NUL. */
#define GLUETUN_NAME_MAX (sizeof GLUETUN_NAME " at " + PEER_AUTHORITY_MAX)

/* How qsticky identifies itself: by an API key, or by user name and password. All NULL: it does
 * not. */
struct gluetun_account {
	const struct secret *apikey;
	const struct secret *username;
	const struct secret *password;
};

/* The control server. No connection stays open between two calls of gluetun_ask(). */
struct gluetun {
	struct peer peer;
	struct gluetun_account account;
	struct http_reply *reply;
	bool old_route; /* the old route answered last */
};

/* Makes the control server at `address`; does not connect. All arguments are borrowed. `reply`
 * may be shared with others: gluetun_ask() wipes it before it returns. */
void gluetun_start(struct gluetun *gluetun, const struct peer_address *address,
                   const struct gluetun_account *account, const struct stop *stop,
                   struct http_reply *reply);

/* Writes "Gluetun's control server at HOST:PORT" to `out`, for messages. */
void gluetun_name(char out[static GLUETUN_NAME_MAX], const char *host, uint16_t port);

/* Asks for the forwarded ports and sets `*ports`, in Gluetun's order. An empty list is a success.
 * `missing` and `replaced` are always false. Blocks until `deadline_ms` at most (monotonic; it must
 * be GLUETUN_ASK_MS from now). Sends one request, or two if this version does not know the first
 * route. Each has its own connection. Reads the secrets, and wipes them before it returns.
 * FAIL_ANSWER: access is denied, or the answer is not Gluetun's. Also fails as secret_read() and
 * peer_exchange(). A failure leaves `*ports` unchanged: it does not mean that no port is
 * forwarded. */
enum fail gluetun_ask(struct gluetun *gluetun, int64_t deadline_ms, struct port_file_ports *ports,
                      struct failure *why);

#endif
