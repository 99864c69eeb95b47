/* fuzz_trust: any bytes as a CA file, beside a server whose certificates are any bytes too.
 *
 * The first bytes choose; then come the server's certificates, up to a byte 0x1e, then the file
 * (ca_file.h). Nobody can sign anything here, so only who is in certificates.h may vouch for one. */
#include "tls/trust.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "ca_file.h"
#include "tls/certificate_names.h"
#include "tls/path.h"
#include "tls/refusal.h"
#include "tls/verify.h"

/* The bytes that choose. */
enum { MOMENT, NAME, PATH, CHOICES };

/* Bits of NAME. */
enum {
	STOPS = 0x40,    /* who takes the certificates fails at the second */
	VERIFIED = 0x80, /* signatures are verified too */
};

/* Bytes among the server's certificates. */
enum {
	RAW = 0x01, /* then two bytes of a length, and so many of a certificate */
	END = 0x1e,
};

struct taken {
	unsigned count;
	bool honest; /* the server's own, or one with a key of certificates.h */
	bool own;
	size_t anchor_count;
	struct certificate anchors[CA_FILE_INSERTED_MAX];
	struct der bytes[CA_FILE_INSERTED_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ca_file file = { .fd = -1 };
static struct chain chain;
static struct trust trust;
static struct refusal refusal;
static struct taken taken;
static bool stops;

/* ---- the server's certificates ---- */

static void add_to_chain(const void *bytes, size_t len)
{
	chain_begin(&chain);
	chain_add(&chain, bytes, len);
	chain_end(&chain);
}

static void read_chain(struct input *input)
{
	struct der der;

	chain_start(&chain);
	while (input->left > 0) {
		uint8_t byte = *input->at++;

		input->left--;
		if (byte == END)
			return;
		if (ca_file_stands_for(&file, input, byte, &der)) {
			add_to_chain(der.bytes, der.len);
		} else if (byte == RAW && input->left >= 2) {
			size_t len = (size_t)input->at[0] << 8 | input->at[1];

			input->at += 2;
			input->left -= 2;
			len = len < input->left ? len : input->left;
			add_to_chain(input->at, len);
			input->at += len;
			input->left -= len;
		}
	}
}

/* ---- what may be found in the file ---- */

static bool may_vouch(const struct certificate *one)
{
	for (size_t i = 0; i < chain.count; i++)
		if (certificate_same_name(chain.certificates[i].issuer, one->subject))
			return true;
	return false;
}

/* Whether its key is one of those of certificates.h. */
static bool is_known(const struct certificate *one)
{
	for (size_t i = 0; i < CA_FILE_MADE; i++) {
		struct certificate certificate;

		assert(certificate_parse(&certificate, file.made[i].bytes, file.made[i].len));
		if (one->key == certificate.key &&
		    (certificate_same(one->point, certificate.point) ||
		     certificate_same(one->modulus, certificate.modulus)))
			return true;
	}
	return false;
}

static enum fail take(void *context, const struct certificate *certificate, bool own,
                      struct failure *why)
{
	struct taken *found = context;

	assert(own == certificate_same(certificate->whole, chain_leaf(&chain)->whole));
	assert(own || may_vouch(certificate));
	assert(ca_file_holds(&file, certificate->whole.at, certificate->whole.len));
	found->count++;
	found->honest = found->honest || own || is_known(certificate);
	found->own = found->own || own;
	if (!own && taken.anchor_count < CA_FILE_INSERTED_MAX &&
	    certificate->whole.len <= CA_FILE_DER_MAX) {
		struct der *copy = &taken.bytes[taken.anchor_count];

		memcpy(copy->bytes, certificate->whole.at, certificate->whole.len);
		assert(certificate_parse(&taken.anchors[taken.anchor_count++], copy->bytes,
		                         certificate->whole.len));
	}
	return stops && taken.count == 2 ? fail_set(why, FAIL_TOO_BIG, "enough") : FAIL_NONE;
}

/* Where the whole file was read: what must have been taken. */
static unsigned due(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < file.inserted_count; i++) {
		struct certificate one;

		if (certificate_parse(&one, file.inserted[i].bytes, file.inserted[i].len))
			count += certificate_same(one.whole, chain_leaf(&chain)->whole) ||
			         may_vouch(&one);
	}
	return count;
}

/* ---- sentences ---- */

static void check_text(const char *text)
{
	assert(text[0] && strlen(text) < FAILURE_MAX);
	for (; *text; text++)
		assert((unsigned char)*text >= 0x20 && *text != 0x7f);
}

/* There is room behind it for the line to paste, with the rest of what is advised. */
static void check_refusal(enum fail f, const struct failure *why)
{
	assert(f == FAIL_UNTRUSTED);
	check_text(why->text);
	assert(strlen(why->text) < FAILURE_MAX - 200);
}

/* Whether what is said of a certificate is so, as far as it can be seen there. */
static bool is_so(const struct path_obstacle *obstacle)
{
	const struct certificate *of = obstacle->of;
	bool issues = obstacle->origin != PATH_SERVER;

	switch (obstacle->fault) {
	case PATH_KEY:
		return of->key != CERTIFICATE_RSA && of->key != CERTIFICATE_EC;
	case PATH_WEAK:
		return of->key == CERTIFICATE_RSA && of->modulus.len < PATH_RSA_LEAST;
	case PATH_SIGNATURE:
		return of->signature != CERTIFICATE_RSA && of->signature != CERTIFICATE_EC;
	case PATH_DATES:
		return !certificate_valid_at(of, refusal.now);
	case PATH_NOT_CA:
		return issues && !of->is_ca;
	case PATH_KEY_USAGE:
		return !(issues ? of->signs_certificates : of->signs_handshakes);
	case PATH_PURPOSE:
		return !of->for_server;
	case PATH_CONSTRAINED:
		return issues && of->constrained;
	case PATH_DEPTH:
		return issues && of->depth_max < CHAIN_MAX;
	case PATH_EXTENSION:
		return of->unknown.len > 0;
	case PATH_NO_ISSUER:
	case PATH_NOT_SIGNER:
	case PATH_TOO_MANY:
		return true;
	}
	return false;
}

static void check_obstacle(const struct path_obstacle *obstacle)
{
	const struct certificate *of = obstacle->of;

	assert(obstacle->origin == PATH_FILE
	               ? of >= taken.anchors && of < taken.anchors + taken.anchor_count
	               : of >= chain.certificates && of < chain.certificates + chain.count);
	assert((obstacle->origin != PATH_SERVER) == (of != chain_leaf(&chain)));
	assert(is_so(obstacle));
}

/* Every sentence about every certificate of which it may be said. */
static void check_sentences(void)
{
	struct failure why;

	for (size_t i = 0; i < chain.count; i++) {
		for (int fault = PATH_NO_ISSUER; fault <= PATH_TOO_MANY; fault++) {
			for (int origin = PATH_SERVER; origin <= PATH_FILE; origin++) {
				const struct path_obstacle obstacle = {
					.fault = (enum path_fault)fault,
					.of = &chain.certificates[i],
					.origin = (enum path_origin)origin,
					.others = i > 0,
					.self_signed = fault == PATH_NOT_CA,
				};

				if (is_so(&obstacle))
					check_refusal(refusal_of_path(&refusal, &obstacle, &why),
					              &why);
			}
		}
	}
}

static void check_refusals(bool verified)
{
	struct path path = {
		.chain = &chain,
		.anchors = taken.anchors,
		.anchor_count = taken.anchor_count,
		.trusted = taken.own,
		.now = refusal.now,
	};
	struct failure why;

	check_refusal(refusal_of_name(&refusal, &why), &why);
	if (refusal_clock_is_wrong(refusal.now))
		check_refusal(refusal_by_clock(&refusal, &why), &why);
	check_sentences();
	if (!verified)
		return;
	if (path_find(&path)) {
		assert(taken.honest);
		return;
	}
	check_obstacle(&path.obstacle);
	check_refusal(refusal_of_path(&refusal, &path.obstacle, &why), &why);
}

/* ---- all of it ---- */

static void scan(void)
{
	struct file_version version = { 0 }, now = file_version_now(trust.ca_file);
	struct failure why = { .text = "" };
	enum fail f;

	taken.count = 0;
	taken.anchor_count = 0;
	taken.honest = taken.own = false;
	f = trust_scan(&trust, &chain, &version, take, &taken, &why);
	assert(version.size == 0 || file_version_same(&version, &now));
	assert(f || (!file.big && taken.count >= due()));
	assert(f == FAIL_NONE || f == FAIL_FORMAT || f == FAIL_TOO_BIG || f == FAIL_IO ||
	       f == FAIL_UNTRUSTED);
	if (f && f != FAIL_UNTRUSTED)
		check_text(why.text);
}

/* By the clock of this machine, and with the signatures. */
static void verify(void)
{
	static struct tls_verify verify;
	const br_x509_class **methods = &verify.methods;

	refusal.now = now_s();
	stops = false;
	scan();
	tls_verify_start(&verify, &trust);
	verify.methods->start_chain(methods, trust.name);
	for (size_t i = 0; i < chain.count; i++) {
		const struct certificate *one = &chain.certificates[i];

		verify.methods->start_cert(methods, (uint32_t)one->whole.len);
		verify.methods->append(methods, one->whole.at, one->whole.len);
		verify.methods->end_cert(methods);
	}
	if (verify.methods->end_chain(methods) == 0) {
		assert(taken.honest && !file.big && !verify.verdict && verify.key);
		return;
	}
	assert(verify.verdict && !verify.key);
	check_text(verify.why.text);
	if (verify.verdict == FAIL_UNTRUSTED)
		check_refusal(verify.verdict, &verify.why);
}

static time_t moment(uint8_t which)
{
	const struct certificate *leaf = chain_leaf(&chain),
				 *top = &chain.certificates[chain.count - 1];
	const time_t moments[] = {
		0,
		1560000000, /* 2019 */
		1650000000, /* 2022 */
		1800000000, /* 2027 */
		4800000000, /* 2122 */
		leaf->not_before,
		leaf->not_before - 1,
		leaf->not_after,
		leaf->not_after + 1,
		top->not_before - 1,
		top->not_after + 1,
	};

	return moments[which % (sizeof moments / sizeof moments[0])];
}

/* One of any length that a path may have, or one that is none to read from. */
static void choose_path(uint8_t which)
{
	static char path[LIMITS_PATH_MAX];
	struct text text = text_on(path, sizeof path);

	trust.ca_file = path;
	if (which == 0 || which == 2)
		text_append(&text, "/nonexistent/ca.pem");
	else if (which == 1)
		text_append(&text, "/proc/self");
	trust.ca_file_is_usual = which == 2;
	if (text.len > 0)
		return;
	text_append(&text, "/proc/self");
	for (unsigned i = 0; i < which && i < 250; i++)
		text_append(&text, "/./.");
	text_printf(&text, "/fd/%d", file.fd);
}

/* A line for people, of a certificate that nobody has checked. */
static void check_presented(void)
{
	char line[1024];
	struct text text = text_on(line, sizeof line);

	refusal_append_presented(&text, &chain);
	assert(text.len == strlen(line) && !strpbrk(line, "\r\n\x1b"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "nas.home.arpa", "192.0.2.10", "",
		                             "x.apps.home.arpa" };
	struct input input;

	if (size < CHOICES)
		return 0;
	input = (struct input){ data + CHOICES, size - CHOICES };
	if (file.fd < 0)
		ca_file_make(&file);
	read_chain(&input);
	ca_file_write(&file, &input);
	if (chain.count == 0 || chain.too_big)
		return 0;
	choose_path(data[PATH]);
	trust.name = names[data[NAME] % 4];
	refusal = (struct refusal){
		.trust = &trust,
		.name = trust.name,
		.now = moment(data[MOMENT]),
	};
	check_presented();
	stops = data[NAME] & STOPS;
	scan();
	check_refusals(data[NAME] & VERIFIED);
	if (data[NAME] & VERIFIED)
		verify();
	return 0;
}
