#include "tls/refusal.h"

#include "base/clock.h"
#include "tls/certificate_names.h"

/* 2026-01-01, the year of this version. A machine without a battery starts in 1970. */
#define CLOCK_LEAST ((time_t)1767225600)

bool refusal_clock_is_wrong(time_t now)
{
	return now < CLOCK_LEAST;
}

/* ---- the certificate ---- */

static void append_date(struct text *text, time_t moment)
{
	char utc[UTC_MAX];

	utc_format(utc, moment);
	text_append_bytes(text, utc, sizeof "2026-11-22" - 1);
}

void refusal_append_presented(struct text *text, const struct chain *chain)
{
	const struct certificate *leaf = chain_leaf(chain);

	text_append(text, "subject ");
	certificate_append_name(text, leaf->subject);
	text_append(text, "; issuer ");
	certificate_append_name(text, leaf->issuer);
	text_append(text, "; valid ");
	append_date(text, leaf->not_before);
	text_append(text, " to ");
	append_date(text, leaf->not_after);
	text_append(text, "; for ");
	certificate_append_names(text, leaf);
}

/* ---- clock and name ---- */

enum fail refusal_by_clock(const struct refusal *refusal, struct failure *why)
{
	char utc[UTC_MAX];

	utc_format(utc, refusal->now);
	return fail_set(
		why, FAIL_UNTRUSTED,
		"its certificate cannot be verified: this machine's clock is wrong (it says %s); "
		"set the clock",
		utc);
}

enum fail refusal_of_name(const struct refusal *refusal, struct failure *why)
{
	return fail_set(why, FAIL_UNTRUSTED, "its certificate is for another name than %s",
	                refusal->name);
}

/* ---- the path ---- */

/* Appends the subject of the sentence: "its certificate", or which issuer. */
static void append_who(struct text *text, const struct refusal *refusal,
                       const struct path_obstacle *obstacle)
{
	if (obstacle->origin == PATH_SERVER) {
		text_append(text, "its certificate");
		return;
	}
	text_append(text, "its issuer \"");
	certificate_append_name(text, obstacle->of->subject);
	if (obstacle->origin == PATH_FILE)
		text_printf(text, "\" in %.100s", refusal->trust->ca_file);
	else
		text_append(text, "\", which the server sends,");
}

static unsigned rsa_bits(const struct certificate *certificate)
{
	unsigned bits = (unsigned)certificate->modulus.len * 8;

	for (unsigned first = certificate->modulus.at[0]; first < 0x80; first <<= 1)
		bits--;
	return bits;
}

static enum fail refuse_dates(const struct refusal *refusal, const char *who,
                              const struct certificate *certificate, struct failure *why)
{
	char now[UTC_MAX], limit[UTC_MAX];

	utc_format(now, refusal->now);
	if (refusal->now < certificate->not_before) {
		utc_format(limit, certificate->not_before);
		return fail_set(why, FAIL_UNTRUSTED,
		                "%s is not valid before %s, and the clock here says %s", who, limit,
		                now);
	}
	utc_format(limit, certificate->not_after);
	return fail_set(why, FAIL_UNTRUSTED,
	                "%s expired on %s, and the clock here says %s; renew it", who, limit, now);
}

/* Of a key, or of a signature. */
static const char *const algorithms[] = {
	[CERTIFICATE_OTHER] = "of an unknown kind",
	[CERTIFICATE_RSA] = "RSA",
	[CERTIFICATE_RSA_LONG] = "RSA with an unusual exponent",
	[CERTIFICATE_RSA_PSS] = "RSA-PSS",
	[CERTIFICATE_EC] = "EC",
	[CERTIFICATE_EC_OTHER] = "EC on an unusual curve",
	[CERTIFICATE_ED25519] = "Ed25519",
	[CERTIFICATE_SHA1] = "SHA-1 or MD5",
};

static enum fail refuse_key(const char *who, const struct certificate *certificate,
                            struct failure *why)
{
	char kind[48];
	struct text text = text_on(kind, sizeof kind);

	if (certificate->modulus.len > CERTIFICATE_RSA_MAX)
		text_printf(&text, "RSA of %u bits", rsa_bits(certificate));
	else
		text_append(&text, algorithms[certificate->key]);
	return fail_set(
		why, FAIL_UNTRUSTED,
		"%s has a key that is not supported: %s; use RSA (2048 to 4096 bits) or EC (P-256, "
		"P-384, P-521)",
		who, kind);
}

static enum fail refuse_signature(const char *who, const struct certificate *certificate,
                                  struct failure *why)
{
	return fail_set(
		why, FAIL_UNTRUSTED,
		"%s has a signature that is not supported: %s; have it signed with RSA (PKCS#1) or "
		"ECDSA, over SHA-2",
		who, algorithms[certificate->signature]);
}

