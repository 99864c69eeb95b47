#include "net/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_message.h"

#define ID 0xa1b2

/* ---- questions ---- */

static struct dns_question ask(const char *name, enum dns_type type)
{
	struct dns_question question;

	assert_true(dns_ask(&question, ID, name, "", type));
	return question;
}

static bool is_name(const char *name, const char *domain)
{
	struct dns_question question;

	return dns_ask(&question, ID, name, domain, DNS_IPV4);
}

static void dns_asks_as_rfc_1035_has_it(void **state)
{
	static const char wanted[] = "\xa1\xb2\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				     "\x03nas\x07"
				     "example\x00\x00\x01\x00\x01";
	struct dns_question question = ask("nas.example", DNS_IPV4);
	(void)state;

	assert_int_equal(question.len, sizeof wanted - 1);
	assert_memory_equal(question.bytes, wanted, sizeof wanted - 1);
	question = ask("nas.example", DNS_IPV6);
	assert_int_equal(question.len, sizeof wanted - 1);
	assert_memory_equal(question.bytes, wanted, sizeof wanted - 4);
	assert_memory_equal(question.bytes + sizeof wanted - 5, "\x00\x1c\x00\x01", 4);
}

static void dns_asks_the_same_with_a_dot_at_the_end_or_the_domain_apart(void **state)
{
	static const char *const pairs[][2] = {
		{ "nas.example.", "" },
		{ "nas", "example" },
		{ "nas", "example." },
		{ "nas.", "example" }, /* resolve never does */
	};
	struct dns_question wanted = ask("nas.example", DNS_IPV4), question;
	(void)state;

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		assert_true(dns_ask(&question, ID, pairs[i][0], pairs[i][1], DNS_IPV4));
		assert_int_equal(question.len, wanted.len);
		assert_memory_equal(question.bytes, wanted.bytes, wanted.len);
	}
}

static void dns_asks_for_no_empty_part(void **state)
{
	(void)state;

	assert_false(is_name(".", ""));
	assert_false(is_name("..", ""));
	assert_false(is_name(".nas", ""));
	assert_false(is_name("nas..example", ""));
	assert_false(is_name("nas..", ""));
	assert_false(is_name("nas", ".")); /* systemd-resolved writes "search ." */
	assert_false(is_name("nas", ".example"));
}

static void dns_asks_for_parts_of_63_bytes_and_no_more(void **state)
{
	char part[65];
	(void)state;

	memset(part, 'a', sizeof part);
	part[64] = '\0';
	assert_false(is_name(part, ""));
	assert_false(is_name("nas", part));
	part[63] = '\0';
	assert_true(is_name(part, ""));
	assert_int_equal(ask(part, DNS_IPV4).bytes[12], 63);
	assert_true(is_name("nas", part));
}

/* 253 characters are 255 bytes, with the lengths of the first part and of the root. */
static void dns_asks_for_names_of_253_characters_and_no_more(void **state)
{
	char name[256];
	(void)state;

	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	name[254] = '\0';
	assert_false(is_name(name, ""));
	name[253] = '\0';
	assert_true(is_name(name, ""));
	assert_int_equal(ask(name, DNS_IPV4).len, 12 + 255 + 4);
	assert_false(is_name(name, "a"));
	name[253] = '.';
	name[254] = '\0';
	assert_true(is_name(name, ""));
	name[251] = '\0';
	assert_true(is_name(name, "a"));
	assert_false(is_name(name, "ab"));
	assert_false(is_name(name, "a.b"));
}

/* ---- replies ---- */

/* The addresses found, as text: "4:192.0.2.1 " or "16:fd00... ". */
struct taken {
	char text[1024];
	const unsigned char *reply;
	size_t len;
};

static void take(void *context, const unsigned char *ip, size_t len)
{
	struct taken *all = context;
	size_t used = strlen(all->text);

	assert_true(ip >= all->reply && ip + len <= all->reply + all->len);
	if (len == 4)
		snprintf(all->text + used, sizeof all->text - used, "%d.%d.%d.%d ", ip[0], ip[1],
		         ip[2], ip[3]);
	else
		snprintf(all->text + used, sizeof all->text - used, "%02x..%02x ", ip[0], ip[15]);
}

static struct taken taken;

