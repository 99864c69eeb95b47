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

static void note(struct tunnel *tunnel, enum tunnel_event event)
{
	if (event > tunnel->heard)
		tunnel->heard = event;
}

static void count_packets(struct tunnel *tunnel, const struct netlink_link *link)
{
	tunnel->counts = (struct traffic_counts){ link->index, link->received, link->sent };
}

/* Takes the answer to is_as_seen(). It may also come later, behind a change. */
static void hear_answer(struct tunnel *tunnel, const struct netlink_message *message)
{
	struct netlink_link link;

	tunnel->answered = message->answers == tunnel->asked && netlink_link(message, &link) &&
	                   link.index == tunnel->view.index && link.up &&
	                   strcmp(link.name, tunnel->name) == 0;
	if (tunnel->answered)
		count_packets(tunnel, &link);
}

static void hear(void *context, const struct netlink_message *message)
{
	struct tunnel *tunnel = context;
	struct netlink_link link;
	struct netlink_address address;

	if (message->answers != 0) {
		hear_answer(tunnel, message);
		return;
	}
	tunnel->settled = false;
	if (netlink_link(message, &link)) {
		bool named = strcmp(link.name, tunnel->name) == 0;
		/* The interface may have been renamed. */
		bool ours = named || link.index == tunnel->index;

		if (ours)
			tunnel->index = named && !link.gone ? link.index : 0;
		if (ours || (tunnel->sought && choice_can_be(&link)))
			note(tunnel, TUNNEL_CHANGED);
		else if (link.gone)
			note(tunnel, TUNNEL_OTHER_GONE);
	} else if (netlink_address(message, &address) && address.index == tunnel->index) {
		note(tunnel, TUNNEL_CHANGED);
	}
}

static void hear_loss(struct tunnel *tunnel)
{
	tunnel->settled = false;
	note(tunnel, TUNNEL_CHANGED);
}

enum tunnel_event tunnel_drain(struct tunnel *tunnel)
{
	enum tunnel_event heard;

	if (!netlink_drain(tunnel->events_fd, hear, tunnel))
		hear_loss(tunnel);
	heard = tunnel->heard;
	tunnel->heard = TUNNEL_QUIET;
	tunnel->choose |= heard == TUNNEL_CHANGED;
	return heard;
}

/* ---- reading the state ---- */

/* Asks whether the last view still holds, and counts the packets. A change that is read here is kept
 * for tunnel_drain(): the answer, which waits behind it, has poll() call that. */
static bool is_as_seen(struct tunnel *tunnel)
{
	if (!tunnel->settled || tunnel->choose)
		return false;
	tunnel->answered = false;
	if (++tunnel->asked == 0)
		tunnel->asked = 1; /* 0 answers nothing */
	if (!netlink_ask_link(tunnel->events_fd, tunnel->view.index, tunnel->asked, hear, tunnel))
		hear_loss(tunnel);
	return tunnel->settled && tunnel->answered;
}

static void see_link(void *context, const struct netlink_message *message)
{
	struct tunnel *tunnel = context;
	struct tunnel_view *view = &tunnel->view;
	struct netlink_link link;

	if (!netlink_link(message, &link))
		return;
	/* If the kernel has the modules, tunl0 and sit0 are in every namespace, down. */
	if (!link.loopback && link.up)
		view->lo_only = false;
	if (tunnel->choose)
		choice_see(&tunnel->choice, &link);
	if (strcmp(link.name, tunnel->name) != 0)
		return;
	tunnel->index = view->index = link.index;
	view->exists = true;
	view->up = link.up;
	count_packets(tunnel, &link);
}

static void format_ip(char *out, size_t cap, const void *ip, size_t len)
{
	struct text text = text_on(out, cap);

	text_append_ip(&text, ip, len);
}

static void see_address(void *context, const struct netlink_message *message)
{
	struct tunnel *tunnel = context;
	struct tunnel_view *view = &tunnel->view;
	struct netlink_address address;

	if (!netlink_address(message, &address) || address.index != tunnel->index ||
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

static enum fail look(struct tunnel *tunnel, struct failure *why)
{
	enum fail f;

	/* memset() also clears the padding: views are compared by memcmp(). */
	memset(&tunnel->view, 0, sizeof tunnel->view);
	tunnel->view.lo_only = true;
	tunnel->index = 0;
	tunnel->counts = (struct traffic_counts){ 0 };
	f = netlink_dump(RTM_GETLINK, see_link, tunnel, why);
	if (!f && tunnel->index != 0)
		f = netlink_dump(RTM_GETADDR, see_address, tunnel, why);
	return f;
}

/* The same as look(), and chooses the tunnel's interface. If that is another one, looks once
 * more. */
static enum fail look_and_choose(struct tunnel *tunnel, struct failure *why)
{
	enum choice_verdict verdict;
	enum fail f;
	bool same;

	tunnel->choice = (struct choice){ .route = netlink_default_route() };
	f = look(tunnel, why);
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
	return look(tunnel, why);
}

static enum fail look_at_all(struct tunnel *tunnel, struct failure *why)
{
	const struct tunnel_view *view = &tunnel->view;
	unsigned looks = 0;
	enum fail f;

	tunnel->choose = tunnel->sought && (tunnel->choose || tunnel->events_fd < 0);
	/* Repeat if something changed meanwhile, but at most three times in all. */
	do
		f = tunnel->choose ? look_and_choose(tunnel, why) : look(tunnel, why);
	while (f && ++looks < 3);
	if (f)
		memset(&tunnel->view, 0, sizeof tunnel->view);
	/* A route is not reported. While it has to decide, look at all each time. */
	tunnel->settled = tunnel->events_fd >= 0 && !tunnel->choose && view->up &&
	                  (view->has_v4 || view->has_v6);
	return f;
}

enum fail tunnel_look(struct tunnel *tunnel, struct tunnel_view *view, struct failure *why)
{
	enum fail f = is_as_seen(tunnel) ? FAIL_NONE : look_at_all(tunnel, why);

	memcpy(view, &tunnel->view, sizeof *view);
	return f;
}
