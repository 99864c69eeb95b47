/* sidecar_cycle_state: the data of a cycle, and what one cycle leaves to the next. */
#ifndef QSTICKY_SIDECAR_CYCLE_STATE_H
#define QSTICKY_SIDECAR_CYCLE_STATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/drift.h"
#include "qbittorrent/client.h"
#include "sidecar/login_gate.h"
#include "sidecar/port_source.h"
#include "sidecar/publish.h"
#include "sidecar/reachability.h"
#include "sidecar/situation.h"
#include "sidecar/step.h"
#include "vpn/choice.h"
#include "webhook/queue.h"

struct sidecar_cycle {
	/* Why no tunnel was found, as last logged; CHOICE_ONE: nothing was logged. */
	enum choice_verdict said_choice;
	struct qbittorrent_wanted wanted;
	bool just_set;            /* by this cycle: the port may still be opening */
	bool view_is_recent;      /* `view` is of the previous cycle, and that one succeeded */
	uint32_t up_index;        /* the tunnel when it was last usable; 0: never */
	struct in_addr up_v4;     /* its address then */
	int64_t reannounce_at_ms; /* when to re-announce; MONO_NEVER: nothing to announce */
	int64_t previous_port;    /* qBittorrent's port before `unproved_port` */
	enum drift_news drift;    /* what to tell of the last port that was set */
	uint16_t unproved_port;   /* set, but not read back; 0: none */
	uint16_t proved_port;     /* the last one that was set and read back; 0: none */
	bool said_gate_trouble;
	/* Put off until the first wait: the health file, and the log's line about what is set. */
	bool health_unpublished;
	bool change_unsaid;

	struct publish publish;
	struct webhook webhook;
	struct qbittorrent_view view; /* preferences, as the last cycle found or left them */
	struct reachability reach;    /* the caller polls and drains its tunnel's events */
	struct situation now;
	struct port_source source; /* the caller looks there before a cycle */
	struct login_gate gate;    /* the caller may change its options */
	struct step step;          /* what the last step found */
	/* Last, since its cookies take 4 KiB and rarely use more than 100 bytes. */
	struct qbittorrent qbittorrent;
};

#endif
