/* situation: what the sidecar knows at one moment. */
#ifndef QSTICKY_SIDECAR_SITUATION_H
#define QSTICKY_SIDECAR_SITUATION_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/fail.h"
#include "config/config.h"
#include "core/drift.h"
#include "core/login_budget.h"
#include "core/patience.h"
#include "core/sync.h"
#include "gluetun/port_file.h"
#include "qbittorrent/client.h"
#include "sidecar/health.h"

/* What health file, log and webhook report. */
struct situation {
	const struct config *config; /* borrowed */
	struct sync sync;
	struct patience patience; /* with qBittorrent */
	enum config_source asked; /* the source looked at last: file or control server */
	int64_t current_port;     /* qBittorrent's, as last read; -1: not read yet */
	enum reachable reachable; /* as the last cycle found it */
	enum reachable reachable_udp;
	enum login_state login;
	unsigned rebinds; /* since the start */
	struct drift drift;
	bool firewalled;         /* qBittorrent has said so for an hour, while torrents run */
	const char *interface;   /* the tunnel's; "": not known, or switched off */
	const char *version;     /* qBittorrent's; "": not known */
	time_t lost_port_s;      /* when a port was last lost; 0: none was */
	int64_t tunnel_up_at_ms; /* since when the tunnel is usable; MONO_NEVER: it is not */
	time_t last_check;       /* 0: none yet */
	time_t last_port_change; /* 0: none yet */
	time_t started;
	int64_t started_ms;
	struct qbittorrent_hints hints;
	struct port_file_ports ports; /* all forwarded ports, in the source's order */
	struct failure file_why;      /* what is wrong with the port file, if SYNC_FILE_BAD */
	struct failure cycle_why;     /* why the last cycle failed, if it did */
};

#endif
