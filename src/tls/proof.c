#include "tls/proof.h"

static void ignore(const br_ssl_client_certificate_class **methods)
{
	(void)methods;
}

static void ignore_name(const br_ssl_client_certificate_class **methods, size_t len)
{
	(void)methods;
	(void)len;
}

static void ignore_bytes(const br_ssl_client_certificate_class **methods,
                         const unsigned char *bytes, size_t len)
{
	(void)methods;
	(void)bytes;
	(void)len;
}

static void choose(const br_ssl_client_certificate_class **methods,
                   const br_ssl_client_context *client, uint32_t types,
                   br_ssl_client_certificate *choice)
{
	struct tls_proof *proof = (struct tls_proof *)(void *)methods;

	(void)client;
	(void)types;
	*proof->asked = true;
	*choice = (br_ssl_client_certificate){ .chain_len = 0 };
}

static const br_ssl_client_certificate_class all_methods = {
	.context_size = sizeof(struct tls_proof),
	.start_name_list = ignore,
	.start_name = ignore_name,
	.append_name = ignore_bytes,
	.end_name = ignore,
	.end_name_list = ignore,
	.choose = choose,
};

struct tls_proof tls_proof_for(bool *asked)
{
	return (struct tls_proof){ .methods = &all_methods, .asked = asked };
}
