/* gluetun: the forwarded port, as Gluetun's control server tells it.
 *
 * Two routes tell it, by Gluetun's version: /v1/portforward since v3.41, /v1/openvpn/portforwarded
 * before. Which one answers is found out, remembered, and found out anew when it no longer does. */
#ifndef QSTICKY_GLUETUN_CONTROL_SERVER_H
#define QSTICKY_GLUETUN_CONTROL_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"
#include "config/config.h"
#include "http/http.h"
#include "net/tcp.h"

/* Longest time for one question, connects included. Gluetun gives no answer while a command of its
 * user runs, for a minute and longer. */
#define GLUETUN_ASK_MS 5000

/* What its name begins with, before "host:port". */
#define GLUETUN_NAME "Gluetun's control server at "

/* Room for its name, with its NUL. */
#define GLUETUN_NAME_MAX (sizeof GLUETUN_NAME + LIMITS_HOST_MAX + sizeof "[]:65535")

/* The control server. Nothing of it stays open between two questions. */
struct gluetun {
	const struct config *config;
	const struct stop *stop;
	struct http_reply *reply;
	bool old_route; /* the one that answered last */
};

/* The control server that `config` names. Everything is borrowed; `reply` may be shared, since it is
 * of no use after a question. */
struct gluetun gluetun_for(const struct config *config, const struct stop *stop,
                           struct http_reply *reply);

/* Its name, for sentences about it. */
void gluetun_name(char out[static GLUETUN_NAME_MAX], const struct config *config);

/* Asks for the first forwarded port: 1 to 65535, or 0 where none is. `deadline_ms` is
 * GLUETUN_ASK_MS from now. Takes a request or, where a route is not known, two, each on a
 * connection of its own; the secrets are read for it and wiped.
 * FAIL_ANSWER: not let in, or not what Gluetun answers. Else fails as secret_read(), net_connect() and
 * http_send(). No failure means that there is no port. */
enum fail gluetun_ask(struct gluetun *gluetun, int64_t deadline_ms, uint16_t *port,
                      struct failure *why);

#endif
