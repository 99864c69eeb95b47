/* fuzz_port_file: any bytes as the content of the port file, beside a second reading of what the
 * specification says. */
#include "port_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A line: the number, 0 where it is blank, -1 where it is neither. By strtol(), which is lenient,
 * so the bytes are looked at first. */
static long line_value(const char *line, size_t len)
{
	char digits[PORT_FILE_MAX + 1];
	size_t start = 0;
	long value;

	while (len > 0 && strchr(" \t\r", line[len - 1]) && line[len - 1])
		len--;
	while (start < len && strchr(" \t\r", line[start]) && line[start])
		start++;
	memcpy(digits, line + start, len - start);
	digits[len - start] = '\0';
	if (len == start)
		return 0;
	if (strspn(digits, "0123456789") != len - start)
		return -1;
	value = strtol(digits, NULL, 10); /* LONG_MAX where it is over */
	return value >= 1 && value <= 65535 ? value : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	uint16_t port = 7, port_alone = 7;
	size_t count = 7, wanted_count = 0, start = 0;
	long wanted = 0;
	bool sound = true, taken;

	if (size > PORT_FILE_MAX)
		return 0;
	for (size_t i = 0; i <= size; i++) {
		long value;

		if (i < size && text[i] != '\n')
			continue;
		value = line_value(text + start, i - start);
		sound = sound && value >= 0;
		wanted_count += value > 0 ? 1 : 0;
		wanted = wanted ? wanted : value;
		start = i + 1;
	}
	taken = port_file_parse(text, size, &port, &count);
	assert(taken == sound);
	assert(taken ? port == wanted && count == wanted_count : port == 7 && count == 7);
	assert(port_file_parse(text, size, &port_alone, NULL) == taken && port_alone == port);
	return 0;
}
