/* certificate: read an X.509 certificate (RFC 5280) far enough to name it and to compare it.
 *
 * Whether a signature holds is not decided here. Every byte is hostile: a peer that has proved
 * nothing yet chose it. */
#ifndef QSTICKY_TLS_CERTIFICATE_H
#define QSTICKY_TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tls/certificate_fields.h"
#include "tls/der.h"

/* Reads the `len` bytes at `der`, which must outlive `certificate`. False where they are not
 * exactly one certificate. */
bool certificate_parse(struct certificate *certificate, const unsigned char *der, size_t len);

/* Whether both are there and the same, byte for byte. */
bool certificate_same(struct der_part a, struct der_part b);

/* Whether `moment` is within the dates. */
bool certificate_valid_at(const struct certificate *certificate, time_t moment);

#endif
