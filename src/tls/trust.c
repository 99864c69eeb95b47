#include "tls/trust.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/pages.h"
#include "tls/certificate_names.h"
#include "tls/pem.h"

/* The PEM reader, in static memory for its size. */
static struct pem pem;

/* Whether `subject` is the issuer of a certificate in the chain. */
static bool is_issuer(const struct chain *chain, struct der_part subject)
{
	for (size_t i = 0; i < chain->count; i++)
		if (certificate_same_name(chain->certificates[i].issuer, subject))
			return true;
	return false;
}

static enum fail consider(const struct chain *chain, const unsigned char *der, size_t len,
                          trust_on_certificate *on_certificate, void *context, struct failure *why)
{
	struct certificate certificate;

	/* An unreadable certificate cannot vouch for anything. Bundles may hold some. */
	if (!certificate_parse(&certificate, der, len))
		return FAIL_NONE;
	if (certificate_same(certificate.whole, chain_leaf(chain)->whole))
		return on_certificate(context, &certificate, true, why);
	if (!is_issuer(chain, certificate.subject))
		return FAIL_NONE;
	return on_certificate(context, &certificate, false, why);
}

static enum fail scan(const char *path, int fd, const struct chain *chain,
                      trust_on_certificate *on_certificate, void *context, struct failure *why)
{
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
			return fail_errno(why, "read %s", path);
		total += len;
		if (total > TRUST_FILE_MAX)
			return fail_set(why, FAIL_TOO_BIG, "%s is larger than 4 MiB", path);
		ended = len == 0;
		if (ended) {
			bytes = "\n";
			len = 1;
		}
		/* Skip the UTF-8 byte order mark that editors on Windows write. */
		if (total == len && len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
			bytes += 3;
			len -= 3;
		}
		while ((event = pem_push(&pem, &bytes, &len)) == PEM_CERTIFICATE) {
			enum fail f = consider(chain, pem.certificate, pem.len, on_certificate,
			                       context, why);

			found++;
			if (f)
				return f;
		}
		if (event == PEM_DAMAGED || (ended && pem.inside))
			return fail_set(
				why, FAIL_FORMAT,
				"certificate number %u in %s is damaged: incomplete, or not PEM",
				found + 1, path);
	}
	if (found == 0)
		return fail_set(why, FAIL_FORMAT,
		                "%s holds no certificate in PEM form (\"BEGIN "
		                "CERTIFICATE\")",
		                path);
	return FAIL_NONE;
}

/* Errors that count as "no file" at the default path. */
static bool is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
}

enum fail trust_scan(const struct trust *trust, const struct chain *chain,
                     struct file_version *version, trust_on_certificate *on_certificate,
                     void *context, struct failure *why)
{
	const char *path = trust->ca_file;
	int fd = file_open(path, FILE_LINKS_ALL);
	struct stat status;
	enum fail f;

	if (fd < 0 && is_absent(errno) && trust->ca_file_is_usual)
		return FAIL_UNTRUSTED;
	if (fd < 0)
		return file_refused(why, path, false);
	f = file_check(&status, fd, path, why);
	if (f == FAIL_NONE) {
		*version = file_version(&status);
		f = scan(path, fd, chain, on_certificate, context, why);
	}
	close(fd);
	pages_release(&pem, sizeof pem);
	return f;
}
