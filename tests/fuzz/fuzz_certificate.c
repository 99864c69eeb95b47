/* fuzz_certificate: any bytes as a certificate, and as the address of a server. */
#include "tls/certificate.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct der_part part, struct der_part whole)
{
	assert(!part.at || part.len == 0 ||
	       (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
}

/* A name is the same as itself and as what it is the same as. */
static void check_names(const struct certificate *certificate)
{
	static const char *const hosts[] = { "nas.home.arpa", "x.apps.home.arpa", "a", ".", "*.a" };
	bool same = certificate_same_name(certificate->issuer, certificate->subject);

	assert(certificate_same_name(certificate->issuer, certificate->issuer));
	assert(same == certificate_same_name(certificate->subject, certificate->issuer));
	assert(same || !certificate_same(certificate->issuer, certificate->subject));
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		(void)certificate_names_host(certificate, hosts[i]);
}

static void check_certificate(const uint8_t *data, size_t size)
{
	static const unsigned char ip[4] = { 192, 0, 2, 10 };
	struct certificate certificate;
	char buf[512];
	struct text text = text_on(buf, sizeof buf);

	if (!certificate_parse(&certificate, data, size))
		return;
	check_part(certificate.issuer, certificate.whole);
	check_part(certificate.subject, certificate.whole);
	check_part(certificate.names, certificate.whole);
	check_part(certificate.point, certificate.whole);
	check_part(certificate.modulus, certificate.whole);
	check_part(certificate.exponent, certificate.whole);
	check_part(certificate.signed_part, certificate.whole);
	check_part(certificate.signature_bytes, certificate.whole);
	check_part(certificate.unknown, certificate.whole);
	certificate_append_name(&text, certificate.subject);
	certificate_append_name(&text, certificate.issuer);
	certificate_append_names(&text, &certificate);
	certificate_append_oid(&text, certificate.unknown);
	assert(!text.full);
	for (size_t i = 0; i < text.len; i++)
		assert((unsigned char)buf[i] >= 0x20);
	assert(!certificate_names_ip(&certificate, ip, 0));
	(void)certificate_names_ip(&certificate, ip, sizeof ip);
	assert(certificate_valid_at(&certificate, certificate.not_before) ==
	       (certificate.not_before <= certificate.not_after));
	assert(!certificate_valid_at(&certificate, certificate.not_after + 1));
	assert((certificate.key == CERTIFICATE_EC) == (certificate.curve != CERTIFICATE_NO_CURVE));
	assert(!certificate.hash == (certificate.signature != CERTIFICATE_RSA &&
	                             certificate.signature != CERTIFICATE_EC));
	check_names(&certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_certificate(data, size);
	return 0;
}
