/* servers: makes the servers that the configuration names. Their own rooms do not know the
 * configuration. */
#ifndef QSTICKY_SIDECAR_SERVERS_H
#define QSTICKY_SIDECAR_SERVERS_H

#include "base/limits.h"
#include "base/wait.h"
#include "config/config.h"
#include "gluetun/control_server.h"
#include "http/http.h"
#include "qbittorrent/client.h"
#include "webhook/send.h"

/* Make a server that is not connected yet. Arguments are borrowed for its life; `reply` may be
 * shared. */
void servers_qbittorrent(struct qbittorrent *qb, const struct config *config,
                         const struct stop *stop, struct http_reply *reply);
void servers_gluetun(struct gluetun *gluetun, const struct config *config, const struct stop *stop,
                     struct http_reply *reply);
struct webhook_receiver servers_webhook(const struct config *config);

/* Room for two places, with the words between them. */
#define SERVERS_SOURCE_MAX (LIMITS_PATH_MAX + GLUETUN_NAME_MAX + 64)

/* Where `source` has a port, to follow that word. */
void servers_source(char out[static SERVERS_SOURCE_MAX], const struct config *config,
                    enum config_source source);

#endif
