/* fail: an error, as one kind to branch on and one text to show.
 *
 * Every function that can fail returns `enum fail`; FAIL_NONE is 0, so `if (f)` reads "if it
 * failed". The text goes to the log and into the health file: it names the host or path, the
 * reason, and where possible what to do. It never holds a password, cookie, key or body.
 * A word says more exactly than the kind what failed; `qsticky check --json` shows it. */
#ifndef QSTICKY_BASE_FAIL_H
#define QSTICKY_BASE_FAIL_H

enum fail {
	FAIL_NONE = 0,
	FAIL_STOPPED,     /* SIGTERM or SIGINT came; nothing is wrong */
	FAIL_IO,          /* a system call failed */
	FAIL_RESOLVE,     /* the host name has no address */
	FAIL_REFUSED,     /* nobody listens there */
	FAIL_TIMEOUT,     /* the deadline passed */
	FAIL_CLOSED,      /* the peer ended the connection too early */
	FAIL_TOO_BIG,     /* over a limit of ours */
	FAIL_FORMAT,      /* malformed */
	FAIL_ANSWER,      /* well-formed, but no answer of qBittorrent's */
	FAIL_REJECTED,    /* qBittorrent refused user name or password */
	FAIL_BANNED,      /* qBittorrent takes no logins from this address */
	FAIL_HELD_BACK,   /* a login is needed, but must not be tried now */
	FAIL_UNPROVEN,    /* accepted, but reading back shows another value */
	FAIL_PORT_CLOSED, /* the port is set, but closed; opening it again may help */
	FAIL_CUT_OFF,     /* the port is set, but closed; opening it again cannot help */
	FAIL_OWN_PORT,    /* the forwarded port is the Web UI's own; setting it would do harm */
	FAIL_ORPHANED,    /* Gluetun has left this network namespace */
	FAIL_TLS,         /* no TLS with this server */
	FAIL_UNTRUSTED,   /* the server cannot prove its identity */
	FAIL_SECRET,      /* the file of a user name, password or key is of no use */
	FAIL_KINDS
};

/* The words: one of each kind, and these. fail_words[] has their text; docs/troubleshooting.md says
 * what each means. */
enum fail_word {
	WORD_DENIED = FAIL_KINDS,
	WORD_SELINUX,
	WORD_DIRECTORY,
	WORD_LINK,
	WORD_REPLACED,
	WORD_EMPTY,
	WORD_MISSING,
	WORD_NO_DIR,
	WORD_EMPTY_DIR,
	WORD_WRONG_DIR,
	WORD_TOO_FEW,
	WORD_OLD,
	WORD_NEVER,
	WORD_GONE,
	WORD_DOWN,
	WORD_ADDRESS,
	WORD_ONE_WAY,
	WORD_SEVERAL,
	WORD_PROXY,
	WORD_INTERFACE,
	WORD_TAKEN,
	WORD_UNHEALTHY,
	WORD_CLOCK,
	WORD_INVALID,
	WORD_IGNORED,
	WORD_OFF,
	WORDS
};

extern const char fail_words[WORDS][11];

/* A kind of failure, or a verdict, with a word of its own. */
#define FAIL_AS(kind, word) ((unsigned)(kind) | (unsigned)(word) << 8)

/* Longest text, in bytes with its NUL. It fits a log line of 1 KiB, and holds the description of a
 * refused certificate. */
#define FAILURE_MAX 768

struct failure {
	char text[FAILURE_MAX];
	unsigned char word; /* enum fail, or enum fail_word */
};

/* Sets the text (cut at FAILURE_MAX, with "..." at the end) and the word, and returns the kind.
 * `kind`: an enum fail, which is the word too, or FAIL_AS(). */
enum fail fail_set(struct failure *why, unsigned kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As fail_set() with FAIL_IO, and WORD_DENIED for EACCES; appends ": " and the text of errno. */
enum fail fail_errno(struct failure *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "<format>: " before the present text. The word stays. */
void fail_in(struct failure *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
