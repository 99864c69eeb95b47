/* fuzz_certificate: any bytes as a certificate, and as a PEM file. */
#include "certificate.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct certificate_part part, struct certificate_part whole)
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
	(void)certificate_names_ip(&certificate, ip, sizeof ip);
}

static void check_pem(const uint8_t *data, size_t size)
{
	static struct pem pem;
	const char *bytes = (const char *)data;

	pem_start(&pem);
	while (size > 0) {
		if (pem_push(&pem, &bytes, &size) == PEM_CERTIFICATE)
			check_certificate(pem.certificate, pem.len);
		assert(pem.len <= sizeof pem.certificate);
	}
}

/* The same bytes again and again, in two pieces each, as a chain. */
static void check_chain(const uint8_t *data, size_t size)
{
	static struct chain chain;

	chain_start(&chain);
	for (int i = 0; i < CHAIN_MAX + 1; i++) {
		chain_begin(&chain);
		chain_add(&chain, data, size / 2);
		chain_add(&chain, data + size / 2, size - size / 2);
		chain_end(&chain);
	}
	chain_sort(&chain);
	assert(chain.path_count <= chain.count && chain.count <= CHAIN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_certificate(data, size);
	check_pem(data, size);
	check_chain(data, size);
	return 0;
}
