/* check_walk: what the hops of a check share: what they are given, what one leaves to the next, and how
 * they say what they found. For the files of check; nobody else needs it. */
#ifndef QSTICKY_CHECK_WALK_H
#define QSTICKY_CHECK_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fail.h"
#include "base/stop.h"
#include "check/report.h"
#include "config/config.h"
#include "http/http.h"
#include "process/sandbox.h"
#include "qbittorrent/client.h"
#include "sidecar/login_gate.h"
#include "sidecar/reach.h"

/* What the health file tells, as it was found at the start. */
struct check_beside {
	int opened; /* the file, as health_open() returned it; closed when it has been read */
	bool is_there;
	uid_t writer; /* whose it is */
	bool healthy;
	bool runs;         /* a sidecar has written it lately */
	bool knows_tunnel; /* which has seen the VPN's interface */
	struct failure why;
};

struct check_walk {
	struct check_finding found; /* by the present hop */
	bool stopped;               /* a stop was asked for: what was found means nothing */

	/* There from the start. */
	struct config config;
	struct stop stop;
	struct sandbox sandbox;
	struct check_beside beside;
	struct qbittorrent qbittorrent;
	struct login_gate gate;

	/* Left by one hop to those after it. */
	bool ask_gluetun; /* for the port: its file is not used, or not there */
	bool has_tunnel;  /* it is here, and sound */
	uint16_t port;    /* forwarded; 0: none is known */
	struct reach reach;
	struct qbittorrent_view view;
	enum fail answer; /* of the first question to qBittorrent, with `answer_why` */
	struct failure answer_why;

	struct http_reply reply; /* of whoever sends a request; last, since it is large */
};

/* Takes one hop. Returns the verdict, having set what was found; until then the fix is NULL. May wait
 * until the deadline of `walk->qbittorrent`. */
typedef enum check_verdict check_hop(struct check_walk *walk);

/* Sets what is seen, and what to do about it. Returns `verdict`. */
enum check_verdict check_see(struct check_walk *walk, enum check_verdict verdict, const char *fix,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same after the failure `f`, which has set what is seen, and may be a stop. Returns CHECK_FAILS. */
enum check_verdict check_failed(struct check_walk *walk, enum fail f, const char *fix);

#endif
