/* gluetun: the forwarded port, as Gluetun's control server tells it.
 *
 * Two routes tell it, by Gluetun's version: /v1/portforward since v3.41, /v1/openvpn/portforwarded
 * before. Which one answers is found out, remembered, and found out anew when it no longer does. */
#ifndef QSTICKY_GLUETUN_CONTROL_SERVER_H
#define QSTICKY_GLUETUN_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "config/secret.h"
#include "http/peer.h"

/* Longest time for one question, connects included. Gluetun gives no answer while a command of its
 * user runs, for a minute and longer. */
#define GLUETUN_ASK_MS 5000

/* What sentences call it. */
#define GLUETUN_NAME "Gluetun's control server"

/* Room for its name with its address, with a NUL. */
#define GLUETUN_NAME_MAX (sizeof GLUETUN_NAME " at " + PEER_AUTHORITY_MAX)

/* Who we are to it: by a key, by name and password or, where all are NULL, nobody in particular. */
struct gluetun_account {
	const struct secret *apikey;
	const struct secret *username;
	const struct secret *password;
};

/* The control server. Nothing of it stays open between two questions. */
struct gluetun {
	struct peer peer;
	struct gluetun_account account;
	struct http_reply *reply;
	bool old_route; /* the one that answered last */
};

/* The control server at that address. Everything is borrowed; `reply` may be shared, since it is
 * of no use after a question. */
struct gluetun gluetun_for(const struct peer_address *address,
                           const struct gluetun_account *account, const struct stop *stop,
                           struct http_reply *reply);

/* Its name, for sentences about it. */
void gluetun_name(char out[static GLUETUN_NAME_MAX], const char *host, uint16_t port);

/* Asks for the first forwarded port: 1 to 65535, or 0 where none is. `deadline_ms` is
 * GLUETUN_ASK_MS from now. Takes a request or, where a route is not known, two, each on a
 * connection of its own; the secrets are read for it and wiped.
 * FAIL_ANSWER: not let in, or not what Gluetun answers. Else fails as secret_read() and
 * peer_exchange(). No failure means that there is no port. */
enum fail gluetun_ask(struct gluetun *gluetun, int64_t deadline_ms, uint16_t *port,
                      struct failure *why);

#endif
