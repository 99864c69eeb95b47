/* verdicts: what our parsers and writers make of cases, for tests/e2e/test_differential.py.
 *
 *     verdicts http         a case is a reply; the answer is "STATUS BODY COOKIE...", each cookie
 *                           the value of a Set-Cookie header, or "no REASON"
 *     verdicts json         a case is a document; the answer is "no", or the members a, b and
 *                           listen_port, as an object
 *     verdicts port_file    a case is a port file; the answer is "yes PORT..." or "no"
 *     verdicts health FILE  a case is 8 numbers of 8 bytes, then strings that end in a NUL; the
 *                           answer is the health file
 *     verdicts log          a case is a message; the answer goes to stderr
 *     verdicts certificates FOLDER
 *                           a case is the names of a CA file and of a host, each with a NUL behind
 *                           it, then what the server presents: certificates, each behind 4 bytes
 *                           that say how long it is; the answer is "yes" or "no REASON"
 *
 * Cases are read from stdin, each behind 4 bytes that say how long it is, in this machine's order.
 * Answers are lines on stdout; what may hold any byte is in hex, "-" if it is empty. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array_stream.h"
#include "base/json_filter.h"
#include "base/log.h"
#include "gluetun/port_file.h"
#include "http/http.h"
#include "sidecar/health.h"
#include "sidecar/health_write.h"
#include "tls/verify.h"

#define CASE_MAX (4 * 1024 * 1024)

static void put_hex(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++)
		printf("%02x", at[i]);
	if (len == 0)
		printf("-");
}

static void judge_http(const char *bytes, size_t len)
{
	static struct http_reply reply;
	static struct array_stream array;
	const struct http_request request = { .path = "/", .host = "localhost" };
	size_t cursor = 0, value_len;
	struct failure why;
	const char *value;

	array_stream_on(&array, bytes, len);
	if (http_send(&array.stream, &request, &reply, INT64_MAX, &why)) {
		printf("no %s", why.text);
		return;
	}
	printf("%d ", reply.status);
	put_hex(reply.body, reply.body_len);
	while ((value = http_header(&reply, "Set-Cookie", &cursor, &value_len))) {
		printf(" ");
		put_hex(value, value_len);
	}
}

static void judge_json(const char *bytes, size_t len)
{
	static const char *const keys[] = { "a", "b", "listen_port", NULL };
	static char kept[JSON_KEPT_MAX];
	struct json_filter filter;
	struct failure why;

	json_filter_start(&filter, keys, kept);
	for (size_t at = 0; at < len; at += 7)
		(void)json_filter_take(&filter, bytes + at, len - at < 7 ? len - at : 7);
	if (json_filter_end(&filter, &why))
		printf("no");
	else
		put_hex(kept, filter.kept);
}

static void judge_port_file(const char *bytes, size_t len)
{
	struct port_file_ports ports;

	if (len > PORT_FILE_MAX || !port_file_parse(bytes, len, &ports)) {
		printf("no");
		return;
	}
	printf("yes");
	for (size_t i = 0; i < ports.count; i++)
		printf(" %u", (unsigned)ports.port[i]);
}

/* The next string, NULL where it is empty or there is none. */
static const char *next_string(const char **at, const char *end)
{
	const char *string = *at;
	size_t len = strnlen(string, (size_t)(end - string));

	*at = string + len < end ? string + len + 1 : end;
	return len > 0 ? string : NULL;
}

/* `bytes` end in a NUL. */
static void write_health(const char *path, const char *bytes, size_t len)
{
	int64_t number[8] = { 0 };
	const char *at = bytes + (len < sizeof number ? len : sizeof number);
	struct health health = { 0 };
	char content[HEALTH_MAX + 1] = "";
	struct failure why;
	FILE *file;

	memcpy(number, bytes, (size_t)(at - bytes));
	health.healthy = number[0] & 1;
	health.reachable = (enum reachable)((number[0] >> 1) % 3);
	health.current_port = number[1];
	health.forwarded_port = number[2];
	health.last_check = number[3];
	health.timestamp = number[4];
	health.uptime_s = (uint64_t)number[5];
	health.consecutive_failures = (unsigned)number[6];
	health.rebinds = (unsigned)number[7];
	health.state = next_string(&at, bytes + len);
	health.last_error = next_string(&at, bytes + len);
	health.connection_status = next_string(&at, bytes + len);
	health.external_address = next_string(&at, bytes + len);
	health.qbittorrent_version = next_string(&at, bytes + len);
	health.version = "3.0.0";
	if (health_write(path, &health, &why)) {
		printf("no %s", why.text);
		return;
	}
	file = fopen(path, "rb");
	put_hex(content, file ? fread(content, 1, sizeof content, file) : 0);
	if (file)
		(void)fclose(file);
}

static void judge_certificates(const char *folder, const char *bytes, size_t len)
{
	static struct tls_verify verify;
	struct trust trust;
	char name[LIMITS_HOST_MAX];
	const br_x509_class **methods = &verify.methods;
	const char *at = bytes, *end = bytes + len;
	const char *file = next_string(&at, end), *host = next_string(&at, end);
	char path[4096];
	uint32_t size;

	snprintf(path, sizeof path, "%.3000s/%.255s", folder, file ? file : "");
	snprintf(name, sizeof name, "%.200s", host ? host : "");
	trust = (struct trust){ .name = name, .ca_file = path };
	tls_verify_start(&verify, &trust);
	verify.methods->start_chain(methods, name);
	while ((size_t)(end - at) >= sizeof size) {
		memcpy(&size, at, sizeof size);
		at += sizeof size;
		if (size > (size_t)(end - at))
			break;
		verify.methods->start_cert(methods, size);
		verify.methods->append(methods, (const unsigned char *)at, size);
		verify.methods->end_cert(methods);
		at += size;
	}
	if (verify.methods->end_chain(methods))
		printf("no %s", verify.why.text);
	else
		printf("yes");
}

int main(int argc, char *argv[])
{
	static char bytes[CASE_MAX + 1];
	const char *what = argc > 1 ? argv[1] : "";
	uint32_t len;

	log_start(LEVEL_DEBUG, FORMAT_JSON); /* with which a minute takes any number of lines */
	while (fread(&len, sizeof len, 1, stdin) == 1) {
		if (len > CASE_MAX || fread(bytes, 1, len, stdin) != len)
			return EXIT_FAILURE;
		bytes[len] = '\0';
		if (strcmp(what, "http") == 0)
			judge_http(bytes, len);
		else if (strcmp(what, "json") == 0)
			judge_json(bytes, len);
		else if (strcmp(what, "port_file") == 0)
			judge_port_file(bytes, len);
		else if (strcmp(what, "health") == 0 && argc > 2)
			write_health(argv[2], bytes, len);
		else if (strcmp(what, "certificates") == 0 && argc > 2)
			judge_certificates(argv[2], bytes, len);
		else if (strcmp(what, "log") == 0)
			log_line(LEVEL_INFO, "%s", bytes);
		else
			return EXIT_FAILURE;
		printf("\n");
	}
	return EXIT_SUCCESS;
}
