#include "tls/ciphers.h"

#include <stddef.h>
#include <stdint.h>

const struct tls_hash tls_hashes[TLS_HASHES] = {
	{ br_sha224_ID, &br_sha224_vtable, BR_HASH_OID_SHA224 },
	{ br_sha256_ID, &br_sha256_vtable, BR_HASH_OID_SHA256 },
	{ br_sha384_ID, &br_sha384_vtable, BR_HASH_OID_SHA384 },
	{ br_sha512_ID, &br_sha512_vtable, BR_HASH_OID_SHA512 },
};

/* ---- curves ---- */

/* BearSSL has this only for its fastest curves, which are twice as large. */

static const br_ec_impl *curve_impl(int curve)
{
	return curve == BR_EC_curve25519 ? &br_ec_c25519_i31 : &br_ec_prime_i31;
}

static const unsigned char *curve_generator(int curve, size_t *len)
{
	return curve_impl(curve)->generator(curve, len);
}

static const unsigned char *curve_order(int curve, size_t *len)
{
	return curve_impl(curve)->order(curve, len);
}

static size_t curve_xoff(int curve, size_t *len)
{
	return curve_impl(curve)->xoff(curve, len);
}

static uint32_t curve_mul(unsigned char *point, size_t point_len, const unsigned char *factor,
                          size_t factor_len, int curve)
{
	return curve_impl(curve)->mul(point, point_len, factor, factor_len, curve);
}

static size_t curve_mulgen(unsigned char *point, const unsigned char *factor, size_t factor_len,
                           int curve)
{
	return curve_impl(curve)->mulgen(point, factor, factor_len, curve);
}

/* Of the key exchange; signatures are of the prime curves alone. */
static const br_ec_impl curves = {
	/* P-521 is for certificates: a server uses only one of a curve that it was offered. */
	.supported_curves = 1U << BR_EC_curve25519 | 1U << BR_EC_secp256r1 | 1U << BR_EC_secp384r1 |
	                    1U << BR_EC_secp521r1,
	.generator = curve_generator,
	.order = curve_order,
	.xoff = curve_xoff,
	.mul = curve_mul,
	.mulgen = curve_mulgen,
};

/* As the engine calls it: with the curves of the key exchange. */
static uint32_t verify_ecdsa(const br_ec_impl *unused, const void *hash, size_t hash_len,
                             const br_ec_public_key *key, const void *signature, size_t len)
{
	(void)unused;
	return br_ecdsa_i31_vrfy_asn1(&br_ec_prime_i31, hash, hash_len, key, signature, len);
}

/* None takes another time for other data. The processor's own AES would be faster and its code as
 * large again: what is sent in a cycle is a few kilobytes, and ChaCha20 comes first. */
static void set_suites(br_ssl_engine_context *engine)
{
	static const uint16_t suites[] = {
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	};

	br_ssl_engine_set_suites(engine, suites, sizeof suites / sizeof suites[0]);
	br_ssl_engine_set_aes_ctr(engine, &br_aes_ct_ctr_vtable);
	br_ssl_engine_set_ghash(engine, br_ghash_ctmul64);
	br_ssl_engine_set_gcm(engine, &br_sslrec_in_gcm_vtable, &br_sslrec_out_gcm_vtable);
	br_ssl_engine_set_chacha20(engine, br_chacha20_ct_run);
	br_ssl_engine_set_poly1305(engine, br_poly1305_ctmul_run);
	br_ssl_engine_set_chapol(engine, &br_sslrec_in_chapol_vtable, &br_sslrec_out_chapol_vtable);
}

void tls_ciphers_set(br_ssl_engine_context *engine)
{
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	set_suites(engine);
	for (size_t i = 0; i < TLS_HASHES; i++)
		br_ssl_engine_set_hash(engine, tls_hashes[i].id, tls_hashes[i].hash);
	br_ssl_engine_set_prf_sha256(engine, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(engine, br_tls12_sha384_prf);
	br_ssl_engine_set_ec(engine, &curves);
	br_ssl_engine_set_ecdsa(engine, verify_ecdsa);
	br_ssl_engine_set_rsavrfy(engine, br_rsa_i31_pkcs1_vrfy);
}
