#include "tls/fault.h"

#include <bearssl.h>
#include <string.h>

/* RFC 5246, section 7.2.2; RFC 6066, section 3. */
enum {
	ALERT_HANDSHAKE_FAILURE = 40,
	ALERT_PROTOCOL_VERSION = 70,
	ALERT_INSUFFICIENT_SECURITY = 71,
	ALERT_UNRECOGNIZED_NAME = 112,
};

enum tls_reason tls_fault_alert(int alert, bool client_certificate_asked, const char *name,
                                struct failure *why)
{
	if (client_certificate_asked) {
		fail_set(why, FAIL_TLS, TLS_FAULT_CLIENT_CERTIFICATE, "TLS alert", alert);
		return TLS_REASON_OTHER;
	}
	switch (alert) {
	case ALERT_HANDSHAKE_FAILURE:
	case ALERT_INSUFFICIENT_SECURITY:
		fail_set(
			why, FAIL_TLS,
			"the server shares no cipher with qsticky (TLS alert %d): perhaps its key is "
			"Ed25519, RSA-PSS or EC on an unusual curve; give it an RSA or EC (P-256, "
			"P-384, P-521) certificate, and allow ECDHE "
			"with AES-GCM or ChaCha20 in TLS 1.2",
			alert);
		break;
	case ALERT_PROTOCOL_VERSION:
		fail_set(
			why, FAIL_TLS,
			"the server refuses TLS 1.2 (TLS alert %d); allow it there: qsticky has no "
			"TLS 1.3",
			alert);
		break;
	case ALERT_UNRECOGNIZED_NAME:
		fail_set(why, FAIL_TLS, "the server has no site named %s (TLS alert %d)",
		         name[0] ? name : "(no name was sent)", alert);
		return TLS_REASON_UNKNOWN_SITE;
	default:
		fail_set(why, FAIL_TLS, "the server aborted the TLS handshake (TLS alert %d)",
		         alert);
		break;
	}
	return TLS_REASON_OTHER;
}

enum tls_reason tls_fault_interrupted(enum fail f, bool silent, struct failure *why)
{
	if (f == FAIL_TIMEOUT)
		fail_set(why, f,
		         silent ? "timed out: no answer to the TLS handshake"
		                : "timed out during the TLS handshake");
	else
		fail_set(why, f, "the server closed the connection %s",
		         silent ? "at the start of the TLS handshake" : "during the TLS handshake");
	return silent ? TLS_REASON_SILENT : TLS_REASON_OTHER;
}

static const char *sentence_of(int error)
{
	switch (error) {
	case BR_ERR_UNSUPPORTED_VERSION:
	case BR_ERR_BAD_VERSION:
		return "the server offers only versions older than TLS 1.2";
	case BR_ERR_BAD_SIGNATURE:
		return "the server cannot prove that it owns its certificate";
	case BR_ERR_WRONG_KEY_USAGE:
		return "the server's certificate may not be used for TLS (key usage: no "
		       "digitalSignature)";
	case BR_ERR_TOO_LARGE:
	case BR_ERR_BAD_LENGTH:
		return "the server sends TLS records that are too long";
	case BR_ERR_BAD_MAC:
		return "TLS data was damaged or forged on the way";
	default:
		return "the server violates the TLS protocol";
	}
}

enum tls_reason tls_fault_engine(int error, const unsigned char *first, size_t len,
                                 struct failure *why)
{
	if (len >= 4 && memcmp(first, "HTTP", 4) == 0) {
		fail_set(why, FAIL_TLS,
		         "the server speaks plain HTTP on this port (http, not https)");
		return TLS_REASON_PLAIN;
	}
	/* Record types: RFC 5246, appendix A.1. */
	if (len > 0 && (first[0] < 20 || first[0] > 23))
		fail_set(why, FAIL_TLS, "the server does not speak TLS on this port");
	else
		fail_set(why, FAIL_TLS, "%s (error %d)", sentence_of(error), error);
	return TLS_REASON_OTHER;
}
