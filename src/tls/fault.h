/* tls_fault: why there is no TLS with a server, and what to do about it.
 *
 * A part of tls. */
#ifndef QSTICKY_TLS_FAULT_H
#define QSTICKY_TLS_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

/* The server gave up with an alert (RFC 5246, section 7.2) in the handshake. `asked_for_proof`: it
 * has asked for a certificate of ours. `name` is the one it was asked by; "": by none. FAIL_TLS. */
enum fail tls_fault_alert(int alert, bool asked_for_proof, const char *name, struct failure *why);

/* The stream below failed with `f` in the handshake; `silent`: before the server said anything.
 * Returns `f`. */
enum fail tls_fault_interrupted(enum fail f, bool silent, struct failure *why);

/* The engine gave up with `error`, one of BearSSL's. The server has sent `len` bytes, or more, that begin
 * with those at `first`: they may be no TLS at all. FAIL_TLS. */
enum fail tls_fault_engine(int error, const unsigned char *first, size_t len, struct failure *why);

#endif
