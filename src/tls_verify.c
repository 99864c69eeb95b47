#include "tls_verify.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "certificate_names.h"
#include "ip.h"
#include "now.h"
#include "tls_ciphers.h"

/* Least RSA key, in bytes: 2048 bits. */
#define RSA_LEAST 256

/* Seconds of a day, and the day of 1970-01-01 as BearSSL counts. */
#define DAY_S 86400
#define DAY_1970 719528

static_assert(TRUST_SHA256_LEN == br_sha256_SIZE, "SHA-256 has 32 bytes");

/* BearSSL's structs have no const, though what they point to is only read. */
static unsigned char *borrowed(const unsigned char *bytes)
{
	unsigned char *same;

	memcpy(&same, &bytes, sizeof same);
	return same;
}

void tls_verify_name(char name[static CONFIG_HOST_MAX], const struct config *config)
{
	const char *wanted = config->tls_server_name[0] ? config->tls_server_name : config->host;
	size_t len = strlen(wanted);

	if (len > 0 && wanted[len - 1] == '.')
		len--;
	memcpy(name, wanted, len);
	name[len] = '\0';
}

static enum trust_fault fault_of(unsigned error)
{
	switch (error) {
	case BR_ERR_X509_NOT_TRUSTED:
	case BR_ERR_X509_EMPTY_CHAIN:
		return TRUST_NO_ISSUER;
	case BR_ERR_X509_EXPIRED:
		return TRUST_DATES;
	case BR_ERR_X509_BAD_SERVER_NAME:
		return TRUST_NAME;
	case BR_ERR_X509_UNSUPPORTED:
	case BR_ERR_X509_LIMIT_EXCEEDED:
	case BR_ERR_X509_WRONG_KEY_TYPE:
		return TRUST_ALGORITHM;
	case BR_ERR_X509_WEAK_PUBLIC_KEY:
		return TRUST_WEAK;
	case BR_ERR_X509_BAD_SIGNATURE:
		return TRUST_SIGNATURE;
	case BR_ERR_X509_NOT_CA:
	case BR_ERR_X509_FORBIDDEN_KEY_USAGE:
		return TRUST_USAGE;
	case BR_ERR_X509_CRITICAL_EXTENSION:
		return TRUST_EXTENSION;
	default:
		return TRUST_MALFORMED;
	}
}

/* The key of a certificate, borrowed from it; false where it is of a kind that is not verified. */
static bool key_of(br_x509_pkey *key, const struct certificate *certificate)
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

/* Takes a CA, or the server's own certificate: then exactly that is trusted, whoever issued it. */
static enum fail take_anchor(void *context, const struct certificate *certificate, bool own,
                             struct failure *why)
{
	struct tls_anchors *anchors = context;
	br_x509_trust_anchor *anchor = &anchors->anchors[anchors->count];
	unsigned char *der = anchors->bytes + anchors->used;
	struct certificate kept;

	if (anchors->count == TLS_ANCHORS_MAX ||
	    certificate->whole.len > sizeof anchors->bytes - anchors->used)
		return fail_set(why, FAIL_TOO_BIG,
		                "QSTICKY_TLS_CA_FILE: too many CAs in it have the name of an "
		                "issuer");
	memcpy(der, certificate->whole.at, certificate->whole.len);
	/* It was parsed a moment ago, but elsewhere. One with a key of an unknown kind can have
	 * signed nothing that could be verified. */
	if (!certificate_parse(&kept, der, certificate->whole.len) || !key_of(&anchor->pkey, &kept))
		return FAIL_NONE;
	anchor->flags = own ? 0 : BR_X509_TA_CA;
	anchor->dn.data = borrowed(kept.subject.at);
	anchor->dn.len = kept.subject.len;
	anchors->used += kept.whole.len;
	anchors->count++;
	return FAIL_NONE;
}

/* ---- the verdict ---- */

/* Runs BearSSL's examination along the path. `name` NULL: any. */
static unsigned verify_path(struct tls_verify *verify, const char *name, time_t now)
{
	const struct chain *chain = &verify->chain;
	br_x509_minimal_context *minimal = &verify->minimal;
	const br_x509_class **methods = &minimal->vtable;

	br_x509_minimal_init(minimal, &br_sha256_vtable, verify->anchors.anchors,
	                     verify->anchors.count);
	br_x509_minimal_set_rsa(minimal, br_rsa_i31_pkcs1_vrfy);
	br_x509_minimal_set_ecdsa(minimal, &br_ec_prime_i31, br_ecdsa_i31_vrfy_asn1);
	for (size_t i = 0; i < TLS_HASHES; i++)
		br_x509_minimal_set_hash(minimal, tls_hashes[i].id, tls_hashes[i].hash);
	br_x509_minimal_set_minrsa(minimal, RSA_LEAST);
	br_x509_minimal_set_time(minimal, (uint32_t)(now / DAY_S + DAY_1970),
	                         (uint32_t)(now % DAY_S));
	minimal->vtable->start_chain(methods, name);
	for (size_t i = 0; i < chain->path_count; i++) {
		struct der_part one = chain->certificates[chain->path[i]].whole;

		minimal->vtable->start_cert(methods, (uint32_t)one.len);
		minimal->vtable->append(methods, one.at, one.len);
		minimal->vtable->end_cert(methods);
	}
	return minimal->vtable->end_chain(methods);
}

/* What BearSSL does not look at. A key of another kind than those that are told may be so long that
 * using it takes seconds, in which nothing else happens. */
