/* trust: what in the CA file may vouch for a server.
 *
 * Whether it does is path's to say. */
#ifndef QSTICKY_TLS_TRUST_H
#define QSTICKY_TLS_TRUST_H

#include <stdbool.h>

#include "base/fail.h"
#include "base/file.h"
#include "tls/certificate.h"
#include "tls/chain.h"

/* Largest CA file, in bytes. Debian's whole bundle has a quarter of a MiB. */
#define TRUST_FILE_MAX (4 * 1024 * 1024)

/* Takes one certificate of the CA file; `own`: it is the server's own. */
typedef enum fail trust_take(void *context, const struct certificate *certificate, bool own,
                             struct failure *why);

/* Reads the CA file at `path` and hands over each certificate in it that is the server's own or has the
 * name of an issuer in the chain, whether it is fit to vouch or not. Notes the version that was read
 * in `*version`.
 * FAIL_UNTRUSTED: there is none at the default path; `why` is left to the caller. FAIL_FORMAT, FAIL_TOO_BIG:
 * not a PEM file of certificates. FAIL_IO: unreadable. Else as `take` says. */
enum fail trust_scan(const char *path, const struct chain *chain, struct file_version *version,
                     trust_take *take, void *context, struct failure *why);

#endif
