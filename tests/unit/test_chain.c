#include "tls/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "certificates.h"
#include "tls/pem.h"

static struct chain chain;
static struct pem pem;

static int start(void **state)
{
	(void)state;
	chain_start(&chain);
	return 0;
}

/* In two pieces, as TLS records may deliver it. */
static void add_bytes(const unsigned char *bytes, size_t len)
{
	chain_begin(&chain);
	chain_add(&chain, bytes, len / 2);
	chain_add(&chain, bytes + len / 2, len - len / 2);
	chain_end(&chain);
}

static void add(const char *text)
{
	size_t len = strlen(text);

	pem_start(&pem);
	assert_int_equal(pem_push(&pem, &text, &len), PEM_CERTIFICATE);
	add_bytes(pem.certificate, pem.len);
}

static void chain_leaves_out_what_is_no_certificate(void **state)
{
	static const unsigned char garbage[100] = { 0x30, 0x62 };
	(void)state;

	add(LEAF_PEM);
	add_bytes(garbage, sizeof garbage);
	add(INTER_PEM);
	assert_false(chain.malformed);
	assert_int_equal(chain.count, 2);
}

static void chain_is_malformed_where_the_first_is_no_certificate(void **state)
{
	static const unsigned char garbage[100] = { 0x30, 0x62 };
	(void)state;

	add_bytes(garbage, sizeof garbage);
	add(LEAF_PEM);
	assert_true(chain.malformed);
	assert_int_equal(chain.count, 0);
}

static void chain_takes_ten_certificates_and_no_more(void **state)
{
	(void)state;

	for (size_t i = 0; i < CHAIN_MAX; i++)
		add(LEAF_PEM);
	assert_false(chain.too_big);
	add(LEAF_PEM);
	assert_true(chain.too_big);
	assert_int_equal(chain.count, CHAIN_MAX);
}

static void chain_takes_no_more_bytes_than_fit(void **state)
{
	static const unsigned char zeros[CHAIN_BYTES_MAX];
	(void)state;

	add(LEAF_PEM);
	chain_begin(&chain);
	chain_add(&chain, zeros, CHAIN_BYTES_MAX - chain.len);
	assert_false(chain.too_big);
	chain_add(&chain, zeros, 1);
	assert_true(chain.too_big);
	chain_end(&chain);
	assert_int_equal(chain.count, 1);
}

static void chain_forgets_the_one_before(void **state)
{
	static const unsigned char zeros[CHAIN_BYTES_MAX];
	(void)state;

	chain_begin(&chain);
	chain_add(&chain, zeros, sizeof zeros);
	chain_add(&chain, zeros, 1);
	assert_true(chain.too_big);
	chain_start(&chain);
	add(LEAF_PEM);
	assert_false(chain.too_big);
	assert_int_equal(chain.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(chain_leaves_out_what_is_no_certificate, start),
		cmocka_unit_test_setup(chain_is_malformed_where_the_first_is_no_certificate, start),
		cmocka_unit_test_setup(chain_takes_ten_certificates_and_no_more, start),
		cmocka_unit_test_setup(chain_takes_no_more_bytes_than_fit, start),
		cmocka_unit_test_setup(chain_forgets_the_one_before, start),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
