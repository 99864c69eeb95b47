#include "sandbox_files.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "replace.h"
#include "text.h"

/* The same on every architecture; the headers may be older than the kernel. */
#define LANDLOCK_CREATE_RULESET 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT_SELF 446

/* Rights, of linux/landlock.h. */
#define WRITE_FILE (1u << 1)
#define READ_FILE (1u << 2)
#define READ_DIR (1u << 3)
#define REMOVE_FILE (1u << 5)
#define MAKE_DIR (1u << 7)
#define MAKE_REG (1u << 8)
#define TRUNCATE (1u << 14)

/* In a directory, where one that has the place of a file is to be told apart. */
#define READ (READ_FILE | READ_DIR)
#define WRITE (WRITE_FILE | REMOVE_FILE | MAKE_DIR | MAKE_REG | TRUNCATE)

struct rules {
	int fd;
	uint64_t handled;
	bool incomplete; /* one could not be made: with the others alone, too little is allowed */
};

/* Allows it for what is open at `fd`, which it closes, and for what is below that. */
static void allow_fd(struct rules *rules, int fd, uint64_t rights)
{
	const struct {
		uint64_t rights;
		int32_t fd;
	} __attribute__((packed)) rule = { rights & rules->handled, fd };

	/* What is not there, or cannot be entered, needs no rule. */
	if (fd < 0)
		return;
	if (syscall(LANDLOCK_ADD_RULE, rules->fd, 1 /* beneath a path */, &rule, 0) < 0)
		rules->incomplete = true;
	close(fd);
}

static void allow(struct rules *rules, const char *path, uint64_t rights)
{
	allow_fd(rules, open(path, O_PATH | O_CLOEXEC), rights);
}

/* Allows it so many levels above `file`, or further up where there is nothing. All that there is only
 * where `any`. */
static void allow_above(struct rules *rules, const char *file, unsigned levels, bool any,
                        uint64_t rights)
{
	char path[CONFIG_PATH_MAX];
	struct text copy = text_on(path, sizeof path);
	int fd;

	text_puts(&copy, file);
	while (levels-- > 0)
		(void)text_cut_name(path);
	while ((fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 && text_cut_name(path)) {
	}
	if (any || path[1])
		allow_fd(rules, fd, rights);
	else if (fd >= 0)
		close(fd);
}

/* A file, and where a symbolic link to it leads, since others are renamed to that place; not where that
 * is /etc itself, which holds more than is anybody's business. */
static void allow_target(struct rules *rules, const char *file)
{
	int fd = open(file, O_PATH | O_CLOEXEC);
	char link[32], target[CONFIG_PATH_MAX];
	struct text name = text_on(link, sizeof link);
	ssize_t len;

	text_printf(&name, "/proc/self/fd/%d", fd);
	len = fd < 0 ? -1 : readlink(link, target, sizeof target - 1);
	allow_fd(rules, fd, READ_FILE);
	if (len <= 0)
		return;
	target[len] = '\0';
	if (strncmp(target, "/etc/", 5) != 0 || strchr(target + 5, '/'))
		allow_above(rules, target, 1, false, READ);
}

/* What may be replaced by a rename in its directory. That of a symbolic link, as Kubernetes makes them,
 * is where they are turned; what it leads to may be elsewhere. */
static void allow_read(struct rules *rules, const char *file)
{
	allow_target(rules, file);
	allow_above(rules, file, 1, false, READ);
}

/* The directory may not be there yet, be replaced, or have another mounted over it, which hides it:
 * hence the one above, unless that is all there is. Not where a link leads: whoever made it would choose
 * what may be read. */
static void allow_port_file(struct rules *rules, const char *file)
{
	allow_above(rules, file, 1, true, READ);
	allow_above(rules, file, 2, false, READ);
}

/* Exactly its directory, made now where it is missing. */
static void allow_write(struct rules *rules, const char *file)
{
	replace_make_parents(file);
	allow_above(rules, file, 1, true, WRITE);
}

static void allow_reconciling(struct rules *rules, const struct config *config)
{
	/* The resolver's; where the CAs mostly are; and where secrets are looked for that no variable
	 * names. */
	static const char files[][sizeof "/etc/resolv.conf"] = { "/etc/hosts", "/etc/resolv.conf" };
	static const char directories[][sizeof "/etc/ssl/certs"] = { "/etc/ssl/certs",
		                                                     CONFIG_SECRETS };
	const struct secret *secret;
	size_t cursor = 0;

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		allow_target(rules, files[i]);
	for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
		allow(rules, directories[i], READ_FILE);
	while ((secret = config_secret(config, &cursor)))
		if (secret->file)
			allow_read(rules, secret->file);
	allow_target(rules, config->tls_ca_file);
	/* The usual one need not be there, and what is above it would be all of /etc. */
	if (strcmp(config->tls_ca_file, CONFIG_TLS_CA_FILE) != 0)
		allow_above(rules, config->tls_ca_file, 1, false, READ);
	if (config->port_source != CONFIG_SOURCE_GLUETUN)
		allow_port_file(rules, config->port_file_path);
}

int sandbox_files_limit(const struct config *config, enum sandbox_phase phase, bool read_all)
{
	/* The ABI is asked for by a flag. */
	long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
	struct {
		uint64_t files, net, scopes;
	} handled = { 0 };
	struct rules rules = { .incomplete = false };

	if (abi < 1)
		return 0;
	/* Each ABI has the rights of the one before, and some more. */
	handled.files = (1u << (abi < 3 ? 12 + abi : abi < 5 ? 15 : 16)) - 1;
	handled.net = abi >= 4 ? 1 : 0;    /* to bind TCP, to any port */
	handled.scopes = abi >= 6 ? 3 : 0; /* abstract UNIX sockets of others, signals to them */
	rules.handled = handled.files;
	rules.fd = (int)syscall(LANDLOCK_CREATE_RULESET, &handled, sizeof handled, 0);
	if (rules.fd < 0)
		return 0;
	if (read_all)
		allow(&rules, "/", READ);
	if (phase != SANDBOX_JUDGE)
		allow_reconciling(&rules, config);
	if (phase == SANDBOX_RUN)
		allow_write(&rules, config->health_path);
	if (phase == SANDBOX_RUN && config->metrics_path)
		allow_write(&rules, config->metrics_path);
	if (phase >= SANDBOX_CHECK)
		allow_above(&rules, config->health_path, 1, true, READ);
	if (rules.incomplete ||
	    (SANDBOX_RESTRICTS && syscall(LANDLOCK_RESTRICT_SELF, rules.fd, 0) < 0))
		abi = 0;
	close(rules.fd);
	return (int)abi;
}
