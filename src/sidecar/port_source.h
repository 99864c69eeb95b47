/* port_source: learns which port is forwarded. It reads the port file, or asks Gluetun's control
 * server, or asks that server only while the file is missing. */
#ifndef QSTICKY_SIDECAR_PORT_SOURCE_H
#define QSTICKY_SIDECAR_PORT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/wait.h"
#include "config/config.h"
#include "gluetun/control_server.h"
#include "gluetun/port_file.h"
#include "http/http.h"
#include "sidecar/publish.h"

/* Shortest time between two questions to the control server, in milliseconds: Gluetun logs each
 * question. A shorter check interval takes its place. For PORT_SOURCE_OFTEN_MS after a change, the
 * control server is asked at this rate between the cycles too. */
#define PORT_SOURCE_ASK_MS 5000
#define PORT_SOURCE_OFTEN_MS (60 * 1000)

struct port_source {
	struct port_file_watch watch; /* the caller polls and drains it */
	bool watch_refused;
	int64_t replaced_at_ms; /* when a replaced file begins to count; MONO_NEVER: not replaced */
	bool hidden; /* the sandbox hides the file (process/sandbox_files.h): see `now->file_why` */
	int64_t ask_at_ms; /* when to ask the server again; until then its last answer counts */
	int64_t often_until_ms; /* until then, ask every PORT_SOURCE_ASK_MS */

	/* Results of the last look. */
	enum fail file_fail; /* of the port file, if that counts: see `now->file_why` */
	enum fail fail;      /* of the control server, so the port is not known now: see `why` */
	int64_t looking_ms;  /* how long the look took; counted up to GLUETUN_ASK_MS */
	struct port_file_ports ports;
	struct failure why;

	struct gluetun gluetun;
};

/* Prepares `source`, which must be all zeros, for the source that `config` names. Opens nothing
 * before the first look. Borrows the other arguments for its life. */
void port_source_start(struct port_source *source, const struct config *config,
                       const struct stop *stop, struct http_reply *reply);

/* Moves the watch to the file's present directory. Call this before each look. If the kernel
 * refuses the watch, logs that once. */
void port_source_watch(struct port_source *source, const struct config *config);

/* Makes the next look ask the control server, and looks after it ask often. Call this when
 * something has changed that may bring another port. */
void port_source_hurry(struct port_source *source);

/* Reads the source and passes the result to `now`. Blocks only for the control server,
 * GLUETUN_ASK_MS at most. Returns whether the port is another than before. Failures are in
 * `source->file_fail` and `source->fail`. After a stop, `source->fail` is FAIL_STOPPED and
 * `now->sync` is unchanged.
 *
 * If several ports are listed, QSTICKY_PORT_INDEX picks the n-th. A list of the same ports in
 * another order changes nothing: otherwise two qBittorrents would swap their ports for no gain. In
 * a list with other ports the n-th is picked again. So each qsticky gets a port of its own without
 * asking others. */
bool port_source_look(struct port_source *source, struct situation *now);

/* Looks again and again while the file is empty or being replaced, until that counts. Blocks, but
 * not after a stop. Returns `source->fail`, with its reason in `source->why`, or FAIL_STOPPED. */
enum fail port_source_settle(struct port_source *source, struct situation *now,
                             const struct stop *stop);

/* Logs the result of the last look if it is new. `other`: what port_source_look() returned. */
void port_source_say(const struct port_source *source, const struct situation *now, bool other,
                     struct publish *publish);

#endif
