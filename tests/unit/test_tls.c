#include "tls/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "array_stream.h"
#include "base/limits.h"
#include "certificates.h"
#include "temp_dir.h"
#include "tls/fault.h"
#include "tls/refusal.h"
#include "tls_server.h"

#define REQUEST "the password\n"
#define REPLY "the answer"

static struct tls_server server;
static unsigned char pins[2][TRUST_PIN_LEN];
static struct tls tls;
static struct failure why;
static enum tls_reason reason;
static char presented[FAILURE_MAX];
static char ca_path[PATH_MAX];

/* Makes a client that expects nas.home.arpa and trusts nobody yet, and a server with that
 * certificate. */
static int start(void **state)
{
	if (temp_dir_make(state))
		return -1;
	temp_dir_path(ca_path, state, "ca.pem");
	tls_start(&tls, &(const struct trust){
				.name = "nas.home.arpa", .ca_file = ca_path, .pins = pins[0] });
	tls_server_start(&server, NAS_PEM, NAS_KEY);
	server.reply = REPLY;
	return 0;
}

static int end(void **state)
{
	tls_close(&tls);
	return temp_dir_remove(state);
}

static void trust_file(const char *pem)
{
	assert_true(temp_dir_write(ca_path, pem, strlen(pem)));
}

static void trust_pin(const char *sha256)
{
	assert_true(tls.trust.pin_count < sizeof pins / sizeof pins[0]);
	memcpy(pins[tls.trust.pin_count++], sha256, TRUST_PIN_LEN);
}

static enum fail open_tls(void)
{
	return tls_open(&tls, &server.stream, INT64_MAX, &why);
}

static void assert_opens(void)
{
	if (open_tls())
		fail_msg("%s", why.text);
}

/* Fills `presented` with the pin and the certificate that the server sent. */
static void assert_refused(enum fail kind, enum tls_reason expected, const char *part)
{
	struct text text = text_on(presented, sizeof presented);

	assert_int_equal(open_tls(), kind);
	if (!strstr(why.text, part))
		fail_msg("\"%s\" is not in: %s", part, why.text);
	assert_null(strstr(why.text, "QSTICKY_"));
	assert_int_equal(server.received_len, 0);
	reason = tls.reason;
	assert_int_equal(reason, expected);
	if (kind == FAIL_UNTRUSTED) {
		assert_true(tls_can_be_pinned());
		tls_append_pin(&text);
		text_append(&text, " ");
		tls_append_certificate(&text);
	}
	tls_close(&tls);
	assert_null(tls.inner);
}

/* Ends the connection and opens another one. */
static void assert_opens_again(void)
{
	tls_close(&tls);
	tls_server_reset(&server);
	assert_opens();
}

static enum fail write_request(void)
{
	return tls.stream.write(&tls.stream, REQUEST, strlen(REQUEST), INT64_MAX, &why);
}

static enum fail read_some(char *buf, size_t max, size_t *len)
{
	return tls.stream.read(&tls.stream, buf, max, len, INT64_MAX, &why);
}

static void assert_exchange(void)
{
	char buf[64];
	size_t len = 0;

	assert_int_equal(write_request(), FAIL_NONE);
	assert_int_equal(server.received_len, strlen(REQUEST));
	assert_memory_equal(server.received, REQUEST, strlen(REQUEST));
	for (size_t got = 0; got < strlen(REPLY); got += len) {
		assert_int_equal(read_some(buf + got, sizeof buf - got, &len), FAIL_NONE);
		assert_true(len > 0);
	}
	assert_memory_equal(buf, REPLY, strlen(REPLY));
}

/* ---- trust ---- */

static void tls_trusts_a_pin_and_nothing_else_then(void **state)
{
	(void)state;
	tls.trust.ca_file = "/nonexistent";
	tls.trust.name = "another.name";
	trust_pin(NAS_SHA256);
	assert_opens();
	assert_exchange();
}

static void tls_trusts_any_of_several_pins(void **state)
{
	(void)state;
	trust_pin("0123456789abcdef0123456789abcdef");
	trust_pin(NAS_SHA256);
	assert_opens();
}

static void tls_sends_nothing_to_a_server_that_is_not_pinned(void **state)
{
	(void)state;
	trust_file(OTHER_PEM);
	trust_pin(NAS_SHA256);
	tls_server_start(&server, OTHER_PEM, OTHER_KEY);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_NOT_PINNED, "not the pinned one");
}

static void tls_trusts_the_certificate_in_the_ca_file(void **state)
{
	(void)state;
	trust_file(NAS_PEM);
	assert_opens();
	assert_string_equal(server.name, "nas.home.arpa");
	assert_exchange();
}

