/* tls_signature: the keys of certificates as BearSSL takes them, and the signatures made with them.
 *
 * A part of tls. */
#ifndef QSTICKY_TLS_SIGNATURE_H
#define QSTICKY_TLS_SIGNATURE_H

#include <bearssl.h>
#include <stdbool.h>

#include "tls/certificate.h"

/* The key of a certificate, borrowed from it; false where it is of a kind that is not supported. */
bool tls_signature_key(br_x509_pkey *key, const struct certificate *certificate);

/* Whether `certificate` was signed with the key of `issuer`. Only that is looked at. False also
 * where the key or the signature is of a kind that is not supported. */
bool tls_signature_holds(const struct certificate *certificate, const struct certificate *issuer);

#endif
