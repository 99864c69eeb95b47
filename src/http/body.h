/* http_body: the body of a reply, however its end is marked.
 *
 * A part of http. */
#ifndef QSTICKY_HTTP_BODY_H
#define QSTICKY_HTTP_BODY_H

#include "http/exchange.h"

/* Reads the body that belongs to the head that was read (RFC 9112, section 6.3). */
enum fail http_read_body(struct http_exchange *x);

#endif
