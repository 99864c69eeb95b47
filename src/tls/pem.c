#include "tls/pem.h"

#include <string.h>

static const char begin_line[] = "-----BEGIN CERTIFICATE-----";
static const char end_line[] = "-----END CERTIFICATE-----";

void pem_start(struct pem *pem)
{
	pem->inside = false;
	pem->line_len = 0;
}

static void begin(struct pem *pem)
{
	pem->inside = true;
	pem->damaged = pem->padded = false;
	pem->bits = 0;
	pem->count = 0;
	pem->len = 0;
}

/* The value of a base64 digit; 64 if `c` is none. */
static uint32_t digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0') + 52;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Decodes one character between BEGIN and END. */
static void add_char(struct pem *pem, char c)
{
	uint32_t value = digit(c);

	if (c == ' ' || c == '\t' || c == '\r')
		return;
	if (c == '=') {
		pem->padded = true;
		return;
	}
	if (value == 64 || pem->padded || pem->len == sizeof pem->certificate) {
		pem->damaged = true;
		return;
	}
	pem->bits = (pem->bits << 6 | value) & 0xffff;
	pem->count += 6;
	if (pem->count < 8)
		return;
	pem->count -= 8;
	pem->certificate[pem->len++] = (unsigned char)(pem->bits >> pem->count);
}

/* Handles the end of a line. Characters between BEGIN and END are decoded already. */
static enum pem_event end_of_line(struct pem *pem)
{
	bool had_no_end = pem->inside;

	while (pem->line_len > 0 && strchr(" \t\r", pem->line[pem->line_len - 1]))
		pem->line_len--;
	pem->line[pem->line_len] = '\0';
	if (strcmp(pem->line, begin_line) == 0) {
		begin(pem);
		return had_no_end ? PEM_DAMAGED : PEM_MORE;
	}
	if (pem->inside && pem->line[0] == '-') {
		pem->inside = false;
		return pem->damaged || pem->len == 0 || strcmp(pem->line, end_line) != 0
		               ? PEM_DAMAGED
		               : PEM_CERTIFICATE;
	}
	return PEM_MORE;
}

enum pem_event pem_push(struct pem *pem, const char **bytes, size_t *len)
{
	while (*len > 0) {
		char c = *(*bytes)++;
		enum pem_event event;

		--*len;
		if (c == '\n') {
			event = end_of_line(pem);
			pem->line_len = 0;
			if (event != PEM_MORE)
				return event;
			continue;
		}
		/* strcmp() would stop at a NUL. */
		if (pem->line_len < PEM_LINE_MAX)
			pem->line[pem->line_len++] = (char)(c ? c : '?');
		if (pem->inside && pem->line[0] != '-')
			add_char(pem, c);
	}
	return PEM_MORE;
}
