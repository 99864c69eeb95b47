/* ca_file: a CA file, and certificates of a server, put together from the bytes of a fuzzer's input.
 *
 * Bytes from 0x80 on stand for the certificates of certificates.h; of those from 0xa0 on the next
 * three change it: two say where, one flips bits. Without that, next to no change would be a file of
 * certificates still. All other bytes of a file are those of the input. */
#ifndef QSTICKY_TESTS_CA_FILE_H
#define QSTICKY_TESTS_CA_FILE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "certificates.h"
#include "tls/pem.h"
#include "tls/trust.h"

#define CA_FILE_MADE 10

/* Bytes of the longest, and how many of them in one file, to bound the time that it takes. */
#define CA_FILE_DER_MAX 1024
#define CA_FILE_INSERTED_MAX 24

#define CA_FILE_ROOM (CA_FILE_INSERTED_MAX * 2 * CA_FILE_DER_MAX + 4096)

/* Bytes of the input. */
enum {
	CA_FILE_INSERT = 0x80,
	CA_FILE_BIG = 0x9f, /* the file is over its limit */
	CA_FILE_CHANGE = 0xa0,
};

struct input {
	const uint8_t *at;
	size_t left;
};

struct der {
	size_t len;
	unsigned char bytes[CA_FILE_DER_MAX];
};

struct ca_file {
	int fd;                        /* the file itself */
	struct der made[CA_FILE_MADE]; /* what there is to put into it */
	bool big;
	size_t len;
	char text[CA_FILE_ROOM];
	size_t bare_len;
	char bare[CA_FILE_ROOM]; /* the same without blanks and line ends */
	size_t inserted_count;   /* of those that begin a line */
	struct der inserted[CA_FILE_INSERTED_MAX];
};

static inline void ca_file_make(struct ca_file *file)
{
	static const char *const pems[CA_FILE_MADE] = {
		NAS_PEM, OTHER_PEM,  ROOT_PEM, INTER_PEM, LEAF_PEM,
		OLD_PEM, CLIENT_PEM, RSA_PEM,  ED_PEM,    PSS_PEM,
	};
	static struct pem pem;

	for (size_t i = 0; i < CA_FILE_MADE; i++) {
		const char *at = pems[i];
		size_t len = strlen(at);

		pem_start(&pem);
		assert(pem_push(&pem, &at, &len) == PEM_CERTIFICATE && pem.len <= CA_FILE_DER_MAX);
		memcpy(file->made[i].bytes, pem.certificate, pem.len);
		file->made[i].len = pem.len;
	}
	file->fd = memfd_create("ca", MFD_CLOEXEC);
	assert(file->fd >= 0);
}

/* The certificate that `byte` stands for, changed where that is asked for; false: for none. */
static inline bool ca_file_stands_for(const struct ca_file *file, struct input *input, uint8_t byte,
                                      struct der *der)
{
	size_t which = byte & 0x1f;

	if (byte < CA_FILE_INSERT || byte >= CA_FILE_CHANGE + CA_FILE_MADE || which >= CA_FILE_MADE)
		return false;
	*der = file->made[which];
	if (byte >= CA_FILE_CHANGE && input->left >= 3) {
		size_t at = (size_t)input->at[0] << 8 | input->at[1];

		der->bytes[at % der->len] ^= input->at[2];
		input->at += 3;
		input->left -= 3;
	}
	return true;
}

/* Writes the digits of all whole threes and, with `rest`, of what is left; returns how many. */
static inline size_t ca_file_digits(char *to, const unsigned char *bytes, size_t len, bool rest)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t count = 0;

	for (size_t i = 0; i < (rest ? len : len / 3 * 3); i += 3) {
		size_t there = len - i < 3 ? len - i : 3;
		unsigned bits = (unsigned)bytes[i] << 16;

		if (there > 1)
			bits += (unsigned)bytes[i + 1] << 8;
		if (there > 2)
			bits += bytes[i + 2];
		for (size_t j = 0; j <= there; j++, bits <<= 6)
			to[count++] = digits[bits >> 18 & 63];
	}
	return count;
}

static inline void ca_file_add(struct ca_file *file, const char *text)
{
	memcpy(file->text + file->len, text, strlen(text));
	file->len += strlen(text);
}

static inline void ca_file_insert(struct ca_file *file, const struct der *der)
{
	if (file->len == 0 || file->text[file->len - 1] == '\n' ||
	    (file->len == 3 && memcmp(file->text, "\xef\xbb\xbf", 3) == 0))
		file->inserted[file->inserted_count++] = *der;
	ca_file_add(file, "-----BEGIN CERTIFICATE-----\n");
	file->len += ca_file_digits(file->text + file->len, der->bytes, der->len, true);
	ca_file_add(file, "\n-----END CERTIFICATE-----\n");
}

/* Writes the file that the rest of `input` says. */
static inline void ca_file_write(struct ca_file *file, struct input *input)
{
	size_t count = 0;
	struct der der;

	file->len = file->bare_len = file->inserted_count = 0;
	file->big = false;
	while (input->left > 0 && count < CA_FILE_INSERTED_MAX &&
	       file->len < CA_FILE_ROOM - 2 * CA_FILE_DER_MAX) {
		uint8_t byte = *input->at++;

		input->left--;
		if (ca_file_stands_for(file, input, byte, &der)) {
			ca_file_insert(file, &der);
			count++;
		} else if (byte == CA_FILE_BIG) {
			file->big = true;
		} else {
			file->text[file->len++] = (char)byte;
		}
	}
	for (size_t i = 0; i < file->len; i++)
		if (!file->text[i] || !strchr(" \t\r\n", file->text[i]))
			file->bare[file->bare_len++] = file->text[i];
	assert(ftruncate(file->fd, 0) == 0 &&
	       pwrite(file->fd, file->text, file->len, 0) == (ssize_t)file->len);
	assert(!file->big || ftruncate(file->fd, TRUST_FILE_MAX + 1) == 0);
}

/* Whether the file holds a certificate, whatever is round it: by its base64, bar the last digits. */
static inline bool ca_file_holds(const struct ca_file *file, const unsigned char *der, size_t len)
{
	static char digits[PEM_CERTIFICATE_MAX * 4 / 3 + 4];
	size_t count = ca_file_digits(digits, der, len, false);

	return memmem(file->bare, file->bare_len, digits, count);
}

#endif
