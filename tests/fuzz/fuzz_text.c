/* fuzz_text: any bytes, made harmless for a terminal and for JSON; the latter is read back. And as
 * arguments of text_printf(), beside snprintf(). */
#include "base/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

#define LEN_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes one character, another way than base/text.c: by its value and the length that value needs.
 * Returns its length, or 0. */
static size_t decode(const uint8_t *bytes, size_t left, uint32_t *code)
{
	static const uint8_t masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = 1;

	if (bytes[0] & 0x80)
		len = (bytes[0] & 0xe0) == 0xc0   ? 2
		      : (bytes[0] & 0xf0) == 0xe0 ? 3
		      : (bytes[0] & 0xf8) == 0xf0 ? 4
		                                  : 0;
	if (len == 0)
		return 0;
	if (len > left)
		return 0;
	*code = bytes[0] & masks[len];
	for (size_t i = 1; i < len; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	return *code >= least[len] && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff) ? len
	                                                                                      : 0;
}

/* Whether it is UTF-8 without NUL, and without the C1 controls, which base/text.c does not let through. */
static bool comes_back(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		uint32_t code;
		size_t len = decode(data + i, size - i, &code);

		if (len == 0 || code == 0 || (code >= 0x80 && code < 0xa0))
			return false;
		i += len;
	}
	return true;
}

static bool is_harmless(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t step = decode((const uint8_t *)bytes + i, len - i, &code);

		if (step == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0))
			return false;
		i += step;
	}
	return true;
}

static void check_json(const char *bytes, size_t len)
{
	char document[6 * LEN_MAX + 16], back[6 * LEN_MAX + 1];
	struct text text = text_on(document, sizeof document);
	struct failure why;
	struct json json;

	text_append(&text, "{\"k\":\"");
	text_append_json(&text, bytes, len);
	text_append(&text, "\"}");
	assert(!text.full);
	assert(is_harmless(text.buf, text.len));
	assert(json_parse(&json, text.buf, text.len, &why) == FAIL_NONE);
	if (memchr(bytes, 0, len)) /* the one character that a string of C cannot hold */
		return;
	assert(json_string(&json, "k", back, sizeof back));
	if (comes_back((const uint8_t *)bytes, len))
		assert(strlen(back) == len && memcmp(back, bytes, len) == 0);
}

/* In less room, what is there is the beginning of what there would be, whole characters each. */
static void check_cut(void (*add)(struct text *, const char *, size_t), const char *bytes,
                      size_t len, size_t cap)
{
	char whole[6 * LEN_MAX + 1], cut[6 * LEN_MAX + 1];
	struct text all = text_on(whole, sizeof whole);
	struct text some = text_on(cut, cap);

	add(&all, bytes, len);
	add(&some, bytes, len);
	assert(!all.full && some.len < cap && cut[some.len] == '\0');
	assert(is_harmless(cut, some.len) && is_harmless(whole, all.len));
	assert(memcmp(whole, cut, some.len) == 0);
	assert(some.full == (some.len < all.len));
	/* No character or escape needs more than six bytes. */
	assert(!some.full || cap - some.len <= 6);
}

/* Compares with snprintf(), in as much room. */
#define CHECK_PRINTF(cap, ...)                                                                     \
	do {                                                                                       \
		char wanted[LEN_MAX], got[LEN_MAX];                                                \
		struct text text = text_on(got, cap);                                              \
		int needed = snprintf(wanted, cap, __VA_ARGS__);                                   \
                                                                                                   \
		text_printf(&text, __VA_ARGS__);                                                   \
		assert(strcmp(got, wanted) == 0 && text.len == strlen(got));                       \
		assert(text.full == (needed >= (int)(cap)));                                       \
	} while (0)

