#include "tls/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "certificates.h"
#include "tls/pem.h"

#define NOW ((time_t)1798761600) /* 2027-01-01 */

static struct chain chain;
static struct pem pem;
static struct certificate anchors[2];
static unsigned char anchor_bytes[2][PEM_CERTIFICATE_MAX];
static struct path path;

static int start(void **state)
{
	(void)state;
	chain_start(&chain);
	path = (struct path){ .chain = &chain, .anchors = anchors, .now = NOW };
	return 0;
}

static void read_pem(const char *text)
{
	size_t len = strlen(text);

	pem_start(&pem);
	assert_int_equal(pem_push(&pem, &text, &len), PEM_CERTIFICATE);
}

static void present(const char *text)
{
	read_pem(text);
	chain_begin(&chain);
	chain_add(&chain, pem.certificate, pem.len);
	chain_end(&chain);
}

static struct certificate *trust(const char *text)
{
	unsigned char *bytes = anchor_bytes[path.anchor_count];
	struct certificate *anchor = &anchors[path.anchor_count++];

	read_pem(text);
	memcpy(bytes, pem.certificate, pem.len);
	assert_true(certificate_parse(anchor, bytes, pem.len));
	return anchor;
}

static void assert_blocked(enum path_fault fault, const struct certificate *of,
                           enum path_origin origin)
{
	assert_false(path_find(&path));
	assert_int_equal(path.obstacle.fault, fault);
	assert_ptr_equal(path.obstacle.of, of);
	assert_int_equal(path.obstacle.origin, origin);
}

static void path_is_found_in_any_order(void **state)
{
	(void)state;
	present(LEAF_PEM);
	present(ROOT_PEM);
	present(CLIENT_PEM); /* unrelated */
	present(INTER_PEM);
	trust(ROOT_PEM);
	assert_true(path_find(&path));
}

static void path_goes_up_only_to_a_ca_of_the_file(void **state)
{
	(void)state;
	present(LEAF_PEM);
	present(INTER_PEM);
	present(ROOT_PEM);
	assert_blocked(PATH_NO_ISSUER, &chain.certificates[2], PATH_SENT);
	assert_true(path.obstacle.others);
	trust(INTER_PEM);
	assert_true(path_find(&path));
}

static void path_names_the_issuer_that_is_missing(void **state)
{
	(void)state;
	present(LEAF_PEM);
	trust(ROOT_PEM);
	assert_blocked(PATH_NO_ISSUER, &chain.certificates[0], PATH_SERVER);
	assert_false(path.obstacle.others);
}

static void path_is_not_needed_to_what_is_trusted_itself(void **state)
{
	(void)state;
	present(LEAF_PEM);
	path.trusted = true;
	assert_true(path_find(&path));
	path.now = chain_leaf(&chain)->not_after + 1;
	assert_blocked(PATH_DATES, chain_leaf(&chain), PATH_SERVER);
}

static void path_tells_what_is_wrong_with_whom(void **state)
{
	struct certificate *root, *inter;

	(void)state;
	present(LEAF_PEM);
	present(INTER_PEM);
	root = trust(ROOT_PEM);
	inter = &chain.certificates[1];
	inter->is_ca = false;
	assert_blocked(PATH_NOT_CA, inter, PATH_SENT);
	inter->is_ca = true;
	inter->is_old_root = true; /* only the user can declare an old root a CA */
	inter->depth_max = 0;
	assert_true(path_find(&path));
	root->depth_max = 0;
	assert_blocked(PATH_DEPTH, root, PATH_FILE);
	root->depth_max = 1;
	assert_true(path_find(&path));
	root->constrained = true;
	assert_blocked(PATH_CONSTRAINED, root, PATH_FILE);
	root->signs_certificates = false;
	assert_blocked(PATH_KEY_USAGE, root, PATH_FILE);
	root->is_ca = false;
	assert_blocked(PATH_NOT_CA, root, PATH_FILE);
	root->key = CERTIFICATE_EC_OTHER;
	assert_blocked(PATH_KEY, root, PATH_FILE);
	root->key = CERTIFICATE_RSA_LONG; /* cannot have made an ECDSA signature */
	assert_blocked(PATH_NOT_SIGNER, root, PATH_FILE);
	chain.certificates[0].signs_handshakes = false;
	assert_blocked(PATH_KEY_USAGE, &chain.certificates[0], PATH_SERVER);
}

static void path_tells_of_a_ca_only_if_it_did_sign(void **state)
{
	struct certificate *other, *root;

	(void)state;
	present(LEAF_PEM);
	present(INTER_PEM);
	other = trust(NAS_PEM); /* another key with the root's name */
	root = trust(ROOT_PEM);
	other->subject = root->subject;
	other->is_ca = false;
	assert_true(path_find(&path));
	root->for_server = false;
	assert_blocked(PATH_PURPOSE, root, PATH_FILE);
	path.anchor_count = 1;
	assert_blocked(PATH_NOT_SIGNER, other, PATH_FILE);
}

static void path_stops_where_signatures_cost_too_much(void **state)
{
	(void)state;
	present(LEAF_PEM);
	for (size_t i = 1; i < CHAIN_MAX; i++)
		present(NAS_PEM); /* all have the issuer's name, but none is the issuer */
	for (size_t i = 1; i < CHAIN_MAX; i++) {
		chain.certificates[i].subject = chain.certificates[0].issuer;
		chain.certificates[i].is_ca = true;
		chain.certificates[i].curve = CERTIFICATE_P521;
	}
	trust(ROOT_PEM);
	assert_false(path_find(&path));
	assert_int_equal(path.obstacle.fault, PATH_TOO_MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(path_is_found_in_any_order, start),
		cmocka_unit_test_setup(path_goes_up_only_to_a_ca_of_the_file, start),
		cmocka_unit_test_setup(path_names_the_issuer_that_is_missing, start),
		cmocka_unit_test_setup(path_is_not_needed_to_what_is_trusted_itself, start),
		cmocka_unit_test_setup(path_tells_what_is_wrong_with_whom, start),
		cmocka_unit_test_setup(path_tells_of_a_ca_only_if_it_did_sign, start),
		cmocka_unit_test_setup(path_stops_where_signatures_cost_too_much, start),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
