#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array_stream.h"
#include "base/text.h"
#include "config/secret.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define SIZED(len) OK_HEAD "Content-Length: " #len "\r\n\r\n"
#define CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const uint8_t single_bytes[] = { 0 };

static struct http_reply reply;
static struct array_stream array;
static struct failure why;
static const struct cookies no_cookies;

/* Sends a plain GET and reads what `array` holds. */
static enum fail exchange(void)
{
	struct http_request request = { .path = "/", .host = "localhost", .cookies = &no_cookies };

	http_forget(&reply);
	why.text[0] = '\0';
	return http_send(&array.stream, &request, &reply, INT64_MAX, &why);
}

/* The result for a reply that arrives in one piece. */
static enum fail answer(const char *bytes, size_t len)
{
	array_stream_on(&array, bytes, len);
	return exchange();
}

static enum fail answer_text(const char *text)
{
	return answer(text, strlen(text));
}

static enum fail answer_byte_by_byte(const char *text)
{
	array_stream_on(&array, text, strlen(text));
	array.pieces = single_bytes;
	array.piece_count = 1;
	return exchange();
}

static void assert_body(const char *wanted)
{
	assert_int_equal(reply.body_len, strlen(wanted));
	assert_memory_equal(reply.body, wanted, strlen(wanted));
}

/* The result must be the same in pieces of any size. */
static void assert_answer(const char *text, int status, const char *body)
{
	for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
		enum fail f = one_by_one ? answer_byte_by_byte(text) : answer_text(text);

		if (f)
			fail_msg("%s", why.text);
		assert_int_equal(reply.status, status);
		assert_body(body);
	}
}

static void assert_refused(const char *text, enum fail kind)
{
	for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
		enum fail f = one_by_one ? answer_byte_by_byte(text) : answer_text(text);

		if (f != kind)
			fail_msg("%d and not %d (%s) for %s", (int)f, (int)kind, why.text, text);
		assert_true(why.text[0] != '\0');
	}
}

/* ---- the request ---- */

/* Posts `count` fields; `array` holds what was sent. */
static enum fail post(const struct http_field *fields, size_t count, const struct cookies *cookies)
{
	const struct http_request request = { .post = true,
		                              .path = "/api/v2/app/setPreferences",
		                              .host = "localhost",
		                              .cookies = cookies,
		                              .form = fields,
		                              .form_count = count };

	array_stream_on(&array, SIZED(0), strlen(SIZED(0)));
	return http_send(&array.stream, &request, &reply, INT64_MAX, &why);
}

static void assert_sent(const char *wanted)
{
	assert_int_equal(array.writes, 1);
	array.sent[array.sent_len] = '\0';
	assert_string_equal(array.sent, wanted);
}

/* The body of a form with one field. */
static void assert_form(const char *value, const char *wanted)
{
	const struct http_field field = { "json", value };
	const char *body;

	assert_int_equal(post(&field, 1, &no_cookies), FAIL_NONE);
	array.sent[array.sent_len] = '\0';
	body = strstr(array.sent, "\r\n\r\n");
	assert_non_null(body);
	assert_string_equal(body + 4, wanted);
}

static void http_sends_head_and_body_in_one_write(void **state)
{
	const struct http_field fields[] = { { "a", "1" }, { "json", "{}" } };
	struct cookies cookies = { 0 };
	(void)state;

	cookies_set(&cookies, "SID=1", 5);
	assert_int_equal(post(fields, 2, &cookies), FAIL_NONE);
	assert_sent("POST /api/v2/app/setPreferences HTTP/1.1\r\n"
	            "Host: localhost\r\n"
	            "Cookie: SID=1\r\n"
	            "Content-Type: application/x-www-form-urlencoded\r\n"
	            "Content-Length: 15\r\n"
	            "\r\n"
	            "a=1&json=%7B%7D");
}

static void http_posts_json_to_what_follows_the_host_in_a_url(void **state)
{
	static const char *const paths[][2] = {
		{ "/message?token=a#b", "/message?token=a" },
		{ "", "/" },
		{ "?x=/", "/?x=/" },
		{ "#/b", "/" },
	};
	(void)state;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct http_request request = { .post = true,
			                              .path = paths[i][0],
			                              .host = "localhost",
			                              .json = "{\"a\": \"&\"}" };
		char wanted[256];
		struct text text = text_on(wanted, sizeof wanted);

		text_printf(&text,
		            "POST %s HTTP/1.1\r\n"
		            "Host: localhost\r\n"
		            "Content-Type: application/json\r\n"
		            "Content-Length: 10\r\n"
		            "\r\n"
		            "{\"a\": \"&\"}",
		            paths[i][1]);
		array_stream_on(&array, SIZED(0), strlen(SIZED(0)));
		assert_int_equal(http_send(&array.stream, &request, &reply, INT64_MAX, &why),
		                 FAIL_NONE);
		assert_sent(wanted);
	}
}