static void check_printf(const char *bytes, size_t len, size_t cap)
{
	char string[LEN_MAX + 1];
	uint64_t number = 0;
	int width, most;

	memcpy(string, bytes, len);
	string[len] = '\0';
	memcpy(&number, bytes, len < sizeof number ? len : sizeof number);
	width = (int)(number & 0x3f);
	most = (int)(number >> 8 & 0x3f);
	CHECK_PRINTF(cap, "%s|%.*s|%*d%%", string, most, string, width, (int)number);
	CHECK_PRINTF(cap, "%x %X %08x %-12u|", (unsigned)number, (unsigned)number, (unsigned)number,
	             (unsigned)number);
	CHECK_PRINTF(cap, "%lld %llu %ld %zu", (long long)number, (unsigned long long)number,
	             (long)number, (size_t)number);
	CHECK_PRINTF(cap, "%02d:%-9s|%5s|%lx", (int)(number % 60), string, string,
	             (unsigned long)number);
}

/* Each byte of an address comes back, and in one form. */
static void check_ip(const char *bytes, size_t len)
{
	const uint8_t *ip = (const uint8_t *)bytes;
	char got[64], wanted[64];
	unsigned char back[16];
	struct text text = text_on(got, sizeof got);

	if (len < 16)
		return;
	text_append_ip(&text, ip, 4);
	snprintf(wanted, sizeof wanted, "%d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3]);
	assert(strcmp(got, wanted) == 0);
	text = text_on(got, sizeof got);
	text_append_ip(&text, ip, 16);
	/* The C library shows the last 32 bits of some as an IPv4 address. */
	assert(inet_ntop(AF_INET6, ip, wanted, sizeof wanted));
	if (!strchr(wanted, '.'))
		assert(strcmp(got, wanted) == 0);
	assert(inet_pton(AF_INET6, got, back) == 1 && memcmp(back, ip, sizeof back) == 0);
}

static void check_find(const char *bytes, size_t len)
{
	char string[] = { '\r', '\n', '\0' };

	assert(text_find(bytes, len, string) == memmem(bytes, len, string, 2));
	for (size_t i = 0; i + 2 <= len && bytes[i] && bytes[i + 1]; i++) {
		memcpy(string, bytes + i, 2);
		assert(text_find(bytes, len, string) == memmem(bytes, len, string, 2));
	}
}

static void check_write(const char *bytes, size_t len)
{
	char got[LEN_MAX + 1], copy[LEN_MAX + 1];
	struct text text = text_on(copy, sizeof copy);
	int fds[2];

	text_append_bytes(&text, bytes, len);
	assert(pipe(fds) == 0);
	text_write(&text, fds[1]);
	close(fds[1]);
	text_write(&text, fds[1]); /* nobody is told */
	assert(read(fds[0], got, sizeof got) == (ssize_t)len && memcmp(got, bytes, len) == 0);
	close(fds[0]);
}

static void check_parts(const uint8_t *data, size_t size)
{
	char copy[LEN_MAX + 2] = "/";
	size_t step = 1, len;
	struct text text;

	for (size_t i = 0; i < size && step > 0; i += step) {
		uint32_t code;

		step = decode(data + i, size - i, &code);
	}
	/* NUL and control characters are not asked about here. */
	assert(step > 0 || !text_is_utf8((const char *)data, size));
	memcpy(copy + 1, data, size);
	text = text_at_end(copy, sizeof copy);
	assert(text.len == strlen(copy) && text.cap == sizeof copy);
	len = text.len;
	while (text_cut_name(copy)) {
		assert(copy[0] == '/' && strlen(copy) < len);
		len = strlen(copy);
	}
	assert(len == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	size_t cap;

	if (size < 1 || size > LEN_MAX)
		return 0;
	size--;
	cap = (size_t)data[0] + 1;
	check_json(bytes, size);
	check_cut(text_append_printable, bytes, size, cap);
	check_cut(text_append_json, bytes, size, cap);
	check_printf(bytes, size, cap);
	check_ip(bytes, size);
	check_find(bytes, size);
	check_write(bytes, size);
	check_parts(data + 1, size);
	return 0;
}
