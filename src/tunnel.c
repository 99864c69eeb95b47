#include "tunnel.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "mono.h"
#include "netlink.h"
#include "text.h"

struct tunnel tunnel_on(const char *name)
{
	return (struct tunnel){ .name = name, .events_fd = -1 };
}

enum fail tunnel_listen(struct tunnel *tunnel, struct failure *why)
{
	return netlink_listen(&tunnel->events_fd, why);
}

/* ---- changes ---- */

struct hearing {
	struct tunnel *tunnel;
	enum tunnel_event heard;
};

static void note(struct hearing *hearing, enum tunnel_event event)
{
	if (event > hearing->heard)
		hearing->heard = event;
}

static void hear(void *context, const struct netlink_message *message)
{
	struct hearing *hearing = context;
	struct tunnel *tunnel = hearing->tunnel;
	struct netlink_link link;
	struct netlink_address address;

	if (netlink_link(message, &link)) {
		bool named = strcmp(link.name, tunnel->name) == 0;
		/* It may have been given another name. */
		bool ours = named || link.index == tunnel->index;

		if (ours) {
			tunnel->index = named && !link.gone ? link.index : 0;
			note(hearing, TUNNEL_CHANGED);
		} else if (link.gone) {
			note(hearing, TUNNEL_OTHER_GONE);
		}
	} else if (netlink_address(message, &address) && address.index == tunnel->index) {
		note(hearing, TUNNEL_CHANGED);
	}
}

enum tunnel_event tunnel_drain(struct tunnel *tunnel)
{
	struct hearing hearing = { .tunnel = tunnel };

	return netlink_drain(tunnel->events_fd, hear, &hearing) ? hearing.heard : TUNNEL_CHANGED;
}

/* ---- a look ---- */

struct looking {
	struct tunnel *tunnel;
	struct tunnel_view *view;
};

static void see_link(void *context, const struct netlink_message *message)
{
	struct looking *looking = context;
	struct netlink_link link;

	if (!netlink_link(message, &link))
		return;
	/* Where the kernel has modules for tunnels, some (tunl0, sit0) are in every namespace, down. */
	if (!link.loopback && link.up)
		looking->view->lo_only = false;
	if (strcmp(link.name, looking->tunnel->name) != 0)
		return;
	looking->tunnel->index = looking->view->index = link.index;
	looking->view->exists = true;
	looking->view->up = link.up;
}

static void put_ip(char *out, size_t cap, const void *ip, size_t len)
{
	struct text text = text_on(out, cap);

	text_add_ip(&text, ip, len);
}

static void see_address(void *context, const struct netlink_message *message)
{
	struct looking *looking = context;
	struct tunnel_view *view = looking->view;
	struct netlink_address address;

	if (!netlink_address(message, &address) || address.index != looking->tunnel->index ||
	    !address.usable)
		return;
	if (address.family == AF_INET && !view->has_v4) {
		view->has_v4 = true;
		view->v4 = address.address.v4;
		put_ip(view->v4_text, sizeof view->v4_text, &view->v4, sizeof view->v4);
	}
	if (address.family == AF_INET6 && !view->has_v6) {
		view->has_v6 = true;
		view->v6 = address.address.v6;
		put_ip(view->v6_text, sizeof view->v6_text, &view->v6, sizeof view->v6);
	}
}

enum fail tunnel_look(struct tunnel *tunnel, struct tunnel_view *view, struct failure *why)
{
	struct looking looking = { .tunnel = tunnel, .view = view };
	unsigned looks = 0;
	enum fail f;

	/* Again, where something was changed during the look; that has to end. */
	do {
		/* All of it, padding too: views are compared. */
		memset(view, 0, sizeof *view);
		view->lo_only = true;
		tunnel->index = 0;
		f = netlink_dump(RTM_GETLINK, see_link, &looking, why);
		if (!f && tunnel->index != 0)
			f = netlink_dump(RTM_GETADDR, see_address, &looking, why);
	} while (f && ++looks < 3);
	if (f)
		memset(view, 0, sizeof *view);
	return f;
}

/* ---- the probe ---- */

/* Where nobody has the port, the kernel may give it to the probe as its own end, and TCP then connects
 * a socket to itself. It gives none away that somebody listens on. */
static bool is_connected_to_itself(const struct net_tcp *tcp, uint16_t port)
{
	/* The port is at the same place in an IPv6 address. */
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} own = { 0 };
	socklen_t len = sizeof own;

	return getsockname(tcp->fd, &own.any, &len) == 0 && own.v4.sin_port == htons(port);
}

enum fail tunnel_probe(const struct tunnel_view *view, sa_family_t family, uint16_t port,
                       const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	struct net_tcp tcp = {
		.fd = -1,
		.peer = family == AF_INET ? resolve_ip(&view->v4, sizeof view->v4, port)
		                          : resolve_ip(&view->v6, sizeof view->v6, port),
	};
	enum fail f;

	deadline_ms = mono_earlier(deadline_ms, mono_now_ms() + TUNNEL_PROBE_MS);
	f = net_connect_again(&tcp, stop, deadline_ms, why);
	if (!f && is_connected_to_itself(&tcp, port)) {
		/* Reset it: in TIME-WAIT it would keep qBittorrent off the port for a minute. */
		(void)setsockopt(tcp.fd, SOL_SOCKET, SO_LINGER, &(const struct linger){ 1, 0 },
		                 sizeof(struct linger));
		f = fail_set(why, FAIL_REFUSED, "connection refused");
	}
	net_close(&tcp);
	return f;
}
