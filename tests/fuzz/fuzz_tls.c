/* fuzz_tls: any bytes as what a server says, from the first on; and a real server, of which somebody
 * in between changes some bytes.
 *
 * The first byte chooses the trust and the server, the second the size of the pieces. Bytes of an
 * input can prove nothing, so none may open a connection, and none may be sent more than a greeting
 * and an alert. With a real server, the bytes are changes to make: two that say where, one to flip
 * bits with. What comes through then is what was sent, from its beginning, or nothing. */
#include "tls/tls.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "array_stream.h"
#include "certificates.h"
#include "tls_server.h"

#define REQUEST "the password\n"
#define REPLY "the answer"

/* Bits of the first byte. */
enum {
	VERIFIED = 0x01,
	PINNED = 0x02,
	RIGHT_PIN = 0x04,
	REAL = 0x08,
	IMPOSTOR = 0x10, /* with a certificate of its own, for the same name */
	CHAINED = 0x20,  /* with a certificate of the CA's */
	CLOSES = 0x40,
	AGAIN = 0x80, /* a second connection, which takes up the session of the first */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char pin[TRUST_PIN_LEN];
static struct trust trust = { .name = "nas.home.arpa", .pins = pin };

static void make_file(void)
{
	static const char pem[] = NAS_PEM ROOT_PEM;
	static char path[64];
	int fd = memfd_create("ca", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, pem, sizeof pem - 1) == (ssize_t)(sizeof pem - 1));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	trust.ca_file = path;
}

/* ---- a real server, and somebody in between ---- */

struct meddler {
	struct stream stream; /* must be first */
	struct tls_server server;
	const uint8_t *changes;
	size_t count;
	size_t to_client;
	size_t to_server;
};

/* The bits of the first byte of a place say in which direction it is. */
static void meddle(const struct meddler *meddler, uint8_t *bytes, size_t from, size_t len,
                   bool to_server)
{
	for (size_t i = 0; i < meddler->count; i++) {
		const uint8_t *change = meddler->changes + 3 * i;
		size_t at = (size_t)(change[0] & 0x7f) << 8 | change[1];

		if ((change[0] & 0x80) == (to_server ? 0x80 : 0) && at >= from && at < from + len)
			bytes[at - from] ^= change[2];
	}
}

static enum fail meddler_read(struct stream *stream, void *buf, size_t max, size_t *len,
                              int64_t deadline_ms, struct failure *why)
{
	struct meddler *meddler = (struct meddler *)stream;
	struct stream *server = &meddler->server.stream;
	enum fail f = server->read(server, buf, max, len, deadline_ms, why);

	if (f)
		return f;
	meddle(meddler, buf, meddler->to_client, *len, false);
	meddler->to_client += *len;
	return FAIL_NONE;
}

static enum fail meddler_write(struct stream *stream, const void *data, size_t len,
                               int64_t deadline_ms, struct failure *why)
{
	struct meddler *meddler = (struct meddler *)stream;
	struct stream *server = &meddler->server.stream;
	uint8_t *copy = malloc(len + 1);
	enum fail f;

	assert(copy);
	memcpy(copy, data, len);
	meddle(meddler, copy, meddler->to_server, len, true);
	meddler->to_server += len;
	f = server->write(server, copy, len, deadline_ms, why);
	free(copy);
	return f;
}

/* Whether it has gone through as it should. */
static bool exchange(struct tls *tls, struct meddler *meddler, struct failure *why)
{
	struct tls_server *server = &meddler->server;
	char got[64], presented[FAILURE_MAX];
	struct text text = text_on(presented, sizeof presented);
	size_t len = 1, total = 0;
	enum fail f = tls_open(tls, &meddler->stream, INT64_MAX, why);

	if (f) {
		assert(why->text[0] && server->received_len == 0);
		return false;
	}
	if (!tls->resumed)
		tls_append_certificate(&text);
	f = tls->stream.write(&tls->stream, REQUEST, strlen(REQUEST), INT64_MAX, why);
	while (!f && len > 0 && total < strlen(REPLY)) {
		f = tls->stream.read(&tls->stream, got + total, sizeof got - total, &len, INT64_MAX,
		                     why);
		total += f ? 0 : len;
	}
	assert(!f || why->text[0]);
	assert(total <= strlen(REPLY) && memcmp(got, REPLY, total) == 0);
	assert(server->received_len <= strlen(REQUEST) &&
	       memcmp(server->received, REQUEST, server->received_len) == 0);
	/* A server that has closed says no more, and takes no more. */
	if (!f && total == strlen(REPLY) && server->close_after) {
		f = tls->stream.read(&tls->stream, got, sizeof got, &len, INT64_MAX, why);
		assert(f || len == 0);
		assert(tls->stream.write(&tls->stream, "x", 1, INT64_MAX, why));
	}
	tls_close(tls);
	return total == strlen(REPLY);
}

