#include "webhook/queue.h"

#include <string.h>

#include "base/clock.h"

/* ---- the queue ---- */

static void begin(struct webhook *webhook, int64_t now_ms)
{
	webhook->failures = 0;
	webhook->due_ms = now_ms;
	webhook->until_ms = now_ms + WEBHOOK_LIFE_MS;
}

void webhook_port_changed(struct webhook *webhook, int64_t from, uint16_t to, int64_t now_ms)
{
	/* Merge with a change not sent yet: keep its first port, unless that is the new one. */
	if (!webhook->changed || webhook->previous_port == to)
		webhook->previous_port = from;
	webhook->changed = true;
	webhook->port = to;
	begin(webhook, now_ms);
}

void webhook_judged(struct webhook *webhook, bool healthy, int64_t now_ms)
{
	if (webhook->unhealthy != healthy)
		return;
	webhook->unhealthy = !healthy;
	webhook->lasted_ms = now_ms - webhook->health_since_ms;
	webhook->health_since_ms = now_ms;
	begin(webhook, now_ms);
}

enum webhook_event webhook_next(const struct webhook *webhook)
{
	if (webhook->changed)
		return WEBHOOK_PORT_CHANGED;
	if (webhook->unhealthy == webhook->reported_unhealthy)
		return WEBHOOK_NOTHING;
	return webhook->unhealthy ? WEBHOOK_UNHEALTHY : WEBHOOK_HEALTHY;
}

int64_t webhook_due_ms(const struct webhook *webhook)
{
	return webhook_next(webhook) == WEBHOOK_NOTHING ? MONO_NEVER : webhook->due_ms;
}

bool webhook_ended(struct webhook *webhook, enum webhook_end end, int64_t wait_ms, int64_t now_ms)
{
	static const uint8_t pauses_s[] = { 5, 30, 120 };

	if (end == WEBHOOK_CUT || (end == WEBHOOK_FAILED && webhook->failures < sizeof pauses_s)) {
		int64_t pause = WEBHOOK_CUT_MS;

		if (end == WEBHOOK_FAILED)
			pause = pauses_s[webhook->failures++] * 1000;
		webhook->due_ms = now_ms + (pause < wait_ms ? wait_ms : pause);
		if (webhook->due_ms <= webhook->until_ms)
			return false;
	}
	if (webhook->changed)
		webhook->changed = false;
	else
		webhook->reported_unhealthy = webhook->unhealthy;
	begin(webhook, now_ms);
	return true;
}

/* ---- the message ---- */

void webhook_describe(struct failure *message, const struct webhook *webhook, const char *error,
                      uint16_t port)
{
	struct text text = text_on(message->text, sizeof message->text);
	unsigned lasted = (unsigned)(webhook->lasted_ms / 1000);
	const char *unit = "s";

	if (webhook->changed) {
		text_printf(&text, "port %lld -> %u%s", (long long)webhook->previous_port,
		            (unsigned)webhook->port,
		            webhook->is_fight ? ", again and again: something else sets it, too"
		                              : "");
		return;
	}
	if (webhook->unhealthy) {
		fail_set(message, FAIL_NONE, "unhealthy: %s", error);
		return;
	}
	if (lasted >= 120) {
		lasted /= 60;
		unit = "min";
	}
	if (lasted >= 120) {
		lasted /= 60;
		unit = "h";
	}
	text_printf(&text, port ? "healthy again: port %u" : "healthy again", (unsigned)port);
	text_printf(&text, ", after %u %s", lasted, unit);
}

void webhook_append(struct text *text, const struct webhook *webhook, uint16_t port,
                    const char *state, time_t now, const struct failure *message)
{
	/* Indexed by enum webhook_event. */
	static const char events[][13] = { "port_changed", "unhealthy", "healthy" };
	/* The text's key in ntfy templates and gotify, in Discord, and in others. */
	static const char names[][8] = { "message", "content", "text" };
	char time[UTC_MAX];

	utc_format(time, now);
	/* Stops Discord from notifying everyone if a text from outside asks for it. */
	text_printf(text,
	            "{\"title\": \"qsticky\", \"version\": \"" QSTICKY_VERSION
	            "\", \"allowed_mentions\": {\"parse\": []}, \"event\": \"%s\", "
	            "\"healthy\": %s, \"state\": \"%s\", \"time\": \"%s\", \"port\": ",
	            events[webhook_next(webhook)], webhook->unhealthy ? "false" : "true", state,
	            time);
	if (webhook->changed)
		port = webhook->port;
	text_printf(text, port ? "%u" : "null", (unsigned)port);
	if (webhook->changed)
		text_printf(text, ", \"previous_port\": %lld", (long long)webhook->previous_port);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		text_printf(text, ", \"%s\": \"", names[i]);
		text_append_json(text, message->text, strlen(message->text));
		text_append(text, "\"");
	}
	text_append(text, "}");
}
