/* fuzz_redact: any bytes, and what of them is shown: words of ours, or what cannot be a secret. */
#include "base/redact.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_kind(const char *bytes, size_t len)
{
	char buf[96], wanted[96];
	struct text text = text_on(buf, sizeof buf);
	bool known = false;

	redact_append_kind(&text, bytes, len);
	for (size_t i = 0; i < REDACT_KINDS; i++) {
		snprintf(wanted, sizeof wanted, "%s (%zu byte%s)", redact_kinds[i], len,
		         len == 1 ? "" : "s");
		known |= strcmp(buf, wanted) == 0;
	}
	assert(known && !text.full);
}

static void check_address(const char *string)
{
	char buf[96];
	struct text text = text_on(buf, sizeof buf);
	unsigned char ip[IP_MAX];

	redact_append_address(&text, string);
	assert(!text.full);
	assert(strcmp(buf, "(not an IP address)") == 0 ||
	       (ip_parse(ip, buf) > 0 && strlen(buf) < 46 &&
	        strspn(buf, "0123456789abcdefABCDEF:.") == strlen(buf)));
}

static void check_variable(const char *name, size_t len)
{
	char buf[48];
	struct text text = text_on(buf, sizeof buf);

	redact_append_variable(&text, name, len);
	assert(!text.full);
	assert(strspn(buf, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.") == text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size + 1);

	assert(bytes);
	if (size > 0)
		memcpy(bytes, data, size);
	bytes[size] = '\0';
	check_kind(bytes, size);
	check_address(bytes);
	check_variable(bytes, size);
	if (redact_is_version(bytes, size))
		assert(size <= 24 && strspn(bytes, "v0123456789.alphbetrc") == size);
	free(bytes);
	return 0;
}
