#include "tls/signature.h"

#include <string.h>

#include "tls/ciphers.h"

/* BearSSL's structs have no const, though what they point to is only read. */
static unsigned char *borrowed(const unsigned char *bytes)
{
	unsigned char *same;

	memcpy(&same, &bytes, sizeof same);
	return same;
}

bool tls_signature_key(br_x509_pkey *key, const struct certificate *certificate)
{
	*key = (br_x509_pkey){ 0 };
	if (certificate->key == CERTIFICATE_RSA) {
		key->key_type = BR_KEYTYPE_RSA;
		key->key.rsa.n = borrowed(certificate->modulus.at);
		key->key.rsa.nlen = certificate->modulus.len;
		key->key.rsa.e = borrowed(certificate->exponent.at);
		key->key.rsa.elen = certificate->exponent.len;
		return true;
	}
	key->key_type = BR_KEYTYPE_EC;
	key->key.ec.curve = (int)certificate->curve;
	key->key.ec.q = borrowed(certificate->point.at);
	key->key.ec.qlen = certificate->point.len;
	return certificate->key == CERTIFICATE_EC;
}

/* Writes the hash of what was signed to `sum`; NULL: it is none of SHA-2. */
static const struct tls_hash *hash_of(const struct certificate *certificate,
                                      unsigned char sum[static br_sha512_SIZE])
{
	for (size_t i = 0; i < TLS_HASHES; i++) {
		const struct tls_hash *hash = &tls_hashes[i];
		br_hash_compat_context context;

		if (hash->id != (int)certificate->hash)
			continue;
		hash->hash->init(&context.vtable);
		hash->hash->update(&context.vtable, certificate->signed_part.at,
		                   certificate->signed_part.len);
		hash->hash->out(&context.vtable, sum);
		return hash;
	}
	return NULL;
}

bool tls_signature_holds(const struct certificate *certificate, const struct certificate *issuer)
{
	struct der_part signature = certificate->signature_bytes;
	unsigned char sum[br_sha512_SIZE], signed_sum[br_sha512_SIZE];
	const struct tls_hash *hash = hash_of(certificate, sum);
	br_x509_pkey key;
	size_t len;

	if (!hash || certificate->signature != issuer->key || !tls_signature_key(&key, issuer))
		return false;
	len = hash->hash->desc >> BR_HASHDESC_OUT_OFF & BR_HASHDESC_OUT_MASK;
	if (issuer->key == CERTIFICATE_EC)
		return br_ecdsa_i31_vrfy_asn1(&br_ec_prime_i31, sum, len, &key.key.ec, signature.at,
		                              signature.len);
	return br_rsa_i31_pkcs1_vrfy(signature.at, signature.len, hash->oid, len, &key.key.rsa,
	                             signed_sum) &&
	       memcmp(sum, signed_sum, len) == 0;
}