static void tls_shows_what_it_does_not_trust(void **state)
{
	(void)state;
	trust_file(ROOT_PEM);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE, "self-signed, and not in");
	assert_non_null(strstr(presented, "b7d5d36d3e61a4f2cb9ababce23192fe"
	                                  "051dc5f89078c050ce5c14661"));
	assert_non_null(strstr(presented, " subject O=Home, CN=nas; issuer O=Home, CN=nas; valid "
	                                  "2020-01-01 to 2120-01-01; for nas.home.arpa, "));
}

static void tls_does_not_trust_another_key_of_the_same_name(void **state)
{
	(void)state;
	trust_file(OTHER_PEM);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE, "self-signed, and not in");
}

static void tls_trusts_a_chain_in_any_order(void **state)
{
	(void)state;
	trust_file(OTHER_PEM ROOT_PEM);
	tls_server_start(&server, LEAF_PEM INTER_PEM, LEAF_KEY);
	assert_opens();
	tls_close(&tls);
	tls_server_start(&server, LEAF_PEM ROOT_PEM INTER_PEM, LEAF_KEY);
	assert_opens();
	tls_close(&tls);
	trust_file(INTER_PEM);
	tls_server_start(&server, LEAF_PEM, LEAF_KEY);
	assert_opens();
}

static void tls_tells_a_missing_intermediate_from_an_unknown_issuer(void **state)
{
	(void)state;
	trust_file(ROOT_PEM);
	tls_server_start(&server, LEAF_PEM, LEAF_KEY);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE, "sends no intermediate");
	trust_file(NAS_PEM);
	tls_server_start(&server, LEAF_PEM INTER_PEM, LEAF_KEY);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE,
	               "its issuer is unknown: \"O=Home, CN=Root\"");
}

static void tls_refuses_what_is_expired_or_for_clients(void **state)
{
	(void)state;
	trust_file(ROOT_PEM);
	tls_server_start(&server, OLD_PEM, OLD_KEY);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE, "expired on 2020-01-01T00:00:00Z");
	tls_server_start(&server, CLIENT_PEM, CLIENT_KEY);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE,
	               "may not be used by a server (extended key usage: no serverAuth)");
}

static void assert_name(const char *name, const char *sent)
{
	struct trust trust = tls.trust;

	trust.name = name;
	tls_start(&tls, &trust);
	tls_server_reset(&server);
	assert_opens();
	assert_string_equal(server.name, sent);
	tls_close(&tls);
}

static void tls_accepts_the_names_and_addresses_of_the_certificate(void **state)
{
	(void)state;
	trust_file(NAS_PEM);
	assert_name("NAS.home.arpa", "NAS.home.arpa");
	assert_name("nas.home.arpa.", "nas.home.arpa");
	assert_name("qbt.apps.home.arpa", "qbt.apps.home.arpa");
	assert_name("192.0.2.10", "");
	assert_name("2001:db8::10", "");
}

static void tls_refuses_other_names_and_addresses(void **state)
{
	static const char *const names[] = {
		"home.arpa", "a.qbt.apps.home.arpa", "apps.home.arpa", "192.0.2.11", "2001:db8::11",
	};

	(void)state;
	trust_file(NAS_PEM);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		tls.trust.name = names[i];
		tls_server_reset(&server);
		assert_refused(FAIL_UNTRUSTED, TLS_REASON_NAME, "for another name than ");
	}
}

static void tls_without_verification_takes_any(void **state)
{
	(void)state;
	tls.trust.accepts_any = true;
	tls.trust.ca_file = "/nonexistent";
	tls_server_start(&server, OLD_PEM, OLD_KEY);
	server.reply = REPLY;
	assert_opens();
	assert_exchange();
}

static void tls_names_a_ca_file_that_cannot_be_used(void **state)
{
	(void)state;
	assert_refused(FAIL_IO, TLS_REASON_CA_FILE, "No such file");
	tls_server_reset(&server);
	trust_file("not PEM\n");
	assert_refused(FAIL_FORMAT, TLS_REASON_CA_FILE, "holds no certificate");
	tls_server_reset(&server);
	trust_file(NAS_PEM "-----BEGIN CERTIFICATE-----\nAAAA\n");
	assert_refused(FAIL_FORMAT, TLS_REASON_CA_FILE, "certificate number 2");
	tls_server_reset(&server);
	*strrchr(ca_path, '/') = '\0';
	assert_refused(FAIL_FORMAT, TLS_REASON_CA_FILE, "is a directory");
}

static void tls_takes_a_ca_file_that_nobody_has_named_for_none(void **state)
{
	(void)state;
	tls.trust.ca_file_is_usual = true;
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_NO_CA_FILE, "its certificate cannot be verified");
}

