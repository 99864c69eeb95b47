#include "tls/verify.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/ip.h"
#include "tls/certificate_names.h"
#include "tls/engine.h"
#include "tls/path.h"
#include "tls/refusal.h"

static_assert(TRUST_PIN_LEN == br_sha256_SIZE, "SHA-256 has 32 bytes");

void tls_verify_name(char name[static LIMITS_HOST_MAX], const struct trust *trust)
{
	const char *wanted = trust->name;
	size_t len = strlen(wanted);

	if (len > 0 && wanted[len - 1] == '.')
		len--;
	memcpy(name, wanted, len);
	name[len] = '\0';
}

/* Keeps a CA. If the file holds the server's own certificate, that one is trusted, with any
 * issuer. */
static enum fail on_anchor(void *context, const struct certificate *certificate, bool own,
                           struct failure *why)
{
	struct tls_anchors *anchors = context;
	unsigned char *der = anchors->bytes + anchors->used;

	if (own) {
		anchors->own = true;
		return FAIL_NONE;
	}
	/* A file put together from others holds copies. */
	for (size_t i = 0; i < anchors->count; i++)
		if (certificate_same(anchors->anchors[i].whole, certificate->whole))
			return FAIL_NONE;
	if (anchors->count == TLS_ANCHORS_MAX ||
	    certificate->whole.len > sizeof anchors->bytes - anchors->used)
		return fail_set(why, FAIL_TOO_BIG,
		                "it holds too many CAs with the name of an issuer");
	memcpy(der, certificate->whole.at, certificate->whole.len);
	/* Parse the copy: the parts must point into our own bytes. */
	if (!certificate_parse(&anchors->anchors[anchors->count], der, certificate->whole.len))
		return FAIL_NONE;
	anchors->used += certificate->whole.len;
	anchors->count++;
	return FAIL_NONE;
}

/* ---- the verdict ---- */

/* Whether the server's certificate is for `name`. */
static bool is_for(const struct certificate *leaf, const char *name)
{
	unsigned char ip[IP_MAX];
	size_t ip_len = ip_parse(ip, name);

	if (ip_len > 0)
		return certificate_names_ip(leaf, ip, ip_len);
	return name[0] && certificate_names_host(leaf, name);
}

static enum fail verify_by_file(struct tls_verify *verify, const struct refusal *refusal)
{
	const struct certificate *leaf = chain_leaf(&verify->chain);
	struct tls_anchors *anchors = &verify->anchors;
	struct path path = {
		.chain = &verify->chain,
		.anchors = anchors->anchors,
		.now = refusal->now,
	};
	enum fail f;

	anchors->count = anchors->used = 0;
	anchors->own = false;
	f = trust_scan(refusal->trust, &verify->chain, &verify->file, on_anchor, anchors,
	               &verify->why);
	if (f && f != FAIL_UNTRUSTED) {
		verify->reason = TLS_REASON_CA_FILE;
		return f;
	}
	verify->reason = f ? TLS_REASON_NO_CA_FILE : TLS_REASON_CERTIFICATE;
	if (f)
		return fail_set(&verify->why, f, "its certificate cannot be verified");
	if (refusal_clock_is_wrong(refusal->now))
		return refusal_by_clock(refusal, &verify->why);
	path.anchor_count = anchors->count;
	path.trusted = anchors->own;
	if (!path_find(&path))
		return refusal_of_path(refusal, &path.obstacle, &verify->why);
	if (!is_for(leaf, refusal->name)) {
		verify->reason = TLS_REASON_NAME;
		return refusal_of_name(refusal, &verify->why);
	}
	verify->not_after = leaf->not_after;
	return FAIL_NONE;
}

static bool is_pinned(const struct trust *trust, const unsigned char *sha256)
{
	for (size_t i = 0; i < trust->pin_count; i++)
		if (memcmp(trust->pins + i * TRUST_PIN_LEN, sha256, TRUST_PIN_LEN) == 0)
			return true;
	return false;
}

/* Passes the server's key to the engine. The key must be supported, whoever vouches for it. */
static enum fail use_key(struct tls_verify *verify, const struct refusal *refusal)
{
	const struct certificate *leaf = chain_leaf(&verify->chain);
	const struct path_obstacle unsupported = {
		.fault = PATH_KEY,
		.of = leaf,
		.origin = PATH_SERVER,
	};

	verify->reason = TLS_REASON_CERTIFICATE;
	if (!tls_engine_key(&verify->leaf_key, leaf))
		return refusal_of_path(refusal, &unsupported, &verify->why);
	verify->key = &verify->leaf_key;
	verify->usages = BR_KEYTYPE_SIGN;
	return FAIL_NONE;
}

static enum fail examine(struct tls_verify *verify)
{
	const struct trust *trust = verify->trust;
	const struct chain *chain = &verify->chain;
	const struct certificate *leaf = chain_leaf(chain);
	char name[LIMITS_HOST_MAX];
	const struct refusal refusal = {
		.trust = trust,
		.name = name,
		.now = now_s(),
	};
	br_sha256_context hash;
	enum fail f = FAIL_NONE;

	tls_verify_name(name, trust);
	if (chain->too_big)
		return fail_set(
			&verify->why, FAIL_TOO_BIG,
			"the server sends more than %d certificates, or more than %d KiB of them",
			CHAIN_MAX, CHAIN_BYTES_MAX / 1024);
	if (chain->malformed || chain->count == 0)
		return fail_set(&verify->why, FAIL_UNTRUSTED,
		                "the server sends something that is not a certificate");
	br_sha256_init(&hash);
	br_sha256_update(&hash, leaf->whole.at, leaf->whole.len);
	br_sha256_out(&hash, verify->sha256);
	if (trust->pin_count == 0 && !trust->accepts_any) {
		f = verify_by_file(verify, &refusal);
	} else if (trust->pin_count > 0 && !is_pinned(trust, verify->sha256)) {
		verify->reason = TLS_REASON_NOT_PINNED;
		f = fail_set(&verify->why, FAIL_UNTRUSTED, "its certificate is not the pinned one");
	}
	return f ? f : use_key(verify, &refusal);
}

/* ---- callbacks of the engine ---- */

static struct tls_verify *verify_of(const br_x509_class **methods)
{
	return (struct tls_verify *)(void *)methods;
}

static void start_chain(const br_x509_class **methods, const char *server_name)
{
	(void)server_name; /* tls_verify_name() gives it, also for addresses */
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

void tls_verify_start(struct tls_verify *verify, const struct trust *trust)
{
	verify->methods = &verify_methods;
	verify->trust = trust;
	verify->reason = TLS_REASON_OTHER;
	verify->verdict = FAIL_NONE;
	verify->key = NULL;
	verify->usages = 0;
	verify->not_after = 0;
	verify->file = (struct file_version){ 0 };
}
