/* fuzz_pem: any bytes as a PEM file, beside a second reading of it, line by line.
 *
 * The first byte is the size of the pieces. What comes out does not depend on them. */
#include "tls/pem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Digits of which PEM_CERTIFICATE_MAX bytes are made. */
#define DIGITS_MAX ((PEM_CERTIFICATE_MAX * 8 + 5) / 6)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The second reading: the values of all digits first, then the bytes. */
struct reading {
	bool inside;
	bool damaged;
	bool padded;
	size_t count;
	unsigned char digits[DIGITS_MAX + 1];
};

static bool is_line(const char *line, size_t len, const char *wanted)
{
	len = len < PEM_LINE_MAX ? len : PEM_LINE_MAX;
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
		len--;
	return len == strlen(wanted) && memcmp(line, wanted, len) == 0;
}

static void read_digits(struct reading *reading, const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char *digit = line[i] ? strchr(base64, line[i]) : NULL;

		if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r')
			continue;
		if (line[i] == '=')
			reading->padded = true;
		else if (!digit || reading->padded || reading->count == DIGITS_MAX)
			reading->damaged = true;
		else
			reading->digits[reading->count++] = (unsigned char)(digit - base64);
	}
}

static enum pem_event read_line(struct reading *reading, const char *line, size_t len)
{
	bool inside = reading->inside;

	if (is_line(line, len, "-----BEGIN CERTIFICATE-----")) {
		reading->inside = true;
		reading->damaged = reading->padded = false;
		reading->count = 0;
		return inside ? PEM_DAMAGED : PEM_MORE;
	}
	if (!inside)
		return PEM_MORE;
	if (len == 0 || line[0] != '-') {
		read_digits(reading, line, len);
		return PEM_MORE;
	}
	reading->inside = false;
	return !reading->damaged && reading->count > 1 &&
	                       is_line(line, len, "-----END CERTIFICATE-----")
	               ? PEM_CERTIFICATE
	               : PEM_DAMAGED;
}

static unsigned byte_of(const struct reading *reading, size_t i)
{
	unsigned byte = 0;

	for (size_t bit = 8 * i; bit < 8 * i + 8; bit++)
		byte = byte << 1 | (reading->digits[bit / 6] >> (5 - bit % 6) & 1);
	return byte;
}

/* The next event of the parser, which gets `piece` bytes at a time. */
static enum pem_event next(struct pem *pem, const char **bytes, size_t *left, size_t piece)
{
	while (*left > 0) {
		size_t given = piece < *left ? piece : *left, len = given;
		enum pem_event event = pem_push(pem, bytes, &len);

		*left -= given - len;
		assert(pem->len <= sizeof pem->certificate && pem->line_len <= PEM_LINE_MAX);
		if (event != PEM_MORE)
			return event;
		assert(len == 0);
	}
	return PEM_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading reading;
	static struct pem pem;
	const char *text, *bytes, *line;
	char *copy;
	size_t left;

	if (size < 1)
		return 0;
	/* The end of the file counts as a newline. Of just that size, for the sanitizer. */
	copy = malloc(size);
	assert(copy);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\n';
	text = bytes = line = copy;
	left = size;
	reading.inside = false;
	pem_start(&pem);
	for (size_t i = 0; i < size; i++) {
		enum pem_event wanted;

		if (text[i] != '\n')
			continue;
		wanted = read_line(&reading, line, (size_t)(text + i - line));
		line = text + i + 1;
		if (wanted == PEM_MORE)
			continue;
		assert(next(&pem, &bytes, &left, (size_t)data[0] + 1) == wanted);
		assert(bytes == line);
		if (wanted != PEM_CERTIFICATE)
			continue;
		assert(pem.len == reading.count * 6 / 8);
		for (size_t at = 0; at < pem.len; at++)
			assert(pem.certificate[at] == byte_of(&reading, at));
	}
	assert(next(&pem, &bytes, &left, (size_t)data[0] + 1) == PEM_MORE);
	assert(pem.inside == reading.inside);
	free(copy);
	return 0;
}
