#include "webhook/webhook.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/now.h"
#include "base/text.h"
#include "base/utc.h"
#include "config/secret.h"
#include "config/url.h"
#include "core/sync.h"
#include "tls/tls.h"

/* ---- what waits ---- */

static void begin(struct webhook *webhook, int64_t now_ms)
{
	webhook->failures = 0;
	webhook->due_ms = now_ms;
	webhook->until_ms = now_ms + WEBHOOK_LIFE_MS;
}

void webhook_port_changed(struct webhook *webhook, int64_t from, uint16_t to, int64_t now_ms)
{
	/* What was not told yet begins where that did, unless it ends there, too. */
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
	webhook->lasted_ms = now_ms - webhook->turned_ms;
	webhook->turned_ms = now_ms;
	begin(webhook, now_ms);
}

enum webhook_event webhook_next(const struct webhook *webhook)
{
	if (webhook->changed)
		return WEBHOOK_PORT_CHANGED;
	if (webhook->unhealthy == webhook->told_unhealthy)
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
		webhook->told_unhealthy = webhook->unhealthy;
	begin(webhook, now_ms);
	return true;
}

/* ---- what is said ---- */

void webhook_say(struct failure *message, const struct webhook *webhook, const char *error,
                 uint16_t port)
{
	struct text text = text_on(message->text, sizeof message->text);
	unsigned lasted = (unsigned)(webhook->lasted_ms / 1000);
	const char *unit = "s";

	if (webhook->changed) {
		text_printf(&text, "port %lld -> %u", (long long)webhook->previous_port,
		            (unsigned)webhook->port);
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

void webhook_put(struct text *text, const struct webhook *webhook, uint16_t port, const char *state,
                 time_t now, const struct failure *message)
{
	/* By enum webhook_event. */
	static const char events[][13] = { "port_changed", "unhealthy", "healthy" };
	/* What ntfy's templates and gotify, Discord, and others call it. */
	static const char names[][8] = { "message", "content", "text" };
	char time[UTC_MAX];

	utc_format(time, now);
	/* Discord would let a text from outside call everyone. */
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
		text_add_json(text, message->text, strlen(message->text));
		text_puts(text, "\"");
	}
	text_puts(text, "}");
}

/* ---- the receiver ---- */

struct receiver {
	struct url url; /* a secret; without a path while none is configured */
	struct net_tcp tcp;
	char name[LIMITS_HOST_MAX + sizeof "https://[]:65535"]; /* the URL up to its path */
};

/* Not on the stack, whose every page counts. */
static struct secret_store store;

/* Its path is in `store`, or in the environment. */
static enum fail find(struct receiver *to, const struct config *config, struct failure *why)
{
	struct text name;
	const char *host = to->url.host, *ca_file = config->tls_ca_file, *value;
	enum fail f = secret_read(&config->webhook_url, &store, &value, why);

	/* Nobody named a file, and at the usual place none is to be seen: there is no webhook, whatever kept
	 * us from opening it (a closed directory, no more descriptors). */
	if (f == FAIL_IO && !config->webhook_url.file &&
	    access(config->webhook_url.usual_file, F_OK) < 0)
		return FAIL_NONE;
	if (f || !*value)
		return f;
	if (!url_parse(&to->url, value))
		return fail_set(why, FAIL_FORMAT, "its file holds no such URL as it takes");
	name = text_on(to->name, sizeof to->name);
	text_puts(&name, to->url.https ? "https://" : "http://");
	text_printf(&name, strchr(host, ':') ? "[%s]" : "%s", host);
	if (to->url.port != (to->url.https ? 443 : 80))
		text_printf(&name, ":%u", (unsigned)to->url.port);
	if (to->url.https && access(ca_file, R_OK) < 0)
		return fail_set(why, FAIL_UNTRUSTED,
		                "no CA file to verify it by; mount one: \"%s:%s:ro\"", ca_file,
		                ca_file);
	return FAIL_NONE;
}

static enum fail open_connection(struct receiver *to, const struct config *config,
                                 const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	static const char unnamed[] = "QSTICKY_WEBHOOK_URL";
	enum fail f;

	memcpy(to->name, unnamed, sizeof unnamed);
	to->url.path = NULL;
	to->tcp.fd = -1;
	f = find(to, config, why);
	if (!f && to->url.path)
		f = net_connect(&to->tcp, to->url.host, to->url.port, stop, deadline_ms, why);
	return f;
}

static void close_connection(struct receiver *to)
{
	net_close(&to->tcp);
	secret_forget(&store);
}

/* What to set for qBittorrent's TLS is no advice here; it comes last. What is said of the CA file begins
 * with that. */
static void drop_advice(char *text)
{
	const char *at = text_find(text + 1, strlen(text + 1), "QSTICKY_");

	while (at && at > text && !strchr(".:;(", *at))
		at--;
	if (at)
		text[at - text] = '\0';
}

static enum fail exchange(struct receiver *to, const struct config *config, const char *body,
                          struct http_reply *reply, int64_t deadline_ms, struct failure *why)
{
	const struct http_request request = {
		.post = true,
		.path = to->url.path,
		.host = strchr(to->name, '/') + 2,
		.json = body,
	};
	/* All that concerns TLS but the CA file is for qBittorrent. */
	struct config trusted = { .verify_ssl = true, .tls_ca_file = config->tls_ca_file };
	struct tls tls = tls_for(&trusted);
	struct stream *stream = &to->tcp.stream;
	enum fail f = FAIL_NONE;

	if (to->url.https) {
		memcpy(trusted.host, to->url.host, sizeof trusted.host);
		f = tls_open(&tls, stream, deadline_ms, why);
		stream = &tls.stream;
	}
	if (f)
		drop_advice(why->text);
	else
		f = http_send(stream, &request, reply, deadline_ms, why);
	tls_close(&tls);
	explicit_bzero(&tls, sizeof tls);
	return f;
}

/* What the reply means. FAIL_REJECTED: that another attempt would get the same. */
static enum fail judge(const struct http_reply *reply, struct failure *why)
{
	int status = reply->status;

	if (status >= 300 && status < 400)
		return fail_set(why, FAIL_REJECTED, "HTTP %d: redirects are not followed", status);
	/* A proxy knows no way (404) to a receiver that starts. */
	return fail_set(why,
	                status == 404 || status == 408 || status == 429 || status >= 500
	                        ? FAIL_ANSWER
	                        : FAIL_REJECTED,
	                "HTTP %d", status);
}

static int64_t retry_after_ms(const struct http_reply *reply)
{
	size_t cursor = 0, len = 0;
	const char *value = http_header(reply, "Retry-After", &cursor, &len);
	int64_t seconds = 0;

	/* More than 4 digits are a date, or too long in any case. */
	for (size_t i = 0; i < len && i < 4 && value[i] >= '0' && value[i] <= '9'; i++)
		seconds = seconds * 10 + (value[i] - '0');
	return seconds * 1000;
}

static void tell(struct webhook *webhook, const struct webhook_facts *facts,
                 const struct stop *stop, struct http_reply *reply)
{
	const int64_t cycle_ms = facts->cycle_ms;
	const int64_t deadline_ms = mono_earlier(mono_now_ms() + WEBHOOK_SEND_MS, cycle_ms);
	char body[WEBHOOK_BODY_MAX];
	struct text text = text_on(body, sizeof body);
	struct failure message, why;
	struct receiver to;
	int64_t ended_ms;
	enum webhook_end end = WEBHOOK_FAILED;
	enum log_level level = LEVEL_INFO;
	bool sent;
	enum fail f;

	reply->status = 0;
	reply->head_len = 0;
	webhook_say(&message, webhook, facts->error ? facts->error : "", facts->port);
	webhook_put(&text, webhook, facts->port, facts->state, now_s(), &message);
	f = open_connection(&to, facts->config, stop, deadline_ms, &why);
	sent = !f && to.url.path;
	if (sent)
		f = exchange(&to, facts->config, body, reply, deadline_ms, &why);
	/* Then it was told, whatever came behind that. */
	if (reply->status / 100 == 2)
		f = FAIL_NONE;
	else if (!f && sent)
		f = judge(reply, &why);
	close_connection(&to);
	ended_ms = mono_now_ms();
	if (!f) {
		end = WEBHOOK_TOLD;
		fail_set(&why, f, "taken");
	} else if (f == FAIL_STOPPED || ended_ms >= cycle_ms) {
		/* What was sent in part may have arrived, so it is not sent at once again. */
		end = sent ? WEBHOOK_FAILED : WEBHOOK_CUT;
		fail_in(&why, "the next check came first");
	} else if (f == FAIL_UNTRUSTED || f == FAIL_REJECTED || f == FAIL_FORMAT) {
		end = WEBHOOK_REFUSED;
	}
	if (webhook_ended(webhook, end, retry_after_ms(reply), ended_ms) && f) {
		level = LEVEL_WARN;
		fail_in(&why, "given up");
	} else if (end == WEBHOOK_TOLD || end == WEBHOOK_CUT) {
		level = LEVEL_DEBUG;
	}
	/* The reason first: the log cuts what is too long. */
	if (f || to.url.path)
		log_line(level, "webhook %s: %s, for \"%s\"", to.name, why.text, message.text);
	http_forget(reply);
}

int64_t webhook_work(struct webhook *webhook, const struct webhook_facts *facts,
                     const struct pollfd fds[], size_t count, struct http_reply *reply)
{
	const int64_t cycle_ms = facts->cycle_ms, now_ms = mono_now_ms();

	if (now_ms >= webhook_due_ms(webhook) && now_ms < cycle_ms) {
		const int all = epoll_create1(EPOLL_CLOEXEC);
		/* The first of them is the stop's, which has to do where there are no more. */
		const struct stop any = { .fd = all < 0 ? fds[0].fd : all };

		for (size_t i = 0; i < count; i++) {
			struct epoll_event event = { .events = EPOLLIN };

			(void)epoll_ctl(all, EPOLL_CTL_ADD, fds[i].fd, &event);
		}
		tell(webhook, facts, &any, reply);
		if (all >= 0)
			close(all);
	}
	return mono_earlier(webhook_due_ms(webhook), cycle_ms);
}

enum fail webhook_try(const struct config *config, const struct stop *stop, int64_t deadline_ms,
                      struct failure *why)
{
	struct receiver to;
	enum fail f = open_connection(&to, config, stop, deadline_ms, why);

	close_connection(&to);
	if (!f)
		fail_set(why, f, to.url.path ? "it accepts connections" : "none is set");
	fail_in(why, "%s", to.name);
	return f;
}