/* Reads the first `len` bytes, from a copy that ends there. */
static enum dns_answer read_first(const struct dns_question *question,
                                  const struct message *message, size_t len)
{
	unsigned char *exact = malloc(len ? len : 1);
	enum dns_answer answer;

	assert_non_null(exact);
	memcpy(exact, message->bytes, len);
	taken = (struct taken){ .reply = exact, .len = len };
	answer = dns_read(question, exact, len, take, &taken);
	free(exact);
	return answer;
}

static void assert_read(const struct dns_question *question, const struct message *message,
                        enum dns_answer answer, const char *wanted)
{
	assert_int_equal(read_first(question, message, message->len), answer);
	assert_string_equal(taken.text, wanted);
}

static struct message reply_to(const struct dns_question *question)
{
	struct message message;

	message_begin(&message, question->bytes, question->len, 0);
	return message;
}

static void put_v4(struct message *message, unsigned char last)
{
	const unsigned char ip[4] = { 192, 0, 2, last };

	message_put_record(message, TYPE_A, ip, sizeof ip);
}

static void put_v6(struct message *message, unsigned char last)
{
	const unsigned char ip[16] = { 0xfd, [15] = last };

	message_put_record(message, TYPE_AAAA, ip, sizeof ip);
}

static void dns_takes_all_addresses_in_their_order(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	put_v4(&message, 3);
	put_v4(&message, 1);
	put_v4(&message, 2);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.3 192.0.2.1 192.0.2.2 ");

	question = ask("nas", DNS_IPV6);
	message = reply_to(&question);
	put_v6(&message, 9);
	put_v6(&message, 8);
	assert_read(&question, &message, DNS_ANSWERED, "fd..09 fd..08 ");
}

static void dns_takes_no_address_of_the_other_kind(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	put_v6(&message, 9);
	put_v4(&message, 1);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	question = ask("nas", DNS_IPV6);
	message = reply_to(&question);
	put_v4(&message, 1);
	assert_read(&question, &message, DNS_ANSWERED, "");
}

static void dns_follows_aliases(void **state)
{
	struct dns_question question = ask("nas.example", DNS_IPV4);
	struct message message = reply_to(&question);
	size_t at = message.len + 12; /* where the data of the next record begins */
	char pointer[2];
	(void)state;

	/* nas.example is box.example, that is, "box" and a pointer to "example"; */
	message_put_record(&message, TYPE_CNAME,
	                   "\x03"
	                   "box\xc0\x10",
	                   6);
	/* which is a.long.way.away, in full; */
	pointer[0] = (char)(0xc0 | at >> 8);
	pointer[1] = (char)at;
	message_put_record_of(&message, pointer, 2, TYPE_CNAME, CLASS_IN,
	                      "\x01"
	                      "a\x04"
	                      "long\x03"
	                      "way\x04"
	                      "away",
	                      17, 17);
	/* which has an address. */
	message_put_record_of(&message,
	                      "\x01"
	                      "a\x04"
	                      "long\x03"
	                      "way\x04"
	                      "away",
	                      17, TYPE_A, CLASS_IN, "\xc0\x00\x02\x07", 4, 4);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.7 ");
}

static void dns_skips_records_of_other_types_and_classes(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	message_put_record(&message, TYPE_TXT,
	                   "\x03"
	                   "abc",
	                   4);
	message_put_record_of(&message, SAME_NAME, 2, TYPE_A, 3, "\xc0\x00\x02\x07", 4, 4);
	message_put_record_of(&message, SAME_NAME, 2, 0x0100 | TYPE_A, 1, "\xc0\x00\x02\x07", 4, 4);
	message_put_record_of(&message, SAME_NAME, 2, TYPE_A, 0x0101, "\xc0\x00\x02\x07", 4, 4);
	message_put_record(&message, TYPE_A, "", 0);
	put_v4(&message, 1);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
}

static void dns_skips_addresses_of_a_wrong_length(void **state)
{
	static const size_t lengths[] = { 0, 1, 3, 5, 15, 16, 17 };
	struct dns_question question = ask("nas", DNS_IPV4);
	(void)state;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct message message = reply_to(&question);

		message_put_record(&message, TYPE_A, "\xc0\x00\x02\x07 and so on..", lengths[i]);
		put_v4(&message, 1);
		assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	}
}

