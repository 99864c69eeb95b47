/* servers: makes the servers that the configuration names. Their own rooms do not know the
 * configuration. */
#ifndef QSTICKY_SIDECAR_SERVERS_H
#define QSTICKY_SIDECAR_SERVERS_H

#include "base/wait.h"
#include "config/config.h"
#include "gluetun/control_server.h"
#include "http/http.h"
#include "qbittorrent/client.h"
#include "webhook/send.h"

/* Make a server that is not connected yet. Arguments are borrowed for its life; `reply` may be
 * shared. */
struct qbittorrent servers_qbittorrent(const struct config *config, const struct stop *stop,
                                       struct http_reply *reply);
struct gluetun servers_gluetun(const struct config *config, const struct stop *stop,
                               struct http_reply *reply);
struct webhook_receiver servers_webhook(const struct config *config);

#endif