/* `issuer`: its name. No certificate has that name, or one that has it did not sign. */
static enum fail refuse_issuer(const char *path, const struct path_obstacle *obstacle,
                               const char *issuer, struct failure *why)
{
	if (obstacle->fault == PATH_NO_ISSUER)
		return fail_set(why, FAIL_UNTRUSTED,
		                obstacle->others
		                        ? "its issuer is unknown: \"%s\" is not in %.100s"
		                        : "its issuer \"%s\" is not in %.100s, and the server "
		                          "sends no intermediate certificate; have it send the "
		                          "full chain",
		                issuer, path);
	if (obstacle->origin == PATH_FILE)
		return fail_set(
			why, FAIL_UNTRUSTED,
			"%.100s holds a CA named like its issuer, \"%s\", but not the one that "
			"signed it",
			path, issuer);
	return fail_set(
		why, FAIL_UNTRUSTED,
		"a signature in its chain is wrong: the issuer \"%s\", which the server sends, did "
		"not sign",
		issuer);
}

/* Names the forbidden use of a certificate. */
static const char *misuse(const struct path_obstacle *obstacle)
{
	bool issues = obstacle->origin != PATH_SERVER;

	if (obstacle->fault == PATH_NOT_CA)
		return "may not issue certificates: it is not marked as a CA (basic constraints)";
	if (obstacle->fault == PATH_KEY_USAGE)
		return issues ? "may not issue certificates (key usage: no keyCertSign)"
		              : "may not sign (key usage: no digitalSignature), which TLS with "
		                "ECDHE needs";
	if (obstacle->fault == PATH_PURPOSE)
		return issues ? "may not vouch for a server (extended key usage: no serverAuth)"
		              : "may not be used by a server (extended key usage: no serverAuth)";
	return "may vouch for some names only (name constraints), which qsticky does not support";
}

static enum fail refuse_extension(const char *who, const struct certificate *certificate,
                                  struct failure *why)
{
	char oid[64];
	struct text text = text_on(oid, sizeof oid);

	certificate_append_oid(&text, certificate->unknown);
	return fail_set(why, FAIL_UNTRUSTED,
	                "%s has a critical extension that qsticky does not know (%s)", who, oid);
}

/* Whether the real problem is that the self-signed certificate is not in the file. A CA of the same
 * name in the file is probably an earlier version of it. */
static bool is_about_self_signed(const struct path_obstacle *obstacle)
{
	if (obstacle->fault == PATH_NO_ISSUER)
		return !obstacle->others;
	return obstacle->origin == PATH_FILE &&
	       (obstacle->fault == PATH_NOT_SIGNER || obstacle->fault == PATH_NOT_CA ||
	        obstacle->fault == PATH_KEY);
}

enum fail refusal_of_path(const struct refusal *refusal, const struct path_obstacle *obstacle,
                          struct failure *why)
{
	const char *path = refusal->trust->ca_file;
	char who[256], issuer[128];
	struct text text = text_on(who, sizeof who), name = text_on(issuer, sizeof issuer);

	append_who(&text, refusal, obstacle);
	if (obstacle->self_signed && is_about_self_signed(obstacle))
		return fail_set(why, FAIL_UNTRUSTED,
		                "its certificate is self-signed, and not in %.100s%s", path,
		                obstacle->origin == PATH_FILE ? ", which holds another of that name"
		                                              : "");
	switch (obstacle->fault) {
	case PATH_NO_ISSUER:
	case PATH_NOT_SIGNER:
		certificate_append_name(&name, obstacle->fault == PATH_NO_ISSUER
		                                       ? obstacle->of->issuer
		                                       : obstacle->of->subject);
		return refuse_issuer(path, obstacle, issuer, why);
	case PATH_KEY:
		return refuse_key(who, obstacle->of, why);
	case PATH_SIGNATURE:
		return refuse_signature(who, obstacle->of, why);
	case PATH_WEAK:
		return fail_set(why, FAIL_UNTRUSTED,
		                "%s has a weak RSA key of %u bits; use at least 2048", who,
		                rsa_bits(obstacle->of));
	case PATH_DATES:
		return refuse_dates(refusal, who, obstacle->of, why);
	case PATH_TOO_MANY:
		return fail_set(
			why, FAIL_UNTRUSTED,
			"the server sends too many issuers to verify; have it send each issuer "
			"once");
	case PATH_DEPTH:
		return fail_set(
			why, FAIL_UNTRUSTED,
			"%s allows at most %u CAs below it (path length), and the chain has more",
			who, obstacle->of->depth_max);
	case PATH_EXTENSION:
		return refuse_extension(who, obstacle->of, why);
	case PATH_NOT_CA:
	case PATH_KEY_USAGE:
	case PATH_PURPOSE:
	case PATH_CONSTRAINED:
		break;
	}
	return fail_set(why, FAIL_UNTRUSTED, "%s %s", who, misuse(obstacle));
}
