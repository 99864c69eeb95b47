/* login_gate: allows a login to qBittorrent, or holds it back. It joins the login budget, its file,
 * and the cache id of the login page. Every command that may log in uses it. */
#ifndef QSTICKY_SIDECAR_LOGIN_GATE_H
#define QSTICKY_SIDECAR_LOGIN_GATE_H

#include <stdbool.h>

#include "base/fail.h"
#include "config/config.h"
#include "core/login_budget.h"
#include "qbittorrent/client.h"
#include "sidecar/login_store.h"

struct login_gate {
	struct qbittorrent_gate gate; /* must be first: see gate_of() */
	const struct config *config;  /* borrowed */
	bool in_memory;               /* if the file is unusable, count in memory */
	bool file_tried;              /* the file was read, or found unreadable */
	int64_t now_s;                /* seconds since 1970; set by the caller before each cycle */

	enum login_state state; /* for the health file; reset by the caller */
	bool others; /* the last login is with another user, password or server; set once for each */
	bool restarted; /* a restart of qBittorrent was seen; the caller resets this and `others` */
	bool useless;   /* the file was unusable when it was last needed */
	bool clear; /* clear the budget first: a person asked for it while the file was locked */

	struct login_budget budget; /* as last read, or as counted without the file */
	struct failure trouble; /* what is wrong with the file, or with its content; "": nothing */
	struct login_store store;

	/* Of the current login. */
	unsigned char pair[LOGIN_ID_LEN]; /* of user, password and server */
	struct login_budget unsent;       /* the budget before this login */
	struct failure unanswered;        /* why the last login got no verdict; "": no such login */
};

/* Makes a gate for the qBittorrent of `config`, which is borrowed. If the budget's file is
 * unusable, the gate holds every login back, unless the caller sets `in_memory`. */
void login_gate_start(struct login_gate *gate, const struct config *config);

/* Clears the budget, since a person says that something has changed. */
void login_gate_clear(struct login_gate *gate);

/* Returns the name of `state` in the health file; NULL for LOGIN_IN_ORDER. */
const char *login_gate_name(enum login_state state);

#endif
