/* certificate_names: the names in a certificate, to compare and to show. */
#ifndef QSTICKY_TLS_CERTIFICATE_NAMES_H
#define QSTICKY_TLS_CERTIFICATE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "tls/certificate.h"

/* Whether both are the same encoded name (RFC 5280, section 7.1): attribute by attribute, in whichever
 * kind of string, ASCII letters in any case, blanks around and between words counted once. Names of
 * other kinds of string are the same byte for byte only. */
bool certificate_same_name(struct der_part a, struct der_part b);

/* Whether the certificate is for the host `name`, which is not empty: by its subjectAltName or, where
 * there is none, by a common name. "*." stands for one label in front. */
bool certificate_names_host(const struct certificate *certificate, const char *name);

/* Whether the certificate names the address `ip` of `len` bytes (RFC 9110, section 4.3.5: in its
 * subjectAltName, nowhere else). */
bool certificate_names_ip(const struct certificate *certificate, const unsigned char *ip,
                          size_t len);

/* Appends an object identifier as "2.5.29.36"; "?" where it is none. */
void certificate_append_oid(struct text *text, struct der_part oid);

/* Append for a person, at most about 100 bytes each: an encoded name as "CN=nas, O=Home"; the names
 * that it is for as "nas, 192.0.2.1". */
void certificate_append_name(struct text *text, struct der_part name);
void certificate_append_names(struct text *text, const struct certificate *certificate);

#endif
