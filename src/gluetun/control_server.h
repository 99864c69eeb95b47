/* gluetun: the forwarded ports, as Gluetun's control server lists them.
 *
 * The route depends on Gluetun's version: /v1/portforward since v3.41, /v1/openvpn/portforwarded before.
 * qsticky finds out which one answers, remembers it, and tries both again when it no longer does. */
#ifndef QSTICKY_GLUETUN_CONTROL_SERVER_H
#define QSTICKY_GLUETUN_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "config/secret.h"
#include "gluetun/port_file.h"
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

/* Asks for the forwarded ports, in the order in which Gluetun lists them; none is an answer, too. Neither of
 * the flags in `*ports` is ever set. `deadline_ms` is GLUETUN_ASK_MS from now. Sends one request or, where its
 * version does not know the route, two, each on its own connection. Reads the secrets and wipes them.
 * FAIL_ANSWER: qsticky is not let in, or Gluetun does not answer like that. Else fails as secret_read() and
 * peer_exchange(). A failure leaves `*ports` alone, and says nothing about ports. */
enum fail gluetun_ask(struct gluetun *gluetun, int64_t deadline_ms, struct port_file_ports *ports,
                      struct failure *why);

#endif
