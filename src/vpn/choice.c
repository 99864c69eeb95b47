#include "vpn/choice.h"

#include <net/if_arp.h>
#include <string.h>

#include "base/text.h"
#include "config/value.h"

bool choice_can_be(const struct netlink_link *link)
{
	const char *name;

	/* Accept only names that the user could have set: the name is written to JSON. */
	return (link->type == ARPHRD_NONE ||
	        (link->up && !link->loopback && link->type != ARPHRD_ETHER)) &&
	       config_value_interface(link->name, &name);
}

static void add_name(struct choice *choice, const char *name)
{
	static const char dots[] = ", ...";
	struct text text = text_at_end(choice->names, sizeof choice->names);

	if (choice->more)
		return;
	choice->more = text.len + strlen(", ") + strlen(name) + sizeof dots > sizeof choice->names;
	if (!choice->more && text.len > 0)
		text_append(&text, ", ");
	text_append(&text, choice->more ? dots : name);
}

void choice_see(struct choice *choice, const struct netlink_link *link)
{
	bool can_be = choice_can_be(link);
	bool has_route = link->index == choice->route && link->type == ARPHRD_NONE;

	if (can_be && choice->count++ == 0) {
		/* The first tunnel: from now on, list only tunnels. */
		choice->names[0] = '\0';
		choice->more = false;
	}
	if (can_be && !choice->has_route) {
		memcpy(choice->name, link->name, sizeof choice->name);
		choice->has_route = has_route;
	}
	if (can_be || (choice->count == 0 && link->up && !link->loopback))
		add_name(choice, link->name);
}

enum choice_verdict choice_made(const struct choice *choice)
{
	if (choice->has_route || choice->count == 1)
		return CHOICE_ONE;
	return choice->count == 0 ? CHOICE_NONE : CHOICE_SEVERAL;
}