static void refusal_tells_of_a_wrong_clock(void **state)
{
	const struct refusal refusal = { .trust = &tls.trust, .name = "", .now = 60 };

	(void)state;
	assert_true(refusal_clock_is_wrong(refusal.now));
	assert_false(refusal_clock_is_wrong(time(NULL)));
	assert_int_equal(refusal_by_clock(&refusal, &why), FAIL_UNTRUSTED);
	assert_non_null(strstr(why.text, "clock is wrong (it says 1970-01-01T00:01:00Z)"));
}

/* ---- sessions ---- */

static void tls_resumes_a_session(void **state)
{
	(void)state;
	trust_file(NAS_PEM);
	assert_opens();
	assert_false(tls.resumed);
	assert_opens_again();
	assert_true(tls.resumed);
	assert_exchange();
	assert_opens_again();
	assert_true(tls.resumed);
}

static void tls_verifies_again_once_the_ca_file_has_changed(void **state)
{
	(void)state;
	trust_file(NAS_PEM);
	assert_opens();
	trust_file(ROOT_PEM NAS_PEM);
	assert_opens_again();
	assert_false(tls.resumed);
	tls_close(&tls);
	tls_server_reset(&server);
	trust_file(ROOT_PEM);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE, "not in");
	assert_false(tls.session.known);
}

static void tls_verifies_again_after_an_hour_or_the_certificates_end(void **state)
{
	(void)state;
	trust_file(NAS_PEM);
	assert_opens();
	tls.session.verified_ms -= TLS_SESSION_MS;
	assert_opens_again();
	assert_false(tls.resumed);
	tls.session.not_after = time(NULL) - 1;
	assert_opens_again();
	assert_false(tls.resumed);
}

static void tls_sends_nothing_to_one_who_takes_the_servers_place(void **state)
{
	(void)state;
	trust_file(NAS_PEM);
	assert_opens();
	assert_exchange();
	tls_close(&tls);
	tls_server_start(&server, OTHER_PEM, OTHER_KEY);
	assert_refused(FAIL_UNTRUSTED, TLS_REASON_CERTIFICATE, "self-signed, and not in");
	assert_false(tls.session.known);
}

/* ---- the stream ---- */

static void tls_takes_records_in_single_bytes(void **state)
{
	(void)state;
	trust_pin(NAS_SHA256);
	server.piece = 1;
	assert_opens();
	assert_exchange();
}

static void tls_reports_a_signed_end_as_no_bytes(void **state)
{
	char buf[8];
	size_t len = 1;

	(void)state;
	trust_pin(NAS_SHA256);
	server.close_after = true;
	assert_opens();
	assert_exchange();
	assert_int_equal(read_some(buf, sizeof buf, &len), FAIL_NONE);
	assert_int_equal(len, 0);
	assert_int_equal(read_some(buf, sizeof buf, &len), FAIL_NONE);
	assert_int_equal(len, 0);
	assert_int_equal(write_request(), FAIL_CLOSED);
}

static void tls_reports_a_cut_as_closed(void **state)
{
	char buf[8];
	size_t len;

	(void)state;
	trust_pin(NAS_SHA256);
	assert_opens();
	assert_exchange();
	assert_int_equal(read_some(buf, sizeof buf, &len), FAIL_CLOSED);
	assert_non_null(strstr(why.text, "was cut"));
}

static void tls_never_opens_on_a_handshake_that_is_cut_short(void **state)
{
	(void)state;
	trust_pin(NAS_SHA256);
	for (size_t at = 1;; at++) {
		tls_server_reset(&server);
		server.cut_at = at;
		if (!open_tls())
			break;
		assert_true(at < 4096);
		assert_non_null(strstr(why.text, "during the TLS handshake"));
	}
	assert_true(server.handed > 500); /* its length varies a little with the signature */
}

static void tls_tells_silence_from_a_stall(void **state)
{
	struct array_stream array;

	(void)state;
	trust_pin(NAS_SHA256);
	array_stream_on(&array, "", 0);
	array.end = FAIL_TIMEOUT;
	assert_int_equal(tls_open(&tls, &array.stream, 0, &why), FAIL_TIMEOUT);
	assert_non_null(strstr(why.text, "no answer to the TLS handshake"));
	assert_int_equal(tls.reason, TLS_REASON_SILENT);
	server.end = FAIL_TIMEOUT;
	server.cut_at = 100;
	assert_refused(FAIL_TIMEOUT, TLS_REASON_OTHER, "during the TLS handshake");
}

