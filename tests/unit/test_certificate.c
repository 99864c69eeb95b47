#include "tls/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "certificates.h"
#include "tls/certificate_names.h"
#include "tls/pem.h"

static struct pem pem;

/* Parses the certificate of a PEM text. It stays in `pem` until the next call. */
static struct certificate certificate_of(const char *text)
{
	struct certificate certificate;
	size_t len = strlen(text);

	pem_start(&pem);
	assert_int_equal(pem_push(&pem, &text, &len), PEM_CERTIFICATE);
	assert_true(certificate_parse(&certificate, pem.certificate, pem.len));
	return certificate;
}

static void assert_name(struct der_part name, const char *expected)
{
	char buf[256];
	struct text text = text_on(buf, sizeof buf);

	certificate_append_name(&text, name);
	assert_string_equal(buf, expected);
}

static void assert_names(const struct certificate *certificate, const char *expected)
{
	char buf[256];
	struct text text = text_on(buf, sizeof buf);

	certificate_append_names(&text, certificate);
	assert_string_equal(buf, expected);
}

static bool names_address(const struct certificate *certificate, const char *address)
{
	unsigned char ip[IP_MAX];

	return certificate_names_ip(certificate, ip, ip_parse(ip, address));
}

static void certificate_tells_whose_it_is(void **state)
{
	struct certificate leaf = certificate_of(LEAF_PEM);

	(void)state;
	assert_name(leaf.subject, "CN=leaf");
	assert_name(leaf.issuer, "O=Home, CN=Intermediate");
	assert_false(certificate_same(leaf.issuer, leaf.subject));
	assert_names(&leaf, "nas.home.arpa, *.apps.home.arpa, 192.0.2.10, 2001:db8::10");
}

static void certificate_tells_what_it_is_for(void **state)
{
	struct certificate certificate = certificate_of(LEAF_PEM);

	(void)state;
	assert_true(certificate.for_server);
	assert_false(certificate.is_ca);
	certificate = certificate_of(CLIENT_PEM);
	assert_false(certificate.for_server);
	certificate = certificate_of(ROOT_PEM);
	assert_true(certificate.is_ca);
	assert_true(certificate.for_server);
	assert_true(certificate_same(certificate.issuer, certificate.subject));
}

static void certificate_is_valid_between_its_dates(void **state)
{
	const time_t from = 1546300800, to = 1577836800; /* 2019-01-01, 2020-01-01 */
	struct certificate old = certificate_of(OLD_PEM);

	(void)state;
	assert_true(old.not_before == from && old.not_after == to);
	assert_false(certificate_valid_at(&old, from - 1));
	assert_true(certificate_valid_at(&old, from));
	assert_true(certificate_valid_at(&old, to));
	assert_false(certificate_valid_at(&old, to + 1));
	old = certificate_of(NAS_PEM); /* valid to 2120: needs the longer form of a date */
	assert_true(old.not_after == (time_t)4733510400);
}

static void certificate_names_addresses(void **state)
{
	struct certificate nas = certificate_of(NAS_PEM);

	(void)state;
	assert_true(names_address(&nas, "192.0.2.10"));
	assert_true(names_address(&nas, "2001:db8::10"));
	assert_true(names_address(&nas, "2001:db8::10%eth0"));
	assert_false(names_address(&nas, "192.0.2.11"));
	assert_false(names_address(&nas, "::"));
	assert_false(names_address(&nas, "nas.home.arpa"));
	nas = certificate_of(ROOT_PEM);
	assert_false(names_address(&nas, "192.0.2.10"));
	assert_names(&nas, "(none)");
}

static void certificate_tells_the_kinds_of_key_and_signature(void **state)
{
	struct certificate certificate = certificate_of(NAS_PEM);

	(void)state;
	assert_int_equal(certificate.key, CERTIFICATE_EC);
	assert_int_equal(certificate.curve, CERTIFICATE_P256);
	assert_int_equal(certificate.point.len, 65);
	assert_int_equal(certificate.signature, CERTIFICATE_EC);
	certificate = certificate_of(RSA_PEM);
	assert_int_equal(certificate.key, CERTIFICATE_RSA);
	assert_int_equal(certificate.modulus.len, 256);
	assert_int_equal(certificate.exponent.len, 3);
	assert_int_equal(certificate.signature, CERTIFICATE_RSA);
	certificate = certificate_of(PSS_PEM);
	assert_int_equal(certificate.key, CERTIFICATE_RSA);
	assert_int_equal(certificate.signature, CERTIFICATE_RSA_PSS);
	certificate = certificate_of(ED_PEM);
	assert_int_equal(certificate.key, CERTIFICATE_ED25519);
	assert_int_equal(certificate.signature, CERTIFICATE_ED25519);
}

