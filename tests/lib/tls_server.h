/* tls_server: a TLS server behind `struct stream`, in the same process: BearSSL's.
 *
 * What the client writes goes straight into it, what the client reads comes straight from it. It
 * answers each line with `reply`. */
#ifndef QSTICKY_TESTS_TLS_SERVER_H
#define QSTICKY_TESTS_TLS_SERVER_H

#include <bearssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "net/tcp.h"
#include "tls/pem.h"

#define TLS_SERVER_CHAIN_MAX 3

struct tls_server {
	struct stream stream; /* must be first */
	const char *reply;
	bool close_after; /* closes, as TLS wants it, behind the reply */
	size_t piece;     /* most bytes of one read; 0: as many as fit */
	size_t cut_at;    /* the connection ends behind so many bytes; 0: never */
	enum fail end;    /* what a read gives when there is nothing; FAIL_NONE: the end */
	size_t handed;    /* bytes so far */
	char received[4096];
	size_t received_len;
	const char *name; /* that the client asked for */
	br_ssl_server_context context;
	br_ec_private_key key;
	unsigned char secret[32];
	size_t chain_len;
	br_x509_certificate chain[TLS_SERVER_CHAIN_MAX];
	unsigned char certificates[TLS_SERVER_CHAIN_MAX][1024];
	unsigned char buf[BR_SSL_BUFSIZE_BIDI];
	br_ssl_session_cache_lru cache;
	unsigned char sessions[4096];
};

static inline void tls_server_answer(struct tls_server *server)
{
	br_ssl_engine_context *engine = &server->context.eng;
	size_t len, room;
	unsigned char *bytes = br_ssl_engine_recvapp_buf(engine, &len);
	bool whole = bytes && memchr(bytes, '\n', len);

	if (bytes) {
		room = sizeof server->received - server->received_len;
		memcpy(server->received + server->received_len, bytes, len < room ? len : room);
		server->received_len += len < room ? len : room;
		br_ssl_engine_recvapp_ack(engine, len);
	}
	if (!whole)
		return;
	bytes = br_ssl_engine_sendapp_buf(engine, &room);
	len = strlen(server->reply);
	if (bytes && len > 0 && len <= room) {
		memcpy(bytes, server->reply, len);
		br_ssl_engine_sendapp_ack(engine, len);
		br_ssl_engine_flush(engine, 0);
	}
	if (server->close_after)
		br_ssl_engine_close(engine);
}

static inline enum fail tls_server_write(struct stream *stream, const void *data, size_t len,
                                         int64_t deadline_ms, struct failure *why)
{
	struct tls_server *to = (struct tls_server *)stream;
	br_ssl_engine_context *engine = &to->context.eng;
	const unsigned char *next = data;

	(void)deadline_ms;
	while (len > 0) {
		size_t room;
		unsigned char *bytes = br_ssl_engine_recvrec_buf(engine, &room);

		if (!bytes)
			return fail_set(why, FAIL_CLOSED, "the server takes no more");
		if (room > len)
			room = len;
		memcpy(bytes, next, room);
		br_ssl_engine_recvrec_ack(engine, room);
		next += room;
		len -= room;
		tls_server_answer(to);
	}
	to->name = br_ssl_engine_get_server_name(engine);
	return FAIL_NONE;
}

static inline enum fail tls_server_read(struct stream *stream, void *buf, size_t max, size_t *len,
                                        int64_t deadline_ms, struct failure *why)
{
	struct tls_server *from = (struct tls_server *)stream;
	br_ssl_engine_context *engine = &from->context.eng;
	size_t there = 0;
	const unsigned char *bytes = br_ssl_engine_sendrec_buf(engine, &there);

	(void)deadline_ms;
	if (from->piece > 0 && there > from->piece)
		there = from->piece;
	if (from->cut_at > 0 && there > from->cut_at - from->handed)
		there = from->cut_at - from->handed;
	*len = there < max ? there : max;
	if (*len == 0)
		return from->end ? fail_set(why, from->end, "the server") : FAIL_NONE;
	memcpy(buf, bytes, *len);
	br_ssl_engine_sendrec_ack(engine, *len);
	from->handed += *len;
	return FAIL_NONE;
}

/* Ready for the next connection. */
static inline void tls_server_reset(struct tls_server *server)
{
	server->handed = server->received_len = 0;
	br_ssl_server_reset(&server->context);
}

/* A server with the certificates of a PEM text and the key of the first one, 32 bytes of P-256. */
static inline void tls_server_start(struct tls_server *server, const char *text, const char *key)
{
	static struct pem pem;
	static unsigned started;
	size_t len = strlen(text);

	memset(server, 0, sizeof *server);
	server->stream = (struct stream){ .read = tls_server_read, .write = tls_server_write };
	server->reply = "";
	pem_start(&pem);
	while (pem_push(&pem, &text, &len) == PEM_CERTIFICATE) {
		unsigned char *kept = server->certificates[server->chain_len];

		memcpy(kept, pem.certificate, pem.len);
		server->chain[server->chain_len].data = kept;
		server->chain[server->chain_len++].data_len = pem.len;
	}
	memcpy(server->secret, key, sizeof server->secret);
	server->key.curve = BR_EC_secp256r1;
	server->key.x = server->secret;
	server->key.xlen = sizeof server->secret;
	br_ssl_server_init_full_ec(&server->context, server->chain, server->chain_len,
	                           BR_KEYTYPE_EC, &server->key);
	br_ssl_engine_set_buffer(&server->context.eng, server->buf, sizeof server->buf, 1);
	/* BearSSL is built without a source of its own (third_party/bearssl.mk). Nothing is secret here,
	 * but two servers must not give their sessions the same names. */
	started++;
	br_ssl_engine_inject_entropy(&server->context.eng, &started, sizeof started);
	br_ssl_session_cache_lru_init(&server->cache, server->sessions, sizeof server->sessions);
	br_ssl_server_set_cache(&server->context, &server->cache.vtable);
	tls_server_reset(server);
}

#endif
