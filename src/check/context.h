/* check_context: what the hops of a check share: the cycle whose steps they take, and what one leaves to the
 * next. For the files of check; nobody else needs it. */
#ifndef QSTICKY_CHECK_CONTEXT_H
#define QSTICKY_CHECK_CONTEXT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fail.h"
#include "base/wait.h"
#include "config/config.h"
#include "http/http.h"
#include "process/sandbox.h"
#include "sidecar/cycle.h"

/* What the health file tells, as it was found at the start. */
struct check_beside {
	int opened; /* the file, as health_open() returned it; closed when it has been read */
	bool is_there;
	uid_t writer; /* whose it is */
	bool healthy;
	bool runs; /* a sidecar has written it lately */
	struct failure why;
};

struct check_context {
	struct config config;
	struct stop stop;
	struct sandbox sandbox;
	struct check_beside beside;
	struct sidecar_cycle cycle; /* a dry one */
	bool has_tunnel;            /* which is sound */

	/* Of the first question to qBittorrent. */
	enum fail answer;
	struct step answer_step;

	struct http_reply reply; /* of whoever sends a request; last, since it is large */
};

/* Takes one hop, and leaves what it found in `context->cycle.step`. May wait until the deadline of
 * `context->cycle.qbittorrent`. FAIL_STOPPED: a stop was asked for, and what was found means nothing. */
typedef enum fail check_hop(struct check_context *context);

/* Opens the health file: before any right is given up, since it may be another user's. */
void check_open_beside(struct check_context *context);

/* Looks whether a sidecar has been writing it: before anything else. */
void check_look_beside(struct check_context *context);

/* In their order. First on this side: what qsticky itself reads, writes and may do. */
check_hop check_configuration, check_sandbox, check_port_file, check_control_server, check_tunnel;

/* To qBittorrent, which has begun a cycle, and what is set there. */
check_hop check_name, check_connection, check_tls, check_qbittorrent, check_login, check_version;
check_hop check_settings, check_port, check_probe;

/* These two may come at any time. */
check_hop check_health, check_webhook;

#endif
