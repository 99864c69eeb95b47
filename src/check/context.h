/* check_context: the state that the hops of a check share. A hop is one of the tests. Most hops run
 * a step of the sidecar's cycle (sidecar/cycle.h). Private to src/check. */
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

/* The health file at the start, which shows a sidecar that runs beside this command. */
struct check_beside {
	int opened;             /* descriptor or -errno of health_open(); closed after the read */
	bool is_there;          /* the file exists */
	uid_t writer;           /* owner of the file */
	bool healthy;           /* the file says healthy and is recent */
	bool runs;              /* a sidecar has written the file recently, so it still runs */
	struct failure why;     /* the reason for `healthy` or its opposite */
	char hint[FAILURE_MAX]; /* the file's; "": none */
};

struct check_context {
	struct stop stop;
	struct sandbox sandbox;
	bool has_tunnel; /* the tunnel's hop found no fault */

	/* Result of the first request to qBittorrent's API. check_login() explains it. */
	enum fail answer;
	struct step answer_step;

	struct sidecar_cycle cycle; /* dry: its steps only look and change nothing */
	struct check_beside beside;
	struct config config;

	struct http_reply reply; /* shared by all requests; last, since it is large */
};

/* Takes one hop and writes the result to `context->cycle.step`. May block until the deadline of
 * `context->cycle.qbittorrent`.
 * FAIL_STOPPED: a stop came; the result means nothing. Any other failure is in the result. */
typedef enum fail check_hop(struct check_context *context);

/* Opens the health file. Call it before the sandbox is entered: another user may own the file. */
void check_open_beside(struct check_context *context);

/* Reads the health file into `context->beside`. Call it before the first hop, and after
 * check_open_beside(). */
void check_look_beside(struct check_context *context);

/* The hops, in order. First qsticky's own: its configuration, rights, port source and tunnel. */
check_hop check_configuration, check_sandbox, check_port_file, check_control_server, check_tunnel;

/* Then the path to qBittorrent, and its settings. qbittorrent_begin() was called before. */
check_hop check_name, check_connection, check_tls, check_qbittorrent, check_login, check_version;
check_hop check_settings, check_port, check_probe;

/* These two need no other hop before. */
check_hop check_health, check_webhook;

#endif
