/* redact: what may be shown of bytes that came from outside.
 *
 * Such bytes may hold a secret: a port file that is a link to a password, a URL with a user in it, a
 * page that repeats what it was sent. And those who read logs need not be those who may know. So
 * nothing is quoted. What is shown is a kind of our own words, or what was read from the bytes and
 * cannot be a secret: an address, the host of a URL, a version. None of these blocks or fails. */
#ifndef QSTICKY_BASE_REDACT_H
#define QSTICKY_BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* The kinds, as parts of a sentence. */
enum redact_kind {
	REDACT_NOTHING,
	REDACT_BINARY, /* it has control characters other than blanks and line ends */
	REDACT_NOT_ASCII,
	REDACT_QUOTED,
	REDACT_BLANKS, /* blanks or line ends in it or around it */
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

/* What the `len` bytes look like: the first kind of the list that fits. */
enum redact_kind redact_kind_of(const char *bytes, size_t len);

/* Appends "a number (5 bytes)", and the like. */
void redact_append_kind(struct text *text, const char *bytes, size_t len);

/* Appends the address that `string` is; words, where it is none. */
void redact_append_address(struct text *text, const char *string);

/* Appends the name of a variable, as far as its letters are those of our names, 40 at most. */
void redact_append_variable(struct text *text, const char *name, size_t len);

/* Whether the `len` bytes are a version as qBittorrent writes it: "v5.2.0beta1" (with or without the v,
 * two to four numbers), up to 24 bytes. */
bool redact_is_version(const char *bytes, size_t len);

#endif