static void ask_for_proof(struct tls_server *server)
{
	static unsigned char name[] = { 0x30, 0x00 };
	static const br_x500_name names[] = { { name, sizeof name } };
	static br_x509_minimal_context judge;

	br_x509_minimal_init(&judge, &br_sha256_vtable, NULL, 0);
	br_ssl_engine_set_x509(&server->context.eng, &judge.vtable);
	br_ssl_server_set_trust_anchor_names(&server->context, names, 1);
	br_ssl_engine_add_flags(&server->context.eng, BR_OPT_TOLERATE_NO_CLIENT_AUTH);
	tls_server_reset(server);
}

static void check_real(uint8_t mode, uint8_t piece, const uint8_t *changes, size_t size)
{
	static struct meddler meddler;
	struct tls tls;
	struct failure why = { .text = "" };
	bool may = !(mode & (VERIFIED | PINNED)) || ((mode & PINNED) && (mode & RIGHT_PIN)) ||
	           (!(mode & PINNED) && !(mode & IMPOSTOR));
	bool untouched = true, through;

	tls_start(&tls, &trust);
	for (size_t i = 0; i < size / 3; i++)
		untouched = untouched && changes[3 * i + 2] == 0;
	/* Of the three, only the one of the usual server is pinned. */
	may = may && (!(mode & PINNED) || !(mode & (IMPOSTOR | CHAINED)));
	if (mode & IMPOSTOR)
		tls_server_start(&meddler.server, OTHER_PEM, OTHER_KEY);
	else if (mode & CHAINED)
		tls_server_start(&meddler.server, LEAF_PEM INTER_PEM, LEAF_KEY);
	else
		tls_server_start(&meddler.server, NAS_PEM, NAS_KEY);
	meddler.stream = (struct stream){ meddler_read, meddler_write };
	if (piece & 0x80) /* it would like a certificate of ours */
		ask_for_proof(&meddler.server);
	meddler.server.reply = REPLY;
	meddler.server.close_after = mode & CLOSES;
	meddler.server.piece = piece;
	meddler.changes = changes;
	meddler.count = size / 3;
	meddler.to_client = meddler.to_server = 0;
	through = exchange(&tls, &meddler, &why);
	assert(!through || may);
	assert(through || !may || !untouched);
	assert(!through || tls.session.known == !tls.client_certificate_asked);
	if (through && (mode & AGAIN)) {
		tls_server_reset(&meddler.server);
		meddler.to_client = meddler.to_server = 0;
		through = exchange(&tls, &meddler, &why);
		assert(through || !untouched);
		assert(!untouched || tls.resumed == !(piece & 0x80));
	}
	tls_close(&tls);
}

/* ---- any bytes ---- */

static void check_bytes(const uint8_t *data, size_t size)
{
	static struct array_stream array;
	struct failure why = { .text = "" };
	struct tls tls;
	enum fail f;

	tls_start(&tls, &trust);
	array_stream_on(&array, data + 1, size - 1);
	array.pieces = data;
	array.piece_count = 1;
	f = tls_open(&tls, &array.stream, INT64_MAX, &why);
	assert(f != FAIL_NONE && why.text[0] != '\0');
	assert(!tls.session.known);
	tls_close(&tls);
	assert(!tls.inner);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (!trust.ca_file)
		make_file();
	trust.accepts_any = !(data[0] & VERIFIED);
	trust.pin_count = (data[0] & PINNED) ? 1 : 0;
	memset(pin, 0, sizeof pin);
	if (data[0] & RIGHT_PIN)
		memcpy(pin, NAS_SHA256, sizeof pin);
	if (data[0] & REAL)
		check_real(data[0], data[1], data + 2, size - 2);
	else
		check_bytes(data + 1, size - 1);
	return 0;
}
