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
	struct port_file_ports wanted = { 0 }, ports = { .count = SIZE_MAX };
	bool sound = true;
	size_t start = 0;

	if (size > PORT_FILE_MAX)
		return 0;
	for (size_t i = 0; i <= size; i++) {
		long value;

		if (i < size && text[i] != '\n')
			continue;
		value = line_value(text + start, i - start);
		sound = sound && value >= 0;
		if (value > 0)
			wanted.port[wanted.count++] = (uint16_t)value;
		start = i + 1;
	}
	assert(port_file_parse(text, size, &ports) == sound);
	assert(ports.count == (sound ? wanted.count : SIZE_MAX));
	for (size_t i = 0; sound && i < ports.count; i++)
		assert(ports.port[i] == wanted.port[i]);
	return 0;
}
