#include "vpn/tunnel.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "base/text.h"
#include "vpn/netlink.h"

void tunnel_start(struct tunnel *tunnel, const char *name)
{
	struct text text;

	*tunnel = (struct tunnel){ .sought = !*name, .choose = !*name, .events_fd = -1 };
	text = text_on(tunnel->name, sizeof tunnel->name);
	text_append(&text, name);
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
		/* The interface may have been renamed. */
		bool ours = named || link.index == tunnel->index;

		if (ours)
			tunnel->index = named && !link.gone ? link.index : 0;
		if (ours || (tunnel->sought && choice_can_be(&link)))
			note(hearing, TUNNEL_CHANGED);
		else if (link.gone)
			note(hearing, TUNNEL_OTHER_GONE);
	} else if (netlink_address(message, &address) && address.index == tunnel->index) {
		note(hearing, TUNNEL_CHANGED);
	}
}

enum tunnel_event tunnel_drain(struct tunnel *tunnel)
{
	struct hearing hearing = { .tunnel = tunnel };

	if (!netlink_drain(tunnel->events_fd, hear, &hearing))
		hearing.heard = TUNNEL_CHANGED;
	tunnel->choose |= hearing.heard == TUNNEL_CHANGED;
	return hearing.heard;
}

/* ---- reading the state ---- */

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
	/* If the kernel has the modules, tunl0 and sit0 are in every namespace, down. */
	if (!link.loopback && link.up)
		looking->view->lo_only = false;
	if (looking->tunnel->choose)
		choice_see(&looking->tunnel->choice, &link);
	if (strcmp(link.name, looking->tunnel->name) != 0)
		return;
	looking->tunnel->index = looking->view->index = link.index;
	looking->view->exists = true;
	looking->view->up = link.up;
	looking->tunnel->counts = (struct traffic_counts){ link.index, link.received, link.sent };
}

static void format_ip(char *out, size_t cap, const void *ip, size_t len)
{
	struct text text = text_on(out, cap);

	text_append_ip(&text, ip, len);
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
		format_ip(view->v4_text, sizeof view->v4_text, &view->v4, sizeof view->v4);
	}
	if (address.family == AF_INET6 && !view->has_v6) {
		view->has_v6 = true;
		view->v6 = address.address.v6;
		format_ip(view->v6_text, sizeof view->v6_text, &view->v6, sizeof view->v6);
	}
}

static enum fail look(struct looking *looking, struct failure *why)
{
	struct tunnel *tunnel = looking->tunnel;
	enum fail f;

	/* memset() also clears the padding: views are compared by memcmp(). */
	memset(looking->view, 0, sizeof *looking->view);
	looking->view->lo_only = true;
	tunnel->index = 0;
	tunnel->counts = (struct traffic_counts){ 0 };
	f = netlink_dump(RTM_GETLINK, see_link, looking, why);
	if (!f && tunnel->index != 0)
		f = netlink_dump(RTM_GETADDR, see_address, looking, why);
	return f;
}

/* The same as look(), and chooses the tunnel's interface. If that is another one, looks once
 * more. */
static enum fail look_and_choose(struct looking *looking, struct failure *why)
{
	struct tunnel *tunnel = looking->tunnel;
	enum choice_verdict verdict;
	enum fail f;
	bool same;

	tunnel->choice = (struct choice){ .route = netlink_default_route() };
	f = look(looking, why);
	if (f)
		return f;
	verdict = choice_made(&tunnel->choice);
	tunnel->routed |= tunnel->choice.has_route;
	same = strcmp(tunnel->name, tunnel->choice.name) == 0;
	tunnel->choose =
		verdict != CHOICE_ONE || (tunnel->routed && !tunnel->choice.has_route && !same);
	if (tunnel->choose || same)
		return FAIL_NONE;
	memcpy(tunnel->name, tunnel->choice.name, sizeof tunnel->name);
	return look(looking, why);
}

enum fail tunnel_look(struct tunnel *tunnel, struct tunnel_view *view, struct failure *why)
{
	struct looking looking = { .tunnel = tunnel, .view = view };
	unsigned looks = 0;
	enum fail f;

	tunnel->choose = tunnel->sought && (tunnel->choose || tunnel->events_fd < 0);
	/* Repeat if something changed meanwhile, but at most three times in all. */
	do
		f = tunnel->choose ? look_and_choose(&looking, why) : look(&looking, why);
	while (f && ++looks < 3);
	if (f)
		memset(view, 0, sizeof *view);
	return f;
}
