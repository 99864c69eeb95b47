/* login_gate: lets a login pass to qBittorrent, or holds it back: the budget, its file, and what the
 * login page tells, put together. For all commands that may log in. */
#ifndef QSTICKY_SIDECAR_LOGIN_GATE_H
#define QSTICKY_SIDECAR_LOGIN_GATE_H

#include <stdbool.h>

#include "base/fail.h"
#include "config/config.h"
#include "core/login_budget.h"
#include "qbittorrent/client.h"
#include "sidecar/login_store.h"

struct login_gate {
	struct qbittorrent_gate gate; /* first, so that it is one of those */
	const struct config *config;  /* borrowed */
	struct login_store store;
	struct login_budget budget; /* as last read, or known without the file */
	bool in_memory;             /* where the file is of no use, goes on without it */
	bool file_tried;            /* for what the file holds, before it went on without it */
	int64_t now_s;              /* seconds since 1970; the caller sets it before each cycle */

	enum login_state state; /* how it stands, for the health file; the caller resets it */
	bool others;            /* the last login's credentials were others than those before */
	bool restarted;         /* a restart of qBittorrent was seen; the caller resets both */
	bool useless;           /* the file could not be used the last time that it was needed */
	struct failure trouble; /* why, or what was wrong with its content; "": nothing */

	/* Of the login that is under way. */
	unsigned char pair[LOGIN_ID_LEN];
	struct login_budget unsent; /* the budget before it */
	struct failure
		unanswered; /* why the last one got no verdict; "": it did, or is not known */
	bool clear;         /* first of all: a person said so while the file was locked */
};

/* A gate for the qBittorrent of `config`, which is borrowed. Where the budget's file cannot be used, it
 * holds every login back, unless the caller sets `in_memory`. */
struct login_gate login_gate_for(const struct config *config);

/* A person says that something has changed: clears the budget. */
void login_gate_clear(struct login_gate *gate);

/* The name of `state` in the health file; NULL: in order. */
const char *login_gate_name(enum login_state state);

#endif