static void tls_recognizes_what_is_not_tls(void **state)
{
	static const struct {
		const char *bytes;
		enum tls_reason reason;
		const char *part;
	} answers[] = {
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", TLS_REASON_PLAIN, "plain HTTP on this port" },
		{ "SSH-2.0-OpenSSH_9.2\r\n", TLS_REASON_OTHER, "does not speak TLS" },
		{ "\x15\x03\x01\xff\xff\x02\x46", TLS_REASON_OTHER, "too long" },
		{ "\x17\x03\x03\x01\x05hello", TLS_REASON_OTHER, "violates the TLS protocol" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct array_stream array;

		array_stream_on(&array, answers[i].bytes, strlen(answers[i].bytes));
		assert_true(tls_open(&tls, &array.stream, INT64_MAX, &why) != FAIL_NONE);
		if (!strstr(why.text, answers[i].part))
			fail_msg("\"%s\" is not in: %s", answers[i].part, why.text);
		assert_int_equal(tls.reason, answers[i].reason);
	}
}

static void assert_alert(int alert, bool client_certificate_asked, enum tls_reason expected,
                         const char *part)
{
	const unsigned char record[] = { 21, 3, 3, 0, 2, 2, (unsigned char)alert };
	struct array_stream array;

	assert_int_equal(tls_fault_alert(alert, client_certificate_asked, "nas", &why), expected);
	assert_non_null(strstr(why.text, part));
	if (client_certificate_asked)
		return;
	array_stream_on(&array, record, sizeof record);
	assert_int_equal(tls_open(&tls, &array.stream, INT64_MAX, &why), FAIL_TLS);
	assert_non_null(strstr(why.text, part));
	assert_int_equal(tls.reason, expected);
}

static void tls_explains_why_the_server_gave_up(void **state)
{
	(void)state;
	assert_alert(70, false, TLS_REASON_OTHER, "TLS 1.3");
	assert_alert(40, false, TLS_REASON_OTHER, "Ed25519, RSA-PSS or EC on an unusual curve");
	assert_alert(112, false, TLS_REASON_UNKNOWN_SITE, "no site named nas");
	assert_alert(80, false, TLS_REASON_OTHER, "alert 80");
	assert_alert(40, true, TLS_REASON_OTHER, "client certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tls_trusts_a_pin_and_nothing_else_then, start, end),
		cmocka_unit_test_setup_teardown(tls_trusts_any_of_several_pins, start, end),
		cmocka_unit_test_setup_teardown(tls_sends_nothing_to_a_server_that_is_not_pinned,
		                                start, end),
		cmocka_unit_test_setup_teardown(tls_trusts_the_certificate_in_the_ca_file, start,
		                                end),
		cmocka_unit_test_setup_teardown(tls_shows_what_it_does_not_trust, start, end),
		cmocka_unit_test_setup_teardown(tls_does_not_trust_another_key_of_the_same_name,
		                                start, end),
		cmocka_unit_test_setup_teardown(tls_trusts_a_chain_in_any_order, start, end),
		cmocka_unit_test_setup_teardown(
			tls_tells_a_missing_intermediate_from_an_unknown_issuer, start, end),
		cmocka_unit_test_setup_teardown(tls_refuses_what_is_expired_or_for_clients, start,
		                                end),
		cmocka_unit_test_setup_teardown(
			tls_accepts_the_names_and_addresses_of_the_certificate, start, end),
		cmocka_unit_test_setup_teardown(tls_refuses_other_names_and_addresses, start, end),
		cmocka_unit_test_setup_teardown(tls_without_verification_takes_any, start, end),
		cmocka_unit_test_setup_teardown(tls_names_a_ca_file_that_cannot_be_used, start,
		                                end),
		cmocka_unit_test_setup_teardown(tls_takes_a_ca_file_that_nobody_has_named_for_none,
		                                start, end),
		cmocka_unit_test_setup_teardown(refusal_tells_of_a_wrong_clock, start, end),
		cmocka_unit_test_setup_teardown(tls_resumes_a_session, start, end),
		cmocka_unit_test_setup_teardown(tls_verifies_again_once_the_ca_file_has_changed,
		                                start, end),
		cmocka_unit_test_setup_teardown(
			tls_verifies_again_after_an_hour_or_the_certificates_end, start, end),
		cmocka_unit_test_setup_teardown(
			tls_sends_nothing_to_one_who_takes_the_servers_place, start, end),
		cmocka_unit_test_setup_teardown(tls_takes_records_in_single_bytes, start, end),
		cmocka_unit_test_setup_teardown(tls_reports_a_signed_end_as_no_bytes, start, end),
		cmocka_unit_test_setup_teardown(tls_reports_a_cut_as_closed, start, end),
		cmocka_unit_test_setup_teardown(tls_never_opens_on_a_handshake_that_is_cut_short,
		                                start, end),
		cmocka_unit_test_setup_teardown(tls_tells_silence_from_a_stall, start, end),
		cmocka_unit_test_setup_teardown(tls_recognizes_what_is_not_tls, start, end),
		cmocka_unit_test_setup_teardown(tls_explains_why_the_server_gave_up, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
