#include "webhook/send.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "config/url.h"
#include "http/peer.h"

/* ---- the receiver ---- */

struct target {
	struct url url; /* a secret; `path` is NULL if no webhook is configured */
	struct peer peer;
	char name[sizeof "https://" + PEER_AUTHORITY_MAX]; /* the URL up to its path */
};

/* Static, since every page of stack counts. */
static struct secret_store store;

/* Whether there is a webhook. An absent default file means that there is none, also if its directory is closed to
 * us. */
static bool is_set(const struct secret *url)
{
	return url->file || *url->value || access(url->usual_file, F_OK) == 0;
}

/* Reads the URL; its path is borrowed from `store` or from the environment. Without a webhook,
 * leaves to->url.path NULL. */
static enum fail find(struct target *to, const struct webhook_receiver *receiver,
                      struct failure *why)
{
	const struct secret *url = receiver->url;
	const char *ca_file = receiver->ca_file, *value;
	struct text name;
	enum fail f;

	if (!is_set(url))
		return FAIL_NONE;
	f = secret_read(url, &store, &value, why);
	if (f || !*value)
		return f;
	if (!url_parse(&to->url, value))
		return fail_set(why, FAIL_FORMAT, "its file does not hold a valid URL");
	name = text_on(to->name, sizeof to->name);
	text_append(&name, to->url.https ? "https://" : "http://");
	peer_append_authority(&name, to->url.host,
	                      to->url.port == (to->url.https ? 443 : 80) ? 0 : to->url.port);
	if (to->url.https && access(ca_file, R_OK) < 0)
		return fail_set(why, FAIL_UNTRUSTED,
		                "no CA file to verify the receiver with; mount one: \"%s:%s:ro\"",
		                ca_file, ca_file);
	return FAIL_NONE;
}

static enum fail open_connection(struct target *to, const struct webhook_receiver *receiver,
                                 const struct stop *stop, int64_t deadline_ms, struct failure *why)
{
	static const char unnamed[] = "QSTICKY_WEBHOOK_URL";
	enum fail f;

	memcpy(to->name, unnamed, sizeof unnamed);
	to->url.path = NULL;
	to->peer = (struct peer){ .tcp = { .fd = -1 } }; /* closed */
	f = find(to, receiver, why);
	if (f || !to->url.path)
		return f;
	/* Connecting need not wait, and a message that is cut short arrives twice. */
	f = wait_until(stop, 0, why);
	if (f)
		return f;
	peer_start(&to->peer,
	           &(const struct peer_address){
			   .host = to->url.host,
			   .port = to->url.port,
			   .https = to->url.https,
			   .trust = { .name = to->url.host, .ca_file = receiver->ca_file },
		   },
	           stop);
	to->peer.ca_variable = "QSTICKY_TLS_CA_FILE";
	to->peer.step_ms = WEBHOOK_SEND_MS;
	to->peer.deadline_ms = deadline_ms;
	return peer_connect(&to->peer, why);
}

static void close_connection(struct target *to)
{
	peer_forget(&to->peer);
	secret_forget(&store);
}

static enum fail post(struct target *to, const char *body, struct http_reply *reply,
                      struct failure *why)
{
	const struct http_request request = { .post = true, .path = to->url.path, .json = body };
	enum fail f = peer_secure(&to->peer, why);

	if (!f)
		f = peer_exchange(&to->peer, &request, reply, false, why);
	/* The server wants HTTPS: trying again would not help. */
	return f == FAIL_TLS && reply->status == 400 ? FAIL_REJECTED : f;
}

/* Judges the reply. FAIL_REJECTED: trying again would not help. */
static enum fail judge(const struct http_reply *reply, struct failure *why)
{
	int status = reply->status;

	if (status >= 300 && status < 400)
		return fail_set(why, FAIL_REJECTED, "HTTP %d: redirects are not followed", status);
	/* A proxy answers 404 while its receiver starts. */
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

	/* More than 4 digits are a date, or a wait longer than a message lives. */
	for (size_t i = 0; i < len && i < 4 && value[i] >= '0' && value[i] <= '9'; i++)
		seconds = seconds * 10 + (value[i] - '0');
	return seconds * 1000;
}

