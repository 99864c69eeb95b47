/* publish: publishes the state: writes the health file and the metrics, and logs what is new. */
#ifndef QSTICKY_SIDECAR_PUBLISH_H
#define QSTICKY_SIDECAR_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/config.h"
#include "core/sync.h"
#include "gluetun/control_server.h"
#include "qbittorrent/client.h"
#include "sidecar/login_gate.h"
#include "sidecar/news.h"
#include "sidecar/situation.h"

/* Settings of qBittorrent that keep peers away although the port is right, now or soon. */
enum publish_setting {
	PUBLISH_ANNOUNCE_PORT,
	PUBLISH_PEER_PROXY,
	PUBLISH_LO,
	PUBLISH_SETTINGS, /* those above are said in the log; the others are seen to with the next port */
	PUBLISH_RANDOM_PORT = PUBLISH_SETTINGS,
	PUBLISH_UPNP,
	PUBLISH_SETTINGS_ALL,
};

/* What has been published. All zeros: nothing. */
struct publish {
	struct news news;
	bool published; /* the health file has been written; as what: */
	bool published_healthy;
	enum sync_state published_state;
	uint16_t published_port;
	bool health_unwritable;
	bool metrics_unwritable;
	enum sync_state said_state; /* SYNC_IN_SYNC or SYNC_WAITING_FOR_PORT */
	uint16_t said_port;
	bool said_failure; /* of a cycle, since the last one that went well */
	bool said_setting[PUBLISH_SETTINGS];
};

/* The state's name in the health file. */
const char *publish_state(const struct situation *now);

/* The present error, put together in `buf` if need be; NULL while there is none. */
const char *publish_error(const struct situation *now, struct failure *buf);

/* Writes the health file. Where that fails, says so once. */
void publish_health(struct publish *publish, const struct situation *now);

/* Writes it if state, verdict or port are others than those written last. */
void publish_health_if_changed(struct publish *publish, const struct situation *now);

/* Says `text` if it is news; else only at DEBUG. */
void publish_news(struct publish *publish, enum log_level level, const char *text);

/* A cycle has failed, `why` is in `now`: says so, unless it may be over in a second. */
void publish_failure(struct publish *publish, const struct situation *now);

/* A cycle has gone well: says what is new or better since. */
void publish_success(struct publish *publish, const struct situation *now);

/* Whether that setting is so; sets `text` to what it means, and what to do. */
bool publish_setting_is(const struct qbittorrent_view *view, enum publish_setting which,
                        struct failure *text);

/* Says what in qBittorrent's settings keeps peers away although the port is right, once each. */
void publish_settings(struct publish *publish, const struct qbittorrent_view *view);

#endif
