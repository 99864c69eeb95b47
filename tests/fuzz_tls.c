/* fuzz_tls: any bytes as what a server says, from the first on.
 *
 * The first byte chooses the trust, the second the size of the pieces. No input can prove who it
 * is, so none may open a connection, and none may be sent more than a greeting and an alert. */
#include "tls.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array_stream.h"
#include "certificates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config config = { .host = "nas.home.arpa", .use_https = true };
static char ca_path[] = "/tmp/qsticky-fuzz-tls-XXXXXX";

static void remove_file(void)
{
	unlink(ca_path);
}

static void make_file(void)
{
	static const char pem[] = NAS_PEM ROOT_PEM;
	int fd = mkstemp(ca_path);
	ssize_t written = write(fd, pem, sizeof pem - 1);

	assert(written == (ssize_t)(sizeof pem - 1));
	close(fd);
	atexit(remove_file);
	config.tls_ca_file = ca_path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct array_stream array;
	struct failure why = { "" };
	struct tls tls;
	enum fail f;

	if (size < 2)
		return 0;
	if (!config.tls_ca_file)
		make_file();
	config.verify_ssl = data[0] & 1;
	config.tls_pin_count = data[0] >> 1 & 1;
	tls = tls_for(&config);
	array_stream_on(&array, data + 2, size - 2);
	array.pieces = data + 1;
	array.piece_count = 1;
	f = tls_open(&tls, &array.stream, INT64_MAX, &why);
	assert(f != FAIL_NONE && why.text[0] != '\0');
	assert(!tls.inner && !tls.session.known);
	tls_close(&tls);
	return 0;
}