static void http_sends_nothing_that_was_not_asked_for(void **state)
{
	(void)state;

	answer_text(SIZED(0));
	assert_sent("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void http_says_the_length_of_an_empty_form(void **state)
{
	(void)state;

	assert_int_equal(post(NULL, 0, &no_cookies), FAIL_NONE);
	assert_non_null(memmem(array.sent, array.sent_len, "Content-Length: 0\r\n\r\n", 21));
}

static void http_escapes_all_but_unreserved_bytes_of_a_form(void **state)
{
	(void)state;

	assert_form("aZ0-._~", "json=aZ0-._~");
	assert_form("&=+% \"\\\u00e9#\n", "json=%26%3D%2B%25%20%22%5C%C3%A9%23%0A");
	assert_form("", "json=");
}

static void http_refuses_to_cut_a_request(void **state)
{
	char *value = malloc(HTTP_REQUEST_MAX + 1);
	const struct http_field field = { "json", value };
	(void)state;

	assert_non_null(value);
	memset(value, 'x', HTTP_REQUEST_MAX);
	value[HTTP_REQUEST_MAX] = '\0';
	assert_int_equal(post(&field, 1, &no_cookies), FAIL_TOO_BIG);
	assert_int_equal(array.writes, 0);
	free(value);
}

/* The longest request: two secrets of full length, each byte escaped, and 8 cookies of full length. */
static void http_has_room_for_the_largest_login(void **state)
{
	static char secret[SECRET_MAX + 1];
	const struct http_field fields[] = { { "username", secret }, { "password", secret } };
	struct cookies cookies = { .count = COOKIES_COUNT };
	(void)state;

	memset(secret, '&', sizeof secret - 1);
	for (size_t i = 0; i < COOKIES_COUNT; i++)
		memset(cookies.pairs[i], 'c', COOKIES_PAIR_MAX - 1);
	assert_int_equal(post(fields, 2, &cookies), FAIL_NONE);
}

/* ---- where a body ends ---- */

static void http_reads_a_body_of_the_length_promised(void **state)
{
	(void)state;

	assert_answer(SIZED(5) "hello", 200, "hello");
	assert_answer(SIZED(0), 200, "");
	assert_true(reply.keep_alive);
}

static void http_reads_a_body_to_the_end_of_the_connection(void **state)
{
	(void)state;

	assert_answer(OK_HEAD "\r\nhello", 200, "hello");
	assert_false(reply.keep_alive);
	assert_answer(OK_HEAD "\r\n", 200, "");
}

static void http_reads_a_chunked_body(void **state)
{
	(void)state;

	assert_answer(CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 200, "hello world");
	assert_true(reply.keep_alive);
	assert_answer(CHUNKED "0\r\n\r\n", 200, "");
}

static void http_reads_chunk_sizes_as_hexadecimal_in_any_case(void **state)
{
	(void)state;

	assert_answer(CHUNKED "a\r\n0123456789\r\n00A \t\r\n0123456789\r\n0\r\n\r\n", 200,
	              "01234567890123456789");
}

static void http_skips_chunk_extensions_and_trailers(void **state)
{
	(void)state;

	assert_answer(CHUNKED
	              "5;name=\"value\"\r\nhello\r\n0;last\r\nTrailer: 1\r\nMore: 2\r\n\r\n",
	              200, "hello");
}

static void http_expects_no_body_after_204_and_304(void **state)
{
	(void)state;

	assert_answer("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
	assert_true(reply.keep_alive);
	assert_answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "");
}

static void http_skips_interim_replies(void **state)
{
	(void)state;

	assert_answer("HTTP/1.1 100 Continue\r\n\r\n"
	              "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" SIZED(5) "hello",
	              200, "hello");
}

static void http_takes_a_status_line_without_words(void **state)
{
	(void)state;

	assert_answer("HTTP/1.1 403\r\nContent-Length: 2\r\n\r\nno", 403, "no");
	assert_answer("HTTP/1.1 403 \r\nContent-Length: 2\r\n\r\nno", 403, "no");
}

static void http_takes_any_byte_in_a_body(void **state)
{
	static const char bytes[] = SIZED(4) "\0\r\n\xff";
	(void)state;

	assert_int_equal(answer(bytes, sizeof bytes - 1), FAIL_NONE);
	assert_int_equal(reply.body_len, 4);
	assert_memory_equal(reply.body, "\0\r\n\xff", 4);
}

/* ---- whether the connection can be used again ---- */

static void http_closes_where_the_server_says_so(void **state)
{
	(void)state;

	answer_text(OK_HEAD "connection: Close\r\nContent-Length: 0\r\n\r\n");
	assert_false(reply.keep_alive);
	answer_text(OK_HEAD "Connection: x , close\r\nContent-Length: 0\r\n\r\n");
	assert_false(reply.keep_alive);
	answer_text(OK_HEAD "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n");
	assert_true(reply.keep_alive);
}

static void http_closes_after_http_1_0(void **state)
{
	(void)state;

	answer_text("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_false(reply.keep_alive);
}

static void http_closes_where_more_came_than_was_promised(void **state)
{
	(void)state;

	assert_int_equal(answer_text(SIZED(5) "hello more"), FAIL_NONE);
	assert_body("hello");
	assert_false(reply.keep_alive);
	assert_int_equal(answer_text(CHUNKED "0\r\n\r\nmore"), FAIL_NONE);
	assert_false(reply.keep_alive);
	assert_int_equal(answer_text("HTTP/1.1 204 \r\n\r\nmore"), FAIL_NONE);
	assert_false(reply.keep_alive);
}

/* ---- what is refused ---- */

static void http_refuses_what_is_not_http(void **state)
{
	(void)state;

	assert_refused("SSH-2.0-OpenSSH_9.2\r\n", FAIL_FORMAT);
	assert_refused("<html>\r\n\r\n", FAIL_FORMAT);
	assert_refused("HTTP/2 200\r\n\r\n", FAIL_FORMAT);
	assert_refused("HTTP/1.1 20 OK\r\n\r\n", FAIL_FORMAT);
	assert_refused("HTTP/1.1 099 OK\r\n\r\n", FAIL_FORMAT);
	assert_refused("HTTP/1.1 600 OK\r\n\r\n", FAIL_FORMAT);
	assert_refused("HTTP/1.1 2000\r\n\r\n", FAIL_FORMAT);
	assert_refused("http/1.1 200 OK\r\n\r\n", FAIL_FORMAT);
}

static void http_says_when_the_server_speaks_tls(void **state)
{
	(void)state;

	assert_int_equal(answer_text("\x15\x03\x01"), FAIL_FORMAT);
	assert_non_null(strstr(why.text, "TLS"));
}

static void http_refuses_two_lengths(void **state)
{
	(void)state;

	assert_refused(OK_HEAD "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length: 5, 5\r\n\r\nhello", FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	               FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	               FAIL_FORMAT);
}

static void http_refuses_a_length_that_is_not_plain_digits(void **state)
{
	(void)state;

	assert_refused(OK_HEAD "Content-Length: -1\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length: +5\r\n\r\nhello", FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length: 0x5\r\n\r\nhello", FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length:\r\n\r\n", FAIL_FORMAT);
}

static void http_refuses_absurd_lengths(void **state)
{
	(void)state;

	assert_refused(OK_HEAD "Content-Length: 1048577\r\n\r\n", FAIL_TOO_BIG);
	assert_refused(OK_HEAD "Content-Length: 18446744073709551621\r\n\r\nhello", FAIL_TOO_BIG);
	assert_refused(CHUNKED "100001\r\n", FAIL_TOO_BIG);
	assert_refused(CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n", FAIL_TOO_BIG);
}

static void http_refuses_other_transfer_codings(void **state)
{
	(void)state;

	assert_refused(OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "Transfer-Encoding: identity\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	               FAIL_FORMAT);
}

static void http_refuses_folded_and_malformed_headers(void **state)
{
	(void)state;

	assert_refused(OK_HEAD "A: 1\r\n folded\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "no colon\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD ": no name\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "Content-Length : 5\r\n\r\nhello", FAIL_FORMAT);
	assert_refused(OK_HEAD "A: bell\a\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "A: bare\rreturn\r\n\r\n", FAIL_FORMAT);
	assert_refused(OK_HEAD "A: bare\nnewline\r\n\r\n", FAIL_FORMAT);
	assert_refused("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", FAIL_FORMAT);
}

static void http_refuses_nul_in_the_head(void **state)
{
	static const char in_header[] = OK_HEAD "A: \0\r\n\r\n";
	static const char in_status[] = "HTTP/1.1 200 \0\r\n\r\n";
	(void)state;

	assert_int_equal(answer(in_header, sizeof in_header - 1), FAIL_FORMAT);
	assert_int_equal(answer(in_status, sizeof in_status - 1), FAIL_FORMAT);
}

static void http_refuses_malformed_chunks(void **state)
{
	(void)state;

	assert_refused(CHUNKED "\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED "x\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED "-1\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED " 5\r\nhello\r\n0\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED "5 x\r\nhello\r\n0\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED "4\r\nhello\r\n0\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED "5;\n\r\nhello\r\n0\r\n\r\n", FAIL_FORMAT);
	assert_refused(CHUNKED "0\r\nA: b\n\n\r\n\r\n", FAIL_FORMAT);
}

static void http_refuses_a_switch_of_protocols(void **state)
{
	(void)state;

	assert_refused("HTTP/1.1 101 Switching Protocols\r\n\r\n", FAIL_FORMAT);
}

/* ---- limits ---- */

/* A reply "<head><filler><tail>" in one piece. */
static enum fail answer_filled(const char *head, size_t filler, const char *tail)
{
	size_t cap = strlen(head) + filler + strlen(tail) + 1;
	char *bytes = malloc(cap);
	struct text text;
	enum fail f;

	assert_non_null(bytes);
	text = text_on(bytes, cap);
	text_append(&text, head);
	memset(bytes + text.len, 'x', filler);
	text.len += filler;
	text_append(&text, tail);
	f = answer(bytes, text.len);
	free(bytes);
	return f;
}

static void http_takes_a_head_of_16_kib_and_no_more(void **state)
{
	const char *head = OK_HEAD "A: ", *tail = "\r\nContent-Length: 0\r\n\r\n";
	const size_t room = HTTP_HEAD_MAX - strlen(head) - strlen(tail);
	(void)state;

	assert_int_equal(answer_filled(head, room, tail), FAIL_NONE);
	assert_int_equal(reply.head_len, HTTP_HEAD_MAX);
	assert_int_equal(answer_filled(head, room + 1, tail), FAIL_TOO_BIG);
	assert_non_null(strstr(why.text, "16 KiB"));
}

static void http_counts_interim_heads_too(void **state)
{
	const char *head = "HTTP/1.1 100 Continue\r\nA: ";
	(void)state;

	assert_int_equal(answer_filled(head, 10000, "\r\n\r\n" SIZED(0)), FAIL_NONE);
	assert_int_equal(answer_filled(head, HTTP_HEAD_MAX - 60, "\r\n\r\n" SIZED(0)),
	                 FAIL_TOO_BIG);
}

/* Two heads, of `total` bytes together, in pieces of `piece`. */
static enum fail answer_two_heads(size_t total, unsigned piece)
{
	static const char first[] = "HTTP/1.1 100 Continue\r\nA: ";
	const uint8_t pieces[] = { (uint8_t)(piece - 1) };
	char bytes[HTTP_HEAD_MAX + 512];
	struct text text = text_on(bytes, sizeof bytes);
	enum fail f;

	text_append(&text, first);
	memset(bytes + text.len, 'x', total - 310 - text.len);
	text.len = total - 314;
	text_append(&text, "\r\n\r\n" OK_HEAD "Content-Length: 0\r\nA: ");
	memset(bytes + text.len, 'x', total - text.len);
	text.len = total - 4;
	text_append(&text, "\r\n\r\n");
	assert_int_equal(text.len, total);
	array_stream_on(&array, bytes, total);
	array.pieces = pieces;
	array.piece_count = 1;
	f = exchange();
	array.pieces = NULL;
	return f;
}

static void http_counts_all_heads_whatever_the_pieces(void **state)
{
	(void)state;

	for (unsigned piece = 100; piece <= 256; piece += 3) {
		assert_int_equal(answer_two_heads(HTTP_HEAD_MAX, piece), FAIL_NONE);
		assert_int_equal(answer_two_heads(HTTP_HEAD_MAX + 1, piece), FAIL_TOO_BIG);
	}
}

static void http_takes_a_body_of_1_mib_and_no_more(void **state)
{
	(void)state;

	assert_int_equal(answer_filled(SIZED(1048576), HTTP_BODY_MAX, ""), FAIL_NONE);
	assert_int_equal(reply.body_len, HTTP_BODY_MAX);
	assert_int_equal(answer_filled(SIZED(1048577), HTTP_BODY_MAX + 1, ""), FAIL_TOO_BIG);
	assert_non_null(strstr(why.text, "1 MiB"));
}

static void http_takes_an_unsized_body_of_1_mib_and_no_more(void **state)
{
	(void)state;

	assert_int_equal(answer_filled(OK_HEAD "\r\n", HTTP_BODY_MAX, ""), FAIL_NONE);
	assert_int_equal(reply.body_len, HTTP_BODY_MAX);
	assert_int_equal(answer_filled(OK_HEAD "\r\n", HTTP_BODY_MAX + 1, ""), FAIL_TOO_BIG);
	assert_int_equal(answer_filled(OK_HEAD "\r\n", 3 * HTTP_BODY_MAX, ""), FAIL_TOO_BIG);
}

static void http_takes_a_chunked_body_of_1_mib_and_no_more(void **state)
{
	(void)state;

	assert_int_equal(answer_filled(CHUNKED "100000\r\n", HTTP_BODY_MAX, "\r\n0\r\n\r\n"),
	                 FAIL_NONE);
	assert_int_equal(reply.body_len, HTTP_BODY_MAX);
	assert_int_equal(
		answer_filled(CHUNKED "fffff\r\n", HTTP_BODY_MAX - 1, "\r\n2\r\nxx\r\n0\r\n\r\n"),
		FAIL_TOO_BIG);
}

static void http_takes_a_body_in_very_many_chunks(void **state)
{
	const size_t count = 100000, cap = 1024 + count * strlen("1\r\nx\r\n");
	char *bytes = malloc(cap);
	struct text text;
	(void)state;

	assert_non_null(bytes);
	text = text_on(bytes, cap);
	text_append(&text, CHUNKED);
	for (size_t i = 0; i < count; i++)
		text_append(&text, "1\r\nx\r\n");
	text_append(&text, "0\r\n\r\n");
	assert_int_equal(answer(bytes, text.len), FAIL_NONE);
	assert_int_equal(reply.body_len, count);
	free(bytes);
}

static void http_refuses_endless_chunk_extensions_and_trailers(void **state)
{
	(void)state;

	assert_int_equal(answer_filled(CHUNKED "0;", HTTP_HEAD_MAX, "\r\n\r\n"), FAIL_TOO_BIG);
	assert_int_equal(answer_filled(CHUNKED "0\r\nA: ", HTTP_HEAD_MAX, "\r\n\r\n"),
	                 FAIL_TOO_BIG);
}

static void http_refuses_endless_many_trailers(void **state)
{
	const size_t cap = 1024 + 1000 * strlen("Trailer-Of-Some-Length: 1\r\n");
	char *bytes = malloc(cap);
	struct text text;
	(void)state;

	assert_non_null(bytes);
	text = text_on(bytes, cap);
	text_append(&text, CHUNKED "0\r\n");
	for (int i = 0; i < 1000; i++)
		text_append(&text, "Trailer-Of-Some-Length: 1\r\n");
	text_append(&text, "\r\n");
	assert_false(text.full);
	assert_int_equal(answer(bytes, text.len), FAIL_TOO_BIG);
	free(bytes);
}

/* ---- a body that a sink takes ---- */

static char sunk[64];
static size_t sunk_len;  /* of all that the sink got */
static size_t sink_most; /* it wants no more than that */

static bool sink(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && sunk_len + i < sizeof sunk; i++)
		sunk[sunk_len + i] = bytes[i];
	sunk_len += len;
	return sunk_len <= sink_most;
}

static enum fail exchange_into_sink(void)
{
	const struct http_request request = { .path = "/", .host = "localhost", .sink = sink };

	http_forget(&reply);
	sunk_len = 0;
	return http_send(&array.stream, &request, &reply, INT64_MAX, &why);
}

static void assert_sunk(const char *text, const char *body, bool keep_alive)
{
	for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
		array_stream_on(&array, text, strlen(text));
		array.pieces = one_by_one ? single_bytes : NULL;
		array.piece_count = 1;
		assert_int_equal(exchange_into_sink(), FAIL_NONE);
		assert_int_equal(sunk_len, strlen(body));
		assert_memory_equal(sunk, body, strlen(body));
		assert_int_equal(reply.body_len, 0);
		assert_int_equal(reply.keep_alive, keep_alive);
	}
}

static void http_hands_a_body_to_a_sink_as_it_comes(void **state)
{
	(void)state;

	sink_most = SIZE_MAX;
	assert_sunk(SIZED(5) "hello", "hello", true);
	assert_sunk(SIZED(0), "", true);
	assert_sunk(OK_HEAD "\r\nhello", "hello", false);
	assert_sunk(CHUNKED "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n", "hello", true);
}

static void http_collects_what_is_no_success_despite_a_sink(void **state)
{
	static const char text[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden";
	(void)state;

	array_stream_on(&array, text, strlen(text));
	assert_int_equal(exchange_into_sink(), FAIL_NONE);
	assert_int_equal(sunk_len, 0);
	assert_body("Forbidden");
}

static void http_reads_no_more_than_a_sink_wants(void **state)
{
	static const char *const texts[] = { SIZED(5) "he", OK_HEAD "\r\nhe", CHUNKED "2\r\nhe" };
	(void)state;

	sink_most = 1;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		array_stream_on(&array, texts[i], strlen(texts[i]));
		array.end = FAIL_TIMEOUT; /* of one read too many */
		array.pieces = single_bytes;
		array.piece_count = 1;
		assert_int_equal(exchange_into_sink(), FAIL_NONE);
		assert_int_equal(sunk_len, 2);
		assert_false(reply.keep_alive);
	}
	sink_most = SIZE_MAX;
}

static void http_knows_the_first_byte_of_a_body_wherever_it_goes(void **state)
{
	(void)state;

	sink_most = SIZE_MAX;
	assert_sunk(SIZED(4) " \r\n<", " \r\n<", true);
	assert_int_equal(reply.first, '<');
	assert_sunk(SIZED(2) "  ", "  ", true);
	assert_int_equal(reply.first, ' ');
	assert_answer(SIZED(3) "\n<x", 200, "\n<x");
	assert_int_equal(reply.first, '<');
	assert_answer(SIZED(0), 200, "");
	assert_int_equal(reply.first, '\0');
}

/* A head, a unit that is repeated, and a tail: more bytes than need to be in memory. */
struct repeating {
	struct stream stream; /* must be first */
	const char *part[3];
	size_t len[3];
	size_t times[3];
	size_t present; /* part */
	size_t at;      /* in it */
};

static enum fail read_repeating(struct stream *stream, void *buf, size_t max, size_t *len,
                                int64_t deadline_ms, struct failure *failure)
{
	struct repeating *from = (struct repeating *)stream;
	size_t i = from->present;

	(void)deadline_ms;
	(void)failure;
	*len = 0;
	if (i == 3)
		return FAIL_NONE;
	*len = from->len[i] - from->at < max ? from->len[i] - from->at : max;
	memcpy(buf, from->part[i] + from->at, *len);
	from->at += *len;
	if (from->at < from->len[i])
		return FAIL_NONE;
	from->at = 0;
	from->times[i]--;
	while (from->present < 3 &&
	       (from->times[from->present] == 0 || from->len[from->present] == 0))
		from->present++;
	return FAIL_NONE;
}

static enum fail write_nowhere(struct stream *stream, const void *data, size_t len,
                               int64_t deadline_ms, struct failure *failure)
{
	(void)stream;
	(void)data;
	(void)len;
	(void)deadline_ms;
	(void)failure;
	return FAIL_NONE;
}

/* The result for a body of 64 MiB, in 1024 blocks with `before` and `behind` around each. */
static enum fail sink_64_mib(const char *head, const char *before, const char *behind,
                             const char *tail)
{
	static char unit[64 * 1024 + 16];
	const struct http_request request = { .path = "/", .host = "localhost", .sink = sink };
	struct text text = text_on(unit, sizeof unit);
	struct repeating repeating = { .stream = { read_repeating, write_nowhere },
		                       .part = { head, unit, tail },
		                       .times = { 1, 1024, 1 } };

	text_append(&text, before);
	memset(unit + text.len, 'x', 64 * 1024);
	text.len += 64 * 1024;
	text_append(&text, behind);
	repeating.len[0] = strlen(head);
	repeating.len[1] = text.len;
	repeating.len[2] = strlen(tail);
	http_forget(&reply);
	sunk_len = 0;
	return http_send(&repeating.stream, &request, &reply, INT64_MAX, &why);
}

static void assert_64_mib(const char *head, const char *before, const char *behind,
                          const char *tail, const char *more)
{
	sink_most = SIZE_MAX;
	assert_int_equal(sink_64_mib(head, before, behind, tail), FAIL_NONE);
	assert_int_equal(sunk_len, 64 * 1024 * 1024);
	/* Memory does not grow with the body. */
	assert_true(reply.touched <= 3 * HTTP_HEAD_MAX);
	assert_int_equal(sink_64_mib(head, before, behind, more), FAIL_TOO_BIG);
	assert_non_null(strstr(why.text, "64 MiB"));
}

static void http_hands_on_64_mib_and_no_more(void **state)
{
	(void)state;

	assert_64_mib(OK_HEAD "\r\n", "", "", "", "x");
	assert_64_mib(CHUNKED, "10000\r\n", "\r\n", "0\r\n\r\n", "1\r\nx\r\n0\r\n\r\n");
	sink_most = SIZE_MAX;
	assert_int_equal(sink_64_mib(SIZED(67108864), "", "", ""), FAIL_NONE);
	assert_int_equal(sunk_len, 64 * 1024 * 1024);
	assert_true(reply.touched <= 3 * HTTP_HEAD_MAX);
	assert_int_equal(sink_64_mib(SIZED(67108865), "", "", "x"), FAIL_TOO_BIG);
	assert_int_equal(sunk_len, 0);
	assert_int_equal(sink_64_mib(SIZED(18446744073709551617), "", "", "x"), FAIL_TOO_BIG);
	assert_int_equal(sink_64_mib(CHUNKED "10000000000000001\r\n", "", "", ""), FAIL_TOO_BIG);
}

/* ---- a connection that fails ---- */

static void http_says_when_the_reply_ends_too_early(void **state)
{
	(void)state;

	assert_refused("", FAIL_CLOSED);
	assert_refused("HTTP/1.1 200 OK\r\nContent-", FAIL_CLOSED);
	assert_refused(SIZED(6) "hello", FAIL_CLOSED);
	assert_refused(CHUNKED "5\r\nhel", FAIL_CLOSED);
	assert_refused(CHUNKED "5\r\nhello\r\n0\r\n", FAIL_CLOSED);
}

static void http_tells_a_reply_begun_from_none(void **state)
{
	(void)state;

	answer_text("");
	assert_false(reply.begun);
	answer_text("H");
	assert_true(reply.begun);
}

static void http_passes_on_how_the_stream_failed(void **state)
{
	static const enum fail kinds[] = { FAIL_TIMEOUT, FAIL_STOPPED, FAIL_CLOSED, FAIL_IO };
	static const char *const parts[] = { "", "HTTP/1.1", OK_HEAD "\r\nhel", SIZED(5) "hel",
		                             CHUNKED "5\r\nhel" };
	(void)state;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		for (size_t j = 0; j < sizeof parts / sizeof parts[0]; j++) {
			array_stream_on(&array, parts[j], strlen(parts[j]));
			array.end = kinds[i];
			assert_int_equal(exchange(), kinds[i]);
		}
	}
}

static void http_passes_on_how_the_write_failed(void **state)
{
	(void)state;

	array_stream_on(&array, "", 0);
	array.write_as = FAIL_TIMEOUT;
	assert_int_equal(exchange(), FAIL_TIMEOUT);
	array.write_as = FAIL_CLOSED;
	assert_int_equal(exchange(), FAIL_CLOSED);
	assert_false(reply.begun);
}

static void http_reads_no_more_than_the_reply(void **state)
{
	(void)state;

	/* One read too many would wait until the deadline. */
	array_stream_on(&array, SIZED(5) "hello", sizeof SIZED(5) "hello" - 1);
	array.end = FAIL_TIMEOUT;
	assert_int_equal(exchange(), FAIL_NONE);
	array_stream_on(&array, CHUNKED "0\r\n\r\n", sizeof CHUNKED "0\r\n\r\n" - 1);
	array.end = FAIL_TIMEOUT;
	assert_int_equal(exchange(), FAIL_NONE);
	array_stream_on(&array, "HTTP/1.1 204 \r\n\r\n", 17);
	array.end = FAIL_TIMEOUT;
	assert_int_equal(exchange(), FAIL_NONE);
}

/* ---- headers ---- */

static const char *header(const char *name, size_t *cursor)
{
	static char value[64];
	size_t len;
	const char *found = http_header(&reply, name, cursor, &len);

	if (!found)
		return NULL;
	assert_true(len < sizeof value);
	memcpy(value, found, len);
	value[len] = '\0';
	return value;
}

static void http_finds_headers_in_any_case(void **state)
{
	size_t cursor = 0;
	(void)state;

	answer_text(OK_HEAD "cOnTeNt-TyPe:text/html \t\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(header("Content-Type", &cursor), "text/html");
}

static void http_finds_each_header_of_a_name(void **state)
{
	size_t cursor = 0;
	(void)state;

	answer_text(OK_HEAD
	            "Set-Cookie: a=1\r\nX: y\r\nset-cookie:  b=2\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(header("Set-Cookie", &cursor), "a=1");
	assert_string_equal(header("Set-Cookie", &cursor), "b=2");
	assert_null(header("Set-Cookie", &cursor));
}

static void http_does_not_take_a_longer_name_for_a_header(void **state)
{
	size_t cursor = 0;
	(void)state;

	answer_text(OK_HEAD "Set-Cookie2: a=1\r\nX-Set-Cookie: b=2\r\nContent-Length: 0\r\n\r\n");
	assert_null(header("Set-Cookie", &cursor));
}

static void http_finds_only_the_headers_of_the_last_head(void **state)
{
	size_t cursor = 0;
	(void)state;

	answer_text("HTTP/1.1 100 Continue\r\nSet-Cookie: early=1\r\n\r\n" SIZED(0));
	assert_null(header("Set-Cookie", &cursor));
}

/* ---- what stays in memory ---- */

static bool holds(const void *space, size_t len, const char *word)
{
	return memmem(space, len, word, strlen(word));
}

static void http_forgets_a_request_that_was_sent(void **state)
{
	const struct http_field field = { "password", "s3cret" };
	(void)state;

	assert_int_equal(post(&field, 1, &no_cookies), FAIL_NONE);
	assert_false(holds(&reply, sizeof reply, "s3cret"));
}

static void http_forgets_a_request_that_failed(void **state)
{
	const struct http_field field = { "password", "s3cret" };
	const struct http_request request = { .post = true,
		                              .path = "/",
		                              .host = "h",
		                              .cookies = &no_cookies,
		                              .form = &field,
		                              .form_count = 1 };
	(void)state;

	array_stream_on(&array, "", 0);
	array.write_as = FAIL_CLOSED;
	assert_int_equal(http_send(&array.stream, &request, &reply, INT64_MAX, &why), FAIL_CLOSED);
	http_forget(&reply);
	assert_false(holds(&reply, sizeof reply, "s3cret"));
}

static void http_forgets_a_reply_that_came_in_pieces(void **state)
{
	(void)state;

	assert_int_equal(answer_byte_by_byte(SIZED(7) "private"), FAIL_NONE);
	http_forget(&reply);
	assert_false(holds(&reply, sizeof reply, "private"));
	assert_int_equal(answer_byte_by_byte(CHUNKED "7\r\nprivate\r\n1\r\nx\r\n0\r\n\r\n"),
	                 FAIL_NONE);
	http_forget(&reply);
	assert_false(holds(&reply, sizeof reply, "private"));
}

static void http_forgets_a_reply_that_came_with_its_head_in_one_piece(void **state)
{
	(void)state;

	answer_text(OK_HEAD "Set-Cookie: SID=c00kie\r\nContent-Length: 7\r\n\r\nprivate");
	http_forget(&reply);
	assert_false(holds(&reply, sizeof reply, "c00kie"));
	assert_false(holds(&reply, sizeof reply, "private"));
}

static void http_forgets_a_reply_that_failed(void **state)
{
	(void)state;

	answer_text(OK_HEAD "Set-Cookie: SID=c00kie\r\nContent-Length: 70\r\n");
	http_forget(&reply);
	assert_false(holds(&reply, sizeof reply, "c00kie"));
}

static void http_forgets_a_large_reply(void **state)
{
	(void)state;

	assert_int_equal(answer_filled(SIZED(1048576), HTTP_BODY_MAX, ""), FAIL_NONE);
	http_forget(&reply);
	assert_int_equal(reply.touched, 0);
	assert_false(holds(&reply, sizeof reply, "xx"));
	assert_answer(SIZED(5) "hello", 200, "hello");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_sends_head_and_body_in_one_write),
		cmocka_unit_test(http_posts_json_to_what_follows_the_host_in_a_url),
		cmocka_unit_test(http_sends_nothing_that_was_not_asked_for),
		cmocka_unit_test(http_says_the_length_of_an_empty_form),
		cmocka_unit_test(http_escapes_all_but_unreserved_bytes_of_a_form),
		cmocka_unit_test(http_refuses_to_cut_a_request),
		cmocka_unit_test(http_has_room_for_the_largest_login),
		cmocka_unit_test(http_reads_a_body_of_the_length_promised),
		cmocka_unit_test(http_reads_a_body_to_the_end_of_the_connection),
		cmocka_unit_test(http_reads_a_chunked_body),
		cmocka_unit_test(http_reads_chunk_sizes_as_hexadecimal_in_any_case),
		cmocka_unit_test(http_skips_chunk_extensions_and_trailers),
		cmocka_unit_test(http_expects_no_body_after_204_and_304),
		cmocka_unit_test(http_skips_interim_replies),
		cmocka_unit_test(http_takes_a_status_line_without_words),
		cmocka_unit_test(http_takes_any_byte_in_a_body),
		cmocka_unit_test(http_closes_where_the_server_says_so),
		cmocka_unit_test(http_closes_after_http_1_0),
		cmocka_unit_test(http_closes_where_more_came_than_was_promised),
		cmocka_unit_test(http_refuses_what_is_not_http),
		cmocka_unit_test(http_says_when_the_server_speaks_tls),
		cmocka_unit_test(http_refuses_two_lengths),
		cmocka_unit_test(http_refuses_a_length_that_is_not_plain_digits),
		cmocka_unit_test(http_refuses_absurd_lengths),
		cmocka_unit_test(http_refuses_other_transfer_codings),
		cmocka_unit_test(http_refuses_folded_and_malformed_headers),
		cmocka_unit_test(http_refuses_nul_in_the_head),
		cmocka_unit_test(http_refuses_malformed_chunks),
		cmocka_unit_test(http_refuses_a_switch_of_protocols),
		cmocka_unit_test(http_takes_a_head_of_16_kib_and_no_more),
		cmocka_unit_test(http_counts_interim_heads_too),
		cmocka_unit_test(http_counts_all_heads_whatever_the_pieces),
		cmocka_unit_test(http_takes_a_body_of_1_mib_and_no_more),
		cmocka_unit_test(http_takes_an_unsized_body_of_1_mib_and_no_more),
		cmocka_unit_test(http_takes_a_chunked_body_of_1_mib_and_no_more),
		cmocka_unit_test(http_takes_a_body_in_very_many_chunks),
		cmocka_unit_test(http_refuses_endless_chunk_extensions_and_trailers),
		cmocka_unit_test(http_refuses_endless_many_trailers),
		cmocka_unit_test(http_hands_a_body_to_a_sink_as_it_comes),
		cmocka_unit_test(http_collects_what_is_no_success_despite_a_sink),
		cmocka_unit_test(http_reads_no_more_than_a_sink_wants),
		cmocka_unit_test(http_knows_the_first_byte_of_a_body_wherever_it_goes),
		cmocka_unit_test(http_hands_on_64_mib_and_no_more),
		cmocka_unit_test(http_says_when_the_reply_ends_too_early),
		cmocka_unit_test(http_tells_a_reply_begun_from_none),
		cmocka_unit_test(http_passes_on_how_the_stream_failed),
		cmocka_unit_test(http_passes_on_how_the_write_failed),
		cmocka_unit_test(http_reads_no_more_than_the_reply),
		cmocka_unit_test(http_finds_headers_in_any_case),
		cmocka_unit_test(http_finds_each_header_of_a_name),
		cmocka_unit_test(http_does_not_take_a_longer_name_for_a_header),
		cmocka_unit_test(http_finds_only_the_headers_of_the_last_head),
		cmocka_unit_test(http_forgets_a_request_that_was_sent),
		cmocka_unit_test(http_forgets_a_request_that_failed),
		cmocka_unit_test(http_forgets_a_reply_that_came_in_pieces),
		cmocka_unit_test(http_forgets_a_reply_that_came_with_its_head_in_one_piece),
		cmocka_unit_test(http_forgets_a_reply_that_failed),
		cmocka_unit_test(http_forgets_a_large_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
