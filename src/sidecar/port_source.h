/* port_source: learns which port is forwarded: from the port file, from Gluetun's control server, or
 * from that while the file is missing. */
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

struct port_source {
	struct port_file_watch watch; /* the caller polls and drains it */
	bool watch_refused;
	int64_t replaced_at_ms; /* when a file that nothing names begins to count; MONO_NEVER: it is named */
	bool hidden; /* the sandbox keeps the file from us, see process/sandbox_files.h; `now` has the reason */
	struct gluetun gluetun;

	/* Of the last look. */
	struct port_file_ports ports;
	enum fail file_fail; /* of the port file, where it counts; `now` has the reason */
	enum fail fail; /* of the control server: what is forwarded is not known now; with `why` */
	struct failure why;
	int64_t looking_ms; /* how long the last look took, GLUETUN_ASK_MS at most */
};

/* Makes a `source` of zeros the one that `config` names; nothing is opened before the first look.
 * Borrows the others. */
void port_source_start(struct port_source *source, const struct config *config,
                       const struct stop *stop, struct http_reply *reply);

/* Has the watch on the file where it has to be, before a look. */
void port_source_watch(struct port_source *source, const struct config *config);

/* Looks there, and tells `now` what it found. Blocks for the control server only, GLUETUN_ASK_MS at most.
 * Returns whether there is another port than before. Where a stop came, `source->fail` is FAIL_STOPPED and
 * nothing was told. */
bool port_source_look(struct port_source *source, struct situation *now);

/* The same until what is found counts: a file that is empty, or being replaced, is looked at again. Returns
 * `source->fail`, which has its reason in `source`; FAIL_STOPPED. */
enum fail port_source_settle(struct port_source *source, struct situation *now,
                             const struct stop *stop);

/* Tells the log what the last look has found, where that is news. `other`: what it has returned. */
void port_source_say(const struct port_source *source, const struct situation *now, bool other,
                     struct publish *publish);

#endif
