/* certificate_names: the names in a certificate, to compare and to show. */
#ifndef QSTICKY_CERTIFICATE_NAMES_H
#define QSTICKY_CERTIFICATE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "certificate.h"
#include "text.h"

/* Whether the certificate names the address `ip` of `len` bytes (RFC 9110, section 4.3.5: in its
 * subjectAltName, nowhere else). */
bool certificate_names_ip(const struct certificate *certificate, const unsigned char *ip,
                          size_t len);

/* Append for a person, at most about 100 bytes each: an encoded name as "CN=nas, O=Home"; the names
 * that it is for as "nas, 192.0.2.1". */
void certificate_put_name(struct text *text, struct der_part name);
void certificate_put_names(struct text *text, const struct certificate *certificate);

#endif
