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

/* The least time between two questions to the control server, which logs each; at the shortest interval it is
 * that. For PORT_SOURCE_OFTEN_MS after a change the control server is asked as often, apart from the cycles. */
#define PORT_SOURCE_ASK_MS 5000
#define PORT_SOURCE_OFTEN_MS (60 * 1000)

struct port_source {
	struct port_file_watch watch; /* the caller polls and drains it */
	bool watch_refused;
	int64_t replaced_at_ms; /* when a file without a name begins to count; MONO_NEVER: it has one */
	bool hidden; /* the sandbox hides the file, see process/sandbox_files.h; `now` has the reason */
	struct gluetun gluetun;
	int64_t ask_at_ms;      /* until then the control server's last answer counts */
	int64_t often_until_ms; /* it is asked every PORT_SOURCE_ASK_MS until then */

	/* Of the last look. */
	struct port_file_ports ports;
	enum fail file_fail; /* of the port file, where it counts; `now` has the reason */
	enum fail fail; /* of the control server: what is forwarded is not known now; with `why` */
	struct failure why;
	int64_t looking_ms; /* how long the last look took, GLUETUN_ASK_MS at most */
};

/* Makes a `source` of zeros the one that `config` names. Opens nothing before the first look. Borrows the
 * others. */
void port_source_start(struct port_source *source, const struct config *config,
                       const struct stop *stop, struct http_reply *reply);

/* Moves the watch to where the file's directory is now. To be called before a look. */
void port_source_watch(struct port_source *source, const struct config *config);

/* Something has changed that Gluetun may know more about: the next look asks the control server. */
void port_source_hurry(struct port_source *source);

/* Reads the source and tells `now` what it found. Blocks only for the control server, for GLUETUN_ASK_MS at most.
 * Returns whether there is another port than before. After a stop, `source->fail` is FAIL_STOPPED and `now` is
 * unchanged.
 *
 * Of several ports, QSTICKY_PORT_INDEX picks the n-th as listed. A list with the same ports in another order
 * changes nothing: or two qBittorrents would swap their ports for no gain. A list with other ports is counted
 * again from its beginning: each qsticky then picks another port without having to ask the others. */
bool port_source_look(struct port_source *source, struct situation *now);

/* The same, repeated while the file is empty or being replaced, until that counts. Returns `source->fail`, with
 * its reason in `source`, or FAIL_STOPPED. */
enum fail port_source_settle(struct port_source *source, struct situation *now,
                             const struct stop *stop);

/* Logs what the last look has found, if that is new. `other`: what it returned. */
void port_source_say(const struct port_source *source, const struct situation *now, bool other,
                     struct publish *publish);

#endif
