/* fuzz_trust: any bytes as a CA file, beside a server whose certificates are any bytes too.
 *
 * The first bytes choose; then come the server's certificates, up to a byte 0x1e, then the file
 * (ca_file.h). Nobody can sign anything here, so only who is in certificates.h may vouch for one. */
#include "trust.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ca_file.h"
#include "now.h"
#include "tls_verify.h"

#define PIN "QSTICKY_TLS_PIN_SHA256="

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
	bool top;    /* one of the name of the last issuer */
	bool honest; /* the server's own, or one with a key of certificates.h */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ca_file file = { .fd = -1 };
static struct chain chain;
static struct config config = { .verify_ssl = true, .use_https = true };
static struct trust trust;
static bool stops;

static const unsigned char sha256[TRUST_SHA256_LEN] = "0123456789abcdefghijklmnopqrstu";
static const char sha256_text[] =
	PIN "303132333435363738396162636465666768696a6b6c6d6e6f70717273747500";

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
	bool is_issuer = false;

	for (size_t i = 0; i < chain.count; i++)
		is_issuer =
			is_issuer || certificate_same(chain.certificates[i].issuer, one->subject);
	return is_issuer && one->is_ca && one->signs_certificates && one->for_server &&
	       !one->constrained && certificate_valid_at(one, trust.now);
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
	struct taken *taken = context;

	assert(own == certificate_same(certificate->whole, chain_leaf(&chain)->whole));
	assert(own || may_vouch(certificate));
	assert(ca_file_holds(&file, certificate->whole.at, certificate->whole.len));
	taken->count++;
	taken->top = taken->top ||
	             (!own && certificate_same(certificate->subject, chain_top(&chain)->issuer));
	taken->honest = taken->honest || own || is_known(certificate);
	return stops && taken->count == 2 ? fail_set(why, FAIL_TOO_BIG, "enough") : FAIL_NONE;
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

static bool begins(const struct failure *why, const char *words)
{
	return strncmp(why->text, words, strlen(words)) == 0;
}

/* The line to paste is there, whole, where it is of use. */
static void check_refusal(enum fail f, const struct failure *why, const char *pin)
{
	const struct certificate *leaf = chain_leaf(&chain);
	bool usable = leaf->key == CERTIFICATE_RSA || leaf->key == CERTIFICATE_EC;

	assert(f == FAIL_UNTRUSTED);
	check_text(why->text);
	assert(!strstr(why->text, pin) == !usable);
	assert(strstr(why->text, " - presented: subject "));
	assert(!begins(why, "its certificate has expired") || trust.now > leaf->not_after);
	assert(!begins(why, "its certificate is not yet") || trust.now < leaf->not_before);
	assert(!begins(why, "its certificate is self-signed") ||
	       certificate_same(leaf->issuer, leaf->subject));
}

static void check_refusals(void)
{
	static const enum trust_fault faults[] = {
		TRUST_NO_ISSUER, TRUST_DATES, TRUST_NAME,      TRUST_ALGORITHM, TRUST_WEAK,
		TRUST_SIGNATURE, TRUST_USAGE, TRUST_EXTENSION, TRUST_MALFORMED,
	};
	struct failure why;

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
		check_refusal(trust_refuse(&trust, faults[i], &why), &why, sha256_text);
	check_refusal(trust_refuse_pin(&trust, &why), &why, sha256_text);
	if (trust_clock_is_wrong(trust.now))
		check_refusal(trust_refuse_clock(&trust, &why), &why, sha256_text);
}

/* ---- all of it ---- */

static struct taken scan(void)
{
	struct taken taken = { 0 };
	struct trust_file version = { 0 }, now = trust_file_now(config.tls_ca_file);
	struct failure why = { "" };
	enum fail f = trust_scan(&trust, &version, take, &taken, &why);

	assert(version.size == 0 || trust_file_same(&version, &now));
	assert(trust.matched == (taken.top || trust.outdated));
	assert(f || (!file.big && taken.count >= due()));
	assert(f == FAIL_NONE || f == FAIL_FORMAT || f == FAIL_TOO_BIG || f == FAIL_IO ||
	       f == FAIL_UNTRUSTED);
	if (f)
		check_text(why.text);
	if (f == FAIL_UNTRUSTED)
		check_refusal(f, &why, sha256_text);
	return taken;
}

/* By the clock of this machine, and with the signatures. */
static void verify(void)
{
	static struct tls_verify verify;
	const br_x509_class **methods = &verify.methods;
	struct taken taken;

	trust.now = now_s();
	trust.matched = trust.outdated = stops = false;
	taken = scan();
	tls_verify_start(&verify, &config);
	verify.methods->start_chain(methods, config.host);
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
		check_refusal(verify.verdict, &verify.why, PIN);
}

static time_t moment(uint8_t which)
{
	const struct certificate *leaf = chain_leaf(&chain), *top = chain_top(&chain);
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
	static char path[CONFIG_PATH_MAX];
	struct text text = text_on(path, sizeof path);

	config.tls_ca_file = path;
	if (which == 0)
		text_puts(&text, "/nonexistent/ca.pem");
	else if (which == 1)
		text_puts(&text, "/proc/self");
	else if (which == 2 && access(CONFIG_TLS_CA_FILE, F_OK) < 0)
		text_puts(&text, CONFIG_TLS_CA_FILE);
	if (text.len > 0)
		return;
	text_puts(&text, "/proc/self");
	for (unsigned i = 0; i < which && i < 250; i++)
		text_puts(&text, "/./.");
	text_printf(&text, "/fd/%d", file.fd);
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
	chain_sort(&chain);
	choose_path(data[PATH]);
	snprintf(config.host, sizeof config.host, "%s", names[data[NAME] % 4]);
	trust = (struct trust){
		.config = &config,
		.name = config.host,
		.chain = &chain,
		.sha256 = sha256,
		.now = moment(data[MOMENT]),
	};
	stops = data[NAME] & STOPS;
	(void)scan();
	check_refusals();
	if (data[NAME] & VERIFIED)
		verify();
	return 0;
}