/* With an exponent of 1 anybody can sign, with an even one nobody. */
static void certificate_with_an_exponent_of_1_or_an_even_one_has_no_key_for_us(void **state)
{
	static const struct {
		unsigned char exponent[3];
		enum certificate_algorithm key;
	} cases[] = {
		{ { 1, 0, 1 }, CERTIFICATE_RSA },      { { 0, 0, 3 }, CERTIFICATE_RSA },
		{ { 0, 0, 1 }, CERTIFICATE_RSA_LONG }, { { 0, 0, 2 }, CERTIFICATE_RSA_LONG },
		{ { 1, 0, 0 }, CERTIFICATE_RSA_LONG },
	};
	struct certificate certificate = certificate_of(RSA_PEM);
	const size_t at = (size_t)(certificate.exponent.at - pem.certificate);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memcpy(pem.certificate + at, cases[i].exponent, 3);
		assert_true(certificate_parse(&certificate, pem.certificate, pem.len));
		assert_int_equal(certificate.key, cases[i].key);
	}
}

/* Makes a name of one attribute, O, of any kind of string. */
static struct der_part name_of(unsigned char buf[static 64], unsigned char tag, const char *string)
{
	const unsigned char len = (unsigned char)strlen(string);
	const unsigned char head[] = { 0x30, (unsigned char)(len + 11),
		                       0x31, (unsigned char)(len + 9),
		                       0x30, (unsigned char)(len + 7),
		                       0x06, 0x03,
		                       0x55, 0x04,
		                       0x0a, tag,
		                       len };

	memcpy(buf, head, sizeof head);
	for (size_t i = 0; i < len; i++)
		buf[sizeof head + i] = (unsigned char)string[i];
	return (struct der_part){ buf, sizeof head + len };
}

static void certificate_names_are_the_same_in_other_strings(void **state)
{
	static const struct {
		const char *string;
		unsigned char tag;
		bool same;
	} others[] = {
		{ "My Home", DER_UTF8, true },      { "My Home", DER_PRINTABLE, true },
		{ "MY hOME", DER_PRINTABLE, true }, { "  My   Home ", DER_IA5, true },
		{ "MyHome", DER_UTF8, false },      { "My Home2", DER_UTF8, false },
		{ "My Hom", DER_UTF8, false },      { "", DER_UTF8, false },
		{ "My Home", DER_TELETEX, false },  { "My Home", DER_OCTETS, false },
	};
	unsigned char buf[64], other_buf[64];
	struct der_part name = name_of(buf, DER_UTF8, "My Home"), other;

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		other = name_of(other_buf, others[i].tag, others[i].string);
		assert_int_equal(certificate_same_name(name, other), others[i].same);
		assert_int_equal(certificate_same_name(other, name), others[i].same);
	}
	other = name_of(other_buf, DER_UTF8, "My Home");
	other_buf[10] = 0x0b; /* an OU */
	assert_false(certificate_same_name(name, other));
	name = name_of(buf, DER_TELETEX, "My Home");
	assert_true(certificate_same_name(name, name_of(other_buf, DER_TELETEX, "My Home")));
}

