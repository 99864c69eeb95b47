/* peer: a server that gets our requests: where it is, what it has to prove, and the connection to it.
 *
 * The steps can be taken one by one: connect, secure, exchange. After a failure, the sentence says what to do
 * about it, by the variables that the caller has named. */
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

/* Room for host and port as URLs have them, with a NUL. */
#define PEER_AUTHORITY_MAX (LIMITS_HOST_MAX + sizeof "[]:65535")

/* Where a server is. Strings are borrowed. */
struct peer_address {
	const char *host; /* name or address, without brackets */
	uint16_t port;
	bool https;
	struct trust trust; /* of HTTPS; its name also goes into the Host header then */
};

/* Pause before a second attempt to connect, in milliseconds. */
#define PEER_AGAIN_MS 50

/* Texts are the caller's literals. A ..._variable is the name of a setting that may help after a failure, and
 * NULL where there is none; without `https_variable`, nothing is advised. */
struct peer {
	const char *host;
	uint16_t port;
	bool https;
	const char *name;        /* what sentences call it, "qBittorrent" */
	const char *ca_variable; /* never NULL with HTTPS */
	const char *https_variable;
	const char *name_variable;
	const char *pin_variable;
	const char *if_refused; /* the sentence then; NULL: as net_connect() says */
	const struct stop *stop;
	int64_t step_ms;     /* longest time for a handshake, and for a request with its reply */
	int64_t deadline_ms; /* the end of all steps; set before the first */
	bool omits_port;     /* in the Host header */
	bool is_patient;     /* where a connection is refused, it is tried once more */
	bool looks_up_none;  /* connects to the address of last time, and once */

	struct net_tcp tcp;
	struct tls tls; /* over `tcp`, with HTTPS */
	bool used;      /* the connection has carried a request */
};

/* The server at that address, not connected yet. Set the rest before the first step. All is borrowed. */
struct peer peer_for(const struct peer_address *address, const struct stop *stop);

/* Connects; the connection must be closed. Fails as net_connect(). */
enum fail peer_connect(struct peer *peer, struct failure *why);

/* Makes a new connection one that nobody else can read or change, where that is asked for. After a
 * failure, as tls_open()'s, it is closed. */
enum fail peer_secure(struct peer *peer, struct failure *why);

/* Sends `request`, whose host is filled in, on the connection that is open or a new one, and reads the reply,
 * whatever its status. A connection that was closed while idle is replaced silently where `repeatable`.
 * Fails as peer_connect(), peer_secure() and http_send(); then the connection is closed. FAIL_TLS: also a
 * reply that says that HTTPS is wanted, or a certificate of ours. */
enum fail peer_exchange(struct peer *peer, struct http_request request, struct http_reply *reply,
                        bool repeatable, struct failure *why);

/* Every failure is to name the server it is about. Returns `f`. */
enum fail peer_fail_in(const struct peer *peer, enum fail f, struct failure *why);

/* Closes; nothing happens where it is closed already. */
void peer_close(struct peer *peer);

/* The same, and forgets the session of TLS. */
void peer_forget(struct peer *peer);

/* Appends `host` as URLs have it: an IPv6 address in brackets, without its zone; `port` behind it, unless
 * that is 0. */
void peer_append_authority(struct text *text, const char *host, uint16_t port);

#endif
