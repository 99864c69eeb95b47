/* fuzz_certificate: any bytes as a certificate, and as the address of a server. */
#include "certificate.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certificate_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct der_part part, struct der_part whole)
{
	assert(!part.at || part.len == 0 ||
	       (part.at >= whole.at && part.at + part.len <= whole.at + whole.len));
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
	certificate_put_name(&text, certificate.subject);
	certificate_put_name(&text, certificate.issuer);
	certificate_put_names(&text, &certificate);
	assert(!text.full);
	for (size_t i = 0; i < text.len; i++)
		assert((unsigned char)buf[i] >= 0x20);
	assert(!certificate_names_ip(&certificate, ip, 0));
	(void)certificate_names_ip(&certificate, ip, sizeof ip);
	assert(certificate_valid_at(&certificate, certificate.not_before) ==
	       (certificate.not_before <= certificate.not_after));
	assert(!certificate_valid_at(&certificate, certificate.not_after + 1));
	/* Not the reverse: a key may be called by the name of a signature, then none is valid. */
	assert(certificate.key == CERTIFICATE_EC || certificate.curve == CERTIFICATE_NO_CURVE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_certificate(data, size);
	return 0;
}
