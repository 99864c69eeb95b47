#include "tls/tls.h"

#include <assert.h>
#include <bearssl.h>
#include <string.h>

#include "base/clock.h"
#include "base/ip.h"
#include "base/limits.h"
#include "base/pages.h"
#include "tls/engine.h"
#include "tls/fault.h"
#include "tls/refusal.h"
#include "tls/verify.h"

static_assert(sizeof(br_ssl_session_parameters) <= TLS_SESSION_BYTES, "no room for a session");

/* The state of the one open connection. */
static struct {
	br_ssl_client_context client; /* secret */
	unsigned char records[BR_SSL_BUFSIZE_MONO];
	struct tls_client_certificate client_certificate;
	unsigned char first[4]; /* the first bytes that the server sent */
	size_t first_len;
	bool greeted;             /* the handshake is over */
	struct tls_verify verify; /* last: most of its pages are never touched */
} PAGES_OF_ITS_OWN space;

/* ---- set-up ---- */

static void set_up(struct tls *tls)
{
	br_ssl_engine_context *engine = &space.client.eng;

	br_ssl_client_zero(&space.client);
	tls_engine_set_ciphers(engine);
	br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
	tls_verify_start(&space.verify, &tls->trust);
	br_ssl_engine_set_x509(engine, &space.verify.methods);
	space.client_certificate = tls_client_certificate_for(&tls->client_certificate_asked);
	br_ssl_client_set_client_certificate(&space.client, &space.client_certificate.methods);
	br_ssl_engine_set_buffer(engine, space.records, sizeof space.records, 0);
}

/* ---- session resumption ---- */

/* Wipes the session. */
static void forget_session(struct tls_session *session)
{
	explicit_bzero(session, sizeof *session);
}

/* Whether the session may be resumed: what the server was verified by still holds. */
static bool holds(const struct tls_session *session, const struct trust *trust)
{
	struct file_version now;

	if (!session->known || mono_now_ms() - session->verified_ms >= TLS_SESSION_MS ||
	    (session->not_after && now_s() > session->not_after))
		return false;
	if (trust->pin_count > 0 || trust->accepts_any)
		return true;
	now = file_version_now(trust->ca_file);
	return file_version_same(&now, &session->file);
}

/* Offers the session to the server, if `trust` still holds for it, else forgets it. Returns whether
 * it was offered. */
static bool offer_session(struct tls_session *session, const struct trust *trust,
                          br_ssl_engine_context *engine)
{
	br_ssl_session_parameters parameters;

	if (!holds(session, trust)) {
		forget_session(session);
		return false;
	}
	memcpy(&parameters, session->parameters, sizeof parameters);
	br_ssl_engine_set_session_parameters(engine, &parameters);
	explicit_bzero(&parameters, sizeof parameters);
	return true;
}

/* Replaces the remembered session by that of `engine`, whose server `verify` has accepted.
 * Remembers none if the server gave no session id. */
static void keep_session(struct tls_session *session, const struct tls_verify *verify,
                         const br_ssl_engine_context *engine)
{
	br_ssl_session_parameters parameters;

	forget_session(session);
	br_ssl_engine_get_session_parameters(engine, &parameters);
	if (parameters.session_id_len > 0) {
		session->known = true;
		session->verified_ms = mono_now_ms();
		session->not_after = verify->not_after;
		session->file = verify->file;
		memcpy(session->parameters, &parameters, sizeof parameters);
	}
	explicit_bzero(&parameters, sizeof parameters);
}

/* ---- records ---- */

/* Explains why the engine gave up. */
static enum fail broken(struct tls *tls, struct failure *why)
{
	int error = br_ssl_engine_last_error(&space.client.eng);

	if (space.verify.verdict) {
		*why = space.verify.why;
		tls->reason = space.verify.reason;
		return space.verify.verdict;
	}
	if (error >= BR_ERR_RECV_FATAL_ALERT && error < BR_ERR_SEND_FATAL_ALERT) {
		error -= BR_ERR_RECV_FATAL_ALERT;
		if (space.greeted)
			return fail_set(why, FAIL_TLS,
			                "the server aborted the connection (TLS alert %d)", error);
		tls->reason = tls_fault_alert(error, tls->client_certificate_asked,
		                              space.client.eng.server_name, why);
	} else {
		tls->reason = tls_fault_engine(error, space.first, space.first_len, why);
	}
	return FAIL_TLS;
}