static void certificate_is_for_hosts_by_its_names(void **state)
{
	struct certificate nas = certificate_of(NAS_PEM);

	(void)state;
	assert_true(certificate_names_host(&nas, "nas.home.arpa"));
	assert_true(certificate_names_host(&nas, "NAS.home.ARPA"));
	assert_true(certificate_names_host(&nas, "x.apps.home.arpa"));
	assert_false(certificate_names_host(&nas, "x.y.apps.home.arpa"));
	assert_false(certificate_names_host(&nas, "apps.home.arpa"));
	assert_false(certificate_names_host(&nas, ".apps.home.arpa"));
	assert_false(certificate_names_host(&nas, "nas"));
	assert_false(certificate_names_host(&nas, "nas.home.arpa.x"));
	nas.names = (struct der_part){ 0 }; /* then the common name counts */
	assert_false(certificate_names_host(&nas, "x.apps.home.arpa"));
	assert_false(certificate_names_host(&nas, "192.0.2.10"));
	assert_true(certificate_names_host(&nas, "nas"));
}

static void certificate_put_oid_tells_each_arc(void **state)
{
	static const unsigned char oid[] = { 0x55, 0x1d, 0x83, 0x90, 0x00 };
	char buf[64];
	struct text text = text_on(buf, sizeof buf);

	(void)state;
	certificate_append_oid(&text, (struct der_part){ oid, sizeof oid });
	assert_string_equal(buf, "2.5.29.51200");
	text = text_on(buf, sizeof buf);
	certificate_append_oid(&text, (struct der_part){ oid, 3 + 1 }); /* cut */
	assert_string_equal(buf, "?");
}

/* Returns the last place of `bytes` in `pem`. */
static unsigned char *last(const void *bytes, size_t len)
{
	unsigned char *found = NULL, *at = pem.certificate;

	while ((at = memmem(at, (size_t)(pem.certificate + pem.len - at), bytes, len)))
		found = at++;
	assert_non_null(found);
	return found;
}

