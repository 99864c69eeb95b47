/* certificate_extensions: what a certificate says about its use (RFC 5280, section 4.2).
 *
 * A part of certificate. */
#ifndef QSTICKY_TLS_CERTIFICATE_EXTENSIONS_H
#define QSTICKY_TLS_CERTIFICATE_EXTENSIONS_H

#include <stdbool.h>

#include "tls/certificate_fields.h"

/* Reads the list of extensions in `in` into `certificate`, which holds what a certificate without
 * any says. False where it is no such list, or one of them is there twice. */
bool certificate_parse_extensions(struct certificate *certificate, struct der_part in);

#endif
