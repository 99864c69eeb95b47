/* trust: how a server must prove its identity, and which certificates of the CA file matter for it.
 *
 * path.h decides whether the proof holds. */
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

/* How a server must prove its identity. Strings and pins are borrowed. */
struct trust {
	const char *name;      /* host name or address to send and to expect; no brackets */
	const char *ca_file;   /* absolute path; not read if there are pins */
	bool ca_file_is_usual; /* the default path: a missing file is no error */
	bool accepts_any;      /* without pins, any certificate is accepted */
	size_t pin_count; /* with pins, the certificate must match one; nothing else is checked */
	const unsigned char *pins; /* TRUST_PIN_LEN bytes each */
};

/* Largest CA file, in bytes. Debian's bundle has a quarter of a MiB. */
#define TRUST_FILE_MAX (4 * 1024 * 1024)

/* Called for each matching certificate of the CA file. `own`: it is the server's own. */
typedef enum fail trust_on_certificate(void *context, const struct certificate *certificate,
                                       bool own, struct failure *why);

/* Reads the CA file and calls `on_certificate` for each certificate that may vouch for the chain:
 * the server's own, or one with an issuer's name, fit or unfit. Sets `*version` to the version that
 * was read.
 * FAIL_UNTRUSTED: the default file is missing; `why` is not set. FAIL_FORMAT, FAIL_TOO_BIG: not a
 * PEM file of certificates. FAIL_IO: unreadable. Else as `on_certificate` fails. */
enum fail trust_scan(const struct trust *trust, const struct chain *chain,
                     struct file_version *version, trust_on_certificate *on_certificate,
                     void *context, struct failure *why);

#endif
