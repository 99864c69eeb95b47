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

/* Settings of qBittorrent that keep peers away, now or later, although the port is right. */
enum publish_setting {
	PUBLISH_ANNOUNCE_PORT,
	PUBLISH_PEER_PROXY,
	PUBLISH_LO,
	PUBLISH_SETTINGS, /* those above are logged; the next port turns off those below */
	PUBLISH_RANDOM_PORT = PUBLISH_SETTINGS,
	PUBLISH_UPNP,
	PUBLISH_SETTINGS_ALL,
};

/* What was published last. All zeros: nothing yet. */
struct publish {
	bool published; /* the health file was written, with these values: */
	bool published_healthy;
	enum sync_state published_state;
	uint16_t published_port;
	bool health_unwritable;
	bool metrics_unwritable;
	enum sync_state said_state; /* logged last: SYNC_IN_SYNC or SYNC_WAITING_FOR_PORT */
	uint16_t said_port;
	bool said_failure; /* a failed cycle was logged, and none has succeeded since */
	bool said_setting[PUBLISH_SETTINGS];
	struct news news;
};

/* Returns the state's name in the health file. */
const char *publish_state(const struct situation *now);

/* Returns the text of the present error, which may be in `buf`; NULL: there is none. */
const char *publish_error(const struct situation *now, struct failure *buf);

/* Returns a text about what is not as it should be although all is proved, which may be in `buf`; NULL:
 * there is nothing. */
const char *publish_hint(const struct situation *now, struct failure *buf);

/* Writes the health file, and the metrics file if configured. Logs a failure to write once. */
void publish_health(struct publish *publish, const struct situation *now);

/* Calls publish_health() if the state, the verdict or the port has changed since its last call. */
void publish_health_if_changed(struct publish *publish, const struct situation *now);

/* Logs `text` at `level` if news_is_new() says so, else at DEBUG. */
void publish_news(struct publish *publish, enum log_level level, const char *text);

/* Logs why a cycle failed: `now->cycle_why`. A port that may soon be open (sync_is_doubtful()) is
 * logged at DEBUG only. */
void publish_failure(struct publish *publish, const struct situation *now);

/* Logs, after a successful cycle, what is new or has recovered. */
void publish_success(struct publish *publish, const struct situation *now);

/* Whether the setting `which` keeps peers away. In any case sets `text` to what it does and how to
 * correct it. */
bool publish_setting_is(const struct qbittorrent_view *view, enum publish_setting which,
                        struct failure *text);

/* Logs each setting of qBittorrent that keeps peers away although the port is right. Logs it once,
 * and again only after it was corrected. */
void publish_settings(struct publish *publish, const struct qbittorrent_view *view);

#endif
