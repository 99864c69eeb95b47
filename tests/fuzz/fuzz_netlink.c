/* fuzz_netlink: any bytes as what the kernel sends.
 *
 * What is taken lies in the input, in its order, and is fit to be used. The same bytes come once
 * more through a socket. */
#include "vpn/choice.h"
#include "vpn/netlink.h"

#include <assert.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

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

static void check_route(const struct netlink_message *message)
{
	uint32_t index = 0;

	if (!netlink_route(message, &index)) {
		assert(index == 0);
		return;
	}
	assert(message->type == RTM_NEWROUTE);
	assert(index > 0 && index <= INT32_MAX);
	assert(holds(message, &index, sizeof index));
}

/* It is about one thing, or about none; and the same twice. */
static void check_message(const struct netlink_message *message)
{
	struct netlink_link link, link_again;
	struct netlink_address address;
	bool is_link = netlink_link(message, &link);

	check_link(message);
	check_address(message);
	check_route(message);
	assert(!is_link || !netlink_address(message, &address));
	assert(netlink_link(message, &link_again) == is_link);
	assert(!is_link || strcmp(link.name, link_again.name) == 0);
}

/* What is chosen of all links in the input, the last byte of which says the route. */
static void check_choice(const uint8_t *data, size_t size)
{
	struct choice choice = { .route = size ? data[size - 1] : 0 };
	struct netlink_message message;
	struct netlink_link link;
	unsigned tunnels = 0;
	bool is_there = false;
	const unsigned char *at = data;
	size_t left = size;

	while (netlink_next(&at, &left, &message)) {
		if (!netlink_link(&message, &link))
			continue;
		choice_see(&choice, &link);
		tunnels += choice_can_be(&link);
		assert(memchr(choice.names, '\0', sizeof choice.names));
	}
	assert(choice.count == tunnels && (choice.name[0] != '\0') == (tunnels > 0));
	assert((choice_made(&choice) == CHOICE_NONE) == (tunnels == 0));
	assert(choice_made(&choice) != CHOICE_SEVERAL || tunnels > 1);
	/* What is chosen is one of them, and it is named, unless there is no room. */
	at = data;
	left = size;
	while (tunnels > 0 && netlink_next(&at, &left, &message))
		is_there |= netlink_link(&message, &link) && choice_can_be(&link) &&
		            strcmp(link.name, choice.name) == 0;
	assert(is_there == (tunnels > 0));
	assert(!is_there || choice.more || strstr(choice.names, choice.name));
}

struct taken {
	size_t count;
	size_t bytes;
};

static void take(void *context, const struct netlink_message *message)
{
	struct taken *taken = context;

	assert(message->type != NLMSG_DONE && message->type != NLMSG_ERROR);
	check_message(message);
	taken->count++;
	taken->bytes += message->len;
}

/* Up to the end or an error, and all of it but where it ends early or is cut. */
static void check_drain(const uint8_t *data, size_t size)
{
	const unsigned char *at = data;
	struct taken taken = { 0 }, wanted = { 0 };
	struct netlink_message message;
	bool failed = false, done = false, whole = size <= NETLINK_MAX;
	size_t left = whole ? size : 0;
	int fds[2];

	while (netlink_next(&at, &left, &message)) {
		failed = (message.flags & NLM_F_DUMP_INTR) || message.type == NLMSG_ERROR;
		done = !failed && message.type == NLMSG_DONE;
		if (failed || done)
			break;
		wanted.count++;
		wanted.bytes += message.len;
	}
	assert(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) == 0);
	assert(netlink_drain(fds[1], take, &taken) && taken.count == 0);
	assert(send(fds[0], data, size, 0) == (ssize_t)size);
	assert(netlink_drain(fds[1], take, &taken) == (whole && !failed));
	assert(taken.count == wanted.count && taken.bytes == wanted.bytes);
	/* The same as what stands before an answer. The end of a dump is none. */
	taken = (struct taken){ 0 };
	assert(send(fds[0], data, size, 0) == (ssize_t)size);
	assert(netlink_ask_link(fds[1], 1, 7, take, &taken) == (whole && !failed && !done));
	assert(taken.count == wanted.count && taken.bytes == wanted.bytes);
	close(fds[0]);
	close(fds[1]);
}

/* What the kernel really says, once. */
static void check_kernel(void)
{
	struct taken taken = { 0 };
	struct failure why;
	int fd;

	assert(!netlink_dump(RTM_GETLINK, take, &taken, &why) && taken.count > 0);
	assert(!netlink_dump(RTM_GETADDR, take, &taken, &why));
	assert(netlink_default_route() <= INT32_MAX);
	assert(!netlink_listen(&fd, &why));
	(void)netlink_drain(fd, take, &taken);
	taken.count = 0;
	assert(netlink_ask_link(fd, 1, 7, take, &taken) && taken.count > 0);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *at = data, *least = data;
	struct netlink_message message;
	static bool asked;
	size_t left = size, count = 0;

	if (!asked)
		check_kernel();
	asked = true;

	while (netlink_next(&at, &left, &message)) {
		assert(message.payload >= least && message.len <= size);
		assert(message.payload + message.len <= at);
		assert(at + left == data + size);
		least = at;
		check_message(&message);
		count++;
	}
	assert(count <= size / sizeof(struct nlmsghdr));
	check_drain(data, size);
	check_choice(data, size);
	return 0;
}
