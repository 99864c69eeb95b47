/* trust: by what a server has to prove who it is, and what in the CA file may vouch for it.
 *
 * Whether it does is path's to say. */
#ifndef QSTICKY_TLS_TRUST_H
#define QSTICKY_TLS_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"
#include "base/file.h"
#include "tls/certificate.h"
#include "tls/chain.h"

/* Bytes of a pin: the SHA-256 of a certificate. */
#define TRUST_PIN_LEN 32

/* What a server has to prove, and how. Strings and pins are borrowed. */
struct trust {
	const char *name;      /* to expect and to send: a name or an address, without brackets */
	const char *ca_file;   /* absolute; not read where there are pins */
	bool ca_file_is_usual; /* nobody has named it: one that is not there counts as none */
	bool accepts_any;      /* without pins, nothing is proved */
	size_t pin_count;      /* with pins, the certificate has to be one of them, and no more */
	const unsigned char *pins; /* TRUST_PIN_LEN bytes each */
};

/* Largest CA file, in bytes. Debian's whole bundle has a quarter of a MiB. */
#define TRUST_FILE_MAX (4 * 1024 * 1024)

/* Takes one certificate of the CA file; `own`: it is the server's own. */
typedef enum fail trust_on_certificate(void *context, const struct certificate *certificate,
                                       bool own, struct failure *why);

/* Reads the CA file and hands over each certificate in it that is the server's own or has the
 * name of an issuer in the chain, whether it is fit to vouch or not. Notes the version that was read
 * in `*version`.
 * FAIL_UNTRUSTED: there is none at the usual place; `why` is left to the caller. FAIL_FORMAT, FAIL_TOO_BIG:
 * not a PEM file of certificates. FAIL_IO: unreadable. Else as `on_certificate` says. */
enum fail trust_scan(const struct trust *trust, const struct chain *chain,
                     struct file_version *version, trust_on_certificate *on_certificate,
                     void *context, struct failure *why);

#endif
