#include "trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "certificate_names.h"
#include "pages.h"
#include "pem.h"
#include "utc.h"

/* What is being read. */
static struct pem pem;

/* 2026-01-01: the year that this version is from. Machines without a battery start in 1970. */
#define CLOCK_LEAST ((time_t)1767225600)

bool trust_clock_is_wrong(time_t now)
{
	return now < CLOCK_LEAST;
}

/* ---- the CA file ---- */

static struct trust_file version_of(const struct stat *status)
{
	return (struct trust_file){
		.device = status->st_dev,
		.inode = status->st_ino,
		.size = status->st_size,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
	};
}

struct trust_file trust_file_now(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? version_of(&status) : (struct trust_file){ 0 };
}

static bool same_moment(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool trust_file_same(const struct trust_file *a, const struct trust_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       same_moment(a->modified, b->modified) && same_moment(a->changed, b->changed);
}

/* Whether some certificate of the chain says that it is issued by `subject`. */
static bool is_issuer(const struct chain *chain, struct der_part subject)
{
	for (size_t i = 0; i < chain->count; i++)
		if (certificate_same(chain->certificates[i].issuer, subject))
			return true;
	return false;
}

/* BearSSL does not look at what an anchor may be used for. */
static bool may_vouch(const struct certificate *ca)
{
	return ca->is_ca && ca->signs_certificates && ca->for_server && !ca->constrained;
}

static enum fail consider(struct trust *trust, const unsigned char *der, size_t len,
                          trust_take *take, void *context, struct failure *why)
{
	struct certificate certificate;
	bool tops;

	/* One of a kind that cannot be read cannot vouch for anything; bundles may hold some. */
	if (!certificate_parse(&certificate, der, len))
		return FAIL_NONE;
	if (certificate_same(certificate.whole, chain_leaf(trust->chain)->whole))
		return take(context, &certificate, true, why);
	if (!may_vouch(&certificate) || !is_issuer(trust->chain, certificate.subject))
		return FAIL_NONE;
	/* What is told of a refusal is about the last issuer that is missing. */
	tops = certificate_same(certificate.subject, chain_top(trust->chain)->issuer);
	trust->matched = trust->matched || tops;
	if (!certificate_valid_at(&certificate, trust->now)) {
		trust->outdated = trust->outdated || tops;
		return FAIL_NONE;
	}
	return take(context, &certificate, false, why);
}

static enum fail scan(struct trust *trust, int fd, trust_take *take, void *context,
                      struct failure *why)
{
	const char *path = trust->config->tls_ca_file;
	char buf[4096];
	size_t total = 0;
	unsigned found = 0;
	bool ended = false;

	pem_start(&pem);
	while (!ended) {
		ssize_t got = read(fd, buf, sizeof buf);
		const char *bytes = buf;
		size_t len = (size_t)got;
		enum pem_event event;

		if (got < 0)
			return fail_errno(why, "QSTICKY_TLS_CA_FILE: read %s", path);
		total += len;
		if (total > TRUST_FILE_MAX)
			return fail_set(why, FAIL_TOO_BIG, "QSTICKY_TLS_CA_FILE: %s is over 4 MiB",
			                path);
		ended = len == 0;
		if (ended) {
			bytes = "\n";
			len = 1;
		}
		/* What editors on Windows put in front of a text. */
		if (total == len && len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
			bytes += 3;
			len -= 3;
		}
		while ((event = pem_push(&pem, &bytes, &len)) == PEM_CERTIFICATE) {
			enum fail f = consider(trust, pem.certificate, pem.len, take, context, why);

			found++;
			if (f)
				return f;
		}
		if (event == PEM_DAMAGED || (ended && pem.inside))
			return fail_set(why, FAIL_FORMAT,
			                "QSTICKY_TLS_CA_FILE: certificate number %u in %s is "
			                "damaged: it is not whole, or not PEM",
			                found + 1, path);
	}
	if (found == 0)
		return fail_set(why, FAIL_FORMAT,
		                "QSTICKY_TLS_CA_FILE: %s holds no certificate in PEM form (\"BEGIN "
		                "CERTIFICATE\")",
		                path);
	return FAIL_NONE;
}

/* ---- sentences ---- */

static void put_date(struct text *text, time_t moment)
{
	char utc[UTC_MAX];

	utc_format(utc, moment);
	text_add(text, utc, sizeof "2026-11-22" - 1);
}

void trust_put_pin(struct text *text, const unsigned char sha256[static TRUST_SHA256_LEN])
{
	text_puts(text, "QSTICKY_TLS_PIN_SHA256=");
	for (size_t i = 0; i < TRUST_SHA256_LEN; i++)
		text_printf(text, "%02x", (unsigned)sha256[i]);
}

void trust_put_presented(struct text *text, const struct chain *chain)
{
	const struct certificate *leaf = chain_leaf(chain);

	text_puts(text, "subject ");
	certificate_put_name(text, leaf->subject);
	text_puts(text, "; issuer ");
	certificate_put_name(text, leaf->issuer);
	text_puts(text, "; valid ");
	put_date(text, leaf->not_before);
	text_puts(text, " to ");
	put_date(text, leaf->not_after);
	text_puts(text, "; for ");
	certificate_put_names(text, leaf);
}

/* How to accept exactly what the server presented, and what that is. The line to paste comes first:
 * it must not be cut. */
static void put_way_out(struct text *text, const struct trust *trust)
{
	const struct certificate *leaf = chain_leaf(trust->chain);

	/* A key that cannot be used is of no use pinned either. */
	if (leaf->key == CERTIFICATE_RSA || leaf->key == CERTIFICATE_EC) {
		text_puts(text, ". If it is the right one, set ");
		trust_put_pin(text, trust->sha256);
	}
	text_puts(text, " - presented: ");
	trust_put_presented(text, trust->chain);
}

__attribute__((format(printf, 3, 4))) static enum fail
refuse(const struct trust *trust, struct failure *why, const char *format, ...)
{
	struct text text = text_on(why->text, sizeof why->text);
	va_list args;

	va_start(args, format);
	text_vprintf(&text, format, args);
	va_end(args);
	put_way_out(&text, trust);
	return FAIL_UNTRUSTED;
}

/* As good as not there, at a place that nobody has named. */
static bool is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

enum fail trust_scan(struct trust *trust, struct trust_file *version, trust_take *take,
                     void *context, struct failure *why)
{
	const char *path = trust->config->tls_ca_file;
	/* Not blocking: a FIFO is a mistake, not something to wait for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	enum fail f;

	if (fd < 0 && is_absent(errno) && strcmp(path, CONFIG_TLS_CA_FILE) == 0)
		return refuse(trust, why,
		              "nothing here can vouch for its certificate: no pin, and no CA file");
	if (fd < 0)
		return fail_errno(why, "QSTICKY_TLS_CA_FILE: open %s", path);
	if (fstat(fd, &status) < 0) {
		f = fail_errno(why, "QSTICKY_TLS_CA_FILE: %s", path);
	} else if (!S_ISREG(status.st_mode)) {
		f = fail_set(why, FAIL_FORMAT, "QSTICKY_TLS_CA_FILE: %s is not a regular file",
		             path);
	} else {
		*version = version_of(&status);
		f = scan(trust, fd, take, context, why);
	}
	close(fd);
	pages_release(&pem, sizeof pem);
	return f;
}

enum fail trust_refuse_pin(const struct trust *trust, struct failure *why)
{
	return refuse(trust, why, "its certificate is not the pinned one (QSTICKY_TLS_PIN_SHA256)");
}

enum fail trust_refuse_clock(const struct trust *trust, struct failure *why)
{
	char utc[UTC_MAX];

	utc_format(utc, trust->now);
	return refuse(trust, why,
	              "its certificate cannot be judged: this machine's clock says %s, which is "
	              "plainly wrong; set it",
	              utc);
}

static enum fail refuse_dates(const struct trust *trust, struct failure *why)
{
	char now[UTC_MAX], limit[UTC_MAX];

	utc_format(now, trust->now);
	for (size_t i = 0; i < trust->chain->path_count; i++) {
		const struct certificate *certificate =
			&trust->chain->certificates[trust->chain->path[i]];
		const char *which = i == 0 ? "its certificate" : "a certificate of its issuers";

		if (trust->now < certificate->not_before) {
			utc_format(limit, certificate->not_before);
			return refuse(trust, why,
			              "%s is not yet valid: from %s, and the clock here says %s",
			              which, limit, now);
		}
		if (trust->now > certificate->not_after) {
			utc_format(limit, certificate->not_after);
			return refuse(trust, why,
			              "%s has expired on %s, and the clock here says %s; renew it",
			              which, limit, now);
		}
	}
	return refuse(trust, why, "its certificate is not valid now, %s", now);
}

static enum fail refuse_algorithm(const struct trust *trust, struct failure *why)
{
	static const char *const kinds[] = {
		[CERTIFICATE_OTHER] = "of an unknown kind",
		[CERTIFICATE_RSA] = "RSA",
		[CERTIFICATE_RSA_LONG] = "RSA of more than 4096 bits",
		[CERTIFICATE_RSA_PSS] = "RSA-PSS",
		[CERTIFICATE_EC] = "EC",
		[CERTIFICATE_EC_OTHER] = "EC on an unusual curve",
		[CERTIFICATE_ED25519] = "Ed25519",
		[CERTIFICATE_SHA1] = "SHA-1 or MD5",
	};
	static const char advice[] =
		"not supported; it takes RSA (PKCS#1) and EC (P-256, P-384) with SHA-2";

	for (size_t i = 0; i < trust->chain->path_count; i++) {
		const struct certificate *certificate =
			&trust->chain->certificates[trust->chain->path[i]];
		const char *which = i == 0 ? "its certificate" : "a certificate of its issuers";

		if (certificate->key != CERTIFICATE_RSA && certificate->key != CERTIFICATE_EC)
			return refuse(trust, why, "%s has a key that is %s: %s", which,
			              kinds[certificate->key], advice);
		if (certificate->signature != CERTIFICATE_RSA &&
		    certificate->signature != CERTIFICATE_EC)
			return refuse(trust, why, "%s has a signature that is %s: %s", which,
			              kinds[certificate->signature], advice);
	}
	return refuse(trust, why, "its certificate has a key or signature that is %s", advice);
}

static enum fail refuse_issuer(const struct trust *trust, struct failure *why)
{
	const struct chain *chain = trust->chain;
	const char *path = trust->config->tls_ca_file;
	const struct certificate *top = chain_top(chain);
	char issuer[128];
	struct text text = text_on(issuer, sizeof issuer);

	certificate_put_name(&text, top->issuer);
	if (trust->outdated)
		return refuse(trust, why, "its issuer \"%s\" in %.100s is itself out of date",
		              issuer, path);
	if (chain->path_count == 1 && certificate_same(top->issuer, top->subject))
		return refuse(trust, why, "its certificate is self-signed, and not in %.100s%s",
		              path, trust->matched ? ", which holds another of that name" : "");
	if (trust->matched)
		return refuse(
			trust, why,
			"%.100s holds a CA of the name of its issuer \"%s\", but not the one that "
			"signed it",
			path, issuer);
	if (chain->path_count == 1)
		return refuse(trust, why,
		              "its issuer \"%s\" is not in %.100s, and it sends no intermediate "
		              "certificate (serve the full chain)",
		              issuer, path);
	return refuse(trust, why, "its issuer is unknown: \"%s\" is not in %.100s", issuer, path);
}

enum fail trust_refuse(const struct trust *trust, enum trust_fault fault, struct failure *why)
{
	switch (fault) {
	case TRUST_NO_ISSUER:
		return refuse_issuer(trust, why);
	case TRUST_DATES:
		return refuse_dates(trust, why);
	case TRUST_NAME:
		return refuse(trust, why,
		              "its certificate is for another name than %s (see "
		              "QSTICKY_TLS_SERVER_NAME)",
		              trust->name);
	case TRUST_ALGORITHM:
		return refuse_algorithm(trust, why);
	case TRUST_WEAK:
		return refuse(trust, why,
		              "its certificate has, or was signed with, an RSA key of "
		              "less than 2048 bits: too weak");
	case TRUST_SIGNATURE:
		return refuse(trust, why, "a signature on its certificates is wrong");
	case TRUST_USAGE:
		return refuse(trust, why,
		              "its certificate is not meant for a server, or one of its issuers "
		              "not for a CA (key usage)");
	case TRUST_EXTENSION:
		return refuse(trust, why,
		              "its certificate, or one of its issuers, has an extension that "
		              "cannot be judged here (critical, or name constraints)");
	case TRUST_MALFORMED:
		break;
	}
	return refuse(trust, why, "its certificate is malformed");
}