static void dns_believes_no_length_beyond_the_end(void **state)
{
	static const size_t lengths[] = { 5, 6, 255, 256, 0x7fff, 0xffff };
	struct dns_question question = ask("nas", DNS_IPV4);
	(void)state;

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct message message = reply_to(&question);

		put_v4(&message, 1);
		message_put_record_of(&message, SAME_NAME, 2, TYPE_A, CLASS_IN, "\xc0\x00\x02\x07",
		                      4, lengths[i]);
		assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	}
}

static void dns_believes_no_count(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	put_v4(&message, 1);
	put_v4(&message, 2);
	/* Records behind the answers are not about this name: name servers, for example. */
	message.bytes[7] = 1;
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	message.bytes[7] = 0;
	assert_read(&question, &message, DNS_ANSWERED, "");
	message.bytes[6] = message.bytes[7] = 0xff;
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 192.0.2.2 ");
	message.bytes[6] = 1; /* the high byte counts, too */
	message.bytes[7] = 0;
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 192.0.2.2 ");
}

/* A name may be cut anywhere, and a byte that is neither a length nor a pointer is not followed. */
static void dns_survives_names_that_lead_out(void **state)
{
	static const char *const names[] = {
		"?", "\001a?", "\300", "\377\377", "@", "\200", "\001", "",
	};
	struct dns_question question = ask("nas", DNS_IPV4);
	(void)state;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct message message = reply_to(&question);

		put_v4(&message, 1);
		message_put(&message, names[i], strlen(names[i]));
		message.bytes[7]++;
		assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	}
}

/* A pointer to itself makes no loop, since pointers are not followed. */
static void dns_skips_a_name_that_points_to_itself(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	const char pointer[2] = { '\xc0', (char)message.len };
	(void)state;

	message_put_record_of(&message, pointer, 2, TYPE_A, CLASS_IN, "\xc0\x00\x02\x07", 4, 4);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.7 ");
}

static void dns_reads_a_reply_cut_anywhere(void **state)
{
	struct dns_question question = ask("nas.example", DNS_IPV4);
	struct message message = reply_to(&question);
	size_t first, second;
	(void)state;

	message_put_record(&message, TYPE_CNAME,
	                   "\x03"
	                   "box\xc0\x10",
	                   6);
	put_v4(&message, 1);
	first = message.len;
	message_put_record_of(&message,
	                      "\x03"
	                      "box\x07"
	                      "example",
	                      13, TYPE_A, CLASS_IN, "\xc0\x00\x02\x02", 4, 4);
	second = message.len;
	message_put(&message, "and more", 8);
	for (size_t len = 0; len <= message.len; len++) {
		enum dns_answer answer = read_first(&question, &message, len);

		assert_int_equal(answer, len < question.len ? DNS_FOREIGN : DNS_ANSWERED);
		assert_string_equal(taken.text, len < first    ? ""
		                                : len < second ? "192.0.2.1 "
		                                               : "192.0.2.1 192.0.2.2 ");
	}
}

static void dns_takes_only_the_reply_to_its_question(void **state)
{
	struct dns_question question = ask("nas.example", DNS_IPV4), other;
	struct message good = reply_to(&question), message;
	(void)state;

	put_v4(&good, 1);
	/* Flips each bit of the ID, the count of questions and the question, except the case of letters. */
	for (size_t bit = 0; bit < question.len * 8; bit++) {
		size_t byte = bit / 8;
		unsigned char flip = (unsigned char)(1 << bit % 8);
		bool is_letter = byte > 12 && byte < question.len - 5 && byte != 16;

		if ((byte > 1 && byte < 4) || (byte > 5 && byte < 12) ||
		    (is_letter && flip == 0x20))
			continue;
		message = good;
		message.bytes[byte] ^= flip;
		assert_read(&question, &message, DNS_FOREIGN, "");
	}
	other = ask("nas.exampl", DNS_IPV4);
	message = reply_to(&other);
	put_v4(&message, 1);
	assert_read(&question, &message, DNS_FOREIGN, "");
	other = ask("nas.example", DNS_IPV6);
	message = reply_to(&other);
	put_v6(&message, 1);
	assert_read(&question, &message, DNS_FOREIGN, "");
}

