/* redact: describes bytes from outside without quoting them.
 *
 * Such bytes may hold a secret: a port file that links to a password, a URL with a user, a page that
 * repeats the request. Not everybody who reads the log may know it. So logs show only the
 * kind of the bytes, or a value that cannot be a secret: an address, a host, a version.
 * None of these functions blocks or fails. */
#ifndef QSTICKY_BASE_REDACT_H
#define QSTICKY_BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* The kinds of bytes; redact_kinds has their words. */
enum redact_kind {
	REDACT_NOTHING,
	REDACT_BINARY, /* control characters other than blanks and line ends */
	REDACT_NOT_ASCII,
	REDACT_QUOTED,
	REDACT_BLANKS, /* blanks or line ends anywhere */
	REDACT_URL,
	REDACT_AT,
	REDACT_NUMBER,
	REDACT_SIGNED,
	REDACT_NUMBER_AND_MORE,
	REDACT_HOST_AND_PORT,
	REDACT_PATH,
	REDACT_DIRECTORY,
	REDACT_TEXT,
	REDACT_KINDS
};
extern const char *const redact_kinds[REDACT_KINDS];

/* The first kind of the list that fits the `len` bytes. */
enum redact_kind redact_kind_of(const char *bytes, size_t len);

/* Appends "a number (5 bytes)", and the like. */
void redact_append_kind(struct text *text, const char *bytes, size_t len);

/* Appends `string` if it is an IP address, else words that say it is none. */
void redact_append_address(struct text *text, const char *string);

/* Appends the name of a variable up to the first character that our names never have, at most 40. */
void redact_append_variable(struct text *text, const char *name, size_t len);

/* Whether the `len` bytes are a version of qBittorrent: "v5.2.0beta1". The v may be missing; two to
 * four numbers; up to 24 bytes. */
bool redact_is_version(const char *bytes, size_t len);

#endif
