/* certificate_names: compare and show the names in a certificate. */
#ifndef QSTICKY_TLS_CERTIFICATE_NAMES_H
#define QSTICKY_TLS_CERTIFICATE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "tls/certificate.h"

/* Whether both encoded names are equal (RFC 5280, section 7.1), attribute by attribute. UTF-8,
 * Printable and IA5 strings compare as text: ASCII case is ignored, and so are extra blanks. Other
 * kinds of string must be equal byte for byte. */
bool certificate_same_name(struct der_part a, struct der_part b);

/* Whether the certificate is for the host `name`, which is not empty. The subjectAltName counts;
 * the common name counts only without one. A leading "*." matches exactly one label. */
bool certificate_names_host(const struct certificate *certificate, const char *name);

/* Whether the subjectAltName holds the address `ip` of `len` bytes (RFC 9110, section 4.3.5). */
bool certificate_names_ip(const struct certificate *certificate, const unsigned char *ip,
                          size_t len);

/* Appends an object identifier as "2.5.29.36"; "?" if it is malformed. */
void certificate_append_oid(struct text *text, struct der_part oid);

/* Append names for a person, at most about 100 bytes each: a distinguished name as "CN=nas,
 * O=Home"; the hosts of a certificate as "nas, 192.0.2.1". */
void certificate_append_name(struct text *text, struct der_part name);
void certificate_append_names(struct text *text, const struct certificate *certificate);

#endif