static void deliver(struct webhook *webhook, const struct webhook_receiver *receiver,
                    const struct webhook_facts *facts, const struct stop *stop,
                    struct http_reply *reply)
{
	const int64_t cycle_ms = facts->cycle_ms;
	const int64_t deadline_ms = mono_earlier(mono_now_ms() + WEBHOOK_SEND_MS, cycle_ms);
	char body[WEBHOOK_BODY_MAX];
	struct text text = text_on(body, sizeof body);
	struct failure message, why;
	struct target to;
	int64_t ended_ms;
	enum webhook_end end = WEBHOOK_FAILED;
	enum log_level level = LEVEL_INFO;
	bool sent;
	enum fail f;

	reply->status = 0;
	reply->head_len = 0;
	webhook_describe(&message, webhook, facts->error ? facts->error : "", facts->port);
	webhook_append(&text, webhook, facts->port, facts->state, now_s(), &message);
	f = open_connection(&to, receiver, stop, deadline_ms, &why);
	sent = !f && to.url.path;
	if (sent)
		f = post(&to, body, reply, &why);
	/* The message arrived, whatever failed after the status line. */
	if (reply->status / 100 == 2)
		f = FAIL_NONE;
	else if (!f && sent)
		f = judge(reply, &why);
	close_connection(&to);
	ended_ms = mono_now_ms();
	if (!f) {
		end = WEBHOOK_SENT;
		fail_set(&why, f, "sent");
	} else if (f == FAIL_STOPPED || ended_ms >= cycle_ms) {
		/* A message sent in part may have arrived, so pause before it is sent again. */
		end = sent ? WEBHOOK_FAILED : WEBHOOK_CUT;
		fail_in(&why, "the next check was due first");
	} else if (f == FAIL_UNTRUSTED || f == FAIL_REJECTED || f == FAIL_FORMAT) {
		end = WEBHOOK_REFUSED;
	}
	if (webhook_ended(webhook, end, retry_after_ms(reply), ended_ms) && f) {
		level = LEVEL_WARN;
		fail_in(&why, "gave up");
	} else if (end == WEBHOOK_SENT || end == WEBHOOK_CUT) {
		level = LEVEL_DEBUG;
	}
	/* The reason comes first: the log cuts long lines. */
	if (f || to.url.path)
		log_line(level, "webhook %s: %s, for \"%s\"", to.name, why.text, message.text);
	http_forget(reply);
}

int64_t webhook_work(struct webhook *webhook, const struct webhook_receiver *receiver,
                     const struct webhook_facts *facts, const struct pollfd fds[], size_t count,
                     struct http_reply *reply)
{
	const int64_t cycle_ms = facts->cycle_ms, now_ms = mono_now_ms();

	const bool is_due = now_ms >= webhook_due_ms(webhook) && now_ms < cycle_ms;

	if (is_due && !is_set(receiver->url)) {
		(void)webhook_ended(webhook, WEBHOOK_SENT, 0, now_ms); /* to nobody */
	} else if (is_due) {
		const int all = epoll_create1(EPOLL_CLOEXEC);
		/* The first descriptor is the stop's: it must do if epoll is not available. */
		const struct stop any = { .fd = all < 0 ? fds[0].fd : all };

		for (size_t i = 0; i < count; i++) {
			struct epoll_event event = { .events = EPOLLIN };

			(void)epoll_ctl(all, EPOLL_CTL_ADD, fds[i].fd, &event);
		}
		deliver(webhook, receiver, facts, &any, reply);
		if (all >= 0)
			close(all);
	}
	return mono_earlier(webhook_due_ms(webhook), cycle_ms);
}

enum fail webhook_try(const struct webhook_receiver *receiver, const struct stop *stop,
                      int64_t deadline_ms, struct failure *why)
{
	struct target to;
	enum fail f = open_connection(&to, receiver, stop, deadline_ms, why);

	close_connection(&to);
	if (!f)
		fail_set(why, f, to.url.path ? "it accepts connections" : "not set");
	fail_in(why, "%s", to.name);
	return f;
}
