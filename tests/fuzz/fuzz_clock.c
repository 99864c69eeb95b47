/* fuzz_clock: what is read is written the same, and the reverse. */
#include "base/clock.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const uint8_t *data, size_t size)
{
	char text[64], again[UTC_MAX];
	time_t moment = 7;

	if (size >= sizeof text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!utc_parse(text, &moment))
		return;
	utc_format(again, moment);
	assert(strcmp(again, text) == 0);
}

static void check_moment(time_t moment)
{
	char text[UTC_MAX];
	time_t again;

	utc_format(text, moment);
	assert(strlen(text) == UTC_MAX - 1);
	assert(utc_parse(text, &again));
	/* The first second of the years that can be written, and the one after the last. */
	if (moment >= -62167219200 && moment < 253402300800)
		assert(again == moment);
	else
		assert(again == -62167219200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t moment = 0;

	check_text(data, size);
	memcpy(&moment, data, size < sizeof moment ? size : sizeof moment);
	check_moment(moment);
	check_moment(moment >> 24); /* most moments are in no year that can be written */
	return 0;
}
