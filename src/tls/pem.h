/* pem: the certificates in a PEM file (RFC 7468), one after the other as it is read.
 *
 * A file may hold other things too: comments, keys, parameters. They are passed over. */
#ifndef QSTICKY_TLS_PEM_H
#define QSTICKY_TLS_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest certificate, in bytes. Web servers' have 1 to 3 KiB. */
#define PEM_CERTIFICATE_MAX 8192

/* Bytes of a line that are compared with those that begin and end a certificate. */
#define PEM_LINE_MAX 80

struct pem {
	bool inside;    /* between BEGIN CERTIFICATE and END */
	bool damaged;   /* something was wrong with what is inside: all of it */
	bool padded;    /* '=' was seen */
	uint32_t bits;  /* base64 digits that do not make a byte yet */
	unsigned count; /* how many bits */
	size_t line_len;
	char line[PEM_LINE_MAX + 1];
	size_t len;
	unsigned char certificate[PEM_CERTIFICATE_MAX];
};

enum pem_event {
	PEM_MORE,        /* all bytes were taken */
	PEM_CERTIFICATE, /* `certificate` holds one, of `len` bytes */
	PEM_DAMAGED,     /* one ended that is not base64, has no end, or is too long */
};

/* Starts before the first byte of a file. */
void pem_start(struct pem *pem);

/* Takes some of the `*len` bytes at `*bytes`, up to the end of the next certificate, and moves both
 * on. The end of the file counts as a newline: pass one. */
enum pem_event pem_push(struct pem *pem, const char **bytes, size_t *len);

#endif
