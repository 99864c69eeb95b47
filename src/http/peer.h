/* peer: a server that gets our requests: its address, how it proves its identity, the connection.
 *
 * A caller may take the steps one by one: connect, secure, exchange. After a failure the sentence gives
 * advice, if the caller has named the variables that may help. */
#ifndef QSTICKY_HTTP_PEER_H
#define QSTICKY_HTTP_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/wait.h"
#include "http/http.h"
#include "net/tcp.h"
#include "tls/tls.h"

/* Room for host and port as in URLs, with a NUL. */
#define PEER_AUTHORITY_MAX (LIMITS_HOST_MAX + sizeof "[]:65535")

/* Where a server is. Strings are borrowed. */
struct peer_address {
	const char *host; /* name or address, without brackets */
	uint16_t port;
	bool https;
	struct trust trust; /* with HTTPS; its name is also sent in the Host header */
};

/* Pause before a second attempt to connect, in milliseconds. */
#define PEER_AGAIN_MS 50

/* Strings are the caller's literals. A ..._variable names a setting that may help after a failure;
 * NULL: none. Without `https_variable` there is no advice. */
struct peer {
	const char *host;
	uint16_t port;
	bool https;
	const char *name;        /* its name in sentences, "qBittorrent" */
	const char *ca_variable; /* never NULL with HTTPS */
	const char *https_variable;
	const char *name_variable;
	const char *pin_variable;
	const char *if_refused; /* the sentence for a refused connection; NULL: net_connect()'s */
	const struct stop *stop;
	int64_t step_ms;     /* longest time for a handshake, and for a request with its reply */
	int64_t deadline_ms; /* the end of all steps; set before the first */
	bool omits_port;     /* in the Host header */
	bool says_address;   /* there, in place of the name */
	bool is_patient;     /* tries a refused connection once more */
	bool looks_up_none;  /* connects to the last address only, without a lookup */

	struct net_tcp tcp;
	struct tls tls; /* over `tcp`, with HTTPS */
	bool connected; /* the last attempt to connect succeeded */
	bool used;      /* the connection has carried a request */
};

/* Makes the server at that address, not yet connected. Set the other fields before the first step. Strings
 * and `stop` are borrowed. */
void peer_start(struct peer *peer, const struct peer_address *address, const struct stop *stop);

/* Connects; the connection must be closed. Fails as net_connect(). */
enum fail peer_connect(struct peer *peer, struct failure *why);

/* Starts TLS on a new connection, if `https`. Fails as tls_open(); then the connection is closed. */
enum fail peer_secure(struct peer *peer, struct failure *why);

/* Sends `request`, with the host in place of its own, and reads the reply, whatever its status. Uses the open
 * connection or opens one. If the server closed it while idle and `repeatable`, connects again.
 * Fails as peer_connect(), peer_secure() and http_send(); then the connection is closed. FAIL_TLS also
 * if the reply demands HTTPS or a client certificate. */
enum fail peer_exchange(struct peer *peer, const struct http_request *request,
                        struct http_reply *reply, bool repeatable, struct failure *why);

/* Puts the server's name and address before the sentence of failure `f`. Returns `f`. */
enum fail peer_fail_in(const struct peer *peer, enum fail f, struct failure *why);

/* Closes the connection; does nothing if it is closed. */
void peer_close(struct peer *peer);

/* Closes the connection and wipes the TLS session. */
void peer_forget(struct peer *peer);

/* Appends host and port as in URLs: an IPv6 address in brackets and without its zone; no port if 0. */
void peer_append_authority(struct text *text, const char *host, uint16_t port);

#endif
