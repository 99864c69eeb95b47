/* tell: what the outside gets to know: the health file, and lines in the log when there is news. */
#ifndef QSTICKY_SIDECAR_TELL_H
#define QSTICKY_SIDECAR_TELL_H

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
#include "sidecar/report.h"
#include "sidecar/situation.h"

/* Settings of qBittorrent that keep peers away although the port is right, now or soon. */
enum tell_setting {
	TELL_ANNOUNCE_PORT,
	TELL_PEER_PROXY,
	TELL_LO,
	TELL_SETTINGS, /* those above are said in the log; the others are seen to with the next port */
	TELL_RANDOM_PORT = TELL_SETTINGS,
	TELL_UPNP,
	TELL_SETTINGS_ALL,
};

/* What has been told. All zeros: nothing. */
struct tell {
	struct report report;
	bool published; /* the health file has been written; as what: */
	bool published_healthy;
	enum sync_state published_state;
	uint16_t published_port;
	bool health_unwritable;
	bool metrics_unwritable;
	enum sync_state said_state; /* SYNC_IN_SYNC or SYNC_WAITING_FOR_PORT */
	uint16_t said_port;
	bool said_failure; /* of a cycle, since the last one that went well */
	bool said_setting[TELL_SETTINGS];
};

/* Room for two places, with the words between them. */
#define TELL_SOURCE_MAX (LIMITS_PATH_MAX + GLUETUN_NAME_MAX + 64)

/* Where `source` has a port, to follow that word. */
void tell_source(char out[static TELL_SOURCE_MAX], const struct config *config,
                 enum config_source source);

/* The state's name in the health file. */
const char *tell_state(const struct situation *now);

/* The present error, put together in `buf` if need be; NULL while there is none. */
const char *tell_error(const struct situation *now, struct failure *buf);

/* Writes the health file. Where that fails, says so once. */
void tell_health(struct tell *tell, const struct situation *now);

/* Writes it if state, verdict or port are others than those written last. */
void tell_health_if_changed(struct tell *tell, const struct situation *now);

/* Says `text` if it is news; else only at DEBUG. */
void tell_news(struct tell *tell, enum log_level level, const char *text);

/* A cycle has failed, `why` is in `now`. */
void tell_failure(struct tell *tell, const struct situation *now);

/* A cycle has gone well: says what is new or better since. */
void tell_success(struct tell *tell, const struct situation *now);

/* Whether that setting is so; sets `text` to what it means, and what to do. */
bool tell_setting_is(const struct qbittorrent_view *view, enum tell_setting which,
                     struct failure *text);

/* Says what in qBittorrent's settings keeps peers away although the port is right, once each. */
void tell_settings(struct tell *tell, const struct qbittorrent_view *view);

#endif
