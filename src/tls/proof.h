/* tls_proof: what a server hears that asks for a certificate of ours: there is none.
 *
 * A part of tls. That it has asked is noted, since a refusal later on is likely to be about that. */
#ifndef QSTICKY_TLS_PROOF_H
#define QSTICKY_TLS_PROOF_H

#include <bearssl.h>
#include <stdbool.h>

struct tls_proof {
	const br_ssl_client_certificate_class *methods; /* must be first: what the engine calls */
	bool *asked; /* borrowed; set once the server has asked */
};

/* `methods` then goes to the engine. */
struct tls_proof tls_proof_for(bool *asked);

#endif