static void dns_takes_no_question_and_no_other_kind_of_message_for_a_reply(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	put_v4(&message, 1);
	message.bytes[2] ^= 0x80;
	assert_read(&question, &message, DNS_FOREIGN, "");
	message.bytes[2] ^= 0x80;
	for (unsigned kind = 1; kind < 16; kind++) {
		message.bytes[2] = (unsigned char)((message.bytes[2] & 0x87) | kind << 3);
		assert_read(&question, &message, DNS_FOREIGN, "");
	}
	message.bytes[2] &= 0x87;
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
}

/* The flags authoritative, recursion available and authentic data do not matter. */
static void dns_does_not_mind_other_flags(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	put_v4(&message, 1);
	message.bytes[2] = 0x84;
	message.bytes[3] = 0x70;
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	message.bytes[3] = 0x00;
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
}

static void dns_lets_servers_change_the_case_of_letters(void **state)
{
	struct dns_question question = ask("nas.Example", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	put_v4(&message, 1);
	memcpy(message.bytes + 13,
	       "NAS\x07"
	       "eXAMPLE",
	       11);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
	memcpy(message.bytes + 13,
	       "NAZ\x07"
	       "eXAMPLE",
	       11);
	assert_read(&question, &message, DNS_FOREIGN, "");
}

static void dns_tells_no_such_name_from_a_server_that_does_not_know(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message;
	(void)state;

	for (unsigned code = 1; code < 16; code++) {
		message_begin(&message, question.bytes, question.len, code);
		assert_read(&question, &message, code == 3 ? DNS_NO_NAME : DNS_FAILED, "");
		/* Whatever else the reply says. */
		put_v4(&message, 1);
		assert_read(&question, &message, code == 3 ? DNS_NO_NAME : DNS_FAILED, "");
	}
}

static void dns_is_content_with_a_name_without_addresses(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV6);
	struct message message = reply_to(&question);
	(void)state;

	assert_read(&question, &message, DNS_ANSWERED, "");
	message_put_record(&message, TYPE_CNAME,
	                   "\x03"
	                   "box\x00",
	                   5);
	assert_read(&question, &message, DNS_ANSWERED, "");
}

static void dns_takes_what_is_in_a_cut_reply_and_nothing_for_a_failure(void **state)
{
	struct dns_question question = ask("nas", DNS_IPV4);
	struct message message = reply_to(&question);
	(void)state;

	message.bytes[2] |= 0x02;
	assert_read(&question, &message, DNS_FAILED, "");
	message_put_record(&message, TYPE_CNAME,
	                   "\x03"
	                   "box\x00",
	                   5);
	assert_read(&question, &message, DNS_FAILED, "");
	put_v4(&message, 1);
	assert_read(&question, &message, DNS_ANSWERED, "192.0.2.1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dns_asks_as_rfc_1035_has_it),
		cmocka_unit_test(dns_asks_the_same_with_a_dot_at_the_end_or_the_domain_apart),
		cmocka_unit_test(dns_asks_for_no_empty_part),
		cmocka_unit_test(dns_asks_for_parts_of_63_bytes_and_no_more),
		cmocka_unit_test(dns_asks_for_names_of_253_characters_and_no_more),
		cmocka_unit_test(dns_takes_all_addresses_in_their_order),
		cmocka_unit_test(dns_takes_no_address_of_the_other_kind),
		cmocka_unit_test(dns_follows_aliases),
		cmocka_unit_test(dns_skips_records_of_other_types_and_classes),
		cmocka_unit_test(dns_skips_addresses_of_a_wrong_length),
		cmocka_unit_test(dns_believes_no_length_beyond_the_end),
		cmocka_unit_test(dns_believes_no_count),
		cmocka_unit_test(dns_survives_names_that_lead_out),
		cmocka_unit_test(dns_skips_a_name_that_points_to_itself),
		cmocka_unit_test(dns_reads_a_reply_cut_anywhere),
		cmocka_unit_test(dns_takes_only_the_reply_to_its_question),
		cmocka_unit_test(dns_takes_no_question_and_no_other_kind_of_message_for_a_reply),
		cmocka_unit_test(dns_does_not_mind_other_flags),
		cmocka_unit_test(dns_lets_servers_change_the_case_of_letters),
		cmocka_unit_test(dns_tells_no_such_name_from_a_server_that_does_not_know),
		cmocka_unit_test(dns_is_content_with_a_name_without_addresses),
		cmocka_unit_test(dns_takes_what_is_in_a_cut_reply_and_nothing_for_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
