#include "net/resolve_files.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define DNS_PORT 53

/* Reads a file word by word. "#" starts a comment. A word that is too long is cut. */
struct words {
	int fd;
	bool new_line, in_comment;
	bool is_first; /* the word is the first of its line */
	char word[RESOLVE_SEARCH_MAX];
	ssize_t at, len; /* len -1: reading failed, and errno says why */
	char bytes[512];
};

static bool next_byte(struct words *words, char *c)
{
	if (words->at == words->len) {
		words->len = read(words->fd, words->bytes, sizeof words->bytes);
		words->at = 0;
	}
	if (words->len <= 0)
		return false;
	*c = words->bytes[words->at++];
	words->in_comment = *c != '\n' && (words->in_comment || *c == '#');
	if (words->in_comment)
		*c = ' ';
	return true;
}

static bool next_word(struct words *words)
{
	size_t len = 0;
	char c;

	while (next_byte(words, &c)) {
		if (!isspace((unsigned char)c)) {
			if (len == 0)
				words->is_first = words->new_line;
			words->new_line = false;
			if (len < sizeof words->word - 1)
				words->word[len++] = c;
		} else if (len > 0) {
			words->at--; /* put it back: a newline starts a line */
			break;
		} else if (c == '\n') {
			words->new_line = true;
		}
	}
	words->word[len] = '\0';
	return len > 0;
}

/* An unreadable file counts as empty: neither file is required. */
static void open_words(struct words *words, const char *path)
{
	*words = (struct words){
		.fd = file_open(path, FILE_LINKS_ALL),
		.new_line = true,
	};
	if (words->fd < 0)
		words->len = -1;
}

void resolve_read_hosts(struct resolve_found *found, const char *host, uint16_t port)
{
	struct resolve_address address = { .len = 0 };
	struct words words;

	open_words(&words, "/etc/hosts");
	while (next_word(&words)) {
		if (words.is_first) {
			(void)resolve_numeric(&address, words.word, port);
		} else if (address.len > 0 && strcasecmp(words.word, host) == 0) {
			resolve_add(found, &address);
			address.len = 0;
		}
	}
	close(words.fd);
}

enum line { OTHER, SERVER, SEARCH, OPTION };

/* The kind of line that begins with `word`. */
static enum line line_of(const char *word)
{
	if (strcmp(word, "nameserver") == 0)
		return SERVER;
	if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0)
		return SEARCH;
	return strcmp(word, "options") == 0 ? OPTION : OTHER;
}

void resolve_read_servers(struct resolve_servers *servers)
{
	struct text search = text_on(servers->search, sizeof servers->search - 1);
	enum line line = OTHER;
	struct words words;

	servers->count = 0;
	servers->ndots = 1;
	open_words(&words, "/etc/resolv.conf");
	while (next_word(&words)) {
		const char *word = words.word;

		if (words.is_first) {
			line = line_of(word);
			/* The last such line wins. */
			if (line == SEARCH)
				search = text_on(servers->search, sizeof servers->search - 1);
		} else if (line == SERVER && servers->count < RESOLVE_SERVERS_MAX) {
			servers->count += resolve_numeric(&servers->addresses[servers->count], word,
			                                  DNS_PORT);
		} else if (line == SEARCH) {
			text_append_bytes(&search, word, strlen(word) + 1);
		} else if (line == OPTION && strncmp(word, "ndots:", 6) == 0) {
			servers->ndots = resolve_number(word + 6);
		}
	}
	servers->unread = words.len < 0 && errno != ENOENT ? errno : 0;
	close(words.fd);
	servers->search[search.len] = '\0';
	if (servers->count == 0)
		servers->count = resolve_numeric(&servers->addresses[0], "127.0.0.1", DNS_PORT);
}
