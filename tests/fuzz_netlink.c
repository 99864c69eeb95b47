/* fuzz_netlink: any bytes as what the kernel sends.
 *
 * What is taken lies in the input, in its order, and is fit to be used. */
#include "netlink.h"

#include <assert.h>
#include <linux/rtnetlink.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether `value` is in the message, as a whole. */
static bool holds(const struct netlink_message *message, const void *value, size_t len)
{
	return memmem(message->payload, message->len, value, len);
}

static void check_link(const struct netlink_message *message)
{
	struct netlink_link link;

	if (!netlink_link(message, &link))
		return;
	assert(message->type == RTM_NEWLINK || message->type == RTM_DELLINK);
	assert(link.gone == (message->type == RTM_DELLINK));
	assert(link.index > 0 && link.index <= INT32_MAX);
	assert(memchr(link.name, '\0', sizeof link.name));
	assert(holds(message, link.name, strlen(link.name) + 1));
}

static void check_address(const struct netlink_message *message)
{
	struct netlink_address address;

	if (!netlink_address(message, &address))
		return;
	assert(message->type == RTM_NEWADDR || message->type == RTM_DELADDR);
	assert(address.gone == (message->type == RTM_DELADDR));
	assert(address.family == AF_INET || address.family == AF_INET6);
	assert(holds(message, &address.address, address.family == AF_INET ? 4 : 16));
}

/* It is about one thing, or about none; and the same twice. */
static void check_message(const struct netlink_message *message)
{
	struct netlink_link link, link_again;
	struct netlink_address address;
	bool is_link = netlink_link(message, &link);

	check_link(message);
	check_address(message);
	assert(!is_link || !netlink_address(message, &address));
	assert(netlink_link(message, &link_again) == is_link);
	assert(!is_link || strcmp(link.name, link_again.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *at = data, *least = data;
	struct netlink_message message;
	size_t left = size, count = 0;

	while (netlink_next(&at, &left, &message)) {
		assert(message.payload >= least && message.len <= size);
		assert(message.payload + message.len <= at);
		assert(at + left == data + size);
		least = at;
		check_message(&message);
		count++;
	}
	assert(count <= size / sizeof(struct nlmsghdr));
	return 0;
}
