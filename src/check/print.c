#include "check/print.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"

static struct {
	bool json;
	bool colour;
	bool begun; /* in JSON: a hop was printed */
} print;

static const struct {
	char word[5];
	char colour[5]; /* ECMA-48, section 8.3.117 */
} verdicts[] = {
	[VERDICT_OK] = { "ok", "32" },
	[VERDICT_WARN] = { "warn", "33" },
	[VERDICT_FAIL] = { "FAIL", "1;31" },
	[VERDICT_SKIP] = { "skip", "2" },
};

static bool wants_colour(char *const environment[])
{
	static const char no[] = "NO_COLOR=";

	for (; *environment; environment++)
		if (strcmp(*environment, "TERM=dumb") == 0 ||
		    (strncmp(*environment, no, sizeof no - 1) == 0 &&
		     (*environment)[sizeof no - 1]))
			return false;
	return isatty(STDOUT_FILENO);
}

void check_print_start(bool json, char *const environment[])
{
	print.json = json;
	print.colour = wants_colour(environment);
}

static void append_quoted(struct text *out, const char *string)
{
	text_append(out, "\"");
	text_append_json(out, string, strlen(string));
	text_append(out, "\"");
}

/* Appends the hop's name and the word: "port-file-empty". */
static void append_code(struct text *out, const char *name, const char *word)
{
	size_t at = out->len;

	text_printf(out, "\"%s-%s\"", name, word);
	for (; at < out->len; at++) {
		if (out->buf[at] == ' ')
			out->buf[at] = '-';
		else if (out->buf[at] >= 'A' && out->buf[at] <= 'Z')
			out->buf[at] |= 'a' - 'A';
	}
}

static void append_json(struct text *out, const char *name, const char *word,
                        const struct step *found)
{
	text_printf(out, "%s{\"name\": \"%s\", \"verdict\": \"%s\", \"code\": ",
	            print.begun ? ",\n" : "{\"hops\": [\n", name, word);
	if (found->verdict == VERDICT_WARN || found->verdict == VERDICT_FAIL)
		append_code(out, name, fail_words[found->seen.word]);
	else
		text_append(out, "null");
	text_append(out, ", \"seen\": ");
	append_quoted(out, found->seen.text);
	text_append(out, ", \"fix\": ");
	if (found->fix)
		append_quoted(out, found->fix);
	else
		text_append(out, "null");
	text_append(out, "}");
	print.begun = true;
}

static void append_line(struct text *out, const char *name, const struct step *found)
{
	enum verdict verdict = found->verdict;

	if (print.colour)
		text_printf(out, "\033[%sm", verdicts[verdict].colour);
	text_printf(out, "%-4s", verdicts[verdict].word);
	if (print.colour)
		text_append(out, "\033[m");
	text_printf(out, "  %-14s  ", name);
	text_append_printable(out, found->seen.text, strlen(found->seen.text));
	if (found->fix)
		text_printf(out, "\n%22s-> %s", "", found->fix);
	text_append(out, "\n");
}

void check_print_hop(const char *name, const struct step *found)
{
	char buf[8 * FAILURE_MAX];
	struct text out = text_on(buf, sizeof buf);

	if (print.json)
		append_json(&out, name, verdicts[found->verdict].word, found);
	else
		append_line(&out, name, found);
	text_write(&out, STDOUT_FILENO);
}

void check_print_end(bool ok)
{
	char buf[32];
	struct text out = text_on(buf, sizeof buf);

	text_printf(&out, "\n], \"ok\": %s}\n", ok ? "true" : "false");
	if (print.json)
		text_write(&out, STDOUT_FILENO);
}