static enum fail send_records(struct tls *tls, bool reading, int64_t deadline_ms,
                              struct failure *why)
{
	br_ssl_engine_context *engine = &space.client.eng;
	size_t len;
	const unsigned char *bytes = br_ssl_engine_sendrec_buf(engine, &len);
	enum fail f = tls->inner->write(tls->inner, bytes, len, deadline_ms, why);

	/* The peer may have closed after its TLS close. The engine knows about that, or the next
	 * read fails. */
	if (f == FAIL_CLOSED && reading)
		f = FAIL_NONE;
	if (!f)
		br_ssl_engine_sendrec_ack(engine, len);
	return f;
}

static enum fail read_records(struct tls *tls, int64_t deadline_ms, struct failure *why)
{
	br_ssl_engine_context *engine = &space.client.eng;
	size_t room, len = 0;
	unsigned char *bytes = br_ssl_engine_recvrec_buf(engine, &room);
	enum fail f = tls->inner->read(tls->inner, bytes, room, &len, deadline_ms, why);

	if (f)
		return f;
	/* Only an authenticated TLS close is an end: anybody can cut a TCP connection. */
	if (len == 0)
		return fail_set(why, FAIL_CLOSED, "the connection was cut without a TLS close");
	for (size_t i = 0; i < len && space.first_len < sizeof space.first; i++)
		space.first[space.first_len++] = bytes[i];
	br_ssl_engine_recvrec_ack(engine, len);
	return FAIL_NONE;
}

/* Sends and reads records until the engine is in one of the states `wanted`, or the peer has closed
 * (`*ended`). */
static enum fail run(struct tls *tls, unsigned wanted, bool *ended, int64_t deadline_ms,
                     struct failure *why)
{
	br_ssl_engine_context *engine = &space.client.eng;

	*ended = false;
	for (;;) {
		unsigned state = br_ssl_engine_current_state(engine);
		enum fail f;

		if (state == BR_SSL_CLOSED) {
			*ended = br_ssl_engine_last_error(engine) == BR_ERR_OK;
			return *ended ? FAIL_NONE : broken(tls, why);
		}
		if (state & BR_SSL_SENDREC) {
			f = send_records(tls, wanted == BR_SSL_RECVAPP, deadline_ms, why);
		} else if (state & wanted) {
			return FAIL_NONE;
		} else if (state & BR_SSL_RECVREC) {
			f = read_records(tls, deadline_ms, why);
		} else {
			/* There is data to read while we want to write. */
			f = fail_set(why, FAIL_CLOSED, "the server sent data without a request");
		}
		if (f)
			return f;
	}
}

/* Cast by way of void: `stream` is the first member, and the whole is aligned more strictly (32-bit
 * ARM). */
static struct tls *whole(struct stream *stream)
{
	void *first = stream;

	return first;
}

static enum fail tls_read(struct stream *stream, void *buf, size_t max, size_t *len,
                          int64_t deadline_ms, struct failure *why)
{
	struct tls *tls = whole(stream);
	br_ssl_engine_context *engine = &space.client.eng;
	const unsigned char *bytes;
	size_t there;
	bool ended;
	enum fail f = run(tls, BR_SSL_RECVAPP, &ended, deadline_ms, why);

	if (f)
		return f;
	*len = 0;
	if (ended)
		return FAIL_NONE;
	bytes = br_ssl_engine_recvapp_buf(engine, &there);
	*len = there < max ? there : max;
	memcpy(buf, bytes, *len);
	br_ssl_engine_recvapp_ack(engine, *len);
	return FAIL_NONE;
}

static enum fail tls_write(struct stream *stream, const void *data, size_t len, int64_t deadline_ms,
                           struct failure *why)
{
	struct tls *tls = whole(stream);
	br_ssl_engine_context *engine = &space.client.eng;
	const unsigned char *next = data;
	bool ended;