static bool path_is_sound(const struct chain *chain, enum trust_fault *fault)
{
	for (size_t i = 0; i < chain->path_count; i++) {
		const struct certificate *one = &chain->certificates[chain->path[i]];

		*fault = TRUST_ALGORITHM;
		if (one->key != CERTIFICATE_RSA && one->key != CERTIFICATE_EC)
			return false;
		*fault = TRUST_USAGE;
		if (!one->for_server)
			return false;
		*fault = TRUST_EXTENSION;
		if (i > 0 && one->constrained)
			return false;
	}
	return true;
}

static enum fail verify_by_file(struct tls_verify *verify, struct trust *trust)
{
	const struct certificate *leaf = chain_leaf(trust->chain);
	unsigned char ip[IP_MAX];
	size_t ip_len = ip_parse(ip, trust->name);
	const br_x509_pkey *key;
	enum trust_fault fault;
	unsigned error;
	enum fail f;

	verify->anchors.count = verify->anchors.used = 0;
	f = trust_scan(trust, &verify->file, take_anchor, &verify->anchors, &verify->why);
	if (f)
		return f;
	if (trust_clock_is_wrong(trust->now))
		return trust_refuse_clock(trust, &verify->why);
	if (!path_is_sound(&verify->chain, &fault))
		return trust_refuse(trust, fault, &verify->why);
	/* To BearSSL no name means any. */
	if (ip_len == 0 && !trust->name[0])
		return trust_refuse(trust, TRUST_NAME, &verify->why);
	/* BearSSL compares names only; addresses are compared here. */
	error = verify_path(verify, ip_len > 0 ? NULL : trust->name, trust->now);
	if (error)
		return trust_refuse(trust, fault_of(error), &verify->why);
	if (ip_len > 0 && !certificate_names_ip(leaf, ip, ip_len))
		return trust_refuse(trust, TRUST_NAME, &verify->why);
	key = verify->minimal.vtable->get_pkey(
		(const br_x509_class *const *)&verify->minimal.vtable, &verify->usages);
	if (!(verify->usages & BR_KEYTYPE_SIGN))
		return trust_refuse(trust, TRUST_USAGE, &verify->why);
	verify->key = key;
	verify->not_after = leaf->not_after;
	return FAIL_NONE;
}

static bool is_pinned(const struct config *config, const unsigned char *sha256)
{
	for (size_t i = 0; i < config->tls_pin_count; i++)
		if (memcmp(config->tls_pins[i], sha256, TRUST_SHA256_LEN) == 0)
			return true;
	return false;
}

static enum fail examine(struct tls_verify *verify)
{
	const struct config *config = verify->config;
	struct chain *chain = &verify->chain;
	const struct certificate *leaf = chain_leaf(chain);
	char name[CONFIG_HOST_MAX];
	struct trust trust = {
		.config = config,
		.name = name,
		.chain = chain,
		.sha256 = verify->sha256,
		.now = now_s(),
	};
	br_sha256_context hash;

	tls_verify_name(name, config);
	if (chain->too_big)
		return fail_set(&verify->why, FAIL_TOO_BIG,
		                "the server sends more than %d certificates, or %d KiB of them",
		                CHAIN_MAX, CHAIN_BYTES_MAX / 1024);
	if (chain->malformed || chain->count == 0)
		return fail_set(&verify->why, FAIL_UNTRUSTED,
		                "the server sends something that is not a certificate");
	chain_sort(chain);
	br_sha256_init(&hash);
	br_sha256_update(&hash, leaf->whole.at, leaf->whole.len);
	br_sha256_out(&hash, verify->sha256);
	if (config->tls_pin_count == 0 && config->verify_ssl)
		return verify_by_file(verify, &trust);
	if (config->tls_pin_count > 0 && !is_pinned(config, verify->sha256))
		return trust_refuse_pin(&trust, &verify->why);
	if (!key_of(&verify->leaf_key, leaf))
		return trust_refuse(&trust, TRUST_ALGORITHM, &verify->why);
	verify->key = &verify->leaf_key;
	verify->usages = BR_KEYTYPE_SIGN;
	return FAIL_NONE;
}

/* ---- what the engine calls ---- */

static struct tls_verify *verify_of(const br_x509_class **methods)
{
	return (struct tls_verify *)(void *)methods;
}

static void start_chain(const br_x509_class **methods, const char *server_name)
{
	(void)server_name; /* tls_verify_name() says it, for addresses too */
	chain_start(&verify_of(methods)->chain);
}

static void start_cert(const br_x509_class **methods, uint32_t len)
{
	(void)len;
	chain_begin(&verify_of(methods)->chain);
}

static void append(const br_x509_class **methods, const unsigned char *bytes, size_t len)
{
	chain_add(&verify_of(methods)->chain, bytes, len);
}

static void end_cert(const br_x509_class **methods)
{
	chain_end(&verify_of(methods)->chain);
}

static unsigned end_chain(const br_x509_class **methods)
{
	struct tls_verify *verify = verify_of(methods);

	verify->verdict = examine(verify);
	return verify->verdict ? BR_ERR_X509_NOT_TRUSTED : 0;
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *methods, unsigned *usages)
{
	const struct tls_verify *verify = (const struct tls_verify *)(const void *)methods;

	if (usages)
		*usages = verify->usages;
	return verify->key;
}

static const br_x509_class verify_methods = {
	.context_size = sizeof(struct tls_verify),
	.start_chain = start_chain,
	.start_cert = start_cert,
	.append = append,
	.end_cert = end_cert,
	.end_chain = end_chain,
	.get_pkey = get_pkey,
};

void tls_verify_start(struct tls_verify *verify, const struct config *config)
{
	verify->methods = &verify_methods;
	verify->config = config;
	verify->verdict = FAIL_NONE;
	verify->key = NULL;
	verify->usages = 0;
	verify->not_after = 0;
	verify->file = (struct trust_file){ 0 };
}
