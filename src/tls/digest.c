#include "tls/digest.h"

#include <bearssl.h>
#include <string.h>
#include <sys/auxv.h>

/* About a millisecond for us, and for each guess of an attacker. */
#define ROUNDS 1024

void digest_of(unsigned char digest[static DIGEST_LEN], const unsigned char salt[static DIGEST_LEN],
               const char *const strings[], size_t count)
{
	unsigned char whole[br_sha256_SIZE];
	br_sha256_context hash;

	br_sha256_init(&hash);
	br_sha256_update(&hash, salt, DIGEST_LEN);
	for (size_t i = 0; i < count; i++)
		br_sha256_update(&hash, strings[i], strlen(strings[i]) + 1);
	br_sha256_out(&hash, whole);
	for (unsigned round = 1; round < ROUNDS; round++) {
		br_sha256_init(&hash);
		br_sha256_update(&hash, salt, DIGEST_LEN);
		br_sha256_update(&hash, whole, sizeof whole);
		br_sha256_out(&hash, whole);
	}
	memcpy(digest, whole, DIGEST_LEN);
	explicit_bzero(&hash, sizeof hash);
	explicit_bzero(whole, sizeof whole);
}

void digest_salt(unsigned char salt[static DIGEST_LEN])
{
	/* The kernel gives the address as a number. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
	unsigned char whole[br_sha256_SIZE];
	br_sha256_context hash;

	/* Hash the bytes: the stack protector's secret is among them. */
	br_sha256_init(&hash);
	br_sha256_update(&hash, random, DIGEST_LEN);
	br_sha256_out(&hash, whole);
	memcpy(salt, whole, DIGEST_LEN);
}