	for (;;) {
		enum fail f = run(tls, BR_SSL_SENDAPP, &ended, deadline_ms, why);
		unsigned char *room;
		size_t fits;

		if (!f && ended)
			f = fail_set(why, FAIL_CLOSED, "the server closed the connection");
		if (f || len == 0)
			return f;
		room = br_ssl_engine_sendapp_buf(engine, &fits);
		if (fits > len)
			fits = len;
		memcpy(room, next, fits);
		next += fits;
		len -= fits;
		br_ssl_engine_sendapp_ack(engine, fits);
		br_ssl_engine_flush(engine, 0);
	}
}

/* ---- open and close ---- */

static void wipe(void)
{
	explicit_bzero(&space.client, sizeof space.client);
	explicit_bzero(space.records, sizeof space.records);
}

static enum fail shake_hands(struct tls *tls, int64_t deadline_ms, struct failure *why)
{
	br_ssl_engine_context *engine = &space.client.eng;
	unsigned char ip[IP_MAX];
	char name[LIMITS_HOST_MAX];
	bool resumes, ended = false;
	enum fail f = tls_engine_seed(engine, why);

	if (f)
		return f;
	tls_verify_name(name, &tls->trust);
	resumes = offer_session(&tls->session, &tls->trust, engine);
	if (!br_ssl_client_reset(&space.client, ip_parse(ip, name) > 0 ? NULL : name, resumes))
		return fail_set(why, FAIL_TLS, "TLS cannot start (error %d)",
		                br_ssl_engine_last_error(engine));
	f = run(tls, BR_SSL_SENDAPP | BR_SSL_RECVAPP, &ended, deadline_ms, why);
	if (!f && ended)
		f = fail_set(why, FAIL_CLOSED, "closed");
	if (f == FAIL_CLOSED || f == FAIL_TIMEOUT)
		tls->reason = tls_fault_interrupted(f, space.first_len == 0, why);
	if (!f && !space.verify.key && !tls->session.known)
		return fail_set(why, FAIL_UNTRUSTED,
		                "the server was not verified"); /* cannot happen */
	return f;
}

static void remember(struct tls *tls)
{
	/* In a resumed session the server would not ask again for a client certificate. A later
	 * refusal could then not be explained. */
	if (tls->client_certificate_asked)
		forget_session(&tls->session);
	else
		keep_session(&tls->session, &space.verify, &space.client.eng);
}

void tls_start(struct tls *tls, const struct trust *trust)
{
	*tls = (struct tls){
		.stream = { .read = tls_read, .write = tls_write },
		.trust = *trust,
	};
}

enum fail tls_open(struct tls *tls, struct stream *inner, int64_t deadline_ms, struct failure *why)
{
	enum fail f;

	tls->inner = inner;
	tls->resumed = tls->client_certificate_asked = false;
	space.first_len = 0;
	space.greeted = false;
	set_up(tls);
	f = shake_hands(tls, deadline_ms, why);
	if (f) {
		forget_session(&tls->session);
		wipe();
		return f;
	}
	space.greeted = true;
	tls->resumed = !space.verify.key;
	if (!tls->resumed)
		remember(tls);
	return FAIL_NONE;
}

bool tls_can_be_pinned(void)
{
	const struct certificate *leaf = chain_leaf(&space.verify.chain);

	return leaf->key == CERTIFICATE_RSA || leaf->key == CERTIFICATE_EC;
}

void tls_append_pin(struct text *text)
{
	for (size_t i = 0; i < TRUST_PIN_LEN; i++)
		text_printf(text, "%02x", (unsigned)space.verify.sha256[i]);
}

void tls_append_certificate(struct text *text)
{
	refusal_append_presented(text, &space.verify.chain);
}

void tls_close(struct tls *tls)
{
	struct failure unused;

	if (!tls->inner)
		return;
	if (space.greeted) {
		br_ssl_engine_close(&space.client.eng);
		if (br_ssl_engine_current_state(&space.client.eng) & BR_SSL_SENDREC)
			(void)send_records(tls, false, 0, &unused);
		wipe();
	}
	tls->inner = NULL;
	tls->reason = TLS_REASON_OTHER;
	pages_release(&space, sizeof space);
}
