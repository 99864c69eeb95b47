#include "tls/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* SHA-2, for signatures and for TLS itself. */
#define HASHES 4

static const struct hash {
	int id; /* the number that TLS and BearSSL use */
	const br_hash_class *hash;
	const unsigned char *oid; /* its name in an RSA signature */
} hashes[HASHES] = {
	{ br_sha224_ID, &br_sha224_vtable, BR_HASH_OID_SHA224 },
	{ br_sha256_ID, &br_sha256_vtable, BR_HASH_OID_SHA256 },
	{ br_sha384_ID, &br_sha384_vtable, BR_HASH_OID_SHA384 },
	{ br_sha512_ID, &br_sha512_vtable, BR_HASH_OID_SHA512 },
};

/* All of them run in constant time. Hardware AES would be faster, but its code is as large again. A
 * cycle sends only a few kilobytes, and ChaCha20 is preferred. */
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

void tls_engine_set_ciphers(br_ssl_engine_context *engine)
{
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	set_suites(engine);
	for (size_t i = 0; i < HASHES; i++)
		br_ssl_engine_set_hash(engine, hashes[i].id, hashes[i].hash);
	br_ssl_engine_set_prf_sha256(engine, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(engine, br_tls12_sha384_prf);
	br_ssl_engine_set_ec(engine, &br_ec_all_m31);
	br_ssl_engine_set_ecdsa(engine, br_ecdsa_i31_vrfy_asn1);
	br_ssl_engine_set_rsavrfy(engine, br_rsa_i31_pkcs1_vrfy);
}

/* ---- random numbers ---- */

enum fail tls_engine_seed(br_ssl_engine_context *engine, struct failure *why)
{
	unsigned char bytes[32];
	ssize_t got = getrandom(bytes, sizeof bytes, GRND_NONBLOCK);

	if (got < 0 && errno == ENOSYS) { /* Linux before 3.17 */
		int fd = open("/dev/urandom", O_RDONLY);

		got = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
		if (fd >= 0)
			close(fd);
	}
	if (got < 0 && errno != EAGAIN)
		return fail_errno(why, "random numbers for TLS");
	if (got < (ssize_t)sizeof bytes)
		return fail_set(why, FAIL_IO, "the kernel has too few random numbers for TLS yet");
	br_ssl_engine_inject_entropy(engine, bytes, sizeof bytes);
	engine->rng_os_rand_done = 1; /* keeps BearSSL from reading /dev/urandom as well */
	explicit_bzero(bytes, sizeof bytes);
	return FAIL_NONE;
}

/* ---- client certificate: we have none ---- */

static void ignore(const br_ssl_client_certificate_class **methods)
{
	(void)methods;
}

static void ignore_name(const br_ssl_client_certificate_class **methods, size_t len)
{
	(void)methods;
	(void)len;
}

static void ignore_bytes(const br_ssl_client_certificate_class **methods,
                         const unsigned char *bytes, size_t len)
{
	(void)methods;
	(void)bytes;
	(void)len;
}

static void choose(const br_ssl_client_certificate_class **methods,
                   const br_ssl_client_context *client, uint32_t types,
                   br_ssl_client_certificate *choice)
{
	struct tls_client_certificate *certificate =
		(struct tls_client_certificate *)(void *)methods;

	(void)client;
	(void)types;
	*certificate->asked = true;
	*choice = (br_ssl_client_certificate){ .chain_len = 0 };
}

static const br_ssl_client_certificate_class all_methods = {
	.context_size = sizeof(struct tls_client_certificate),
	.start_name_list = ignore,
	.start_name = ignore_name,
	.append_name = ignore_bytes,
	.end_name = ignore,
	.end_name_list = ignore,
	.choose = choose,
};

struct tls_client_certificate tls_client_certificate_for(bool *asked)
{
	return (struct tls_client_certificate){ .methods = &all_methods, .asked = asked };
}

/* ---- keys and signatures of certificates ---- */

/* BearSSL's structs lack const, but BearSSL only reads these bytes. */
static unsigned char *borrowed(const unsigned char *bytes)
{
	unsigned char *same;

	memcpy(&same, &bytes, sizeof same);
	return same;
}

bool tls_engine_key(br_x509_pkey *key, const struct certificate *certificate)
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

/* Writes the hash of the signed bytes to `sum`. NULL: the hash is not SHA-2. */
static const struct hash *hash_of(const struct certificate *certificate,
                                  unsigned char sum[static br_sha512_SIZE])
{
	for (size_t i = 0; i < HASHES; i++) {
		const struct hash *hash = &hashes[i];
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

bool tls_engine_signature_holds(const struct certificate *certificate,
                                const struct certificate *issuer)
{
	struct der_part signature = certificate->signature_bytes;
	unsigned char sum[br_sha512_SIZE], signed_sum[br_sha512_SIZE];
	const struct hash *hash = hash_of(certificate, sum);
	br_x509_pkey key;
	size_t len;

	if (!hash || certificate->signature != issuer->key || !tls_engine_key(&key, issuer))
		return false;
	len = hash->hash->desc >> BR_HASHDESC_OUT_OFF & BR_HASHDESC_OUT_MASK;
	if (issuer->key == CERTIFICATE_EC)
		return br_ecdsa_i31_vrfy_asn1(&br_ec_all_m31, sum, len, &key.key.ec, signature.at,
		                              signature.len);
	return br_rsa_i31_pkcs1_vrfy(signature.at, signature.len, hash->oid, len, &key.key.rsa,
	                             signed_sum) &&
	       memcmp(sum, signed_sum, len) == 0;
}