static void certificate_names_its_signature_twice_the_same(void **state)
{
	static const unsigned char sha256[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
	struct certificate nas = certificate_of(NAS_PEM);

	(void)state;
	assert_int_equal(nas.hash, CERTIFICATE_SHA256);
	last(sha256, sizeof sha256)[7] = 0x03; /* SHA-384, but not in the signed part */
	assert_true(certificate_parse(&nas, pem.certificate, pem.len));
	assert_int_equal(nas.signature, CERTIFICATE_OTHER);
	assert_int_equal(nas.hash, CERTIFICATE_NO_HASH);
}

static void certificate_with_an_extension_twice_is_none(void **state)
{
	static const unsigned char key_name[] = { 0x55, 0x1d, 0x0e },
				   issuer[] = { 0x55, 0x1d, 0x23 };
	struct certificate leaf = certificate_of(LEAF_PEM);

	(void)state;
	memcpy(last(issuer, sizeof issuer), key_name, sizeof key_name);
	assert_false(certificate_parse(&leaf, pem.certificate, pem.len));
}

static void certificate_that_is_cut_or_longer_is_none(void **state)
{
	struct certificate certificate = certificate_of(NAS_PEM);
	size_t len = certificate.whole.len;

	(void)state;
	for (size_t less = 0; less < len; less++) {
		/* Parses a copy, so that a read past its end is detected. */
		unsigned char *copy = malloc(less > 0 ? less : 1);

		assert_non_null(copy);
		memcpy(copy, pem.certificate, less);
		assert_false(certificate_parse(&certificate, copy, less));
		free(copy);
	}
	pem.certificate[len] = 0;
	assert_false(certificate_parse(&certificate, pem.certificate, len + 1));
}

static void certificate_survives_any_wrong_byte(void **state)
{
	struct certificate certificate = certificate_of(NAS_PEM);
	size_t len = certificate.whole.len;

	(void)state;
	for (size_t i = 0; i < len * 256; i++) {
		unsigned char *at = &pem.certificate[i / 256];
		unsigned char before = *at;
		char buf[256];
		struct text text = text_on(buf, sizeof buf);

		*at = (unsigned char)i;
		if (certificate_parse(&certificate, pem.certificate, len)) {
			certificate_append_name(&text, certificate.subject);
			certificate_append_names(&text, &certificate);
		}
		*at = before;
	}
}

/* ---- pem ---- */

/* Counts the good and the damaged certificates of a text that is read in pieces of `piece`
 * bytes. */
static void count(const char *text, size_t piece, unsigned *good, unsigned *damaged)
{
	size_t left = strlen(text);

	*good = *damaged = 0;
	pem_start(&pem);
	while (left > 0) {
		size_t len = left < piece ? left : piece;
		enum pem_event event;

		left -= len;
		while ((event = pem_push(&pem, &text, &len)) != PEM_MORE) {
			*good += event == PEM_CERTIFICATE;
			*damaged += event == PEM_DAMAGED;
		}
	}
}

static void assert_count(const char *text, unsigned good, unsigned damaged)
{
	for (size_t piece = 1; piece < 200; piece += 66) {
		unsigned found, broken;

		count(text, piece, &found, &broken);
		assert_int_equal(found, good);
		assert_int_equal(broken, damaged);
	}
}

static void pem_finds_all_certificates(void **state)
{
	(void)state;
	assert_count("", 0, 0);
	assert_count(NAS_PEM, 1, 0);
	assert_count("# mine\n" NAS_PEM "\n" ROOT_PEM, 2, 0);
}

static void pem_passes_over_other_things(void **state)
{
	(void)state;
	assert_count("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" NAS_PEM, 1,
	             0);
	assert_count(" -----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0, 0);
}

static void pem_takes_crlf_and_blanks_and_lines_of_any_length(void **state)
{
	(void)state;
	assert_count(
		"-----BEGIN CERTIFICATE-----\r\nQUJD\r\n REVG \r\n-----END CERTIFICATE----- \r\n",
		1, 0);
	assert_memory_equal(pem.certificate, "ABCDEF", 6);
	assert_int_equal(pem.len, 6);
	assert_count("-----BEGIN CERTIFICATE-----\n"
	             "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"
	             "QUJDQUJDQUJDQUJDQUI=\n-----END CERTIFICATE-----\n",
	             1, 0);
	assert_int_equal(pem.len, 71);
}

static void pem_notices_damage(void **state)
{
	(void)state;
	assert_count("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", 0, 1);
	assert_count("-----BEGIN CERTIFICATE-----\nQU*D\n-----END CERTIFICATE-----\n", 0, 1);
	assert_count("-----BEGIN CERTIFICATE-----\nQU==QUJD\n-----END CERTIFICATE-----\n", 0, 1);
	assert_count("-----BEGIN CERTIFICATE-----\nQUJD\n" NAS_PEM, 1, 1);
	assert_count("-----BEGIN CERTIFICATE-----\nQUJD\n-----END X-----\n" NAS_PEM, 1, 1);
}

static void pem_refuses_a_certificate_that_is_too_long(void **state)
{
	static char buf[PEM_CERTIFICATE_MAX * 2];
	struct text text = text_on(buf, sizeof buf);

	(void)state;
	text_append(&text, "-----BEGIN CERTIFICATE-----\n");
	for (size_t len = 0; len <= PEM_CERTIFICATE_MAX; len += 3)
		text_append(&text, "QUJD");
	text_append(&text, "\n-----END CERTIFICATE-----\n");
	assert_false(text.full);
	assert_count(buf, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_tells_whose_it_is),
		cmocka_unit_test(certificate_tells_what_it_is_for),
		cmocka_unit_test(certificate_is_valid_between_its_dates),
		cmocka_unit_test(certificate_names_addresses),
		cmocka_unit_test(certificate_tells_the_kinds_of_key_and_signature),
		cmocka_unit_test(
			certificate_with_an_exponent_of_1_or_an_even_one_has_no_key_for_us),
		cmocka_unit_test(certificate_names_are_the_same_in_other_strings),
		cmocka_unit_test(certificate_is_for_hosts_by_its_names),
		cmocka_unit_test(certificate_put_oid_tells_each_arc),
		cmocka_unit_test(certificate_names_its_signature_twice_the_same),
		cmocka_unit_test(certificate_with_an_extension_twice_is_none),
		cmocka_unit_test(certificate_that_is_cut_or_longer_is_none),
		cmocka_unit_test(certificate_survives_any_wrong_byte),
		cmocka_unit_test(pem_finds_all_certificates),
		cmocka_unit_test(pem_passes_over_other_things),
		cmocka_unit_test(pem_takes_crlf_and_blanks_and_lines_of_any_length),
		cmocka_unit_test(pem_notices_damage),
		cmocka_unit_test(pem_refuses_a_certificate_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
