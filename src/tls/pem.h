/* pem: read the certificates of a PEM file (RFC 7468), one after another.
 *
 * Anything else in the file is skipped: comments, keys, parameters. */
#ifndef QSTICKY_TLS_PEM_H
#define QSTICKY_TLS_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pages.h"

/* Longest certificate, in bytes. A web server's has 1 to 3 KiB. */
#define PEM_CERTIFICATE_MAX 8192

/* Bytes kept of a line, to recognise BEGIN and END. */
#define PEM_LINE_MAX 80

struct pem {
	bool inside;    /* between BEGIN CERTIFICATE and END */
	bool damaged;   /* this certificate is not valid PEM */
	bool padded;    /* '=' was seen */
	uint32_t bits;  /* decoded bits that do not fill a byte yet */
	unsigned count; /* number of those bits */
	size_t line_len;
	char line[PEM_LINE_MAX + 1];
	size_t len;
	unsigned char certificate[PEM_CERTIFICATE_MAX];
} PAGES_OF_ITS_OWN;

enum pem_event {
	PEM_MORE,        /* all bytes were read */
	PEM_CERTIFICATE, /* `certificate` holds a certificate of `len` bytes */
	PEM_DAMAGED,     /* a certificate is not base64, has no END, or is too long */
};

/* Prepares to read a file from its first byte. */
void pem_start(struct pem *pem);

/* Reads from the `*len` bytes at `*bytes` up to the end of the next certificate, and moves both on.
 * The end of a file counts as a newline: pass one. */
enum pem_event pem_push(struct pem *pem, const char **bytes, size_t *len);

#endif
